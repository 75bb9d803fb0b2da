/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef ESCAPEMENT_RECORD_H
#define ESCAPEMENT_RECORD_H

/*
 * How an event of any probe gets into the maps. Every program takes the same four steps:
 *
 *   1. process_of()       find the process slot, by the probe's cookie
 *   2. scratch_claim()    claim a buffer for the stack. There are several per CPU, because programs on uprobes can be
 *                         preempted, and then another one runs on the same CPU
 *   3. take_stack()       fill in the stack, in a way that depends on the kind of target
 *   4. record()           add to the row and release the buffer
 *
 * and also adds to the totals, which never fails. Additions are atomic, because a program may be preempted or run on
 * two CPUs at once.
 */

#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "events.h"

#define SCRATCH_SLOTS 16
#define INSERT_TRIES  4
#define ERROR_EXISTS  17 /* EEXIST */

/* Set before load. */
__weak const volatile __u64 stack_seed[2] = {0, 0};
__weak const volatile __u8 stacks_wanted = 1; /* 0: rows are distinguished by site and type only */

__weak volatile struct event_maps maps = {0};

/*
 * Go: a copy of a part of the target's stack. Frames are close together, so one copy holds several of them. This size
 * was the fastest at stacks of 11 and of 27 frames; 256 bytes took up to 1.6 times as long.
 */
#define WINDOW_WORDS 256
struct window {
	__u64 start;
	__u64 bytes; /* number of bytes read */
	__u64 words[WINDOW_WORDS];
};

struct scratch {
	__u32 busy;
	__u32 padding;
	__u64 began_ns; /* the row is timed from then; 0: it is not */
	__u64 frame;	/* Go: the frame pointer to continue from */
	__u64 head[2];	/* goalloc: the fields before the target's stack */
	struct event_stack stack;
	struct window window;
	__u64 root[EVENT_STACK_ROOT]; /* Go: the latest callers beyond those that the stack has room for */
};

/*
 * Weak definitions, because every object defines the maps and the linker merges them: libbpf's linker (as of 1.4) does
 * not resolve extern maps from a file with several of them.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, EVENT_SLOTS);
	__type(key, __u32);
	__type(value, struct event_process);
} processes __weak SEC(".maps");
struct rows {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EVENT_ROWS_MAX); /* preallocated: an insertion must not fail for lack of memory */
	__type(key, struct event_key);
	__type(value, struct event_sums);
} rows0 __weak SEC(".maps"), rows1 __weak SEC(".maps");
struct stacks {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, EVENT_STACKS_MAX);
	__type(key, struct event_hash);
	__type(value, struct event_stack);
} stacks0 __weak SEC(".maps"), stacks1 __weak SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches __weak SEC(".maps");

__weak char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define add(target, amount) __sync_fetch_and_add(&(target), (amount))

/* Whether the time to record is over although user space, which may have to wait for a CPU, has not said so yet. The clock,
 * which costs a tenth of a hit, is looked at once in a jiffy. */
static __always_inline int is_over(struct event_process *process)
{
	__u64 now;

	if (!process->deadline_ns)
		return 0;
	now = bpf_jiffies64();
	if (process->looked_at != now) {
		process->looked_at = now;
		if (bpf_ktime_get_ns() >= process->deadline_ns)
			process->over = 1;
	}
	return process->over != 0;
}

/* Like process_of(), for programs that count the hit elsewhere. `flags` are EVENT_FLAG_…. */
static __always_inline struct event_process *process_uncounted(void *ctx, __u32 *slot, __u32 *flags)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct event_process *process;

	*slot = EVENT_COOKIE_SLOT(cookie);
	*flags = EVENT_COOKIE_FLAGS(cookie);
	process = bpf_map_lookup_elem(&processes, slot);
	if (!process)
		return 0;
	if (process->only_pid) {
		struct bpf_pidns_info info = {};

		if (bpf_get_ns_current_pid_tgid(process->pid_namespace_device, process->pid_namespace_inode, &info,
						sizeof(info)) ||
		    info.tgid != process->only_pid)
			return 0;
	}
	/* read once, so that one event is not both in the totals of one state and in rows of the other */
	if (*(volatile __u32 *)&process->recording && !is_over(process))
		*flags |= EVENT_FLAG_RECORDING;
	return process;
}

static __always_inline struct event_process *process_of(void *ctx, __u32 *slot, __u32 *flags)
{
	struct event_process *process = process_uncounted(ctx, slot, flags);

	if (process)
		add(process->hits, 1);
	return process;
}

static __always_inline struct event_window *window_of(struct event_process *process, __u32 flags)
{
	return flags & EVENT_FLAG_RECORDING ? &process->inside : &process->outside;
}

/* Returns 0 if the target gave an invalid span class; then the event is lost. */
static __always_inline struct event_class_totals *class_of(struct event_process *process, __u32 flags, __u64 span_class)
{
	/* keeps the compiler from checking a copy, which the verifier cannot relate to the index */
	barrier_var(span_class);
	if (span_class >= EVENT_SPAN_CLASSES) {
		add(process->lost_events, 1);
		return 0;
	}
	return &window_of(process, flags)->classes[span_class];
}

