/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/go_versions.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define MODULE_1_19     {.text = 176, .types = 280, .types_end = 288, .gofunc = 304}
#define MODULE_1_20     {.text = 176, .types = 296, .types_end = 304, .gofunc = 320} /* coverage counters were added */
#define MODULE_1_27     {.text = 176, .types = 296, .types_end = 312, .gofunc = 344} /* typedesclen, itabs were added */

#define PCLNTAB_1_19    {.func_size = 40, .func_start_line = 0, .inlined_size = 20, .inlined_name = 12, \
			 .inlined_parent = 16, .inlined_start_line = 0}
#define PCLNTAB_1_20    {.func_size = 44, .func_start_line = 36, .inlined_size = 16, .inlined_name = 4, \
			 .inlined_parent = 8, .inlined_start_line = 12}

#define HEAP(alloc, shift, elements, p) {.mcache_alloc = (alloc), .mcache_tiny_allocs = (alloc) - 8, .span_start = 24, \
			 .span_pages = 32, .span_elements = (elements), .span_alloc_count = 96 + (shift), \
			 .span_alloc_count_before_cache = 102 + (shift), .span_class = 98 + (shift), \
			 .span_element_size = 104 + (shift), .p_mcache = (p), .rate_followed = (alloc) > 40}
#define HEAP_1_19       HEAP(40, 0, 56, 64)
#define HEAP_1_21       HEAP(40, 8, 56, 64) /* mspan.pinnerBits was added */
#define HEAP_1_22       HEAP(40, 0, 50, 64) /* mspan.freeindex and nelems became 16 bits wide */
#define HEAP_1_23       HEAP(40, 0, 50, 56) /* p.sysmontick shrank */
#define HEAP_1_24       HEAP(48, 0, 50, 56) /* mcache.memProfRate was added */

#define SCHEDULER(current, locks, status, frame) {.p_status = 4, .m_current = (current), .m_locks = (locks), .g_m = 48, \
			 .g_sched = 56, .g_status = (status), .gobuf_pc = 8, .gobuf_frame = (frame)}
#define SCHEDULER_1_19  SCHEDULER(192, 264, 144, 48)
#define SCHEDULER_1_23  SCHEDULER(192, 264, 152, 48) /* g.syscallbp was added */
#define SCHEDULER_1_25  SCHEDULER(184, 256, 144, 40) /* gobuf.ret was removed */
#define SCHEDULER_1_26  SCHEDULER(184, 264, 144, 40) /* m.signalSecret was added */

#define STATISTICS_1_19 {.stride = 1176, .tiny_count = 48, .large_bytes = 56, .large_count = 64, .small_count = 72, \
			 .collections = 7704}
#define STATISTICS_1_25 {.stride = 1168, .tiny_count = 40, .large_bytes = 48, .large_count = 56, .small_count = 64, \
			 .collections = 7680}

#define PROFILE_1_19    {.cycle_size = 32, .stack_max = 32}
#define PROFILE_1_23    {.cycle_size = 32, .stack_max = 128} /* GODEBUG=profstackdepth came */
#define PROFILE_1_27    {.cycle_size = 16, .stack_max = 128} /* the bytes went: they are the objects times the bucket's size */
#define TYPE_1_19       {.pointer_bytes = 8, .flags = 20, .name = 40, .size = 48, .flag_extra_star = 2}

/* The first elements of import paths in the standard library. */
#define PACKAGES_1_19   "archive bufio bytes cmd compress container context crypto database debug embed encoding errors expvar flag " \
			"fmt go hash html image index internal io log math mime net os path plugin reflect regexp runtime sort " \
			"strconv strings sync syscall testing text time unicode unsafe vendor"

static const struct go_version versions[] = {
	{19, true,  GO118_PCLNTAB_MAGIC, MODULE_1_19, PCLNTAB_1_19, HEAP_1_19, SCHEDULER_1_19, STATISTICS_1_19, PROFILE_1_19, TYPE_1_19, 0, PACKAGES_1_19},
	{20, false, GO120_PCLNTAB_MAGIC, MODULE_1_20, PCLNTAB_1_20, HEAP_1_19, SCHEDULER_1_19, STATISTICS_1_19, PROFILE_1_19, TYPE_1_19, 0, "arena"},
	{21, true,  GO120_PCLNTAB_MAGIC, MODULE_1_20, PCLNTAB_1_20, HEAP_1_21, SCHEDULER_1_19, STATISTICS_1_19, PROFILE_1_19, TYPE_1_19, 0, "cmp maps slices"},
	{22, true,  GO120_PCLNTAB_MAGIC, MODULE_1_20, PCLNTAB_1_20, HEAP_1_22, SCHEDULER_1_19, STATISTICS_1_19, PROFILE_1_19, TYPE_1_19, 512, "iter"},
	{23, true,  GO120_PCLNTAB_MAGIC, MODULE_1_20, PCLNTAB_1_20, HEAP_1_23, SCHEDULER_1_23, STATISTICS_1_19, PROFILE_1_23, TYPE_1_19, 512, "structs unique"},
	{24, true,  GO120_PCLNTAB_MAGIC, MODULE_1_20, PCLNTAB_1_20, HEAP_1_24, SCHEDULER_1_23, STATISTICS_1_19, PROFILE_1_23, TYPE_1_19, 512, "weak"},
	{25, true,  GO120_PCLNTAB_MAGIC, MODULE_1_20, PCLNTAB_1_20, HEAP_1_24, SCHEDULER_1_25, STATISTICS_1_25, PROFILE_1_23, TYPE_1_19, 512, ""},
	{26, true,  GO120_PCLNTAB_MAGIC, MODULE_1_20, PCLNTAB_1_20, HEAP_1_24, SCHEDULER_1_26, STATISTICS_1_25, PROFILE_1_23, TYPE_1_19, 512, "simd"},
	{27, true,  GO120_PCLNTAB_MAGIC, MODULE_1_27, PCLNTAB_1_20, HEAP_1_24, SCHEDULER_1_26, STATISTICS_1_25, PROFILE_1_27, TYPE_1_19, 512, "uuid"},
};
/* clang-format on */

enum { VERSION_COUNT = sizeof(versions) / sizeof(versions[0]) };

const struct go_version *go_version_row(int index)
{
	return index >= 0 && index < VERSION_COUNT ? &versions[index] : NULL;
}

/* Whether the word is in a list of words that are separated by spaces. */
static bool has_word(const char *list, const char *word, size_t length)
{
	for (; *list; list += strspn(list, " ")) {
		size_t size = strcspn(list, " ");

		if (size == length && memcmp(list, word, length) == 0)
			return true;
		list += size;
	}
	return false;
}

bool go_version_is_standard(const char *path, size_t length)
{
	const char *slash = memchr(path, '/', length);
	size_t first = slash ? (size_t)(slash - path) : length;

	for (int i = 0; i < VERSION_COUNT; i++) {
		if (has_word(versions[i].packages, path, first))
			return true;
	}
	return false;
}

const struct go_version *go_version_find(const char *text, bool *known)
{
	const struct go_version *newest = &versions[VERSION_COUNT - 1];
	const char *release = strstr(text, "go1.");
	long minor;

	*known = false;
	if (!release || !isdigit((unsigned char)release[4]))
		return NULL;
	minor = strtol(release + 4, NULL, 10);
	for (int i = 0; i < VERSION_COUNT; i++) {
		if (versions[i].minor == minor) {
			*known = versions[i].verified;
			return &versions[i];
		}
	}
	return minor > newest->minor ? newest : NULL;
}
