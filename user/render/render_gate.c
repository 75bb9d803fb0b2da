/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/render_gate.h"

#define FORMAT_NAME(name, option, function) option,
const char *const gate_format_names[] = {GATE_FORMATS(FORMAT_NAME) NULL};

void render_gate(FILE *stream, const struct gate *gate, enum gate_format format, const struct gate_style *style)
{
#define FORMAT_RENDERER(name, option, function) function,
	static void (*const renderers[])(FILE *, const struct gate *,
					 const struct gate_style *) = {GATE_FORMATS(FORMAT_RENDERER)};

	renderers[format](stream, gate, style);
}
