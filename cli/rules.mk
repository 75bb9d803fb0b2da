CLI_SOURCES := $(wildcard cli/*.c)
CLI_OBJECTS := $(CLI_SOURCES:%.c=$(B)/%.o)

$(B)/cli/%.o: cli/%.c | $(B)/deps-ready
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(USER_CFLAGS) -Icli -c -o $@ $<

$(B)/escapement: $(CLI_OBJECTS) $(B)/libescapement.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(PIE_LDFLAGS) $(HARDENED_LDFLAGS) $(LDFLAGS) -o $@ $(CLI_OBJECTS) $(B)/libescapement.a $(USER_LIBS)

# One file without shared libraries, for machines on which nothing is installed.
STATIC_LIBS = $(shell pkg-config --static --libs libbpf libdw libelf libprotobuf-c ncursesw) -lm
.PHONY: static
static: $(B)/static/escapement $(B)/static/LICENCES
STATIC_OBJECTS := $(patsubst %.c,$(B)/%.o,$(wildcard cli/static/*.c))
# The linker warns about functions that need shared libraries of the machine. cli/static/ and user/target/privilege.c keep
# the program from needing them, so the warnings are off.
$(B)/static/escapement: $(CLI_OBJECTS) $(STATIC_OBJECTS) $(B)/libescapement.a packaging/static-libraries
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)archives=$$(packaging/static-libraries $(CROSS_COMPILE)) && $(CC) -static-pie $(HARDENED_LDFLAGS) $(LDFLAGS) -s -Wl,--gc-sections \
		-Wl,--wrap=dlopen -Wl,--no-warnings -o $@ $(CLI_OBJECTS) $(STATIC_OBJECTS) $(B)/libescapement.a \
		$$archives/libsmartcols.a $$archives/libcjson.a $(CROSS_LDFLAGS) $(STATIC_LIBS)

$(B)/static/LICENCES: packaging/static-licences LICENSE
	@mkdir -p $(@D)
	$(Q)packaging/static-licences $(STATIC_LIBS) > $@

# The program generates its man pages and completion from the same tables as --help.
COMMANDS := $(shell sed -n 's/^\tROW(\([a-z]*\)).*/\1/p' cli/cli.h)
MAN_PAGES := $(B)/man/escapement.1 $(COMMANDS:%=$(B)/man/escapement-%.1) $(B)/man/goalloc-probes.7
COMPLETIONS := $(B)/completion/bash $(B)/completion/zsh

SCDOC := $(shell command -v scdoc)
.PHONY: manual
manual: $(if $(SCDOC),$(MAN_PAGES)) $(COMPLETIONS)
	$(if $(SCDOC),,@echo 'skipped: man pages: scdoc is not here')

$(B)/man/escapement.1: $(B)/escapement
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)$< help --man | $(SCDOC) > $@

$(B)/man/escapement-%.1: $(B)/escapement
	@mkdir -p $(@D)
	$(Q)$< help --man $* | $(SCDOC) > $@

$(B)/man/%.7: docs/man/%.7.scd
	@mkdir -p $(@D)
	$(Q)$(SCDOC) < $< > $@

$(B)/completion/%: $(B)/escapement
	@mkdir -p $(@D)
	$(Q)$< help --completion $* > $@

# What says the version is built again when that has been raised.
VERSIONED := $(foreach source,$(USER_SOURCES) $(CLI_SOURCES),$(if $(findstring ESCAPEMENT_VERSION,$(file < $(source))),$(source)))
$(VERSIONED:%.c=$(B)/%.o): Makefile

-include $(CLI_OBJECTS:.o=.d) $(STATIC_OBJECTS:.o=.d)
