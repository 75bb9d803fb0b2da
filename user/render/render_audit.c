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

const char *render_audit_place(const struct audit_row *row, uint32_t *line, uint32_t *column)
{
	const struct profile_frame *frame = &row->site;
	const char *file = row->file;

	/* The name of a file that the output has is the output's own string. */
	for (uint32_t i = 0; row->file == row->site.file && i < row->inlined_count; i++) {
		if (row->inlined_files[i] == row->inlined_at[i].file)
			continue;
		frame = &row->inlined_at[i];
		file = row->inlined_files[i];
		break;
	}
	if (line)
		*line = frame->line;
	if (column)
		*column = frame->column;
	return file;
}
