/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_BINARY_H
#define ESCAPEMENT_GO_BINARY_H

/*
 * What the file of an unmodified Go program contains: version, build settings, symbols, types. Works for stripped and
 * position-independent programs too. All addresses are link-time addresses; a process adds its load bias. A binary owns
 * everything that it returns. Not thread-safe.
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
	bool version_known;	  /* false: newer than the table, or unverified; the code must confirm the offsets */
	const char *version_text; /* "go1.24.4"; "go" if the binary does not contain it */
	const char *module;	  /* path of the main module, or of the main package; NULL if unknown */
	const char *build_info;	  /* module and build settings as printed by `go version -m`; NULL if stripped */
	const char *build_id;	  /* Go's build id; NULL if there is none */
	/* lower-case hexadecimal; written by Go's linker since 1.24; NULL if there is none */
	const char *gnu_build_id;
	bool memory_profiling; /* runtime.MemProfile is linked in, so the runtime's sampler is on by default */
	void *notes;	       /* data that a user of the binary attached; freed with the binary, by free() */

	/* Set if the binary is shared. */
	struct stat file;
	unsigned users;
	struct go_binary *next;
};

/* Opens a file. Returns NULL if it is not a Go program of 1.19 or newer for this machine. */
struct go_binary *go_binary_open(const char *path, struct error *error);
void go_binary_close(struct go_binary *binary); /* NULL is allowed */

/*
 * The same, shared by all callers that name the same unchanged file: a program may have many processes, and reading its
 * tables is most of the cost of observing a short one. A few unused binaries stay open.
 */
struct go_binary *go_binary_share(const char *path, struct error *error);
void go_binary_unshare(struct go_binary *binary); /* NULL is allowed */

/* Copies the value of a build setting ("-race", "GOEXPERIMENT", "-buildmode", "-pgo"); returns false if it is not
 * set. */
bool go_binary_setting(const struct go_binary *binary, const char *key, char *value, size_t size);

/*
 * Finds the name of the type whose descriptor (runtime._type) is at an address: "main.T", "[]uint8". Copies at most
 * `size` - 1 bytes. Returns false if the file has no such type (types created at run time).
 */
bool go_binary_type_name(const struct go_binary *binary, uint64_t type, char *name, size_t size);

/* What the process added to the link-time addresses of this binary, which it maps from `path` (as it sees it): where the
 * image's lowest mapping is. 0 too where the process does not map it. */
uint64_t go_binary_bias(const struct go_binary *binary, const struct target *target, const char *path);

/* Whether that file, openable by us, holds code of Go: it has the linker's note. Cheap, and true of plugins too. */
bool go_binary_has_note(const char *path);

#endif
