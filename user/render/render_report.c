/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_report.h"

#define FORMAT_NAME(name, option, ...) option,
const char *const report_format_names[] = {REPORT_FORMATS(FORMAT_NAME) NULL};

#define FORMAT_OF_STACKS(name, option, function, of_stacks) of_stacks,
const bool report_format_of_stacks[] = {REPORT_FORMATS(FORMAT_OF_STACKS)};

void render_report(FILE *stream, const struct report *report, enum report_format format,
		   const struct report_style *style)
{
#define FORMAT_RENDERER(name, option, function, ...) function,
	static void (*const renderers[])(FILE *, const struct report *,
					 const struct report_style *) = {REPORT_FORMATS(FORMAT_RENDERER)};

	renderers[format](stream, report, style);
}
