/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What pthread_atfork() of every program and library calls: the handler of forks is registered before any other, whoever comes
 * first. In a child it therefore runs before handlers that allocate. And glibc's list of handlers, which grows by malloc()
 * under a lock, has it by then: the first allocation of a process needs not register it.
 */
#include <dlfcn.h>
#include <errno.h>

#include "runtime.h"

typedef int register_function(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library);
__attribute__((visibility("default"))) register_function __register_atfork;

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library)
{
	register_function *next = (register_function *)dlsym(RTLD_NEXT, "__register_atfork");

	fork_init(); /* comes here, too */
	return next ? next(prepare, parent, child, library) : ENOMEM;
}
