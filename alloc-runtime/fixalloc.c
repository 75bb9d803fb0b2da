/* SPDX-License-Identifier: BSD-2-Clause */
/* See fixalloc.h. */
#include "fixalloc.h"

#include "sys.h"

enum { FixAllocChunk = 64 * 1024, CacheLine = 64 };

void fixalloc_init(struct fixalloc *f, size_t size)
{
	*f = (struct fixalloc){.size = (size + CacheLine - 1) / CacheLine * CacheLine};
}

void *fixalloc_alloc(struct fixalloc *f)
{
	if (f->list) {
		void *object = f->list;
		f->list = *(void **)object;
		*(void **)object = NULL;
		f->inuse += f->size;
		return object;
	}
	if (f->left < f->size) {
		char *chunk = sysAlloc(FixAllocChunk);
		if (!chunk)
			return NULL;
		f->chunk = chunk;
		f->left = FixAllocChunk;
		f->sys += FixAllocChunk;
	}
	void *object = f->chunk;
	f->chunk += f->size;
	f->left -= f->size;
	f->inuse += f->size;
	return object;
}

void fixalloc_free(struct fixalloc *f, void *object)
{
	*(void **)object = f->list;
	f->list = object;
	f->inuse -= f->size;
}

void fixalloc_forget(struct fixalloc *f)
{
	f->list = NULL;
	f->left = 0;
}
