/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages of a process that aborts because its heap is corrupt. Nothing here allocates. */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>

#include "runtime.h"
#include "sys.h"

struct line {
	char text[512];
	size_t length;
};

static void append(struct line *line, const char *text)
{
	while (*text && line->length < sizeof line->text - 1)
		line->text[line->length++] = *text++;
}

static void append_number(struct line *line, uint64_t n, unsigned base)
{
	char digits[24];
	unsigned at = sizeof digits;

	digits[--at] = 0;
	do
		digits[--at] = "0123456789abcdef"[n % base];
	while (n /= base);
	append(line, base == 16 ? "0x" : "");
	append(line, digits + at);
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE
#pragma weak _dl_find_object

/* The file of a return address and the address of the call in it, as addr2line takes it: addresses of the process mean nothing
 * once it has ended. glibc 2.35 and newer only, because dladdr() takes a lock that another thread may hold for ever. */
static void append_place(struct line *line, uintptr_t pc)
{
	struct dl_find_object object;

	if (!_dl_find_object || _dl_find_object((void *)(pc - 1), &object) != 0)
		return;
	append(line, " (");
	append(line, *object.dlfo_link_map->l_name ? object.dlfo_link_map->l_name : program_invocation_name);
	append(line, "+");
	append_number(line, pc - 1 - object.dlfo_link_map->l_addr, 16);
	append(line, ")");
}
#else
static void append_place(struct line *line, uintptr_t pc)
{
	(void)line, (void)pc;
}
#endif

static void begin(struct line *line, const char *what)
{
	line->length = 0;
	append(line, "goalloc: ");
	append(line, what);
}

static void print(struct line *line)
{
	line->text[line->length++] = '\n';
	sysWrite(line->text, line->length);
}

void goalloc_warn(const char *what)
{
	struct line line;

	begin(&line, what);
	print(&line);
}

void goalloc_fatal(const char *what, uintptr_t address)
{
	struct line line;

	begin(&line, what);
	append(&line, " ");
	append_number(&line, address, 16);
	print(&line);
	sysAbort();
}

void goalloc_fatalObject(const char *what, uintptr_t address, const struct mspan *s, const struct goalloc_site *site,
			 uintptr_t pc)
{
	struct line line;

	begin(&line, what);
	append(&line, " ");
	append_number(&line, address, 16);
	append(&line, ", in the span of ");
	append_number(&line, s->elemsize, 10);
	append(&line, "-byte objects at ");
	append_number(&line, s->base, 16);
	if (site) {
		append(&line, ", allocated at ");
		append(&line, site->file);
		append(&line, ":");
		append_number(&line, site->line, 10);
		append(&line, " (");
		append(&line, site->function);
		append(&line, ")");
	} else if (pc != 0) {
		append(&line, ", allocated by the caller at ");
		append_number(&line, pc, 16);
		append_place(&line, pc);
	}
	print(&line);
	sysAbort();
}
