/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * BPF programs on functions of Go's runtime. Go passes arguments in registers (machine.h) and keeps frame pointers.
 *
 * A probe is at the conditional branch of the function's stack check (user/runtime/go_code.h says why). The function
 * has not set up its frame there, so the return address is where the call left it, and the frame pointer is still the
 * caller's. If the branch is about to be taken, the function will run again from its start, so that hit does not count.
 */
#include "go_grows.h"
#include "go_memory.h"
#include "go_stack.h"
#include "machine.h"
#include "record.h"

/* As GO_… of events.h. */
#define PALLOC_CHUNK_PAGES 512 /* mheap.grow allocates in multiples of it */
#define TINY_SPAN_CLASS	   5
#define MAX_TINY_SIZE	   16 /* smaller objects without pointers share blocks */

/* The runtime's size_to_class8 and size_to_class128, filled in before the programs are loaded. */
const volatile __u8 size_class_of_8[GO_SMALL_SIZE_MAX / GO_SMALL_SIZE_DIV + 1] = {0};
const volatile __u8 size_class_of_128[(GO_MAX_SMALL_SIZE - GO_SMALL_SIZE_MAX) / GO_LARGE_SIZE_DIV + 1] = {0};
const volatile __u16 size_class_sizes[EVENT_SPAN_CLASSES / 2] = {0};

/* Whether this hit counts: false if the branch of the stack check will be taken. */
static __always_inline int counts_hit(struct pt_regs *ctx, __u32 flags)
{
	return !(flags & EVENT_FLAG_STACK_CHECK) || !GO_BRANCH_TAKEN(ctx);
}

static __always_inline int has_pointers(const volatile struct event_layout *layout, __u64 type)
{
	return type && read_word(type + layout->type_pointer_bytes) != 0;
}

/* Returns the span class that mallocgc uses for a size; stores the bytes that the object takes in *bytes. */
static __always_inline __u32 span_class_of(const volatile struct event_layout *layout, __u64 size, int scan,
					   __u64 *bytes)
{
	__u32 noscan = !scan, index, class;

	if (noscan && size < MAX_TINY_SIZE) {
		*bytes = size;
		return TINY_SPAN_CLASS;
	}
	if (size > layout->small_max) {
		*bytes = (size + GO_PAGE_SIZE - 1) & ~(GO_PAGE_SIZE - 1);
		return noscan;
	}
	if (scan && layout->header_from && size > layout->header_from)
		size += GO_MALLOC_HEADER_SIZE;
	if (size <= GO_SMALL_SIZE_MAX - GO_SMALL_SIZE_DIV) {
		index = (size + GO_SMALL_SIZE_DIV - 1) / GO_SMALL_SIZE_DIV;
		class = index < sizeof(size_class_of_8) ? size_class_of_8[index] : 0;
	} else {
		index = (size - GO_SMALL_SIZE_MAX + GO_LARGE_SIZE_DIV - 1) / GO_LARGE_SIZE_DIV;
		class = index < sizeof(size_class_of_128) ? size_class_of_128[index] : 0;
	}
	*bytes = class < EVENT_SPAN_CLASSES / 2 ? size_class_sizes[class] : 0;
	return class << 1 | noscan;
}

/* Whether a return address is mallocgc's. */
static __always_inline int within_malloc(const struct event_process *process, __u64 address)
{
	return address > process->layout.malloc_start && address <= process->layout.malloc_end;
}

/* Whether a function that the compiler may call instead of mallocgc was called by mallocgc itself, whose probe has
 * counted the allocation. */
static __always_inline int called_by_malloc(struct pt_regs *ctx, const struct event_process *process)
{
	return within_malloc(process, GO_CALLER(ctx));
}

