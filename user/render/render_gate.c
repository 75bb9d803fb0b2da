/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_gate.h"

const char *const gate_format_names[] = {"text", "json", "markdown", "sarif", "junit", "github", NULL};

void render_gate(FILE *stream, const struct gate *gate, enum gate_format format, const struct gate_style *style)
{
	static void (*const renderers[])(FILE *, const struct gate *, const struct gate_style *) = {
		[GATE_TEXT] = render_gate_text,		[GATE_JSON] = render_gate_json,
		[GATE_MARKDOWN] = render_gate_markdown, [GATE_SARIF] = render_gate_sarif,
		[GATE_JUNIT] = render_gate_junit,	[GATE_GITHUB] = render_gate_github,
	};

	renderers[format](stream, gate, style);
}
