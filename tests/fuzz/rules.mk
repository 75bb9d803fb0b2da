# fuzz_NAME.c: libFuzzer harnesses, linked with the parts of libescapement, made files and libraries that are named
# below, under sanitizers.
# corpus/NAME/ is what each starts from. A few seconds of each are part of `make test` (integration/test_fuzz.py);
# `make fuzz` runs FUZZ_LONG inputs each.
FUZZERS     := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LONG   ?= 20000000
FUZZ_CFLAGS  = -std=gnu11 $(WARN) -D_GNU_SOURCE -O2 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I. -Iuser

# Whole folders, so that a module that is split needs no change here.
FUZZ_PARTS_base      := $(wildcard user/base/*.c)
FUZZ_PARTS_escape    := $(FUZZ_PARTS_base) $(wildcard user/escape/*.c)
FUZZ_PARTS_pathmatch := $(FUZZ_PARTS_base) user/audit/pathmatch.c
FUZZ_PARTS_pprof     := $(FUZZ_PARTS_base) $(wildcard user/text/*.c user/profile/*.c user/render/render_report*.c)
FUZZ_LIBS_escape     := -lcjson
FUZZ_MADE_pprof  := $(B)/user/profile/profile.pb-c.c
FUZZ_LIBS_pprof  := -lprotobuf-c -lz -lcjson -lsmartcols -lm

.SECONDEXPANSION:
$(B)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $$(FUZZ_PARTS_$$*) $$(wildcard user/*.h user/*/*.h) tests/fuzz/require.h $$(FUZZ_MADE_$$*)
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -I$(B)/user -DESCAPEMENT_VERSION='"fuzz"' -o $@ $(filter %.c,$^) $(FUZZ_LIBS_$*)

.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS:%=$(B)/tests/fuzz/fuzz_%)
test-programs: fuzzers

# What is found on the way stays below build/, so that a long run can go on where it was.
fuzz: fuzzers
	$(Q)for name in $(FUZZERS); do mkdir -p $(B)/tests/fuzz/found-$$name && \
		$(B)/tests/fuzz/fuzz_$$name -runs=$(FUZZ_LONG) -max_len=4096 -print_final_stats=1 \
			-artifact_prefix=$(B)/tests/fuzz/ $(B)/tests/fuzz/found-$$name tests/fuzz/corpus/$$name || exit 1; done
