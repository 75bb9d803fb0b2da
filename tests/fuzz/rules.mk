# fuzz_NAME.c: libFuzzer harnesses, linked with the parts of libescapement (and made files, and
# libraries) that they name below, under sanitizers.
# corpus/NAME/ is what each starts from. A few seconds of each are part of `make test` (integration/test_fuzz.py);
# `make fuzz` runs FUZZ_LONG inputs each.
FUZZERS     := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LONG   ?= 20000000
FUZZ_CFLAGS  = -std=gnu11 $(WARN) -D_GNU_SOURCE -O2 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I. -Iuser

FUZZ_PARTS_base   := $(patsubst user/%.c,%,$(wildcard user/base/*.c))
FUZZ_PARTS_escape := escape/escape escape/escape_read escape/escape_parser escape/escape_facts escape/escape_shapes escape/escape_position escape/escape_functions escape/go_source \
	$(FUZZ_PARTS_base)

FUZZ_PARTS_pathmatch := audit/pathmatch $(FUZZ_PARTS_base)
FUZZ_PARTS_pprof := profile/pprof profile/pprof_comments profile/pprof_source profile/pprof_tables profile/pprof_read_samples profile/pprof_read \
	profile/pprof_strings profile/pprof_write_samples profile/pprof_write profile/profile profile/interval profile/estimates profile/size_class profile/profile_values $(FUZZ_PARTS_base) \
	profile/report render/render_report render/render_report_data render/render_report_text render/render_report_tree render/render_report_speedscope profile/report_select profile/frames profile/owner text/json text/json_writer text/shorten text/terminal
FUZZ_MADE_pprof  := $(B)/user/profile/profile.pb-c.c
# glibc's obstack macros add offsets to null pointers.
FUZZ_FLAGS_pprof := -fno-sanitize=pointer-overflow
FUZZ_LIBS_pprof  := -lprotobuf-c -lz -lcjson -lsmartcols -lm

.SECONDEXPANSION:
$(B)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $$(addprefix user/,$$(addsuffix .c,$$(FUZZ_PARTS_$$*))) $$(wildcard user/*.h user/*/*.h) tests/fuzz/require.h $$(FUZZ_MADE_$$*)
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $(FUZZ_FLAGS_$*) -I$(B)/user -DESCAPEMENT_VERSION='"fuzz"' -o $@ $(filter %.c,$^) $(FUZZ_LIBS_$*)

.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS:%=$(B)/tests/fuzz/fuzz_%)
test-programs: fuzzers

# What is found on the way stays below build/, so that a long run can go on where it was.
fuzz: fuzzers
	$(Q)for name in $(FUZZERS); do mkdir -p $(B)/tests/fuzz/found-$$name && \
		$(B)/tests/fuzz/fuzz_$$name -runs=$(FUZZ_LONG) -max_len=4096 -print_final_stats=1 \
			-artifact_prefix=$(B)/tests/fuzz/ $(B)/tests/fuzz/found-$$name tests/fuzz/corpus/$$name || exit 1; done
