/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JUnit XML, which every CI system shows, and GitHub's workflow commands, of which a step shows at most ten: the last
 * of them says how many more there are, and the whole text follows.
 */
#include <string.h>

#include "render/render_gate.h"
#include "base/utf8.h"

#include <stdlib.h>

enum { COMMANDS_MAX = 10 };

/* XML 1.0 has no way to write control characters. */
static void put_xml(FILE *stream, const char *text)
{
	char *repaired = utf8_repair(text);

	for (const char *c = repaired ? repaired : text; *c; c++) {
		switch (*c) {
		case '<':
			fputs("&lt;", stream);
			break;
		case '>':
			fputs("&gt;", stream);
			break;
		case '&':
			fputs("&amp;", stream);
			break;
		case '"':
			fputs("&quot;", stream);
			break;
		default:
			putc((unsigned char)*c < 0x20 && *c != '\t' && *c != '\n' ? '?' : *c, stream);
		}
	}
	free(repaired);
}

static void put_attribute(FILE *stream, const char *name, const char *value)
{
	fprintf(stream, " %s=\"", name);
	put_xml(stream, value);
	putc('"', stream);
}

static void put_case(FILE *stream, const struct gate *gate, const struct gate_row *row, const struct gate_style *style)
{
	const struct gate_site *site = gate_row_site(row);
	char text[GATE_TEXT_SIZE], name[GATE_TEXT_SIZE];

	snprintf(name, sizeof(name), "%s%s%s%s%s%s%s", site->runtime_call ? site->runtime_call : "allocation",
		 site->type ? " of " : "", site->type ? site->type : "", site->benchmark ? " in " : "",
		 site->benchmark ? site->benchmark : "", site->annotation ? ": " : "",
		 site->annotation ? site->annotation : "");
	fputs("  <testcase", stream);
	put_attribute(stream, "classname", site->function ? site->function : "(unknown function)");
	put_attribute(stream, "name", name);
	if (site->file)
		put_attribute(stream, "file", site->file);
	if (site->line)
		fprintf(stream, " line=\"%u\"", site->line);
	gate_message(text, gate, row, style);
	if (row->fails) {
		fputs(">\n    <failure", stream);
		put_attribute(stream, "type", gate_change_names[row->change]);
		put_attribute(stream, "message", text);
		fputs(">", stream);
		put_xml(stream, gate_place(name, site));
		fputs("</failure>\n  </testcase>\n", stream);
	} else if (row->change != GATE_SAME) {
		fputs(">\n    <system-out>", stream);
		put_xml(stream, text);
		fputs("</system-out>\n  </testcase>\n", stream);
	} else {
		fputs("/>\n", stream);
	}
}

void render_gate_junit(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	bool lost = gate_status(gate) == STATUS_LOST;
	char summary[GATE_TEXT_SIZE];

	fprintf(stream,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuites tests=\"%zu\" failures=\"%zu\" errors=\"%d\">\n"
		"<testsuite name=\"escapement gate\" tests=\"%zu\" failures=\"%zu\" errors=\"%d\">\n",
		gate->row_count + lost, gate->failing, lost, gate->row_count + lost, gate->failing, lost);
	for (size_t i = 0; i < gate->row_count; i++)
		put_case(stream, gate, &gate->rows[i], style);
	gate_summary(summary, gate, style);
	if (lost) {
		fputs("  <testcase classname=\"escapement\" name=\"nothing was lost\">\n    <error", stream);
		put_attribute(stream, "message", summary);
		fputs("/>\n  </testcase>\n", stream);
	}
	fputs("  <system-out>", stream);
	put_xml(stream, summary);
	fputs("</system-out>\n</testsuite>\n</testsuites>\n", stream);
}

/* A workflow command is one line; `property`: within file=…,title=… */
static void put_command_text(FILE *stream, const char *text, bool property)
{
	for (; *text; text++) {
		if (*text == '%' || *text == '\r' || *text == '\n' || (property && (*text == ',' || *text == ':')))
			fprintf(stream, "%%%02X", (unsigned char)*text);
		else
			putc(*text, stream);
	}
}

static void put_command(FILE *stream, const struct gate *gate, const struct gate_row *row,
			const struct gate_style *style)
{
	const struct gate_site *site = gate_row_site(row);
	char text[GATE_TEXT_SIZE];

	fprintf(stream, "::%s ", row->fails && !style->advisory ? "error" : "warning");
	if (site->file && row->after) { /* a baseline holds no lines */
		fputs("file=", stream);
		put_command_text(stream, site->file, true);
		if (site->line)
			fprintf(stream, ",line=%u", site->line);
		if (site->column)
			fprintf(stream, ",col=%u", site->column);
		putc(',', stream);
	}
	fputs("title=allocations::", stream);
	put_command_text(stream, gate_message(text, gate, row, style), false);
	putc('\n', stream);
}

void render_gate_github(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	size_t wanted = gate->changes[GATE_NOISY], written = 0;

	for (size_t i = 0; i < gate->row_count; i++)
		wanted += gate->rows[i].fails && gate->rows[i].change != GATE_NOISY;
	for (size_t i = 0; i < gate->row_count && written < COMMANDS_MAX; i++) {
		const struct gate_row *row = &gate->rows[i];

		if (!row->fails && row->change != GATE_NOISY)
			continue;
		if (++written == COMMANDS_MAX && wanted > COMMANDS_MAX)
			fprintf(stream, "::%s title=allocations::%zu more sites: see the whole text\n",
				gate->failed && !style->advisory ? "error" : "warning", wanted - COMMANDS_MAX + 1);
		else
			put_command(stream, gate, row, style);
	}
	render_gate_text(stream, gate, style);
}
