# unit/test_*.c      cmocka, one program each, linked with libescapement or (test_goalloc_*) with libgoalloc
# workloads/NAME/*.c one program each, linked with libgoalloc
# integration/test_*.py  attach to real processes
UNIT_SOURCES     := $(wildcard tests/unit/test_*.c)
UNIT_TESTS       := $(UNIT_SOURCES:%.c=$(B)/%)
# Under sanitizers malloc is theirs, and not the preloaded library's.
ifneq ($(SANITIZE),)
UNIT_TESTS       := $(filter-out $(PRELOAD_TESTS:%=$(B)/tests/unit/%),$(UNIT_TESTS))
endif
WORKLOADS        := $(patsubst tests/workloads/%/,$(B)/tests/workloads/%,$(dir $(wildcard tests/workloads/*/main.c)))
INTEGRATION_TESTS := $(wildcard tests/integration/test_*.py)

$(B)/tests/unit/test_goalloc%: tests/unit/test_goalloc%.c $(B)/alloc-runtime/libgoalloc-inside.a
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(GOALLOC_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/alloc-runtime/libgoalloc-inside.a -lcmocka -lpthread -lm

$(B)/tests/unit/test_%: tests/unit/test_%.c $(B)/libescapement.a
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(USER_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libescapement.a $(USER_LIBS) -lcmocka

# Small programs, linked with libescapement, that integration tests run.
TEST_TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/tools/*.c))
$(B)/tests/tools/%: tests/tools/%.c $(B)/libescapement.a
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(USER_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libescapement.a $(USER_LIBS)

# Each workload includes workloads/common/, which runs threads and rounds, counts allocations by site, and has Go's
# runtime functions. NAME is linked with the static library. For those in SHARED_WORKLOADS, NAME-shared is linked with
# the shared one.
SHARED_WORKLOADS := seeds
WORKLOADS += $(SHARED_WORKLOADS:%=$(B)/tests/workloads/%-shared)
WORKLOAD_COMMON := $(wildcard tests/workloads/common/*.c tests/workloads/common/*.h)
WORKLOAD_CFLAGS = $(ALL_CFLAGS) -Ialloc-runtime/include -Itests/workloads/common $(LDFLAGS)

.SECONDEXPANSION:
$(SHARED_WORKLOADS:%=$(B)/tests/workloads/%-shared): $(B)/tests/workloads/%-shared: \
		$$(wildcard tests/workloads/$$*/*.c tests/workloads/$$*/*.h) $(WORKLOAD_COMMON) $(B)/libgoalloc.so
	@mkdir -p $(@D)
	$(call say,WORKLOAD,$@)
	$(Q)$(CC) $(WORKLOAD_CFLAGS) -o $@ $(filter %.c,$^) $(B)/libgoalloc.so -Wl,-rpath,'$$ORIGIN/../..' -lpthread

$(B)/tests/workloads/%: $$(wildcard tests/workloads/$$*/*.c tests/workloads/$$*/*.h) $(WORKLOAD_COMMON) $(B)/libgoalloc.a
	@mkdir -p $(@D)
	$(call say,WORKLOAD,$@)
	$(Q)$(CC) $(WORKLOAD_CFLAGS) -o $@ $(filter %.c,$^) $(B)/libgoalloc.a -lpthread

$(B)/test-deps-ready: | $(B)/deps-ready
	@mkdir -p $(B)
	$(Q)packaging/install-deps
	@touch $@
$(UNIT_TESTS): | $(B)/test-deps-ready

.PHONY: test-programs unit integration test-go-matrix
test-programs: all $(UNIT_TESTS) $(WORKLOADS) $(TEST_TOOLS)

unit: test-programs
	$(Q)tests/run $(UNIT_TESTS)

integration: test-programs
	$(Q)BUILD=$(B) tests/run $(INTEGRATION_TESTS)

# The browser in which tests open the page of `escapement html`.
BROWSER = chromium

# Programs that tests run with libgoalloc preloaded. Tests of programs that cannot be installed are skipped.
PRELOADED_PROGRAMS = redis-server redis-tools sqlite3 perl git nodejs zstd xz-utils stress-ng \
	libpython$(shell /usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')-testsuite

# What other tracers do to a program, and a core file.
TRACERS = strace gdb

# A shell that reads the completion made for it.
SHELL_OF_COMPLETION = zsh

# What fetches the tools that tests check pages and formats with, and answers for the pages of docs, unless others are here; and
# another finder of leaks.
JUDGES = $(shell command -v npm > /dev/null || echo npm) $(shell command -v curl > /dev/null || echo curl) valgrind

# Builds for tests and the demo use all processors, unless make was called with a number of jobs.
SIDE_BY_SIDE = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

test: deps
	-$(Q)tests/bench/install-peers $(PRELOADED_PROGRAMS) $(BROWSER) $(TRACERS) $(SHELL_OF_COMPLETION) $(JUDGES)
	$(Q)$(MAKE) --no-print-directory $(SIDE_BY_SIDE) format-check test-programs
	$(Q)BUILD=$(B) tests/run $(UNIT_TESTS) $(INTEGRATION_TESTS)

# The tests of Go programs, with every toolchain that is available and 10,000 addresses for each release.
test-go-matrix: deps
	$(Q)$(MAKE) --no-print-directory $(SIDE_BY_SIDE) test-programs
	$(Q)BUILD=$(B) GO_MATRIX=all GO_PCS=10000 GO_RUNS=200 GO_ATTACHMENTS=63 TEST_TIMEOUT=600 tests/run $(wildcard tests/integration/test_go_*.py)

# Attaches to a Go program under stress and detaches again, 500 times for each release, while the program's results are
# checked.
.PHONY: test-go-attach
test-go-attach: test-programs
	$(Q)BUILD=$(B) GO_ATTACHMENTS=500 tests/integration/test_go_record.py \
		test_a_busy_program_survives_attaching_again_and_again_and_is_counted_within_the_bound

# Other people's servers and tools, for longer: some minutes of load, cold builds of packages of Go and of all its standard library.
.PHONY: test-go-programs
test-go-programs: deps
	$(Q)$(MAKE) --no-print-directory $(SIDE_BY_SIDE) test-programs
	$(Q)BUILD=$(B) GO_PROGRAMS=all TEST_TIMEOUT=900 tests/run tests/integration/test_go_servers.py \
		tests/integration/test_go_programs.py

# Recordings on Debian's kernels from 6.1 on, booted under QEMU's software emulation: two minutes a kernel.
.PHONY: test-kernels
test-kernels: test-programs static
	-$(Q)tests/bench/install-peers qemu-system-x86 busybox-static
	$(Q)BUILD=$(B) TEST_TIMEOUT=3600 tests/run tests/integration/kernels.py

# arm64, under emulation: libgoalloc's unit tests and recordings in Debian's kernel; the static binary beside that of amd64.
.PHONY: test-arm64
test-arm64: all $(B)/tests/workloads/seeds $(TEST_TOOLS)
	-$(Q)tests/bench/install-peers gcc-aarch64-linux-gnu qemu-system-arm qemu-user-static busybox-static
	$(Q)BUILD=$(B) TEST_TIMEOUT=3600 tests/run tests/integration/arm64.py

# The suites of other allocators on libgoalloc and on these, as a table: sources from Debian, some minutes.
.PHONY: test-foreign
test-foreign: $(B)/libgoalloc-preload.so
	-$(Q)tests/bench/install-peers libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 dpkg-dev g++
	$(Q)BUILD=$(B) tests/foreign/suites.py

# What users install: the static binary on other systems, packages, reproducible builds. debootstrap makes base systems.
.PHONY: test-release
test-release: test-programs static
	-$(Q)tests/bench/install-peers debootstrap debhelper lintian
	$(Q)BUILD=$(B) TEST_TIMEOUT=3600 tests/run tests/integration/release.py

# README's two commands on bare Debian systems, and the packages that are built there on others: takes over an hour.
.PHONY: test-bare
test-bare: all
	-$(Q)tests/bench/install-peers debootstrap
	$(Q)BUILD=$(B) TEST_TIMEOUT=10800 tests/run tests/integration/bare.py

# 200 gates of an unchanged program, and 200 of one that allocates one object more in a million: takes a quarter of an hour.
.PHONY: test-gate-long
test-gate-long: test-programs
	$(Q)BUILD=$(B) TEST_TIMEOUT=600 tests/run tests/integration/gate_long.py

# The faults of test_faults.py many times, and with every signal, and files that change while they are read: takes 20
# minutes. Then live heaps, half an hour, and a gate and a recording that lack memory for each single allocation in turn,
# a quarter of an hour.
.PHONY: test-long
test-long: test-programs
	$(Q)BUILD=$(B) TEST_TIMEOUT=1200 tests/run tests/integration/faults_long.py \
		tests/integration/heap_long.py tests/integration/fleet_long.py tests/integration/leaks_long.py
	$(Q)BUILD=$(B) TEST_TIMEOUT=3600 EVERY_ALLOCATION=1 tests/integration/test_out_of_memory.py \
		test_a_gate_that_probes_a_program_without_memory_judges_nothing test_a_recording_without_memory_is_ended_and_kept

# Static analysis by three tools. Findings that are not faults are listed, with the reason: of cppcheck in
# packaging/cppcheck.suppressed, of clang-tidy (.clang-tidy) and of gcc's -fanalyzer in packaging/analysis.accepted.
# A file is analysed again when it, a header or a list has changed.
ANALYSED := $(USER_SOURCES) $(CLI_SOURCES) $(GOALLOC_SOURCES)
ANALYSE_FLAGS = -std=gnu11 -D_GNU_SOURCE -Ipackaging/analysis -I. -I$(B) -Iuser -Ialloc-runtime/include -I$(B)/user \
	$(if $(filter alloc-runtime/%,$<),-Ialloc-runtime,-Iuser/target)/$(MACHINE) -Icli -DESCAPEMENT_VERSION='"$(VERSION)"'
ANALYSE_WITH := packaging/analyse packaging/analysis.accepted $(wildcard packaging/analysis/*) .clang-tidy \
	$(wildcard user/*/*.h bpf/*.h cli/*.h alloc-runtime/*.h alloc-runtime/*/*.h)
define analyse_with
$$(B)/analyse/%.$(1): %.c $$(ANALYSE_WITH) | all
	@mkdir -p $$(@D)
	$$(call say,ANALYSE,$$<)
	$$(Q)packaging/analyse $(1) $$< $$(ANALYSE_FLAGS) && touch $$@
endef
$(foreach tool,clang-tidy gcc,$(eval $(call analyse_with,$(tool))))

.PHONY: analyse analyse-cppcheck
analyse: deps
	-$(Q)tests/bench/install-peers cppcheck clang-tidy
	$(Q)$(MAKE) --no-print-directory $(SIDE_BY_SIDE) analyse-cppcheck $(ANALYSED:%.c=$(B)/analyse/%.clang-tidy) \
		$(ANALYSED:%.c=$(B)/analyse/%.gcc)
analyse-cppcheck: all
	$(Q)cppcheck --quiet --error-exitcode=1 --enable=warning,portability,performance --std=c11 --library=gnu --library=posix \
		--library=packaging/cppcheck.xml --suppressions-list=packaging/cppcheck.suppressed \
		-Iuser -I. -I$(B) -Ialloc-runtime/include -Ialloc-runtime/$(MACHINE) -Iuser/target/$(MACHINE) -Icli $(ANALYSED)

demo: deps
	$(Q)$(MAKE) --no-print-directory $(SIDE_BY_SIDE) all $(B)/tests/workloads/seeds
	$(Q)BUILD=$(B) tests/demo

# The compiler writes dependency files together with the programs. These empty rules keep make from building them, for
# example by the pattern rule of the workloads.
$(TEST_TOOLS:%=%.d) $(UNIT_TESTS:%=%.d) $(WORKLOADS:%=%.d): ;
-include $(TEST_TOOLS:%=%.d) $(UNIT_TESTS:%=%.d) $(WORKLOADS:%=%.d)

# Tests of the parser of compiler output against, for every Go release, Go's own compiler tests, and the compiler's full
# output for its standard library and itself.
GO_RELEASES ?= $(shell awk '!/^\#/ {print $$1}' tests/releases)
.PHONY: test-escape-oracle test-escape-corpus
test-escape-oracle: all
	$(Q)BUILD=$(B) ESCAPE_ORACLE="$(GO_RELEASES)" TEST_TIMEOUT=900 tests/integration/test_escape_oracle.py
test-escape-corpus: all
	$(Q)BUILD=$(B) ESCAPE_CORPUS="$(GO_RELEASES)" tests/integration/test_escape_corpus.py

include $(wildcard tests/*/rules.mk)
