/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uthash for `make analyse` alone. clang's analyzer does not follow HASH_DEL through the buckets, and takes every table
 * that is emptied for one whose next element has been freed. Here deleting is what it does to the list of elements, and
 * the hash is a function that it need not look into.
 */
#ifndef ANALYSIS_UTHASH_H
#define ANALYSIS_UTHASH_H

unsigned analysis_hash(const void *key, unsigned length);
#define HASH_FUNCTION(key, length, hash) ((hash) = analysis_hash((key), (unsigned)(length)))

#include_next <uthash.h>

#undef HASH_DELETE
#define HASH_DELETE(handle, head, each)               \
	do {                                          \
		if ((head) == (each))                 \
			(head) = (each)->handle.next; \
	} while (0)

#endif
