/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_audit.h"

#define FORMAT_NAME(name, option, function) option,
const char *const audit_format_names[] = {AUDIT_FORMATS(FORMAT_NAME) NULL};

#define FORMAT_RENDERER(name, option, function) function,
static void (*const renderers[])(const struct audit *, const struct render_audit_options *,
				 FILE *) = {AUDIT_FORMATS(FORMAT_RENDERER)};

void render_audit(const struct audit *audit, enum audit_format format, const struct render_audit_options *options,
		  FILE *stream)
{
	renderers[format](audit, options, stream);
}
