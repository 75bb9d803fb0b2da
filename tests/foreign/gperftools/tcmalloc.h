/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of gperftools' generated header: the tests use the standard functions. */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
