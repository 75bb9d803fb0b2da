/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/linker.h"

#include <elf.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash_table.h"
#include "base/regular_file.h"
#include "collect/kernel_types.h"
#include "symbols/elf_file.h"
#include "target/procfs.h"
#include "target/target.h"

struct linker_watch {
	int pid;
	struct attachment *attachment;
	UT_hash_handle hh;
};

/* The file offset of the function that the linker calls for debuggers, and for nothing else. */
static bool find_notice(int linker, uint64_t *offset)
{
	char path[REGULAR_FILE_NAME];
	static const char *const names[] = {"_dl_debug_state", "dl_debug_state"}; /* glibc's, musl's */
	bool found = false;
	int file;
	Elf *elf = elf_file_open(regular_file_name(linker, path), ELF_EXPORTS, &file, NULL);

	for (size_t i = 0; elf && !found && i < sizeof(names) / sizeof(names[0]); i++)
		found = elf_exported_offset(elf, names[i], offset);
	if (elf) {
		elf_end(elf);
		close(file);
	}
	return found;
}

static struct attachment *attach(struct collector *collector, int pid)
{
	uint64_t base = procfs_auxiliary(pid, AT_BASE), offset;
	uint32_t ptrace_offset;
	struct target *target = base ? target_open(pid, NULL) : NULL;
	const struct target_mapping *mapping = target ? target_mapping_at(target, base) : NULL;
	int file = mapping && mapping->inode ? target_file_open(target, mapping, NULL) : -1;
	struct attachment *attachment = NULL;
	struct probe_set probes = {0};
	struct error refused;

	if (file >= 0 && find_notice(file, &offset) && (ptrace_offset = kernel_ptrace_offset()) != 0) {
		probe_set_add(&probes, "libraries_mapped", file, offset, 0, ptrace_offset);
		attachment = collector_attach(collector, pid, EVENT_SLOTS, &probes, &refused);
		probe_set_free(&probes);
	}
	if (file >= 0)
		close(file);
	target_close(target);
	return attachment;
}

void linker_watch_begin(struct linker_watch **watches, struct collector *collector, int pid)
{
	struct linker_watch *watch;
	struct attachment *attachment;

	HASH_FIND_INT(*watches, &pid, watch);
	if (watch || collector_uses_perf(collector))
		return;
	attachment = attach(collector, pid);
	if (!attachment)
		return;
	watch = memory_zeroed(1, sizeof(*watch));
	watch->pid = pid;
	watch->attachment = attachment;
	HASH_ADD_INT(*watches, pid, watch);
}

static void end(struct linker_watch **watches, struct collector *collector, struct linker_watch *watch)
{
	collector_detach_later(collector, watch->attachment);
	HASH_DEL(*watches, watch);
	free(watch);
}

void linker_watch_end(struct linker_watch **watches, struct collector *collector, int pid)
{
	struct linker_watch *watch;

	HASH_FIND_INT(*watches, &pid, watch);
	if (watch)
		end(watches, collector, watch);
}

void linker_watch_end_all(struct linker_watch **watches, struct collector *collector)
{
	struct linker_watch *watch, *next;

	HASH_ITER (hh, *watches, watch, next)
		end(watches, collector, watch);
	collector_detach_wait(collector);
}
