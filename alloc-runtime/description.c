/* SPDX-License-Identifier: BSD-2-Clause */
/* The description of goalloc_contract.h, and the ELF note by which observers find it. */
#include "cachealloc.h"
#include "debug.h"
#include "heap_profile.h"
#include "runtime.h"
#include "sections.h"
#include "special.h"
#include "stack.h"

__attribute__((visibility("hidden"))) struct goalloc_description goalloc_description = {
	.version = GOALLOC_DESCRIPTION_VERSION,
	.size = sizeof(struct goalloc_description),
	.span_classes = NumSpanClasses,
	.tiny_span_class = TinySpanClass,
	.cache_size = offsetof(struct mcache, grows_pending),
	.cache_sequence = offsetof(struct mcache, sequence),
	.cache_id = offsetof(struct mcache, id),
	.cache_alloc = offsetof(struct mcache, alloc),
	.cache_class_counters = offsetof(struct mcache, class_counters),
	.cache_pending = offsetof(struct mcache, pending),
	.cache_tiny_objects = offsetof(struct mcache, tiny_objects),
	.cache_tiny_blocks = offsetof(struct mcache, tiny_blocks),
	.cache_tiny_bytes = offsetof(struct mcache, tiny_bytes),
	.span_base = offsetof(struct mspan, base),
	.span_alloc_count = offsetof(struct mspan, allocCount),
	.span_alloc_count_before_cache = offsetof(struct mspan, allocCountBeforeCache),
	.span_alloc_count_width = sizeof(((struct mspan *)0)->allocCount),
	.span_link = offsetof(struct mspan, alllink),
	.span_pages = offsetof(struct mspan, npages),
	.span_released = offsetof(struct mspan, npreleased),
	.span_state = offsetof(struct mspan, state),
	.span_class = offsetof(struct mspan, spanclass),
};

static struct goalloc_search search = {
	.size = sizeof(struct goalloc_search),
	.span_size = sizeof(struct mspan),
	.queue_length = DebugQueue,
	.span_owner = offsetof(struct mspan, owner),
	.span_alloc_bits = offsetof(struct mspan, allocBits),
	.span_free_bits = offsetof(struct mspan, freeBits),
	.span_window = offsetof(struct mspan, allocCache),
	.span_held = offsetof(struct mspan, allocHeld),
	.span_free_index = offsetof(struct mspan, freeindex),
	.span_tiny = offsetof(struct mspan, tiny),
	.span_specials = offsetof(struct mspan, specials),
	.span_idle_stacks = offsetof(struct mspan, inline_freeBits[StackIdleWord]),
	.special_next = offsetof(struct special, next),
	.special_argument = offsetof(struct special, argument),
	.cache_tiny = offsetof(struct mcache, tiny),
};
_Static_assert(StackMin == GOALLOC_STACK_BYTES(0) && TinySize == 16, "read from outside");

/* The note has a distance and not an address, so that it needs no relocation in a shared library or
 * position-independent program. */
__asm__(".pushsection .note.goalloc, \"a\", \"note\"\n"
	".balign 4\n"
	".4byte 992f - 991f, 994f - 993f, 1\n"
	"991: .asciz \"" GOALLOC_NOTE_OWNER "\"\n"
	"992: .balign 4\n"
	"993: .8byte goalloc_description - 993b\n"
	"994: .balign 4\n"
	".popsection\n");
_Static_assert(GOALLOC_NOTE_DESCRIPTION == 1, "written in the note");

_Static_assert(mSpanFree == GOALLOC_STATE_FREE && mSpanInUse == GOALLOC_STATE_SMALL &&
		       mSpanLarge == GOALLOC_STATE_LARGE && mSpanStack == GOALLOC_STATE_STACKS,
	       "read from outside");

void description_publish(void)
{
	goalloc_description.class_sizes = (uintptr_t)class_sizes;
	goalloc_description.heap_counters = (uintptr_t)&mheap.counters;
	goalloc_description.caches = (uintptr_t)&mcache_heads;
	goalloc_description.ended = (uintptr_t)&mcache_ended;
	goalloc_description.spans = (uintptr_t)&mheap.allspans;
	goalloc_description.heap_profile = (uintptr_t)&heap_profile;
	search.own[0][0] = code_start();
	search.own[0][1] = code_end();
	search.own[1][0] = (uintptr_t)data_start;
	search.own[1][1] = (uintptr_t)data_end;
	search.own[2][0] = (uintptr_t)bss_start;
	search.own[2][1] = (uintptr_t)bss_end;
	search.objects = (uintptr_t)&heap_profile_objects.slots;
	search.queue = (uintptr_t)debug_queue;
	goalloc_description.search = (uintptr_t)&search;
}