/* Finds or claims the counter for (site, type, size). 0 if the hash slot is taken by another triple. If *fresh, the
 * caller sets span_class and bytes, then calls counter_publish(). */
static __always_inline struct event_counter *counter_of(struct event_process *process, __u64 site, __u64 type,
							__u64 size, int *fresh)
{
	struct event_counter *counter = &process->counters[EVENT_COUNTER_INDEX(site, type, size) % EVENT_COUNTERS];

	*fresh = 0;
	if (counter->state == EVENT_COUNTER_READY)
		return counter->site == site && counter->type == type && counter->size == size ? counter : 0;
	if (__sync_val_compare_and_swap(&counter->state, EVENT_COUNTER_FREE, EVENT_COUNTER_CLAIMED) !=
	    EVENT_COUNTER_FREE)
		return 0; /* another CPU is filling it in */
	counter->site = site;
	counter->type = type;
	counter->size = size;
	*fresh = 1;
	return counter;
}

static __always_inline void counter_publish(struct event_counter *counter)
{
	__sync_lock_test_and_set(&counter->state, EVENT_COUNTER_READY);
}

static __always_inline void counter_add(struct event_counter *counter, __u32 flags)
{
	if (flags & EVENT_FLAG_RECORDING)
		add(counter->inside, 1);
	else
		add(counter->outside, 1);
}

/* Decides whether a row is timed. What reading the clock takes, which differs between machines, is left out. */
static __always_inline __u64 timing_begin(struct event_process *process)
{
	__u64 first, second;

	if (add(process->rows.taken, 1) % EVENT_TIMED_EVERY)
		return 0;
	first = bpf_ktime_get_ns();
	second = bpf_ktime_get_ns();
	return second + (second - first);
}

static __always_inline void timing_end(struct event_process *process, __u64 began_ns)
{
	__s64 took;

	if (!began_ns)
		return;
	took = (__s64)(bpf_ktime_get_ns() - began_ns);
	if (took > 0 && took <= EVENT_TIMED_NS)
		add(process->rows.timed_ns, took);
}

/* Returns 0 if no stack is wanted or no buffer is free. */
static __always_inline struct scratch *scratch_claim(struct event_process *process, __u32 *number)
{
	if (!stacks_wanted)
		return 0;
	for (__u32 i = 0; i < SCRATCH_SLOTS; i++) {
		struct scratch *scratch;

		*number = i;
		scratch = bpf_map_lookup_elem(&scratches, number);
		if (!scratch)
			return 0;
		if (!__sync_lock_test_and_set(&scratch->busy, 1)) {
			scratch->began_ns = timing_begin(process);
			return scratch;
		}
	}
	return 0;
}

/* A compiler barrier is enough, because only programs on this CPU use the buffer. */
static __always_inline void scratch_release(struct scratch *scratch)
{
	barrier();
	*(volatile __u32 *)&scratch->busy = 0;
}

/*
 * Two independent 64-bit hashes of the return addresses, seeded for each session. With 128 bits, the probability that
 * two of a million stacks share a key is below 10^-26. stack_insert() would detect that at insertion.
 *
 * This and stack_equal() are global functions, which the verifier processes once for a program: their loops would else be
 * followed on each way that leads to them.
 */
int stack_hash(const struct event_stack *stack, struct event_hash *hash);

__weak __noinline int stack_hash(const struct event_stack *stack, struct event_hash *hash)
{
	__u64 a, b;

	if (!stack || !hash)
		return -1;
	a = stack_seed[0] + stack->depth;
	b = stack_seed[1] ^ stack->truncated;
	for (__u32 i = 0; i < EVENT_STACK_MAX; i++) {
		if (i >= stack->depth)
			break;
		a = (a ^ stack->pcs[i]) * 0x9e3779b97f4a7c15ULL;
		a ^= a >> 32;
		b = (b + stack->pcs[i]) * 0xc2b2ae3d27d4eb4fULL;
		b ^= b >> 29;
	}
	hash->part[0] = a;
	hash->part[1] = b;
	return 0;
}

int stack_equal(const struct event_stack *a, const struct event_stack *b);

__weak __noinline int stack_equal(const struct event_stack *a, const struct event_stack *b)
{
	if (!a || !b || a->depth != b->depth)
		return 0;
	for (__u32 i = 0; i < EVENT_STACK_MAX; i++) {
		if (i >= a->depth)
			break;
		if (a->pcs[i] != b->pcs[i])
			return 0;
	}
	return 1;
}

/* Whose room an entry takes. */
enum room_of { ROOM_NONE, ROOM_OWN, ROOM_COMMON };

static __always_inline int room_take_of(volatile __u32 *taken, __u32 most)
{
	return *taken < most && add(*taken, 1) < most;
}

/* Takes room for one more entry of this process in a map of the pair `filling`. */
static __always_inline enum room_of room_take(struct event_process *process, __u32 filling, enum event_table table)
{
	if (room_take_of(&process->taken[filling & 1][table], maps.room[table].share))
		return ROOM_OWN;
	return room_take_of(&maps.taken[filling & 1][table], maps.room[table].common) ? ROOM_COMMON : ROOM_NONE;
}

