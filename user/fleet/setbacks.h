/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SETBACKS_H
#define ESCAPEMENT_SETBACKS_H

/*
 * What an agent leaves alone for a time, because it has failed: processes that could not be observed. Each further failure
 * doubles the pause, from the time between windows to an hour.
 */

#include <stdint.h>

/* A process; see procfs_start_time(). */
struct setback_key {
	int64_t pid;
	uint64_t started;
};

struct setbacks;
struct setbacks *setbacks_new(void);	       /* never NULL */
void setbacks_free(struct setbacks *setbacks); /* NULL is allowed */

/* It failed once more, in windows that begin `every` seconds. */
void setbacks_add(struct setbacks *setbacks, struct setback_key key, double every);
/* It did not fail. */
void setbacks_remove(struct setbacks *setbacks, struct setback_key key);
/* Forgets processes that have ended. */
void setbacks_tidy(struct setbacks *setbacks);

enum setback {
	SETBACK_NONE, /* it has not failed when it was tried last */
	SETBACK_DUE,  /* it has, and may be tried again */
	SETBACK_NOW,  /* it has, and is left alone */
};
enum setback setbacks_find(const struct setbacks *setbacks, struct setback_key key);

#endif
