/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_BINARY_H
#define ESCAPEMENT_GO_BINARY_H

/*
 * What an unmodified Go program's file says about itself: version, build, symbols, types. Stripped or not,
 * position-independent or not. All addresses are link-time; a process adds its load bias.
 * A binary owns all that it hands out. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "symbols/go_image.h"
#include "symbols/gopclntab.h"
#include "target/target.h"

struct go_binary {
	struct go_image image;
	struct gopclntab *symbols;
	const struct go_version *version; /* the row whose layouts are used */
	bool version_known;	  /* false: newer than the table, or unverified: confirm offsets from the code */
	const char *version_text; /* "go1.24.4"; "go" where the binary does not say */
	const char *module;	  /* path of the main module, or of the main package; NULL where unknown */
	const char *build_info;	  /* module and build settings as `go version -m` shows them; NULL where stripped */
	const char *build_id;	  /* Go's own; NULL where there is none */
	const char *gnu_build_id; /* lower-case hexadecimal; Go's linker makes one since 1.24; NULL if there is none */
	bool memory_profiling;	  /* runtime.MemProfile is linked in: the runtime's sampler runs by default */
	void *notes;		  /* what a user of the binary found out about it; freed with it, by free() */

	/* Of a shared one. */
	struct stat file;
	unsigned users;
	struct go_binary *next;
};

/* Opens a file. NULL if it is no Go program of 1.19 or newer for this machine. */
struct go_binary *go_binary_open(const char *path, struct error *error);
void go_binary_close(struct go_binary *binary); /* NULL is allowed */

/*
 * The same, shared by all who name the same file while it does not change: processes of one program are many, and
 * reading its tables is most of what observing a short one costs. Some that nobody uses any more stay open.
 */
struct go_binary *go_binary_share(const char *path, struct error *error);
void go_binary_unshare(struct go_binary *binary); /* NULL is allowed */

/* The value of a build setting ("-race", "GOEXPERIMENT", "-buildmode", "-pgo"), copied; false where unset. */
bool go_binary_setting(const struct go_binary *binary, const char *key, char *value, size_t size);

/*
 * The name of the type whose descriptor (runtime._type) is at an address: "main.T", "[]uint8". Copies at most
 * `size` - 1 bytes; false where there is no such type in the file (types made at run time).
 */
bool go_binary_type_name(const struct go_binary *binary, uint64_t type, char *name, size_t size);

/* What the process added to the link-time addresses of this binary, its executable: where the image's lowest mapping
 * is. 0 too where the process does not map it. */
uint64_t go_binary_bias(const struct go_binary *binary, const struct target *target);

#endif
