/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_TARGET_H
#define ESCAPEMENT_TARGET_H

/*
 * A live process seen from outside: its name, its mappings, its memory. Never stops it.
 * Paths are opened as the process sees them, so a process in another mount namespace (a container) works.
 * One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "target/memory.h"

struct target_mapping {
	uint64_t start, limit, offset;
	uint64_t device, inode; /* 0, 0: not of a file */
	bool executable, writable;
	char *path; /* as the process sees it, without " (deleted)"; "" for anonymous memory */
};

struct target {
	int pid;
	int tid;      /* the thread whose memory is read: the first one may end before others */
	bool exiting; /* stopped at its very end: all its threads have come there. Set by whoever stopped it */
	bool killed;  /* and none of them asked for it: a signal ends it */
	bool gone;    /* it has ended. Set by whoever has waited for it */
	char comm[32];
	char *executable;		 /* as the process sees it, without " (deleted)" */
	char *command_line;		 /* arguments joined by spaces */
	struct memory_reader *reader;	 /* of its memory */
	int image;			 /* /proc/PID/mem of a watched image, with which it goes; else -1 */
	struct target_mapping *mappings; /* by address */
	size_t mapping_count;
};

/* Fails with STATUS_CANNOT_MEASURE where there is no such process or it may not be read. */
struct target *target_open(int pid, struct error *error);
void target_close(struct target *target); /* NULL is allowed */

/* From here on target_lost_image() tells whether the process has ended or has become another program (exec). */
void target_watch_image(struct target *target);
bool target_lost_image(const struct target *target);

/* Where the thread whose memory is read has ended, takes another one of the process. */
void target_find_thread(struct target *target);

/* Reads the mappings again: libraries come and go. Keeps the old ones where the process is gone. */
int target_refresh(struct target *target, struct error *error);

/* The mapping that holds the address; NULL if none. */
const struct target_mapping *target_mapping_at(const struct target *target, uint64_t address);

/* The lowest mapping of the same file as `mapping`: where the file's image starts. */
const struct target_mapping *target_image_start(const struct target *target, const struct target_mapping *mapping);

/* A path by which this process can open the mapped file: through /proc/PID/root where that is still the mapped
 * file, else through /proc/PID/exe or /proc/PID/map_files (files that are gone). The caller frees it. */
char *target_file_path(const struct target *target, const struct target_mapping *mapping);

/* Reads memory: see memory.h. 0, or -1 with errno where not all of it could be read; ETIME: it would take more than the
 * budget that target_allow() fills and target_open() begins with. */
int target_read(const struct target *target, uint64_t address, void *buffer, size_t size);
int target_read_pieces(const struct target *target, const struct target_piece *pieces, size_t count);
void target_allow(const struct target *target);

/* Writes one word, and nothing else ever does write: only for what the user has asked to be changed. */
int target_write_word(const struct target *target, uint64_t address, uint64_t value);

/* Reads a zero-terminated string of at most `size` - 1 bytes; longer ones are cut. */
int target_read_string(const struct target *target, uint64_t address, char *buffer, size_t size);

/* PID of the only process with that name (comm, or base name of its executable); error if none or several. */
int target_find(const char *name, struct error *error);

#endif
