# Measurements; see README.md here. `make bench` prints them all.
$(B)/tests/bench/malloc_cases: tests/bench/malloc_cases.c
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Ialloc-runtime/include -fno-builtin-malloc -fno-builtin-free -o $@ $< -lpthread

# The library without its probes, for comparing the number of instructions.
NO_PROBES_OBJECTS := $(GOALLOC_OBJECTS:$(B)/%=$(B)/no-probes/%) $(PRELOAD_OBJECTS:$(B)/%=$(B)/no-probes/%)

$(B)/no-probes/alloc-runtime/%.o: alloc-runtime/%.c | $(B)/deps-ready
	@mkdir -p $(@D)
	$(Q)$(CC) $(GOALLOC_CFLAGS) -DGOALLOC_NO_PROBES -c -o $@ $<
	$(Q)$(OBJCOPY) $(OWN_SECTIONS) $@

$(B)/no-probes/alloc-runtime/sizeclasses.o: $(B)/alloc-runtime/sizeclasses.o
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(B)/no-probes/libgoalloc-preload.so: $(NO_PROBES_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -shared -Wl,-z,now -o $@ $^ -lpthread -ldl

-include $(NO_PROBES_OBJECTS:.o=.d)

bench-malloc: $(B)/tests/bench/malloc_cases $(B)/libgoalloc-preload.so
	$(Q)tests/bench/install-peers libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0
	$(Q)tests/bench/malloc_table.py $(B)

bench-malloc-counts: $(B)/tests/bench/malloc_cases $(B)/libgoalloc-preload.so
	$(Q)tests/bench/install-peers libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 valgrind
	$(Q)tests/bench/malloc_counts.py $(B)
.PHONY: bench-malloc-counts

$(B)/tests/bench/rusage: tests/bench/rusage.c
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $<

bench-programs: $(B)/libgoalloc-preload.so $(B)/tests/bench/rusage
	$(Q)tests/bench/install-peers libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 $(BENCH_PROGRAMS)
	$(Q)tests/bench/programs_table.py $(B)

bench-instructions: $(B)/tests/bench/malloc_cases $(B)/libgoalloc-preload.so $(B)/no-probes/libgoalloc-preload.so
	$(Q)tests/bench/install-peers valgrind
	$(Q)tests/bench/instructions $(B)

# The same on arm64, under emulation, beside what the emulator counts on amd64.
COUNTED := $(foreach program,tests/bench/malloc_cases libgoalloc-preload.so no-probes/libgoalloc-preload.so,$(B)/$(program))
bench-instructions-arm64: $(COUNTED)
	$(Q)tests/bench/install-peers gcc-aarch64-linux-gnu qemu-user-static
	$(Q)$(MAKE) --no-print-directory CROSS_COMPILE=aarch64-linux-gnu- B=$(B)/arm64 $(COUNTED:$(B)/%=$(B)/arm64/%)
	$(Q)tests/bench/instructions_emulated.py $(B) amd64 arm64

$(B)/tests/bench/probe_target: tests/bench/probe_target.c $(B)/libgoalloc.a
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Ialloc-runtime/include -o $@ $< $(B)/libgoalloc.a -lpthread

bench-probes: all $(B)/tests/bench/probe_target $(B)/tests/tools/bare_probe
	$(Q)BUILD=$(B) tests/bench/probe_cost.py

bench-malloc-go: $(B)/tests/bench/malloc_cases $(B)/libgoalloc-preload.so
	$(Q)tests/bench/go_table.py $(B)

bench-go: all $(B)/tests/tools/bare_probe $(B)/tests/tools/go_inspect
	$(Q)tests/bench/install-peers bpftrace
	$(Q)BUILD=$(B) tests/bench/go_cost.py

BENCH_PROGRAMS := redis-server redis-tools sqlite3 perl git nodejs zstd xz-utils stress-ng postgresql-15

.PHONY: bench-malloc bench-programs bench-instructions bench-instructions-arm64 bench-probes bench-malloc-go bench-go bench-audit
bench: bench-instructions bench-instructions-arm64 bench-malloc bench-malloc-go bench-go bench-programs bench-probes bench-audit

bench-audit: $(B)/escapement
	$(Q)tests/bench/audit_scale.py $(B)

bench-page: $(B)/escapement
	$(Q)tests/bench/page_open.py $(B)

.PHONY: bench-page
bench: bench-page

# Runs real programs on the preloaded allocator for ten minutes: their results must be right, and memory must not grow.
soak: $(B)/libgoalloc-preload.so
	$(Q)tests/bench/install-peers $(BENCH_PROGRAMS)
	$(Q)tests/bench/soak.py $(B)

$(B)/tests/bench/escape_parse: tests/bench/escape_parse.c $(B)/libescapement.a
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(USER_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libescapement.a $(USER_LIBS)

bench-escape-parse: $(B)/tests/bench/escape_parse
	$(Q)BUILD=$(B) tests/bench/escape_parse.py

.PHONY: bench-escape-parse
bench: bench-escape-parse

$(B)/tests/bench/hash_tables: tests/bench/hash_tables.c $(B)/libescapement.a
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(USER_CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libescapement.a $(USER_LIBS)

bench-tables: $(B)/tests/bench/hash_tables
	$(Q)$<

.PHONY: bench-tables
bench: bench-tables

bench-go-open: $(B)/tests/tools/go_inspect
	$(Q)tests/bench/go_open.py $(B)

.PHONY: bench-go-open
bench: bench-go-open

bench-heap: $(B)/escapement
	$(Q)tests/bench/heap_snapshot.py $(B)
	$(Q)tests/bench/when_cost.py $(B)

.PHONY: bench-heap
bench: bench-heap

# Counts how many intervals of estimates contain the true number, for real programs.
bench-intervals: $(B)/tests/tools/estimate_oracle
	$(Q)BUILD=$(B) tests/bench/intervals.py

.PHONY: bench-intervals
bench: bench-intervals

# The same for counting in bursts, with programs whose sites allocate at different times.
bench-bursts: $(B)/escapement
	$(Q)BUILD=$(B) tests/bench/bursts.py

.PHONY: bench-bursts
bench: bench-bursts

$(B)/tests/bench/coroutine_stacks: tests/bench/coroutine_stacks.c $(B)/libgoalloc.a
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Ialloc-runtime/include -o $@ $^ -lpthread

bench-stacks: $(B)/tests/bench/coroutine_stacks
	$(Q)$<

.PHONY: bench-stacks
bench: bench-stacks

$(B)/tests/bench/mark_cost: tests/bench/mark_cost.c $(B)/libgoalloc.a
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Ialloc-runtime/include -o $@ $^ -lpthread

$(B)/tests/bench/mark_cost_lsan: tests/bench/mark_cost.c
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=leak -D__SANITIZE_LEAK__ -o $@ $<

bench-marks: $(B)/tests/bench/mark_cost $(B)/tests/bench/mark_cost_lsan
	$(Q)tests/bench/mark_table.py $(B)

.PHONY: bench-marks
bench: bench-marks

.PHONY: bench-start
bench-start: all static
	$(Q)tests/bench/start_cost.py $(B)
	$(Q)tests/bench/version_cost.py $(B)
bench: bench-start

.PHONY: bench-gate
bench-gate: all
	$(Q)tests/bench/gate_cost.py $(B)
bench: bench-gate

.PHONY: bench-ending
bench-ending: all $(B)/tests/workloads/seeds
	$(Q)tests/bench/ending_cost.py $(B)
bench: bench-ending

.PHONY: bench-top
bench-top: all $(B)/tests/workloads/seeds
	$(Q)tests/bench/top_cost.py $(B)
bench: bench-top

.PHONY: bench-agent bench-fleet
bench-agent: all
	$(Q)BUILD=$(B) TEST_TIMEOUT=3600 tests/bench/agent_cost.py
bench-fleet: all
	$(Q)BUILD=$(B) TEST_TIMEOUT=3600 tests/bench/fleet_scale.py
bench: bench-agent bench-fleet
