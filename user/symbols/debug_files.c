/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/debug_files.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/only_ours.h"
#include "base/regular_file.h"
#include "symbols/elf_file.h"

#define DEBUG_ROOT  "/usr/lib/debug"
#define MINUTE	    INT64_C(60000000000)
#define CHECKED_MAX (INT64_C(4) << 30) /* of all files whose checksums are computed in a minute: some seconds */

/* Returns the path of the directory of a file, also of one named through /proc/self/fd, with its last slash. The caller frees
 * it. NULL if there is none. */
static char *directory_of(const char *file)
{
	char *path = file ? realpath(file, NULL) : NULL, *slash = path ? strrchr(path, '/') : NULL;

	if (slash)
		slash[1] = 0;
	return path;
}

/* What was found out about the last files, so that none is read twice: a target can have many files, and thousands of units, say
 * that their debug information is in one. */
struct findings {
	pthread_mutex_t lock; /* held while one is looked up, found out and kept */
	struct finding {
		struct stat file;
		uint64_t value;
	} of[64];
	size_t count;
};

static struct findings checksums = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct findings harmless = {.lock = PTHREAD_MUTEX_INITIALIZER};
static int64_t bytes_read, minute_ns; /* for checksums in this minute, which began then */

static bool is_unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) == 0 &&
	       memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim)) == 0;
}

static const struct finding *finding_of(const struct findings *findings, const struct stat *file)
{
	const size_t places = sizeof(findings->of) / sizeof(findings->of[0]);

	for (size_t i = 0; i < places && i < findings->count; i++) {
		if (is_unchanged(&findings->of[i].file, file))
			return &findings->of[i];
	}
	return NULL;
}

static void keep(struct findings *findings, const struct stat *file, uint64_t value)
{
	findings->of[findings->count++ % (sizeof(findings->of) / sizeof(findings->of[0]))] =
		(struct finding){*file, value};
}

/* Under the lock. Returns false when too much has been read already. */
static bool compute(int file, uLong *sum)
{
	enum { BLOCK = 64 << 10 };
	Bytef *block = memory_allocate(BLOCK);
	off_t at = 0;
	ssize_t got = 1;

	if (monotonic_ns() - minute_ns > MINUTE) {
		minute_ns = monotonic_ns();
		bytes_read = 0;
	}
	*sum = crc32(0, NULL, 0);
	while (bytes_read <= CHECKED_MAX && (got = pread(file, block, BLOCK, at)) > 0) {
		at += got;
		bytes_read += got;
		*sum = crc32(*sum, block, (uInt)got);
	}
	free(block);
	return got == 0;
}

static bool has_checksum(struct debug_files *files, int file, const struct stat *status, GElf_Word wanted)
{
	const struct finding *finding;
	bool known;
	uLong sum;

	if (status->st_size > CHECKED_MAX) {
		files->over_limit = true;
		return false;
	}
	pthread_mutex_lock(&checksums.lock);
	finding = finding_of(&checksums, status);
	known = finding || compute(file, &sum);
	if (finding)
		sum = finding->value;
	else if (known)
		keep(&checksums, status, sum);
	else
		files->over_limit = true;
	pthread_mutex_unlock(&checksums.lock);
	return known && sum == wanted;
}

static bool is_harmless(int file, const struct stat *status)
{
	const struct finding *finding;
	struct error why;
	bool value;

	pthread_mutex_lock(&harmless.lock);
	finding = finding_of(&harmless, status);
	value = finding ? finding->value != 0 : elf_file_is_harmless(file, NULL, &why);
	if (!finding && (value || why.status == STATUS_USAGE))
		keep(&harmless, status, value);
	pthread_mutex_unlock(&harmless.lock);
	return value;
}

/* In our own mount namespace: only root, and not that of a container, can put a file there. */
static bool is_below_root(const char *path)
{
	return strncmp(path, DEBUG_ROOT "/", strlen(DEBUG_ROOT "/")) == 0;
}

/* Takes over a descriptor. Returns that of a copy if others can change the file; -1 if it cannot be copied, or the copy is not
 * harmless. */
static int unchanging(struct debug_files *files, int file)
{
	int copy;

	if (file < 0 || only_ours_file(file))
		return file;
	copy = elf_copy(file, ELF_LINES, &files->copies);
	close(file);
	files->copied = true;
	if (copy >= 0 && !elf_file_is_harmless(copy, &files->copies, NULL)) {
		close(copy);
		copy = -1;
	}
	return copy;
}

/* Returns the descriptor of the file at this path, which it takes over, if that is the one that is looked for. */
static int open_at(struct debug_files *files, char *at, GElf_Word checksum, char **path)
{
	struct stat status;
	int file = regular_file_open(at, &status, NULL);

	if (file >= 0 && ((!is_below_root(at) && only_ours_file(file) && !is_harmless(file, &status)) ||
			  (checksum && !has_checksum(files, file, &status, checksum)))) {
		close(file);
		file = -1;
	}
	if (file >= 0)
		*path = at;
	else
		free(at);
	return file;
}

