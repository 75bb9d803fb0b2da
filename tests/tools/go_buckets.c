/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * go_buckets PID: prints the buckets of a Go process's memory profile as libescapement reads them, one per line:
 *
 *   ALLOCS FREES ALL_ALLOCS ALL_FREES SIZE @ PC…
 *
 * after a first line "cycle C everything E repeated R".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/go_heap_profile.h"
#include "symbols/go_binary.h"

static int fail(const char *why)
{
	fprintf(stderr, "go_buckets: %s\n", why);
	return 3;
}

static void print(const struct go_buckets *buckets)
{
	uint64_t stack[GO_BUCKET_DEPTH_MAX];

	printf("cycle %" PRIu32 " everything %d repeated %u\n", buckets->cycle, buckets->everything, buckets->repeated);
	for (size_t i = 0; i < buckets->count; i++) {
		const struct go_bucket *bucket = &buckets->items[i];
		int depth = go_buckets_stack(buckets, bucket, stack, GO_BUCKET_DEPTH_MAX);

		printf("%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu64 " @", bucket->allocs, bucket->frees,
		       bucket->all_allocs, bucket->all_frees, bucket->size);
		for (int j = 0; j < depth; j++)
			printf(" %#" PRIx64, stack[j]);
		putchar('\n');
	}
}

int main(int argc, char **argv)
{
	struct error error = {0};
	struct go_heap_profile profile;
	struct go_buckets buckets;
	struct go_binary *binary;
	struct target *target;
	char path[64];

	if (argc != 2)
		return fail("usage: go_buckets PID");
	target = target_open(atoi(argv[1]), &error);
	snprintf(path, sizeof(path), "/proc/%d/exe", atoi(argv[1]));
	binary = target ? go_binary_open(path, &error) : NULL;
	if (!binary)
		return fail(error.text);
	go_heap_profile_init(&profile, binary, go_binary_bias(binary, target, target->executable));
	if (!profile.buckets)
		return fail("cannot find its memory profile");
	if (go_heap_profile_read(&profile, target, &buckets, &error))
		return fail(error.text[0] ? error.text : "cannot read its memory");
	print(&buckets);
	go_buckets_free(&buckets);
	go_binary_close(binary);
	target_close(target);
	return 0;
}
