/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/page_assets.h"

/* The assembler includes the file; user/rules.mk rebuilds this object when one of the files changes. */
#define ASSET(name, file)                                                 \
	extern const char name##_start[], name##_end[];                   \
	__asm__(".pushsection .rodata\n" #name "_start:\n"                \
		".incbin \"user/render/page/" file "\"\n" #name "_end:\n" \
		".byte 0\n.popsection")

ASSET(page_vendor_css, "vendor.css");
ASSET(page_page_css, "page.css");
ASSET(page_vendor_js, "vendor.js");
ASSET(page_page_js, "page.js");
ASSET(page_tree_js, "tree.js");
ASSET(page_details_js, "details.js");
ASSET(page_rows_js, "rows.js");
ASSET(page_flame_js, "flame.js");
ASSET(page_classes_js, "classes.js");
ASSET(page_growth_js, "growth.js");
ASSET(page_start_js, "start.js");
ASSET(page_vendor_licences, "vendor-licences.txt");

#define USE(name)                        \
	{                                \
		name##_start, name##_end \
	}

const struct page_asset page_styles[] = {USE(page_vendor_css), USE(page_page_css), {0}};
const struct page_asset page_scripts[] = {
	USE(page_vendor_js), USE(page_page_js),	   USE(page_tree_js),	USE(page_details_js), USE(page_rows_js),
	USE(page_flame_js),  USE(page_classes_js), USE(page_growth_js), USE(page_start_js),   {0},
};
const struct page_asset page_licences = USE(page_vendor_licences);