/* An allocation in a burst: it has a row, and nothing else. */
static __always_inline void count_in_burst(struct pt_regs *ctx, struct event_process *process, __u32 slot, __u32 flags)
{
	__u64 size = GO_ARGUMENT_1(ctx), type = GO_ARGUMENT_2(ctx), burst = *(volatile __u64 *)&process->burst, bytes;
	struct event_key key = {.slot = slot, .kind = EVENT_BURST, .type = type, .site = burst - 1};
	struct event_sums amount = {.count = 1};
	__u32 span_class;

	add(process->hits, 1);
	if (!burst || !(flags & EVENT_FLAG_RECORDING) || !counts_hit(ctx, flags) || !size ||
	    ((flags & EVENT_FLAG_DIRECT) && called_by_malloc(ctx, process)))
		return;
	span_class = span_class_of(&process->layout, size, has_pointers(&process->layout, type), &bytes);
	if (burst == 1) /* before the first burst, when every allocation is counted */
		key.kind = EVENT_ALLOC;
	key.span_class = span_class;
	amount.bytes = bytes;
	if (class_of(process, flags, span_class))
		record(process, &key, take_stack(ctx, slot), &amount);
}

/* mallocgc(size, type, needzero), and the functions with the same arguments that the compiler may call instead. */
SEC("uprobe.multi")
int go_malloc(struct pt_regs *ctx)
{
	__u64 size = GO_ARGUMENT_1(ctx), type = GO_ARGUMENT_2(ctx), bytes = 0;
	__u32 slot, flags, span_class;
	struct event_process *process = process_uncounted(ctx, &slot, &flags);
	struct event_class_totals *totals;
	struct event_counter *counter;
	int fresh;

	if (!process)
		return 0;
	if (flags & EVENT_FLAG_BURST) {
		count_in_burst(ctx, process, slot, flags);
		return 0;
	}
	if (!counts_hit(ctx, flags) || size == 0 || ((flags & EVENT_FLAG_DIRECT) && called_by_malloc(ctx, process))) {
		add(process->hits, 1);
		return 0;
	}
	counter = counter_of(process, 0, type, size, &fresh);
	if (counter) {
		if (fresh) {
			counter->span_class = span_class_of(&process->layout, size,
							    has_pointers(&process->layout, type), &counter->bytes);
			counter_publish(counter);
		}
		counter_add(counter, flags);
		span_class = counter->span_class;
		bytes = counter->bytes;
	} else {
		add(process->hits, 1);
		span_class = span_class_of(&process->layout, size, has_pointers(&process->layout, type), &bytes);
		totals = class_of(process, flags, span_class);
		if (!totals)
			return 0;
		add(totals->objects, 1);
		add(totals->bytes, bytes);
	}
	if (flags & EVENT_FLAG_RECORDING && (stacks_wanted || !counter)) {
		struct event_sums amount = {.count = 1, .bytes = bytes};
		struct event_key key = {.slot = slot, .kind = EVENT_ALLOC, .type = type, .span_class = span_class};

		record(process, &key, take_stack(ctx, slot), &amount);
	}
	return 0;
}

/* On a function of the program whose calls are counted. */
SEC("uprobe.multi")
int go_call(struct pt_regs *ctx)
{
	__u32 slot, flags;
	struct event_process *process = process_of(ctx, &slot, &flags);

	if (process && counts_hit(ctx, flags) && flags & EVENT_FLAG_RECORDING)
		add(process->calls[EVENT_CALL_OF(flags)], 1);
	return 0;
}

/* newproc(fn): a go statement starts a goroutine that runs fn, whose first word is where its code begins. */
SEC("uprobe.multi")
int go_start(struct pt_regs *ctx)
{
	__u32 slot, flags;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_sums amount = {.count = 1};
	struct event_key key = {.kind = EVENT_GO, .span_class = EVENT_NO_SPAN_CLASS};

	if (!process || !counts_hit(ctx, flags) || !(flags & EVENT_FLAG_RECORDING))
		return 0;
	key.slot = slot;
	key.site = read_word(GO_ARGUMENT_1(ctx));
	record(process, &key, take_stack(ctx, slot), &amount);
	return 0;
}

