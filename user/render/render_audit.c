/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_audit.h"

const char *const audit_format_names[] = {
	[AUDIT_TEXT] = "text",
	[AUDIT_JSON] = "json",
	[AUDIT_SARIF] = "sarif",
	[AUDIT_MARKDOWN] = "markdown",
	[AUDIT_QUICKFIX] = "quickfix",
	[AUDIT_CSV] = "csv",
	NULL,
};

static void (*const renderers[])(const struct audit *, const struct render_audit_options *, FILE *) = {
	[AUDIT_TEXT] = render_audit_text,	  [AUDIT_JSON] = render_audit_json,
	[AUDIT_SARIF] = render_audit_sarif,	  [AUDIT_MARKDOWN] = render_audit_markdown,
	[AUDIT_QUICKFIX] = render_audit_quickfix, [AUDIT_CSV] = render_audit_csv,
};

void render_audit(const struct audit *audit, enum audit_format format, const struct render_audit_options *options,
		  FILE *stream)
{
	renderers[format](audit, options, stream);
}
