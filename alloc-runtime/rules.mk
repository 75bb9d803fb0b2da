# libgoalloc. Position independent throughout, so that one set of objects serves both libraries; machine code, also where CFLAGS ask for
# link-time optimization (Ubuntu's for packages do), because objcopy changes it.
GOALLOC_SOURCES := $(filter-out alloc-runtime/valid.c,$(wildcard alloc-runtime/*.c))
GOALLOC_OBJECTS := $(GOALLOC_SOURCES:%.c=$(B)/%.o) $(B)/alloc-runtime/sizeclasses.o
GOALLOC_CFLAGS   = $(ALL_CFLAGS) $(REPRODUCIBLE) -Ialloc-runtime/include -Ialloc-runtime/$(MACHINE) -Ialloc-runtime -fPIC -fvisibility=hidden \
	-ftls-model=initial-exec -fno-semantic-interposition -fno-builtin-malloc -fno-lto

# Code and variables are in sections of their own. The linker then says where these begin and end, also in a static program:
# roots.c asks whether a thread is inside the library, and leaves its variables out. Code that runs only for observers, searches,
# reports, coroutines, children of fork() and debugging is apart (sections.ld; functions of other files by RARELY_RUN), so that it takes no
# memory where it does not run.
RARE_CODE    := cfi fatal heap_profile info jemalloc leak_report leaks mgcmark object_table probes recorder roots special stack stack_table \
	stats stopworld unwind
OWN_SECTIONS  = --rename-section .text=goalloc_$(if $(filter $(RARE_CODE),$(*F)),rare,text) \
	$(foreach section,data bss,--rename-section .$(section)=goalloc_$(section)) \
	--rename-section .data.rel.local=goalloc_data --rename-section .bss.large=goalloc_bss
SECTIONS     := alloc-runtime/sections.map alloc-runtime/sections.ld
# Threads that have allocated call the library at their end, so dlclose() does not unload it.
STAYS_LOADED := -Wl,-z,nodelete
OWN_NAMES    := -Wl,--version-script=$(firstword $(SECTIONS)) -Wl,-T,$(lastword $(SECTIONS))

$(B)/alloc-runtime/%.o: alloc-runtime/%.c | $(B)/deps-ready
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(GOALLOC_CFLAGS) -c -o $@ $<
	$(Q)$(OBJCOPY) $(OWN_SECTIONS) $@

$(B)/alloc-runtime/mksizeclasses: alloc-runtime/generate/mksizeclasses.c alloc-runtime/include/goalloc_contract.h | $(B)/deps-ready
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) -std=gnu11 $(WARN) -Ialloc-runtime/include -o $@ alloc-runtime/generate/mksizeclasses.c

$(B)/alloc-runtime/sizeclasses.c: $(B)/alloc-runtime/mksizeclasses
	$(call say,TABLE,$@)
	$(Q)$< > $@

$(B)/alloc-runtime/sizeclasses.o: $(B)/alloc-runtime/sizeclasses.c
	$(Q)$(CC) $(GOALLOC_CFLAGS) -c -o $@ $<

# One object in which only the public names are global, so that a program can have a function `refill` of its own; and
# _exit, which is libc's (exit.c).
# `_.stapsdt.base` belongs to SystemTap's convention for probes; it is weak and shared with the program's other probes.
$(B)/alloc-runtime/libgoalloc.o: $(GOALLOC_OBJECTS)
	$(Q)$(LD) -r -o $@ $^
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='goalloc_*' --keep-global-symbol=_exit --keep-global-symbol=_Exit --keep-global-symbol=_.stapsdt.base $@

$(B)/libgoalloc.a: $(B)/alloc-runtime/libgoalloc.o
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The same with all names global and the invariants checked, for unit tests of internal functions.
$(B)/alloc-runtime/libgoalloc-inside.a: $(GOALLOC_OBJECTS) $(B)/alloc-runtime/valid.o
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/libgoalloc.so: $(GOALLOC_OBJECTS) $(SECTIONS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(HARDENED_LDFLAGS) $(LDFLAGS) -shared -Wl,-soname,libgoalloc.so.$(MAJOR) $(OWN_NAMES) -Wl,-z,now $(STAYS_LOADED) -o $@ $(filter %.o,$^) -lpthread
	$(Q)ln -sf libgoalloc.so $(B)/libgoalloc.so.$(MAJOR)

# The library for LD_PRELOAD: malloc and operator new, which call libgoalloc.
PRELOAD_OBJECTS := $(patsubst %.c,$(B)/%.o,$(wildcard alloc-runtime/preload/*.c))

$(B)/libgoalloc-preload.so: $(GOALLOC_OBJECTS) $(PRELOAD_OBJECTS) $(SECTIONS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(HARDENED_LDFLAGS) $(LDFLAGS) -shared -Wl,-soname,libgoalloc-preload.so $(OWN_NAMES) -Wl,-z,now $(STAYS_LOADED) -o $@ $(filter %.o,$^) -lpthread -ldl

# These contain the fast paths: a stack canary or a checked memcpy() would add instructions to every malloc.
HOT_OBJECTS := $(B)/alloc-runtime/malloc.o $(B)/alloc-runtime/tiny.o $(PRELOAD_OBJECTS)
$(HOT_OBJECTS): STACK_PROTECTOR := -fno-stack-protector
$(HOT_OBJECTS): FORTIFY :=

-include $(GOALLOC_OBJECTS:.o=.d) $(PRELOAD_OBJECTS:.o=.d) $(B)/alloc-runtime/valid.d

PRELOAD_TESTS := test_goalloc_preload test_goalloc_preload_process
$(PRELOAD_TESTS:%=$(B)/tests/unit/%): $(B)/%: %.c $(B)/libgoalloc-preload.so
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(GOALLOC_CFLAGS) $(LDFLAGS) -o $@ $< -L$(B) -lgoalloc-preload -Wl,-rpath,'$$ORIGIN/../..' -lcmocka -lpthread

# The unit tests of the allocator under sanitizers; builds below build/san-*.
SANITIZED_TESTS := test_goalloc_malloc test_goalloc_model test_goalloc_memory test_goalloc_stacks test_goalloc_probes
sanitize-goalloc:
	$(Q)for sanitizer in address,undefined thread; do \
		b=build/san-$$(echo $$sanitizer | tr , -); \
		$(MAKE) --no-print-directory SANITIZE=$$sanitizer $$b/libgoalloc.so $(SANITIZED_TESTS:%=$$b/tests/unit/%) && \
		tests/run $(SANITIZED_TESTS:%=$$b/tests/unit/%) || exit 1; \
	done
.PHONY: sanitize-goalloc
