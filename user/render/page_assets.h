/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ESCAPEMENT_PAGE_ASSETS_H
#define ESCAPEMENT_PAGE_ASSETS_H

/* The scripts and style sheets below page/, embedded in the program. */

#include <stddef.h>

struct page_asset {
	const char *start, *end;
};

extern const struct page_asset page_styles[], page_scripts[]; /* in the order of the page; end with {0} */
extern const struct page_asset page_licences;

#endif
