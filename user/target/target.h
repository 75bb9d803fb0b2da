/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TARGET_H
#define ESCAPEMENT_TARGET_H

/*
 * A live process, observed from outside: its name, its mappings, its memory. Never stops it. Paths are opened as the
 * process sees them, so processes in another mount namespace (a container) work too. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "target/memory_reader.h"

struct target_mapping {
	uint64_t start, limit, offset;
	uint64_t device, inode; /* 0, 0: not a file */
	bool readable, writable, executable;
	bool shared; /* what is written there others see, too */
	char *path;  /* in the process's mount namespace, without " (deleted)"; "" for anonymous memory */
};

struct target {
	int pid;
	int tid;      /* the thread that stands for it: the first one may end before others */
	bool exiting; /* stopped at its very end, with all its threads; set by the caller that stopped it */
	bool killed;  /* and a signal ends it */
	bool gone;    /* it has ended; set by the caller that reaped it */
	char comm[32];
	char *executable;   /* in the process's mount namespace, without " (deleted)" */
	char *command_line; /* its arguments, `command_length` bytes; each but the last ends in a NUL */
	size_t command_length;
	struct memory_reader *reader; /* reads its memory */
	int memory;		      /* /proc/TID/mem of when it was opened; -1: not permitted */
	bool singly;		      /* all is read through `memory`, as process_vm_readv() is not permitted */
	char *vector;		      /* what the kernel told the program at its exec: differs with each */
	size_t vector_length;
	int denied;	   /* errno of a read that was not permitted; 0: there was none */
	struct core *core; /* what stands for the process (core.h); NULL: it is live. Its functions: */
	void (*core_free)(struct core *core);
	int (*core_file_open)(const struct core *core, const struct target_mapping *mapping, struct error *error);
	struct target_mapping *mappings; /* sorted by address */
	size_t mapping_count;
};

/* Returns the words of its command line, then NULL. They hold as long as the target; the caller frees the array. */
const char **target_command(const struct target *target);

/* Fails with STATUS_CANNOT_MEASURE if there is no such process or it may not be read. */
struct target *target_open(int pid, struct error *error);
/* The same for one that target_write_word() may change: --enable-sampler. */
struct target *target_open_changeable(int pid, struct error *error);
void target_close(struct target *target); /* NULL is allowed */

/* Returns a descriptor (pidfd) by which the process's end is noticed, also if its number is reused. The caller closes it. -1
 * with STATUS_CANNOT_MEASURE on failure. */
int target_watch(int pid, struct error *error);

/* Whether the process has ended or has become another program (exec); then nothing of it is read or written any more. False if
 * its memory may not be opened. */
bool target_lost_image(const struct target *target);
/* The same for who looks again and again, at a tenth of the price: false also if somebody else still has the memory of before. */
bool target_lost_memory(const struct target *target);
/* Whether a process that has lost its image has another one, which we may not be allowed to read. If not, it is about to end. */
bool target_has_image(struct target *target);
/* Whether the process that `pidfd` is of has ended. */
bool target_has_ended(int pidfd);
/* Whether the process that `pidfd` is of runs another program now. A number alone may be another process's by then. */
bool target_is_replaced(struct target *target, int pidfd);
/* What became of a process that has lost its image, as the end of a sentence about it. */
const char *target_fate(const struct target *target);
/* Whether each of its threads is stopped or has ended: what is read of its memory stays the same. */
bool target_is_still(const struct target *target);

/* If the thread that stands for it has ended, chooses another one of the process. */
void target_find_thread(struct target *target);

/* A line of /proc/PID/maps, or the first one of a mapping in smaps: fills all but mapping->path, which stands at *path in
 * the line. False for other lines. */
bool target_parse_mapping(const char *line, struct target_mapping *mapping, const char **path);

/* Reads the mappings again, because libraries are loaded and unloaded. Keeps the old ones if the process is gone. */
int target_refresh(struct target *target, struct error *error);

/* Returns the mapping that contains the address; NULL if there is none. */
const struct target_mapping *target_mapping_at(const struct target *target, uint64_t address);

/* Whether it maps the executable's code. */
bool target_is_executable_mapping(const struct target *target, const struct target_mapping *mapping);

/* Where the executable's code is mapped; NULL if it is not (any more). */
const struct target_mapping *target_executable_mapping(const struct target *target);

/* Returns the lowest mapping of the same file as `mapping`, at which the file's image starts. */
const struct target_mapping *target_image_start(const struct target *target, const struct target_mapping *mapping);

/* Opens the mapped file, a deleted one too. All that is done with the file is to be done by this descriptor, which the caller
 * closes (regular_file_name() for what wants a path): the process may put other files in the place of a name. -1 with an error
 * if it cannot be opened. */
int target_file_open(const struct target *target, const struct target_mapping *mapping, struct error *error);

/* Returns -1 with the error if its executable is a 32-bit program, as far as that can be read; else 0. */
int target_check_64_bit(const struct target *target, struct error *error);

/* Reads memory, see memory.h. Returns 0, or -1 with errno if not all of it could be read; ETIME: the budget is
 * exhausted. target_open() and target_allow() set the budget. */
int target_read(const struct target *target, uint64_t address, void *buffer, size_t size);
int target_read_pieces(const struct target *target, const struct target_piece *pieces, size_t count);
void target_allow(const struct target *target);
/* Says why the last read that failed did, as the end of a sentence about the process: its budget is spent, a core file does not
 * have the memory, it is not permitted, a pointer led to where the process has no memory, or it has ended. */
void target_unreadable(const struct target *target, char *why, size_t size);

/* Writes one word of the memory that the process had when target_open_changeable() opened it, or returns -1; EFAULT: its
 * mappings (target_refresh()) have no private, writable memory there. No other function writes to a process; use it only for
 * changes that the user has asked for. */
int target_write_word(const struct target *target, uint64_t address, uint64_t value);

/* Reads a NUL-terminated string of at most `size` - 1 bytes; a longer one is cut. */
int target_read_string(const struct target *target, uint64_t address, char *buffer, size_t size);

/* Returns the path of a process's or thread's executable, also of one that was deleted or replaced since. NULL if it cannot be
 * read. The caller frees it. */
char *target_executable(int tid);

/* Returns the PID of the only process with that name (comm, or base name of its executable); fails if there is none or
 * several. */
int target_find(const char *name, struct error *error);

#endif