/* Gives back what was taken for an entry that was not inserted. */
static __always_inline void room_return(struct event_process *process, __u32 filling, enum event_table table,
					enum room_of room)
{
	if (room == ROOM_OWN)
		add(process->taken[filling & 1][table], -1);
	else if (room == ROOM_COMMON)
		add(maps.taken[filling & 1][table], -1);
}

static __always_inline const struct event_stack *stack_find(__u32 filling, const struct event_hash *hash)
{
	return filling ? bpf_map_lookup_elem(&stacks1, hash) : bpf_map_lookup_elem(&stacks0, hash);
}

/* Inserts the stack under its hash into the pair `filling`, unless it is there already. */
static __always_inline int stack_insert(struct event_process *process, __u32 filling, const struct event_hash *hash,
					const struct event_stack *stack)
{
	const struct event_stack *stored = stack_find(filling, hash);
	enum room_of room = stored ? ROOM_NONE : room_take(process, filling, EVENT_STACKS);
	long error = -1;

	if (!stored && room == ROOM_NONE)
		return -1;
	/* The kernel allocates elements of this size from a small reserve, which it refills at the next interrupt. When
	 * the reserve is used up, that interrupt comes immediately, so another try is likely to succeed. */
	for (int tries = 0; tries < INSERT_TRIES && !stored && error && error != -ERROR_EXISTS; tries++)
		error = filling ? bpf_map_update_elem(&stacks1, hash, stack, BPF_NOEXIST)
				: bpf_map_update_elem(&stacks0, hash, stack, BPF_NOEXIST);
	if (!error) {
		add(maps.stacks, 1);
		return 0;
	}
	room_return(process, filling, EVENT_STACKS, room);
	if (error == -ERROR_EXISTS) /* another CPU was faster */
		stored = stack_find(filling, hash);
	return stored && stack_equal(stored, stack) ? 0 : -1;
}

static __always_inline void sums_add(struct event_sums *sums, const struct event_sums *amount)
{
	if (amount->count)
		add(sums->count, amount->count);
	if (amount->events)
		add(sums->events, amount->events);
	if (amount->bytes)
		add(sums->bytes, amount->bytes);
	if (amount->weight) {
		add(sums->weight, amount->weight);
		add(sums->objects_q20, amount->objects_q20);
	}
}

static __always_inline struct event_sums *row_find(__u32 filling, const struct event_key *key)
{
	return filling ? bpf_map_lookup_elem(&rows1, key) : bpf_map_lookup_elem(&rows0, key);
}

static __noinline int row_insert(struct event_process *process, __u32 filling, const struct event_key *key,
				 const struct event_sums *amount)
{
	struct event_sums *sums;
	enum room_of room;

	if (!process || !key || !amount)
		return -1;
	room = room_take(process, filling, EVENT_ROWS);
	if (room == ROOM_NONE)
		return -1;
	if (!(filling ? bpf_map_update_elem(&rows1, key, amount, BPF_NOEXIST)
		      : bpf_map_update_elem(&rows0, key, amount, BPF_NOEXIST))) {
		add(maps.rows, 1);
		return 0;
	}
	room_return(process, filling, EVENT_ROWS, room);
	sums = row_find(filling, key); /* found if another CPU inserted it first; 0 if the map is full */
	if (!sums)
		return -1;
	sums_add(sums, amount);
	return 0;
}

/*
 * Adds `amount` to the row of `key`, fills in the stack of `key`, and releases the scratch buffer. If `scratch` is 0,
 * because no buffer was free, the event counts in a row without a stack. If no stacks are wanted, no rows of refills
 * and grows are made: the totals have the same numbers.
 */
static __always_inline void record(struct event_process *process, struct event_key *key, struct scratch *scratch,
				   const struct event_sums *amount)
{
	__u32 filling = maps.filling; /* read once: row and stack belong together */
	struct event_sums *sums;

	if (!stacks_wanted &&
	    (key->kind == EVENT_REFILL || key->kind == EVENT_CENTRAL_GROW || key->kind == EVENT_HEAP_GROW))
		return;
	key->stack = (struct event_hash){};
	if (scratch && scratch->stack.depth) {
		stack_hash(&scratch->stack, &key->stack);
	} else if (stacks_wanted) {
		add(process->lost_stacks, 1);
	}

	sums = row_find(filling, key);
	if (!sums && scratch && scratch->stack.depth && stack_insert(process, filling, &key->stack, &scratch->stack)) {
		key->stack = (struct event_hash){};
		add(process->lost_stacks, 1);
		sums = row_find(filling, key); /* that of earlier ones without a stack */
	}
	if (sums)
		sums_add(sums, amount);
	else if (row_insert(process, filling, key, amount))
		add(process->lost_events, 1);
	if (scratch) {
		timing_end(process, scratch->began_ns);
		scratch_release(scratch);
	}
}

#endif
