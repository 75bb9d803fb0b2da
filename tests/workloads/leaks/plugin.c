/* SPDX-License-Identifier: BSD-2-Clause */
/* A library that planted.c loads. */
#include <stdlib.h>

void *volatile plugin_keeps;
static __thread void *volatile plugin_local;

void use(void);

void use(void)
{
	plugin_keeps = malloc(61);
	plugin_local = malloc(62);
}
