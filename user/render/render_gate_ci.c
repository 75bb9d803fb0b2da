/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JUnit XML, which every CI system shows, and GitHub's workflow commands. A step shows at most ten of these: the last
 * one says how many more there are, and the complete text follows.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gate/repository.h"
#include "render/render_gate.h"
#include "base/memory.h"
#include "base/printable.h"

enum { COMMANDS_MAX = 10 };

static void put_attribute(FILE *stream, const char *name, const char *value)
{
	fprintf(stream, " %s=\"", name);
	text_put(stream, TEXT_XML, value);
	putc('"', stream);
}

static void put_case(FILE *stream, const struct gate *gate, const struct gate_row *row, const struct gate_style *style)
{
	const struct gate_site *site = gate_row_site(row);
	char text[GATE_TEXT_SIZE], name[GATE_TEXT_SIZE], benchmark[GATE_NAME_SIZE];

	snprintf(name, sizeof(name), "%s%s%s%s%s%s", site->runtime_call ? site->runtime_call : "allocation",
		 site->type ? " of " : "", site->type ? gate_type(text, site) : "",
		 gate_in_benchmark(benchmark, gate, site), site->annotation ? ": " : "",
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
		text_put(stream, TEXT_XML, gate_place(name, site));
		fputs("</failure>\n  </testcase>\n", stream);
	} else if (row->change != GATE_SAME) {
		fputs(">\n    <system-out>", stream);
		text_put(stream, TEXT_XML, text);
		fputs("</system-out>\n  </testcase>\n", stream);
	} else {
		fputs("/>\n", stream);
	}
}

/* The lines about contracts, with the go statements below them. */
static void put_contracts(FILE *stream, const struct gate *gate)
{
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		memory_out();
	gate_contracts_text(memory, gate);
	if (fclose(memory))
		memory_out();
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		text_put(stream, TEXT_XML, line);
		putc('\n', stream);
	}
	free(text);
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
	put_contracts(stream, gate);
	text_put(stream, TEXT_XML, summary);
	fputs("</system-out>\n</testsuite>\n</testsuites>\n", stream);
}

static void put_command(FILE *stream, const struct gate *gate, const struct gate_row *row,
			const struct gate_style *style)
{
	const struct gate_site *site = gate_row_site(row);
	char text[GATE_TEXT_SIZE], file[GATE_TEXT_SIZE];

	fprintf(stream, "::%s ", row->fails && !style->advisory ? "error" : row->note ? "notice" : "warning");
	if (row->after && repository_path(site->file, file, sizeof(file))) { /* baselines have no line numbers */
		fputs("file=", stream);
		text_put(stream, TEXT_GITHUB_PROPERTY, file);
		if (site->line)
			fprintf(stream, ",line=%u", site->line);
		if (site->column)
			fprintf(stream, ",col=%u", site->column);
		putc(',', stream);
	}
	fputs("title=allocations::", stream);
	text_put(stream, TEXT_GITHUB_MESSAGE, gate_message(text, gate, row, style));
	putc('\n', stream);
}

enum { WORD_SIZE = 33 };

static void stop_word(char word[WORD_SIZE])
{
	uint64_t number[2];

	if (getrandom(number, sizeof(number), 0) != sizeof(number))
		memory_out();
	snprintf(word, WORD_SIZE, "%016" PRIx64 "%016" PRIx64, number[0], number[1]);
}

void render_gate_github(FILE *stream, const struct gate *gate, const struct gate_style *style)
{
	char word[WORD_SIZE];
	size_t wanted = 0, written = 0;

	for (size_t i = 0; i < gate->row_count; i++)
		wanted += gate->rows[i].fails || gate->rows[i].note;
	for (size_t i = 0; i < gate->row_count && written < COMMANDS_MAX; i++) {
		const struct gate_row *row = &gate->rows[i];

		if (!row->fails && !row->note)
			continue;
		if (++written == COMMANDS_MAX && wanted > COMMANDS_MAX)
			fprintf(stream, "::%s title=allocations::%zu more sites: see the complete text\n",
				gate->failed && !style->advisory ? "error" : "warning", wanted - COMMANDS_MAX + 1);
		else
			put_command(stream, gate, row, style);
	}
	/* A name in the text may begin a line like a command. Between these two lines, with an unpredictable word,
	 * nothing is a command. */
	stop_word(word);
	fprintf(stream, "::stop-commands::%s\n", word);
	render_gate_text(stream, gate, style);
	fprintf(stream, "::%s::\n", word);
}
