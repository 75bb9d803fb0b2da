# fuzz_NAME.c: libFuzzer harnesses, linked with a libescapement that is built once with sanitizers and coverage.
# corpus/NAME/ has the inputs that each starts from. Fuzzers of large files change bytes of a program that FUZZ_ELF or
# FUZZ_GO names.
# A few seconds of each are part of `make test` (integration/test_fuzz.py); `make fuzz` runs FUZZ_LONG inputs each.
FUZZERS     := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LONG   ?= 20000000
# Calls at each comparison would take a third of the time. Inputs begin with what readers compare with, and libFuzzer sees
# the comparisons of texts without them.
FUZZ_CFLAGS  = -std=gnu11 $(WARN) -Wno-unknown-attributes -D_GNU_SOURCE -O2 -g -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-coverage=trace-cmp -fno-sanitize-recover=all -I. -I$(B) -Iuser -Ialloc-runtime/include -I$(B)/user -Iuser/target/$(MACHINE) \
	-DESCAPEMENT_VERSION='"fuzz"' -MMD -MP
FUZZ_OBJECTS := $(USER_SOURCES:%.c=$(B)/fuzz/%.o) $(B)/fuzz/profile.pb-c.o
FUZZER_SOURCES := $(FUZZERS:%=tests/fuzz/fuzz_%.c)

$(B)/fuzz/profile.pb-c.o: $(B)/user/profile/profile.pb-c.c
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -c -o $@ $<

$(B)/fuzz/%.o: %.c | $(B)/bpf/escapement.skel.h $(B)/user/profile/profile.pb-c.c
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -c -o $@ $<

# Two thirds of libescapement are in no fuzzer, and are not compiled for them. Linking each one with the ordinary library,
# which is there already, says which members it needs.
$(B)/fuzz/members: $(B)/libescapement.a $(FUZZER_SOURCES)
	@mkdir -p $(@D)
	$(Q)for source in $(FUZZER_SOURCES); do \
		$(CC) $(USER_CFLAGS) -MF $@.d -MT $@ $(LDFLAGS) -Wl,--trace,--trace,--defsym=main=LLVMFuzzerTestOneInput -o $@.program \
			$$source $(B)/libescapement.a $(USER_LIBS) || exit 1; \
	done > $@.trace
	$(Q)sed -n 's|.*libescapement\.a[(:)]*\([^()]*\.o\).*|\1|p' $@.trace | sort -u > $@.names
	$(Q)rm -f $@.program $@.trace; for object in $(FUZZ_OBJECTS); do \
		if grep -qxF "$${object##*/}" $@.names; then echo "$$object"; fi; done > $@

$(B)/fuzz/libescapement.a: $(B)/fuzz/members
	$(Q)$(MAKE) --no-print-directory $$(cat $<)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $$(cat $<)

$(B)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(B)/fuzz/libescapement.a
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $< $(B)/fuzz/libescapement.a $(USER_LIBS)

-include $(FUZZ_OBJECTS:.o=.d) $(FUZZERS:%=$(B)/tests/fuzz/fuzz_%.d)
$(FUZZERS:%=$(B)/tests/fuzz/fuzz_%.d): ;

.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS:%=$(B)/tests/fuzz/fuzz_%)
test-programs: fuzzers

# Three quarters of the inputs are short: they are several times as fast, and reach most. What makes the runs faster and
# loses nothing: freed memory is kept from use for 4 MB of later frees instead of 256 (which are fetched again and again), and
# found inputs are not replaced by shorter ones. An allocation's stack has at least 2 frames: without, no leak is reported.
FUZZ_OPTIONS = -reduce_inputs=0 -entropic=0 -print_final_stats=1 -verbosity=0
fuzz: export ASAN_OPTIONS := quarantine_size_mb=4:malloc_context_size=8:max_malloc_fill_size=0
# Inputs that are found stay below build/, so that a later run continues with them.
fuzz: fuzzers
	$(Q)for name in $(FUZZERS); do mkdir -p $(B)/tests/fuzz/found-$$name && for length in 64 96 256 4096; do \
		$(B)/tests/fuzz/fuzz_$$name -runs=$$(($(FUZZ_LONG) / 4)) -max_len=$$length $(FUZZ_OPTIONS) \
			-artifact_prefix=$(B)/tests/fuzz/ $(B)/tests/fuzz/found-$$name tests/fuzz/corpus/$$name || exit 1; done; done
