/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_GO_VERSIONS_H
#define ESCAPEMENT_GO_VERSIONS_H

/*
 * What differs between Go releases, amd64 on Linux: one row a release that changed something, and nothing about
 * versions anywhere else. Offsets and sizes are in bytes. Supporting a new release is adding a row.
 *
 * A release without a row is read by the row that its code agrees with (go_code.h), for programs that hide their version
 * too: then everything works as for a known one, and `known` is false. If no row agrees, --rate 1 still counts every
 * allocation, without a check; the other rates end with exit status 3 and say so (tests/integration/test_go_versions.py).
 *
 * Sources: src/runtime/{symtab,runtime2,mcache,mheap,mstats}.go and src/internal/abi of each release; every row is
 * tested against binaries of that release (make test-go-matrix).
 */

#include <stdbool.h>
#include <stdint.h>

/* runtime.moduledata */
struct go_moduledata_layout {
	uint16_t text, types, types_end, gofunc;
};

/* runtime._func and runtime.inlinedCall */
struct go_pclntab_layout {
	uint16_t func_size;	  /* without pcdata and funcdata */
	uint16_t func_start_line; /* 0 where there is none */
	uint16_t inlined_size, inlined_name, inlined_parent;
	uint16_t inlined_start_line; /* 0 where there is none */
};

/* runtime.mcache, mspan and p, as far as an observer needs them */
struct go_heap_layout {
	uint16_t mcache_alloc;	     /* [136]*mspan */
	uint16_t mcache_tiny_allocs; /* uintptr */
	uint16_t span_start, span_pages, span_elements;
	uint16_t span_alloc_count;		/* uint16 */
	uint16_t span_alloc_count_before_cache; /* uint16 */
	uint16_t span_class;			/* uint8 */
	uint16_t span_element_size;		/* uintptr */
	uint16_t p_mcache;			/* p.m stands right before it */
	bool rate_followed;			/* by mcache.nextSample: a new MemProfileRate draws a new distance */
};

/* Who runs on a P: m and g */
struct go_scheduler_layout {
	uint16_t m_current;   /* *g */
	uint16_t g_status;    /* uint32 */
	uint16_t gobuf_frame; /* saved frame pointer, in g.sched */
};

/* runtime.memstats.heapStats, which stands at the start of runtime.memstats: stats[3], summed */
struct go_statistics_layout {
	uint16_t stride;      /* of stats */
	uint16_t tiny_count;  /* uint64 */
	uint16_t large_bytes; /* uint64 */
	uint16_t large_count; /* uint64 */
	uint16_t small_count; /* [68]uint64 */
};

struct go_version {
	int minor;	/* first release of this row: 24 for 1.24 */
	bool verified;	/* false: no toolchain of that release was to be had for the tests */
	uint32_t magic; /* of pcHeader */
	struct go_moduledata_layout module;
	struct go_pclntab_layout pclntab;
	struct go_heap_layout heap;
	struct go_scheduler_layout scheduler;
	struct go_statistics_layout statistics;
	uint16_t header_from; /* objects with pointers larger than this carry a header of 8 bytes; 0: none do */
};

/*
 * The row for a version text ("go1.24.4", "go1.27.3 X:nocoverageredesign", "devel go1.28-…"). Newer releases than
 * the table's get the newest row, with `*known` false: its offsets then need confirming from the code. NULL for
 * releases before 1.19 and for texts that are no Go version.
 */
const struct go_version *go_version_find(const char *text, bool *known);

/* Iterates over all rows, oldest first; NULL after the last. */
const struct go_version *go_version_row(int index);

#endif
