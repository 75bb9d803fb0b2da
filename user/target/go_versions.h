/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_VERSIONS_H
#define ESCAPEMENT_GO_VERSIONS_H

/*
 * What differs between Go releases for amd64 Linux: one row per release. No other file contains facts about versions. Offsets and sizes are in bytes. To support a new release, add a row.
 *
 * A release without a row uses the row that its code agrees with (go_code.h); so do programs that hide their version.
 * Then everything works as for a known release, and `known` is false. If no row agrees, --rate 1 still counts every
 * allocation, but without a check; the other rates end with exit status 3 and say so
 * (tests/integration/test_go_versions.py).
 *
 * Sources: src/runtime/{symtab,runtime2,mcache,mheap,mstats}.go and src/internal/abi of each release. Every row is
 * tested against binaries of that release (make test-go-matrix).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First word of pcHeader: Go118PCLnTabMagic and Go120PCLnTabMagic of internal/abi. */
#define GO118_PCLNTAB_MAGIC 0xfffffff0U
#define GO120_PCLNTAB_MAGIC 0xfffffff1U

/* runtime.moduledata */
struct go_moduledata_layout {
	uint16_t text, types, types_end, gofunc;
};

/* runtime._func and runtime.inlinedCall */
struct go_pclntab_layout {
	uint16_t func_size;	  /* without pcdata and funcdata */
	uint16_t func_start_line; /* 0 if there is none */
	uint16_t inlined_size, inlined_name, inlined_parent;
	uint16_t inlined_start_line; /* 0 if there is none */
};

/* The fields of runtime.mcache, mspan and p that an observer needs */
struct go_heap_layout {
	uint16_t mcache_alloc;	     /* [136]*mspan */
	uint16_t mcache_tiny_allocs; /* uintptr */
	uint16_t span_start, span_pages, span_elements;
	uint16_t span_alloc_count;		/* uint16 */
	uint16_t span_alloc_count_before_cache; /* uint16 */
	uint16_t span_class;			/* uint8 */
	uint16_t span_element_size;		/* uintptr */
	uint16_t p_mcache;			/* p.m directly precedes it */
	/* mcache.nextSample follows: when MemProfileRate changes, a new distance is drawn */
	bool rate_followed;
};

/* Fields of p, m and g, to find the goroutine that runs on a P, and where one waits */
struct go_scheduler_layout {
	uint16_t p_status;    /* uint32, an enum go_p_status */
	uint16_t m_current;   /* *g */
	uint16_t m_locks;     /* int32: how often the thread has asked not to be preempted */
	uint16_t g_m;	      /* *m */
	uint16_t g_sched;     /* gobuf, which begins with the stack pointer */
	uint16_t g_status;    /* uint32, an enum go_g_status */
	uint16_t gobuf_pc;    /* address of the instruction, in g.sched */
	uint16_t gobuf_frame; /* saved frame pointer, in g.sched */
};

/* runtime.memstats.heapStats, at the start of runtime.memstats: the counters are the sum of stats[3] */
struct go_statistics_layout {
	uint16_t stride;      /* of stats */
	uint16_t tiny_count;  /* uint64 */
	uint16_t large_bytes; /* uint64 */
	uint16_t large_count; /* uint64 */
	uint16_t small_count; /* [68]uint64 */
	uint16_t collections; /* memstats.numgc, uint32: behind the sets, from the same start */
};

/* runtime.memRecordCycle: {allocs, frees} and, until 1.26, {alloc_bytes, free_bytes}. A bucket of the memory profile has
 * four of them: the active one, and three of cycles to come. */
struct go_profile_layout {
	uint16_t cycle_size;
	uint16_t stack_max; /* frames that it keeps of a stack */
};

/* Values of p.status and of g.atomicstatus, the latter without the bit of the collector's scan: the same in all rows. */
enum go_p_status { GO_P_RUNNING = 1, GO_P_GC_STOP = 3 };
enum go_g_status {
	GO_G_RUNNABLE = 1,
	GO_G_RUNNING = 2,
	GO_G_WAITING = 4,
	GO_G_COPYSTACK = 8, /* running, while its stack is being enlarged */
	GO_G_PREEMPTED = 9,
	GO_G_STATUS_BITS = 0xfff, /* all but that bit */
};

/* internal/abi.Type */
struct go_type_layout {
	uint16_t pointer_bytes; /* uintptr: 0 if the type has no pointers */
	uint16_t flags;		/* uint8 */
	uint16_t name;		/* int32 */
	uint16_t size;		/* of the structure */
	uint8_t flag_extra_star;
};

struct go_version {
	int minor;	/* first release of this row: 24 for 1.24 */
	bool verified;	/* false: not tested, because no toolchain of that release was available */
	uint32_t magic; /* of pcHeader */
	struct go_moduledata_layout module;
	struct go_pclntab_layout pclntab;
	struct go_heap_layout heap;
	struct go_scheduler_layout scheduler;
	struct go_statistics_layout statistics;
	struct go_profile_layout profile;
	struct go_type_layout type;
	/* objects with pointers that are larger than this have a header of 8 bytes; 0: none do */
	uint16_t header_from;
	/* the first elements of import paths that the standard library got with this release, separated by spaces */
	const char *packages;
};

/*
 * Finds the row for a version text ("go1.24.4", "go1.27.3 X:nocoverageredesign", "devel go1.28-…"). A release newer
 * than the table gets the newest row, with `*known` false: then the code must confirm its offsets. Returns NULL for
 * releases before 1.19 and for texts that are not a Go version.
 */
const struct go_version *go_version_find(const char *text, bool *known);

/*
 * Whether an import path of `length` bytes begins like one of the standard library of any release in the table. (A path
 * without a dot in its first element need not be of the standard library: modules may have such names too.)
 */
bool go_version_is_standard(const char *path, size_t length);

/* Iterates over all rows, oldest first; NULL after the last. */
const struct go_version *go_version_row(int index);

#endif
