/* SPDX-License-Identifier: BSD-2-Clause */
#include "seeds.h"

static struct go_site sites[] = {
	GO_SITE("slice/main.go", "main.noEscapesliceInHeap", 12, 13, "runtime.growslice"), /* nothing before 1.25 */
	GO_SITE("slice/main.go", "main.noEscapesliceInStack", 19, 13, "runtime.growslice"),
	GO_SITE("slice/main.go", "main.escapeslice", 24, 6, "runtime.newobject"),  /* moved to heap: s3 */
	GO_SITE("slice/main.go", "main.escapeslice", 24, 15, "runtime.makeslice"), /* make([]int, 0, 4) escapes */
};

/* s = append(s, 1, 2, 3) as the compiler expands it. */
static inline struct go_slice append_three(struct go_slice slice, struct go_site *site)
{
	int64_t length = slice.length + 3;
	int64_t *array;

	if (length > slice.capacity)
		slice = runtime_growslice(slice.array, length, slice.capacity, 3, &go_type_int, site);
	slice.length = length;
	array = slice.array;
	for (int i = 0; i < 3; i++)
		array[length - 3 + i] = i + 1;
	return slice;
}

static void main_in_heap(void) GO_FUNCTION("main.noEscapesliceInHeap");
static void main_in_heap(void)
{
	struct go_slice s1 = {NULL, 0, 0};

	go_use(&s1);
	s1 = append_three(s1, &sites[0]);
	go_use(&s1);
	go_unreachable(s1.array);
}

static void main_in_stack(void) GO_FUNCTION("main.noEscapesliceInStack");
static void main_in_stack(void)
{
	int64_t array[4] = {0}; /* make([]int, 0, 4) does not escape */
	struct go_slice s2 = {array, 0, 4};

	go_use(&s2);
	s2 = append_three(s2, &sites[1]);
	go_use(&s2);
}

static struct go_slice *main_escapeslice(void) GO_FUNCTION("main.escapeslice");
static struct go_slice *main_escapeslice(void)
{
	struct go_slice *s3 = runtime_newobject(&go_type_slice, &sites[2]);

	*s3 = (struct go_slice){runtime_makeslice(&go_type_int, 0, 4, &sites[3]), 0, 4};
	go_use(s3);
	return s3;
}

static void main_main(void) GO_FUNCTION("main.main");
static void main_main(void)
{
	struct go_slice *s3;

	main_in_heap();
	main_in_stack();
	s3 = main_escapeslice();
	go_unreachable(s3->array);
	go_unreachable(s3);
}

SEED_PROGRAM(slice, main_main);
