/* SPDX-License-Identifier: BSD-2-Clause */
/* See perturb.h. */
#include "perturb.h"

#include <string.h>

#include "debug.h"
#include "probes.h"
#include "sections.h"

static unsigned char perturb_byte; /* written with mheap.lock held, read without */

bool perturb_isOn(void)
{
	return __atomic_load_n(&perturb_byte, __ATOMIC_RELAXED) != 0;
}

RARELY_RUN void perturb_set(unsigned char byte)
{
	lock_acquire(&mheap.lock);
	__atomic_store_n(&perturb_byte, byte, __ATOMIC_RELAXED);
	__atomic_store_n(&sampler_word.force_slow, byte != 0 || debug_level, __ATOMIC_RELAXED);
	for (struct mspan *s = mheap.allspans; byte != 0 && s; s = s->alllink)
		if (s->state == mSpanInUse)
			__atomic_store_n(&s->divMagic, 0, __ATOMIC_RELAXED);
	lock_release(&mheap.lock);
}

void *perturb_allocated(void *object, size_t size)
{
	unsigned char byte = __atomic_load_n(&perturb_byte, __ATOMIC_RELAXED);

	return unlikely(byte != 0) && object ? memset(object, byte ^ 0xff, size) : object;
}

void perturb_freed(void *object, size_t size)
{
	unsigned char byte = __atomic_load_n(&perturb_byte, __ATOMIC_RELAXED);

	if (unlikely(byte != 0))
		memset(object, byte, size);
}
