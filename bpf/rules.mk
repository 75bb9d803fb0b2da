# All BPF programs become one skeleton: clang -> bpftool gen object -> bpftool gen skeleton.
BPF_SOURCES := $(wildcard bpf/*.bpf.c)
BPF_OBJECTS := $(BPF_SOURCES:%.c=$(B)/%.o)
BPF_CFLAGS  := $(REPRODUCIBLE) -g -O2 -target bpf -mcpu=v3 $(WARN) -Wno-unused-parameter -Ialloc-runtime/include \
	-Ibpf/$(MACHINE) -I/usr/include/$(TRIPLE) -I/usr/$(TRIPLE)/include -D__TARGET_ARCH_$(patsubst amd64,x86,$(MACHINE))

$(B)/bpf/%.bpf.o: bpf/%.bpf.c | $(B)/deps-ready
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/bpf/escapement.o: $(BPF_OBJECTS)
	$(call say,BPFOBJ,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/bpf/escapement.skel.h: $(B)/bpf/escapement.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name escapement_bpf > $@

-include $(BPF_OBJECTS:.o=.d)
