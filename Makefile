# Escapement: an eBPF-backed allocation profiler and escape auditor.
#
#   make deps     install what is missing (Debian packages)
#   make          build
#   make demo     deps, build, and run the main job
#   make test     deps, build, and run all everyday tests
#   make bench    measure (see tests/bench/)
#   make install  DESTDIR= PREFIX=/usr/local; make uninstall

PREFIX  ?= /usr/local
MANDIR  = $(PREFIX)/share/man
BASHDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR  = $(PREFIX)/share/zsh/site-functions
B       := build
VERSION := 0.1.0

CC      ?= gcc
CLANG   ?= clang
OBJCOPY ?= objcopy
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wundef -Wshadow
# make SANITIZE=address,undefined builds everything under sanitizers, in a build directory of its own.
comma   := ,
ifneq ($(SANITIZE),)
B       := build/san-$(subst $(comma),-,$(SANITIZE))
CFLAGS  += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer
LDFLAGS += -fsanitize=$(SANITIZE)
endif
# Hardened as Debian builds; not under sanitizers, which do not mix with _FORTIFY_SOURCE, and without optimization there
# is no _FORTIFY_SOURCE.
ifeq ($(SANITIZE),)
STACK_PROTECTOR := -fstack-protector-strong
FORTIFY = $(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),$(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
HARDENED_LDFLAGS := -Wl,-z,relro -Wl,-z,now
PIE := -fPIE
PIE_LDFLAGS := -pie
endif
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(STACK_PROTECTOR) $(FORTIFY) $(CPPFLAGS) $(CFLAGS) -DESCAPEMENT_VERSION='"$(VERSION)"' -MMD -MP
USER_CFLAGS = $(ALL_CFLAGS) $(PIE) -I. -I$(B) -Iuser -Ialloc-runtime/include -I$(B)/user
USER_LIBS = -lbpf -ldw -lelf -lz -lcjson -lprotobuf-c -lsmartcols -lncursesw -ltinfo -lm

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

clean:
	$(Q)rm -rf build

# Releases of clang-format differ in what they print: the tree is held against this one.
CLANG_FORMAT ?= clang-format
FORMATTED = $(wildcard $(foreach room,alloc-runtime bpf cli user tests,$(room)/*.[ch] $(room)/*/*.[ch] $(room)/*/*/*.[ch]))
format:
	$(Q)$(CLANG_FORMAT) -i $(FORMATTED)
format-check:
	$(Q)if $(CLANG_FORMAT) --version | grep -q 'version 14\.'; then $(CLANG_FORMAT) --dry-run --Werror $(FORMATTED); \
		else echo 'skipped: format-check: the tree is formatted by clang-format 14, which is not here'; fi

install: all manual
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	$(Q)install -m 755 $(B)/escapement $(DESTDIR)$(PREFIX)/bin/
	$(Q)install -m 755 $(B)/libgoalloc.so $(B)/libgoalloc-preload.so $(DESTDIR)$(PREFIX)/lib/
	$(Q)install -m 644 $(B)/libgoalloc.a $(DESTDIR)$(PREFIX)/lib/
	$(Q)install -m 644 alloc-runtime/include/goalloc.h alloc-runtime/include/goalloc_contract.h \
		alloc-runtime/include/goalloc_recording.h $(DESTDIR)$(PREFIX)/include/
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' packaging/goalloc.pc.in \
		> $(DESTDIR)$(PREFIX)/lib/pkgconfig/goalloc.pc
	$(Q)install -d $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man7 $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR)
	$(Q)install -m 644 $(filter %.1,$(MAN_PAGES)) $(DESTDIR)$(MANDIR)/man1/
	$(Q)install -m 644 $(filter %.7,$(MAN_PAGES)) $(DESTDIR)$(MANDIR)/man7/
	$(Q)install -m 644 $(B)/completion/bash $(DESTDIR)$(BASHDIR)/escapement
	$(Q)install -m 644 $(B)/completion/zsh $(DESTDIR)$(ZSHDIR)/_escapement
	$(Q)if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" = 0 ]; then PATH="$$PATH:/usr/sbin:/sbin"; ldconfig || :; fi

# Takes away what `make install` with the same DESTDIR and PREFIX has put there.
uninstall:
	$(Q)rm -f $(DESTDIR)$(PREFIX)/bin/escapement \
		$(addprefix $(DESTDIR)$(PREFIX)/lib/,libgoalloc.so libgoalloc-preload.so libgoalloc.a pkgconfig/goalloc.pc) \
		$(addprefix $(DESTDIR)$(PREFIX)/include/,goalloc.h goalloc_contract.h goalloc_recording.h) \
		$(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(filter %.1,$(MAN_PAGES)))) \
		$(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(filter %.7,$(MAN_PAGES)))) \
		$(DESTDIR)$(BASHDIR)/escapement $(DESTDIR)$(ZSHDIR)/_escapement
