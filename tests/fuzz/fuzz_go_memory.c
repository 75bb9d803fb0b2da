/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the heap of a simulated Go process from memory that changes meanwhile: statistics, Ps, mcaches and spans, the
 * arenas of mark bits, goroutines and their stacks. Return addresses are looked up in the functions of the program that
 * FUZZ_GO names.
 */
#include "bpf/events.h"
#include "live.h"
#include "profile/size_class.h"
#include "runtime/go_goroutines.h"
#include "runtime/go_heap.h"
#include "runtime/runtime.h"

enum {
	STATISTICS = 0x11000,
	PROCESSORS = 0x13000,
	PROCESSOR = 0x14000,
	PROCESSOR_BYTES = 0x4000,
	CACHE = 0x20000,
	CACHE_BYTES = 0x1000,
	SPAN = 0x30000,
	ARENAS = 0x40000,
	ARENA = 0x50000,
	GOROUTINES = 0x60000,
	GOROUTINE = 0x61000,
	GOROUTINE_BYTES = 0x400,
	STACK = 0x70000,
	RATE = 0x80000,
	COUNT = 4 /* of Ps and goroutines */
};

static struct memory_fixture memory;
static struct event_process events;
static struct go_binary *binary;
static struct go_function allocates;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *path = getenv("FUZZ_GO");
	struct error error = {0};

	(void)argc, (void)argv;
	binary = path ? go_binary_open(path, &error) : NULL;
	if (!binary) {
		fprintf(stderr, "FUZZ_GO must name a Go program: %s\n", error.text);
		exit(1);
	}
	REQUIRE(gopclntab_function_named(binary->symbols, "runtime.mallocgc", &allocates));
	return 0;
}

static void put(uint64_t address, uint64_t value)
{
	memcpy(fixture_at(&memory, address), &value, sizeof(value));
}

/* Creates COUNT Ps, each with an mcache that has one span, and COUNT goroutines that wait within an allocation. */
static void honest_process(const struct go_heap *heap)
{
	const struct go_scheduler_layout *scheduler = &binary->version->scheduler;

	fixture_init(&memory);
	put(PROCESSORS, PROCESSORS + 64);
	put(PROCESSORS + 8, COUNT);
	put(GOROUTINES, GOROUTINES + 64);
	put(GOROUTINES + 8, COUNT);
	put(ARENAS, ARENA);
	put(RATE, 512 << 10);
	for (uint64_t i = 0; i < COUNT; i++) {
		uint64_t processor = PROCESSOR + i * PROCESSOR_BYTES % (CACHE - PROCESSOR),
			 cache = CACHE + i * CACHE_BYTES;
		uint64_t goroutine = GOROUTINE + i * GOROUTINE_BYTES, stack = STACK + i * 0x100;

		put(PROCESSORS + 64 + 8 * i, processor);
		put(processor + heap->layout.p_mcache, cache);
		put(cache + heap->layout.mcache_alloc + 8 * 10, SPAN + i * 0x100);
		put(SPAN + i * 0x100 + heap->layout.span_alloc_count, 12);
		put(GOROUTINES + 64 + 8 * i, goroutine);
		put(goroutine + scheduler->g_status, 4);
		put(goroutine + 56, stack);
		put(goroutine + 56 + scheduler->gobuf_frame, stack + 16);
		put(stack + 16, stack + 48);
		put(stack + 24, binary->image.base);
		put(stack + 48, 0);
		put(stack + 56, allocates.entry + 16);
	}
}

static void check_heap(const struct go_heap *heap)
{
	struct error refusal = {0};
	struct go_heap_state state;
	uint64_t *addresses;

	if (go_heap_read(heap, &memory.target, &events, &state, &refusal) == 0) {
		REQUIRE(!refusal.text[0]);
		REQUIRE(state.tiny_count >= 0 && state.large_count >= 0 && state.large_bytes >= 0);
		for (int class = 0; class < SIZE_CLASSES; class ++)
			REQUIRE(state.small_count[class] >= 0 && state.small_count[class] <= HEAP_COUNT_MAX);
	}
	REQUIRE(go_heap_profile_rate(heap, &memory.target) <= GO_PROFILE_RATE_MAX);
	REQUIRE(go_heap_next_samples(heap, &memory.target, &addresses) <= 4096);
	free(addresses);
	memory_allow(&memory.reader);
	go_heap_came_fresh(heap, &memory.target, &events, CACHE, 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct go_heap heap = {.layout = binary->version->heap,
			       .scheduler_layout = binary->version->scheduler,
			       .statistics_layout = binary->version->statistics,
			       .statistics = STATISTICS,
			       .processors = PROCESSORS,
			       .profile_rate = RATE,
			       .bits_arenas = ARENAS,
			       .span_alloc_bits = 64};
	struct go_goroutines goroutines = {binary, 0, GOROUTINES};
	struct error refusal = {0};
	struct live_input input;

	honest_process(&heap);
	live_begin(&input, &memory, bytes, size);
	check_heap(&heap);
	REQUIRE(go_goroutines_allocating(&goroutines, &memory.target, &refusal) <= UINT32_MAX);
	return 0;
}
