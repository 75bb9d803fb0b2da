/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/regular_file.h"
#include "symbols/elf_file.h"
#include "target/obstacle.h"

enum {
	FILES_MAX = 4096,  /* mapped ones that are looked at */
	FILES_AT_ONCE = 4, /* that are open at one time meanwhile, at most */
};

/* The first that a process has is observed. What is under a Go program (LD_PRELOAD), or in its C code, allocates less than Go; a Go
 * library in a C program may do nothing at all. */
static struct runtime *(*const detectors[])(const struct target *target, bool *absent, struct error *error) = {
	runtime_go_detect,
	runtime_goalloc_detect,
	runtime_go_detect_library,
};

static void (*const finders_of_others[])(const struct runtime *observed, const struct target *target,
					 struct runtime_others *others) = {
	runtime_go_find_others,
	runtime_goalloc_find_others,
};

const char runtime_unsampled_advice[] = "use --rate 1 --max-overhead 0 for exact rows, or --enable-sampler";

/* Whether the file is there, for others to read. */
static bool is_denied(const struct target *target, const struct target_mapping *mapping)
{
	char *path = memory_format("/proc/%d/root%s", target->tid, mapping->path);
	bool denied = !target->core && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) && errno == EACCES;

	free(path);
	return denied;
}

/* What the file says of who made it. `executable`: it is the process's own. */
static enum obstacle look_into(const struct target *target, const struct target_mapping *mapping, bool executable)
{
	enum obstacle found = OBSTACLE_NO_RUNTIME;
	char name[REGULAR_FILE_NAME];
	GElf_Shdr header;
	int mapped = target_file_open(target, mapping, NULL), file;
	Elf *elf;

	if (mapped < 0)
		return is_denied(target, mapping) ? OBSTACLE_FILE : found;
	elf = elf_file_open(regular_file_name(mapped, name), ELF_NOTES, &file, NULL);
	close(mapped);
	if (!elf)
		return found;
	if (elf_section_find(elf, ".go.buildinfo", &header))
		found = executable ? OBSTACLE_GO_TABLES : OBSTACLE_GO_LIBRARY;
	else if (elf_section_find(elf, ".go_export", &header))
		found = OBSTACLE_GCCGO;
	elf_end(elf);
	close(file);
	return found;
}

/* What a process without a runtime that we know has in its place. */
static void explain_absence(const struct target *target, struct error *error)
{
	enum obstacle obstacle = OBSTACLE_NO_RUNTIME;
	const char *library = NULL;
	size_t files = 0;

	if (target_check_64_bit(target, error))
		return;
	for (size_t i = 0; i < target->mapping_count && files < FILES_MAX; i++) {
		const struct target_mapping *mapping = &target->mappings[i];
		enum obstacle found;

		if (!mapping->executable || !mapping->inode)
			continue;
		files++;
		found = look_into(target, mapping, strcmp(mapping->path, target->executable) == 0);
		if (found == OBSTACLE_NO_RUNTIME || (found == OBSTACLE_FILE && obstacle == OBSTACLE_FILE))
			continue;
		obstacle = found;
		library = found == OBSTACLE_FILE ? mapping->path : NULL;
		if (found == OBSTACLE_GO_LIBRARY)
			library = basename(mapping->path);
		if (found != OBSTACLE_FILE) /* that may still be explained by another file */
			break;
	}
	obstacle_set(error, obstacle, library, "process %d (%s)", target->pid, target->comm);
}

/* Whether files could be opened: one that cannot be looks as if it had nothing in it. */
static bool descriptors_are_left(void)
{
	int files[FILES_AT_ONCE], count = 0;

	while (count < FILES_AT_ONCE && (files[count] = open("/", O_PATH | O_CLOEXEC)) >= 0)
		count++;
	for (int i = 0; i < count; i++)
		close(files[i]);
	return count == FILES_AT_ONCE;
}

static struct runtime *detect(const struct target *target, bool *absent, struct error *error)
{
	for (size_t i = 0; i < sizeof(detectors) / sizeof(detectors[0]); i++) {
		struct runtime *runtime;

		*absent = true;
		runtime = detectors[i](target, absent, error);
		if (runtime || !*absent)
			return runtime;
	}
	if (descriptors_are_left()) {
		explain_absence(target, error);
	} else {
		*absent = false;
		error_set(error, STATUS_CANNOT_MEASURE, "cannot open the files of process %d (%s): %s", target->pid,
			  target->comm, strerror(EMFILE));
	}
	return NULL;
}

struct runtime *runtime_detect(const struct target *target, bool *absent, struct error *error)
{
	struct runtime *runtime = detect(target, absent, error);

	/* What was not found, or looked wrong, was looked for in files that the process may no longer have had. */
	if (!runtime && target_lost_image(target))
		error_set(error, STATUS_CANNOT_MEASURE, "process %d (%s) cannot be looked at: %s", target->pid,
			  target->comm, target_fate(target));
	return runtime;
}

void runtime_find_others(const struct runtime *observed, const struct target *target, struct runtime_others *others)
{
	*others = (struct runtime_others){0};
	for (size_t i = 0; i < sizeof(finders_of_others) / sizeof(finders_of_others[0]); i++)
		finders_of_others[i](observed, target, others);
}

void runtime_free(struct runtime *runtime)
{
	if (runtime)
		runtime->ops->free(runtime);
}

static bool is_possible(int64_t value)
{
	return value == VALUE_UNMEASURED || (value >= -HEAP_COUNT_MAX && value <= HEAP_COUNT_MAX);
}

int heap_counters_check(const struct heap_counters *counters, struct error *refusal)
{
	for (int class = 0; class < SPAN_CLASSES; class ++) {
		const struct heap_class *sums = &counters->classes[class];

		if (!is_possible(sums->objects) || !is_possible(sums->bytes) || !is_possible(sums->refills) ||
		    !is_possible(sums->central_grows) || !is_possible(sums->unreported_objects) ||
		    !is_possible(sums->unreported_bytes))
			return error_set(refusal, STATUS_CANNOT_MEASURE,
					 "its counters of span class %d are beyond what any process can reach: %lld "
					 "objects, %lld bytes",
					 class, (long long)sums->objects, (long long)sums->bytes);
	}
	return 0;
}
