CLI_SOURCES := $(wildcard cli/*.c)
CLI_OBJECTS := $(CLI_SOURCES:%.c=$(B)/%.o)

$(B)/cli/%.o: cli/%.c | $(B)/bpf/escapement.skel.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(USER_CFLAGS) -Icli -c -o $@ $<

$(B)/escapement: $(CLI_OBJECTS) $(B)/libescapement.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(PIE_LDFLAGS) $(HARDENED_LDFLAGS) $(LDFLAGS) -o $@ $(CLI_OBJECTS) $(B)/libescapement.a $(USER_LIBS)

-include $(CLI_OBJECTS:.o=.d)