/* Every mcache has a slot of its own, found by linear probing. */
static __always_inline void set_pending(struct event_process *process, __u64 cache, __u64 span, __u32 span_class)
{
	for (__u32 i = 0; i < EVENT_PENDING; i++) {
		__u32 index = (EVENT_PENDING_INDEX(cache) + i) % EVENT_PENDING;
		__u64 owner = process->pending[index].cache;

		if (owner && owner != cache)
			continue;
		process->pending[index].span = span;
		process->pending[index].span_class = span_class;
		process->pending[index].cache = cache;
		return;
	}
}

/* Numbers of a span's elements in use: now, and when its mcache took it. Read together if both counts are in one word,
 * as in all releases. */
struct span_counts {
	__u16 now, before;
};

static __always_inline struct span_counts span_counts_read(const volatile struct event_layout *layout, __u64 span)
{
	__u32 distance = layout->span_alloc_count_before_cache - layout->span_alloc_count;
	__u64 word = read_word(span + layout->span_alloc_count);
	struct span_counts counts = {.now = word, .before = word >> (8 * distance & 63)};

	if (distance > sizeof(word) - sizeof(counts.before))
		counts.before = read_half(span + layout->span_alloc_count_before_cache);
	return counts;
}

/* (*mcache).refill(span class): counts the objects that the cache allocated from the span that it returns. */
SEC("uprobe.multi")
int go_refill(struct pt_regs *ctx)
{
	__u64 cache = GO_ARGUMENT_1(ctx), span, objects;
	__u32 slot, flags, span_class = GO_ARGUMENT_2(ctx) & 0xff;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_sums amount = {.count = 1};
	struct event_key key = {.slot = slot, .kind = EVENT_REFILL, .span_class = span_class};
	struct event_cache *notes = 0;
	struct event_held_span *held = 0;
	struct event_class_totals *totals;
	struct span_counts counts;

	if (!process || !counts_hit(ctx, flags) || !(totals = class_of(process, flags, span_class)))
		return 0;
	span = read_word(cache + process->layout.mcache_alloc + span_class * sizeof(__u64));
	counts = span_counts_read(&process->layout, span);
	set_pending(process, cache, span, span_class);
	add(totals->refills, 1);
	if (flags & EVENT_FLAG_TOTAL_OBJECTS) {
		objects = counts.now - (__u64)counts.before;
		add(totals->bytes, objects * size_class_sizes[span_class >> 1]);
		if (span_class == TINY_SPAN_CLASS)
			objects += read_word(cache + process->layout.mcache_tiny_allocs);
		add(totals->objects, objects);
	}
	if (process->layout.bits_arenas)
		notes = cache_of(process, slot, cache);
	barrier_var(span_class); /* see class_of() */
	if (notes && span_class < EVENT_SPAN_CLASSES) {
		held = &notes->spans[span_class];
		span_returned(EVENT_COOKIE(slot, flags), span_class, span, counts.before, held);
	}
	if (flags & EVENT_FLAG_RECORDING) {
		record(process, &key, take_stack(ctx, slot), &amount);
		if (held)
			span_taken(held, &key.stack);
	}
	return 0;
}

/*
 * Counts the objects that the mcache allocated from its span of that class, which it returns. `cookie` is as in
 * span_returned(). A global function, so that the verifier checks it once and not once per class.
 */
int release_span(__u64 cookie, __u64 cache, __u64 class);

