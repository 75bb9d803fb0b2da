/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_report.h"

#define FORMAT_NAME(name, option, function) option,
const char *const report_format_names[] = {REPORT_FORMATS(FORMAT_NAME) NULL};

void render_report(FILE *stream, const struct report *report, enum report_format format,
		   const struct report_style *style)
{
#define FORMAT_RENDERER(name, option, function) function,
	static void (*const renderers[])(FILE *, const struct report *,
					 const struct report_style *) = {REPORT_FORMATS(FORMAT_RENDERER)};

	renderers[format](stream, report, style);
}
