# fuzz_NAME.c: libFuzzer harnesses, linked with a libescapement that is built once with sanitizers and coverage.
# corpus/NAME/ has the inputs that each starts from. Fuzzers of large files change bytes of a program that FUZZ_ELF or
# FUZZ_GO names.
# A few seconds of each are part of `make test` (integration/test_fuzz.py); `make fuzz` runs FUZZ_LONG inputs each.
FUZZERS     := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LONG   ?= 20000000
FUZZ_CFLAGS  = -std=gnu11 $(WARN) -Wno-unknown-attributes -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -I. -I$(B) -Iuser -Ialloc-runtime/include -I$(B)/user \
	-DESCAPEMENT_VERSION='"fuzz"' -MMD -MP
FUZZ_OBJECTS := $(USER_SOURCES:%.c=$(B)/fuzz/%.o) $(B)/fuzz/profile.pb-c.o

$(B)/fuzz/profile.pb-c.o: $(B)/user/profile/profile.pb-c.c
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -c -o $@ $<

$(B)/fuzz/%.o: %.c | $(B)/bpf/escapement.skel.h $(B)/user/profile/profile.pb-c.c
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -c -o $@ $<

$(B)/fuzz/libescapement.a: $(FUZZ_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(B)/fuzz/libescapement.a
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $< $(B)/fuzz/libescapement.a $(USER_LIBS)

-include $(FUZZ_OBJECTS:.o=.d) $(FUZZERS:%=$(B)/tests/fuzz/fuzz_%.d)
$(FUZZERS:%=$(B)/tests/fuzz/fuzz_%.d): ;

.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS:%=$(B)/tests/fuzz/fuzz_%)
test-programs: fuzzers

# Inputs that are found stay below build/, so that a later run continues with them.
fuzz: fuzzers
	$(Q)for name in $(FUZZERS); do mkdir -p $(B)/tests/fuzz/found-$$name && \
		$(B)/tests/fuzz/fuzz_$$name -runs=$(FUZZ_LONG) -max_len=4096 -print_final_stats=1 \
			-artifact_prefix=$(B)/tests/fuzz/ $(B)/tests/fuzz/found-$$name tests/fuzz/corpus/$$name || exit 1; done
