# Escapement: an eBPF-backed allocation profiler and escape auditor.
#
#   make deps     install what is missing (Debian packages)
#   make          build
#   make demo     deps, build, and run the main job
#   make test     deps, build, and run all everyday tests
#   make bench    measure (see tests/bench/)
#   make install  DESTDIR= PREFIX=/usr/local LIBDIR=PREFIX/lib; make uninstall
#   make static   one file without shared libraries, build/static/escapement
#   make deb      Debian packages, in build/deb; make dist  the sources, in build/dist

PREFIX  ?= /usr/local
LIBDIR  = $(PREFIX)/lib
MANDIR  = $(PREFIX)/share/man
BASHDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR  = $(PREFIX)/share/zsh/site-functions
B       := build
VERSION := 0.2.0

CC      ?= gcc
CLANG   ?= clang
OBJCOPY ?= objcopy
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
CFLAGS  ?= -O2 -g
# make CROSS_COMPILE=aarch64-linux-gnu- builds for another machine, in a build directory of its own.
HOST_CC ?= cc
ifneq ($(CROSS_COMPILE),)
CC      := $(CROSS_COMPILE)gcc
AR      := $(CROSS_COMPILE)ar
LD      := $(CROSS_COMPILE)ld
OBJCOPY := $(CROSS_COMPILE)objcopy
endif
# What a machine means is in a folder with its name, in each room that needs one.
MACHINE_x86_64  := amd64
MACHINE_aarch64 := arm64
# Where `make deps` has still to install a compiler, it will be this machine's own.
TARGET  := $(shell $(CC) -dumpmachine 2> /dev/null || { [ -n '$(CROSS_COMPILE)' ] || echo "$$(uname -m)-linux-gnu"; })
PROCESSOR := $(firstword $(subst -, ,$(TARGET)))
MACHINE := $(MACHINE_$(PROCESSOR))
ifeq ($(MACHINE),)
$(error escapement is for amd64 and arm64; $(CC) $(if $(TARGET),compiles for $(TARGET),cannot be run))
endif
# Debian's folders of that machine; what a compiler calls it may have a vendor in it.
TRIPLE  := $(PROCESSOR)-linux-gnu
ifneq ($(CROSS_COMPILE),)
B       := build/$(MACHINE)
# Debian's libraries for that machine, which are not installed on this one.
CROSS_LIBRARIES = $(shell packaging/cross-libraries $(MACHINE))
CROSS_CFLAGS  = -isystem $(CROSS_LIBRARIES)/usr/include/$(TRIPLE)
CROSS_LDFLAGS = -L$(CROSS_LIBRARIES)/usr/lib/$(TRIPLE)
endif
WARN    := -Wall -Wextra -Wundef -Wshadow
# make SANITIZE=address,undefined builds everything under sanitizers, in a build directory of its own.
comma   := ,
ifneq ($(SANITIZE),)
B       := build/san-$(subst $(comma),-,$(SANITIZE))
CFLAGS  += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer
LDFLAGS += -fsanitize=$(SANITIZE)
# What UBSan finds ends the program, and so fails the test.
export UBSAN_OPTIONS ?= halt_on_error=1:print_stacktrace=1
endif
# Hardened as Debian's packages are. Not under sanitizers, which do not work together with _FORTIFY_SOURCE; and
# _FORTIFY_SOURCE needs optimization.
ifeq ($(SANITIZE),)
STACK_PROTECTOR := -fstack-protector-strong
FORTIFY = $(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),$(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
HARDENED_LDFLAGS := -Wl,-z,relro -Wl,-z,now
PIE := -fPIE
PIE_LDFLAGS := -pie
endif
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(STACK_PROTECTOR) $(FORTIFY) $(CPPFLAGS) $(CFLAGS) -DESCAPEMENT_VERSION='"$(VERSION)"' -MMD -MP
# The path of this folder must not be in what is built from it.
REPRODUCIBLE := -ffile-prefix-map='$(CURDIR)'=.
USER_CFLAGS = $(ALL_CFLAGS) $(REPRODUCIBLE) $(PIE) -I. -I$(B) -Iuser -Ialloc-runtime/include -I$(B)/user -Iuser/target/$(MACHINE) $(CROSS_CFLAGS)
USER_LIBS = -Wl,-Bstatic -lbpf -Wl,-Bdynamic -ldw -lelf -llzma -lz -lcjson -lprotobuf-c -lsmartcols -lncursesw -ltinfo -lcurl -lmicrohttpd -lm

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' "$(1)" "$(2)")

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: all deps demo test bench soak install uninstall clean format format-check

all: $(B)/escapement $(B)/libgoalloc.so $(B)/libgoalloc.a $(B)/libgoalloc-preload.so

# Each room adds its own targets.
include alloc-runtime/rules.mk
include bpf/rules.mk
include user/rules.mk
include cli/rules.mk
include tests/rules.mk

deps:
	$(Q)packaging/install-deps
$(B)/deps-ready:
	@mkdir -p $(B)
	$(Q)packaging/install-deps build
	@touch $@

clean:
	$(Q)rm -rf build

# Releases of clang-format format differently, so only release 14 checks the tree.
CLANG_FORMAT ?= clang-format
FORMATTED = $(wildcard $(foreach room,alloc-runtime bpf cli user tests,$(room)/*.[ch] $(room)/*/*.[ch] $(room)/*/*/*.[ch]))
format:
	$(Q)$(CLANG_FORMAT) -i $(FORMATTED)
format-check:
	$(Q)if $(CLANG_FORMAT) --version | grep -q 'version 14\.'; then $(CLANG_FORMAT) --dry-run --Werror $(FORMATTED); \
		else echo 'skipped: format-check: the tree is formatted by clang-format 14, which is not here'; fi

# Paths are quoted because they may contain spaces. The library's file name has its whole version; programs look for its
# major number. Another version of that number is replaced: ldconfig would link to the highest one, not to the last one.
MAJOR := 1
LIBRARY := libgoalloc.so.$(MAJOR).$(VERSION)
HEADERS := goalloc.h goalloc_contract.h goalloc_recording.h
BIN = '$(DESTDIR)$(PREFIX)/bin'
LIB = '$(DESTDIR)$(LIBDIR)'
INCLUDE = '$(DESTDIR)$(PREFIX)/include'
MAN = '$(DESTDIR)$(MANDIR)'
# What the shell, make or pkg-config would take for something else.
ODD := ' " \ $$ \#
odd = $(strip $(foreach each,$(ODD),$(findstring $(each),$(1))))
in_sed = $(subst |,\|,$(subst &,\&,$(1)))
# Programs look for a new library only when ldconfig has run. In DESTDIR, they do not yet look.
LDCONFIG = if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" = 0 ]; then PATH="$$PATH:/usr/sbin:/sbin"; \
	ldconfig || echo 'ldconfig failed: programs do not find libgoalloc until it has run' >&2; fi
.PHONY: paths
paths:
	$(if $(call odd,$(DESTDIR)$(PREFIX)$(LIBDIR)),$(error DESTDIR, PREFIX and LIBDIR must not contain any of $(ODD)))
	$(if $(filter-out /%,$(firstword $(PREFIX)) $(firstword $(LIBDIR))),$(error PREFIX and LIBDIR must be absolute paths))
install: paths all manual
	$(Q)install -d $(BIN) $(LIB)/pkgconfig $(INCLUDE) $(MAN)/man1 $(MAN)/man7 '$(DESTDIR)$(BASHDIR)' '$(DESTDIR)$(ZSHDIR)'
	$(Q)install -m 755 $(B)/escapement $(BIN)/
	$(Q)install -m 644 $(B)/libgoalloc.so $(LIB)/$(LIBRARY)
	$(Q)ln -sf $(LIBRARY) $(LIB)/libgoalloc.so.$(MAJOR)
	$(Q)ln -sf libgoalloc.so.$(MAJOR) $(LIB)/libgoalloc.so
	$(Q)for file in $(LIB)/libgoalloc.so.$(MAJOR).*; do [ "$${file##*/}" = $(LIBRARY) ] || rm -f "$$file"; done
	$(Q)install -m 644 $(B)/libgoalloc-preload.so $(B)/libgoalloc.a $(LIB)/
	$(Q)install -m 644 $(HEADERS:%=alloc-runtime/include/%) $(INCLUDE)/
	$(Q)sed -e 's|@PREFIX@|$(call in_sed,$(PREFIX))|' -e 's|@LIBDIR@|$(call in_sed,$(LIBDIR))|' -e 's|@VERSION@|$(VERSION)|' \
		packaging/goalloc.pc.in | install -m 644 /dev/stdin $(LIB)/pkgconfig/goalloc.pc
	$(Q)$(if $(SCDOC),install -m 644 $(filter %.1,$(MAN_PAGES)) $(MAN)/man1/ && install -m 644 $(filter %.7,$(MAN_PAGES)) $(MAN)/man7/)
	$(Q)install -m 644 $(B)/completion/bash '$(DESTDIR)$(BASHDIR)/escapement'
	$(Q)install -m 644 $(B)/completion/zsh '$(DESTDIR)$(ZSHDIR)/_escapement'
	$(Q)$(LDCONFIG)

# Removes the files, not the folders, that `make install` with the same DESTDIR, PREFIX and LIBDIR has installed, of any version.
uninstall: paths
	$(Q)rm -f $(BIN)/escapement '$(DESTDIR)$(BASHDIR)/escapement' '$(DESTDIR)$(ZSHDIR)/_escapement' \
		$(LIB)/libgoalloc.so.$(MAJOR).* $(foreach name,libgoalloc.so.$(MAJOR) libgoalloc.so libgoalloc.a libgoalloc-preload.so pkgconfig/goalloc.pc,$(LIB)/$(name)) \
		$(foreach name,$(HEADERS),$(INCLUDE)/$(name)) \
		$(foreach page,$(notdir $(MAN_PAGES)),$(MAN)/man$(lastword $(subst ., ,$(page)))/$(page))
	$(Q)$(LDCONFIG)

include packaging/rules.mk
