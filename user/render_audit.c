/* SPDX-License-Identifier: BSD-2-Clause */
#include "render_audit.h"

const char *const audit_format_names[] = {
	[AUDIT_TEXT] = "text",         [AUDIT_JSON] = "json",         [AUDIT_SARIF] = "sarif",
	[AUDIT_MARKDOWN] = "markdown", [AUDIT_QUICKFIX] = "quickfix", [AUDIT_CSV] = "csv",
	NULL,
};

const char *render_audit_words(const struct audit_row *row)
{
	if (row->annotation_count && row->annotations[0]->text)
		return row->annotations[0]->text;
	return row->reason ? row->reason : audit_verdict_name(row->verdict);
}

void render_audit(const struct audit *audit, enum audit_format format, const struct render_audit_options *options,
		  FILE *stream)
{
	switch (format) {
	case AUDIT_TEXT:
		render_audit_text(audit, options, stream);
		break;
	case AUDIT_JSON:
		render_audit_json(audit, options, stream);
		break;
	case AUDIT_SARIF:
		render_audit_sarif(audit, stream);
		break;
	case AUDIT_MARKDOWN:
		render_audit_markdown(audit, options, stream);
		break;
	case AUDIT_QUICKFIX:
		render_audit_quickfix(audit, stream);
		break;
	case AUDIT_CSV:
		render_audit_csv(audit, stream);
		break;
	}
}
