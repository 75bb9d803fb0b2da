# libescapement: everything the CLI and the tests call.
USER_SOURCES := $(wildcard user/*.c user/*/*.c)
USER_PROTOS := $(wildcard user/*/*.proto)
USER_OBJECTS := $(USER_SOURCES:%.c=$(B)/%.o) $(USER_PROTOS:%.proto=$(B)/%.pb-c.o)

$(B)/user/%.pb-c.c: user/%.proto | $(B)/deps-ready
	@mkdir -p $(@D)
	$(call say,PROTOC,$<)
	$(Q)protoc-c --proto_path=$(<D) --c_out=$(@D) $<

$(B)/user/%.pb-c.o: $(B)/user/%.pb-c.c
	$(Q)$(CC) $(USER_CFLAGS) -c -o $@ $<

# Generated headers must exist before the files that may include them (packaging/check-includes) are compiled. Other files
# do not wait for them. The .d files record which files do include them.
$(patsubst %.c,$(B)/%.o,$(wildcard user/collect/*.c)): | $(B)/bpf/escapement.skel.h
$(patsubst %.c,$(B)/%.o,$(wildcard user/profile/pprof*.c)): | $(B)/user/profile/profile.pb-c.c
$(patsubst %.c,$(B)/%.o,$(wildcard user/fleet/otlp*.c)): | $(B)/user/fleet/otlp.pb-c.c
$(B)/user/fleet/pyroscope.o: | $(B)/user/fleet/pyroscope.pb-c.c
$(B)/user/%.o: user/%.c | $(B)/deps-ready
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(USER_CFLAGS) -c -o $@ $<

$(B)/user/render/page_assets.o: $(wildcard user/render/page/*)

$(B)/libescapement.a: $(USER_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The folders are layers: an include that climbs fails the build.
LAYERED := $(wildcard user/*/*.[ch] cli/*.[ch])
$(B)/includes-checked: packaging/check-includes $(LAYERED)
	$(Q)packaging/check-includes $(LAYERED)
	@mkdir -p $(@D) && touch $@
$(B)/libescapement.a: | $(B)/includes-checked

-include $(USER_OBJECTS:.o=.d)