__noinline int release_span(__u64 cookie, __u64 cache, __u64 class)
{
	__u32 slot = EVENT_COOKIE_SLOT(cookie), flags = EVENT_COOKIE_FLAGS(cookie);
	struct event_process *process = bpf_map_lookup_elem(&processes, &slot);
	struct event_cache_key key = {.cache = cache, .slot = slot};
	struct event_class_totals *totals;
	struct event_cache *notes = 0;
	struct span_counts counts;
	__u64 span, objects;

	barrier_var(class); /* see class_of() */
	if (!process || class >= EVENT_SPAN_CLASSES)
		return 0;
	totals = &window_of(process, flags)->classes[class];
	span = read_word(cache + process->layout.mcache_alloc + class * sizeof(__u64));
	counts = span_counts_read(&process->layout, span);
	objects = counts.now - (__u64)counts.before;
	if (process->layout.bits_arenas)
		notes = bpf_map_lookup_elem(&caches, &key);
	if (notes)
		span_returned(cookie, class, span, counts.before, &notes->spans[class]);
	if (!objects || !(flags & EVENT_FLAG_TOTAL_OBJECTS))
		return 0;
	add(totals->objects, objects);
	add(totals->bytes, objects * size_class_sizes[class >> 1]);
	return 0;
}

/* (*mcache).releaseAll(): the same for every span of the cache; called at each collection and each ReadMemStats. */
SEC("uprobe.multi")
int go_release_all(struct pt_regs *ctx)
{
	__u64 cache = GO_ARGUMENT_1(ctx), cookie;
	__u32 slot, flags;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_class_totals *tiny;

	if (!process || !counts_hit(ctx, flags))
		return 0;
	set_pending(process, cache, 0, 0);
	if (process->layout.bits_arenas)
		cache_of(process, slot, cache);
	else if (!(flags & EVENT_FLAG_TOTAL_OBJECTS))
		return 0;
	cookie = EVENT_COOKIE(slot, flags);
	for (__u64 class = 0; class < EVENT_SPAN_CLASSES; class ++)
		release_span(cookie, cache, class);
	tiny = class_of(process, flags, TINY_SPAN_CLASS);
	if (tiny && flags & EVENT_FLAG_TOTAL_OBJECTS)
		add(tiny->objects, read_word(cache + process->layout.mcache_tiny_allocs));
	return 0;
}

/* (*mcache).allocLarge(size, noscan). Totals only. */
SEC("uprobe.multi")
int go_large(struct pt_regs *ctx)
{
	__u64 size = GO_ARGUMENT_2(ctx);
	__u32 slot, flags, noscan = GO_ARGUMENT_3(ctx) & 1;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_class_totals *totals;

	if (!process || !counts_hit(ctx, flags) || !(totals = class_of(process, flags, noscan)))
		return 0;
	add(totals->objects, 1);
	add(totals->bytes, (size + GO_PAGE_SIZE - 1) & ~(GO_PAGE_SIZE - 1));
	return 0;
}

/* For methods of mcentral: the receiver's first field is its span class. */
static __always_inline int count_central(struct pt_regs *ctx, enum event_kind kind)
{
	__u8 span_class = 0;
	__u32 slot, flags;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_sums amount = {.count = 1};
	struct event_key key = {.slot = slot, .kind = kind};
	struct event_class_totals *totals;

	if (bpf_probe_read_user(&span_class, sizeof(span_class), (void *)GO_ARGUMENT_1(ctx)))
		span_class = EVENT_SPAN_CLASSES; /* counted as lost */
	if (!process || !counts_hit(ctx, flags) || !(totals = class_of(process, flags, span_class)))
		return 0;
	if (kind == EVENT_REFILL)
		add(totals->refills, 1);
	else
		add(totals->central_grows, 1);
	key.span_class = span_class;
	if (flags & EVENT_FLAG_RECORDING)
		record(process, &key, take_stack(ctx, slot), &amount);
	return 0;
}

/* (*mcentral).grow() */
SEC("uprobe.multi")
int go_central_grow(struct pt_regs *ctx)
{
	return count_central(ctx, EVENT_CENTRAL_GROW);
}

/* (*mcentral).cacheSpan(): called once per refill. Used if refill itself cannot be probed. */
SEC("uprobe.multi")
int go_cache_span(struct pt_regs *ctx)
{
	return count_central(ctx, EVENT_REFILL);
}

