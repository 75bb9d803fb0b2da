/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the data that libgoalloc publishes from memory that changes meanwhile: the description, the list of caches,
 * their spans and counters. Accepted counters must be possible ones.
 */
#include "../unit/goalloc_fixture.h"
#include "live.h"
#include "runtime/goalloc_counters.h"

static struct memory_fixture memory;
static struct heap_counters sums;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct goalloc_telling telling[] = {{.every_object = true}, {.distance = 512 << 10}};
	struct goalloc_counters counters = {.description = DESCRIPTION};
	struct error refusal = {0};
	struct live_input input;

	goalloc_fixture(&memory);
	live_begin(&input, &memory, bytes, size);
	for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++) {
		if (goalloc_counters_read(&counters, &memory.target, &telling[i], &sums, &refusal))
			break;
		REQUIRE(!refusal.text[0] && sums.in_flight >= 0);
		REQUIRE(heap_counters_check(&sums, &refusal) == 0);
	}
	goalloc_counters_free(&counters);
	return 0;
}
