/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_SOURCE_FRAME_H
#define ESCAPEMENT_SOURCE_FRAME_H

/* The frames that every source of symbols fills in, and their maximal number for one address. */

#include "profile/profile.h"

#define SYMBOLIZER_INLINE_MAX 64 /* deeper inline chains are cut at the outermost end */

#endif