/* (*mheap).grow(pages). */
SEC("uprobe.multi")
int go_heap_grow(struct pt_regs *ctx)
{
	__u64 pages = (GO_ARGUMENT_2(ctx) + PALLOC_CHUNK_PAGES - 1) & ~(PALLOC_CHUNK_PAGES - 1ULL);
	__u32 slot, flags;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_sums amount = {.count = 1, .bytes = pages * GO_PAGE_SIZE};
	struct event_key key = {.slot = slot, .kind = EVENT_HEAP_GROW, .span_class = EVENT_NO_SPAN_CLASS};
	struct event_window *window;

	if (!process || !counts_hit(ctx, flags))
		return 0;
	window = window_of(process, flags);
	add(window->heap_grows, 1);
	add(window->heap_grow_bytes, amount.bytes);
	if (flags & EVENT_FLAG_RECORDING)
		record(process, &key, take_stack(ctx, slot), &amount);
	return 0;
}

/* Reads mallocgc's arguments from the space that the ABI reserves for spilling them, in the frame of its caller. They are
 * used only if they describe an object of that size. */
static __always_inline int read_arguments(const volatile struct event_layout *layout, __u64 frame, __u64 size,
					  struct event_key *key)
{
	__u64 spilled = GO_ARGUMENTS(frame), asked = read_word(spilled), type = read_word(spilled + 8), bytes = 0;
	__u32 span_class = span_class_of(layout, asked, has_pointers(layout, type), &bytes);

	if (!asked || (span_class == TINY_SPAN_CLASS ? size != MAX_TINY_SIZE : bytes != size))
		return 0;
	key->type = type;
	key->span_class = span_class;
	if (span_class == TINY_SPAN_CLASS && asked < MAX_TINY_SIZE)
		key->site = 0;
	return 1;
}

/* Notes the rate of a sample, for all samples and for those of its row. */
static __always_inline void note_rate(struct event_process *process, struct event_sums *amount, __u64 rate, __u64 size)
{
	if ((__s64)rate <= 0)
		return;
	if (rate > EVENT_RATE_MAX)
		rate = EVENT_RATE_MAX;
	add(process->rates, rate);
	add(process->rate_squares, rate * rate);
	if (size <= GO_MAX_SMALL_SIZE)
		add(process->reach, rate + size);
	if (rate > process->coarsest)
		process->coarsest = rate;
	amount->weight = rate;
	amount->objects_q20 = rate * rate;
}

/*
 * profilealloc(m, object, size): the runtime's own sampler chose an object that takes `size` bytes. User space knows
 * the sampler's rate, and thereby what a sample of that size stands for. The caller is mallocgc; from Go 1.24 on it is
 * a function that mallocgc calls.
 */
SEC("uprobe.multi")
int go_sample(struct pt_regs *ctx)
{
	__u64 size = GO_ARGUMENT_3(ctx);
	__u32 slot, flags;
	struct event_process *process = process_of(ctx, &slot, &flags);
	struct event_sums amount = {.events = 1, .count = 1, .bytes = size};
	struct event_key key = {.slot = slot, .kind = EVENT_SAMPLE, .site = size, .span_class = EVENT_NO_SPAN_CLASS};
	__u64 first = MACHINE_FP(ctx), second = read_word(first);

	if (!process || !counts_hit(ctx, flags) || !(flags & EVENT_FLAG_RECORDING))
		return 0;
	if (process->layout.profile_rate) /* the program may change it at any time */
		note_rate(process, &amount, read_word(process->layout.profile_rate), size);
	/* A function that mallocgc calls has not spilled its own: what is there is of earlier calls, and may look like them. */
	if (within_malloc(process, read_word(first + 8))) {
		first = second;
		second = MACHINE_FP(ctx);
	}
	if (!read_arguments(&process->layout, first, size, &key))
		read_arguments(&process->layout, second, size, &key);
	record(process, &key, take_stack(ctx, slot), &amount);
	return 0;
}