static int open_plain(struct debug_files *files, const char *directory, const char *link, GElf_Word checksum,
		      char **path)
{
	static const char *const places[][2] = {{"", ""}, {"", ".debug/"}, {DEBUG_ROOT, ""}};
	int file = -1;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && file < 0; i++)
		file = open_at(files, memory_format("%s%s%s%s", places[i][0], directory, places[i][1], link), checksum,
			       path);
	return file;
}

/* A name with a path. */
static int open_below_root(struct debug_files *files, const char *directory, const char *link, GElf_Word checksum,
			   char **path)
{
	char *name = memory_format("%s%s", link[0] == '/' ? "" : directory, link), *real = realpath(name, NULL);

	free(name);
	if (real && is_below_root(real))
		return open_at(files, real, checksum, path);
	free(real);
	return -1;
}

int debug_files_find(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base, const char *program,
		     const char *link, GElf_Word checksum, char **path)
{
	int file = dwfl_build_id_find_debuginfo(module, userdata, name, base, program, link, checksum, path);
	char *directory = directory_of(program);
	struct debug_files *files = *userdata;

	if (file < 0 && directory && link && *link)
		file = (strchr(link, '/') ? open_below_root : open_plain)(files, directory, link, checksum, path);
	free(directory);
	file = unchanging(files, file);
	if (file < 0) { /* or libdwfl would open what has this name */
		free(*path);
		*path = NULL;
	}
	/* The last question of all is for dwz's file; debug_files_dwarf() wants to know whether that was found. */
	files->found = file >= 0;
	return file;
}

void debug_files_begin(struct debug_files *files, Dwfl_Module *module)
{
	void **userdata;

	dwfl_module_info(module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = files;
}

Dwarf *debug_files_dwarf(const struct debug_files *files, Dwfl_Module *module, Dwarf_Addr *bias)
{
	Dwarf *dwarf = dwfl_module_getdwarf(module, bias);
	const char *name;
	const void *id;

	/* Without it, libdw opens whatever has this name when it comes to a reference. */
	return dwarf && dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id) > 0 && !files->found ? NULL : dwarf;
}

static const char *text_of(Dwarf_Die *unit, unsigned attribute)
{
	Dwarf_Attribute found;

	return dwarf_attr(unit, attribute, &found) ? dwarf_formstring(&found) : NULL;
}

/* Whether libdw may open what is at this path. */
static bool may_open(const char *path)
{
	struct stat status;
	int file = regular_file_open(path, &status, NULL);
	bool may = only_ours_path(path) && (file >= 0 ? is_harmless(file, &status) : regular_file_or_none(path));

	if (file >= 0)
		close(file);
	return may;
}

/* Whether libdw may look for a unit's other part, which it does from where the skeleton is. As in __libdw_find_split_unit():
 * in a package of all parts (since elfutils 0.191), by its name beside the file, and where it was compiled; it opens each. */
static bool may_search(const char *skeleton, const char *name, const char *compiled_in)
{
	char *file = skeleton ? realpath(skeleton, NULL) : NULL, *directory = directory_of(file);
	bool safe = false;

	if (directory) {
		char *package = memory_format("%s.dwp", file);
		char *beside = memory_format("%s%s", name[0] == '/' ? "" : directory, name);
		char *there = memory_format("%s%s/%s", compiled_in && compiled_in[0] == '/' ? "" : directory,
					    compiled_in ? compiled_in : "", name);

		safe = may_open(package) && may_open(beside) && (name[0] == '/' || may_open(there));
		free(package);
		free(beside);
		free(there);
	}
	free(directory);
	free(file);
	return safe;
}

bool debug_files_split(const struct debug_files *files, Dwarf_Die *unit, Dwfl_Module *module, const char *program,
		       Dwarf_Die *split)
{
	const char *name = text_of(unit, DW_AT_dwo_name), *compiled_in = text_of(unit, DW_AT_comp_dir);
	const char *separate = NULL;

	if (!name)
		name = text_of(unit, DW_AT_GNU_dwo_name);
	/* The skeleton is in the program or in the file that debug_files_find() has found for it. */
	dwfl_module_info(module, NULL, NULL, NULL, NULL, NULL, NULL, &separate);
	if (files->copied || !name || !may_search(program, name, compiled_in) ||
	    (separate && !may_search(separate, name, compiled_in)))
		return false;
	memset(split, 0, sizeof(*split));
	return dwarf_cu_info(unit->cu, NULL, NULL, NULL, split, NULL, NULL, NULL) == 0 && split->addr;
}
