/* SPDX-License-Identifier: BSD-2-Clause */
#include "render/page.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "render/page_assets.h"
#include "text/html_writer.h"
#include "text/terminal.h"

static void make_nonce(struct page *page)
{
	unsigned char bytes[PAGE_NONCE_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		memory_out();
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(page->nonce + 2 * i, 3, "%02x", bytes[i]);
}

static void write_assets(FILE *stream, const struct page_asset *assets)
{
	for (; assets->start; assets++)
		fwrite(assets->start, 1, (size_t)(assets->end - assets->start), stream);
}

void page_begin(struct page *page, FILE *stream, const char *title)
{
	page->stream = stream;
	make_nonce(page);
	fprintf(stream,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; "
		"form-action 'none'; "
		"script-src 'nonce-%s'; style-src 'nonce-%s'; img-src data:\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
		page->nonce, page->nonce);
	html_format(stream, "<title>%s</title>\n", title);
	fprintf(stream, "<style nonce=\"%s\">\n", page->nonce);
	write_assets(stream, page_styles);
	fputs("</style>\n</head>\n<body>\n", stream);
}

void page_fact(FILE *stream, const char *name, const char *text)
{
	html_format(stream, "<dt>%s</dt><dd>%s</dd>\n", name, text);
}

const char *page_time_text(char text[PAGE_TIME_SIZE], int64_t start_ns)
{
	time_t seconds = (time_t)(start_ns / 1000000000);
	struct tm utc;

	*text = 0;
	if (start_ns > 0 && gmtime_r(&seconds, &utc))
		strftime(text, PAGE_TIME_SIZE, "%Y-%m-%d %H:%M:%S UTC", &utc);
	return text;
}

void page_warning(FILE *stream, const char *text)
{
	html_format(stream, "<p class=\"warning\">%s</p>\n", text);
}

/* The name of a column, without the '#' of those that have numbers. */
static const char *name_of(const char *column)
{
	return column + (*column == '#');
}

void page_table_begin(FILE *stream, const char *label, const char *const *columns)
{
	html_format(stream,
		    "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"%s\"><table class=\"blocks\" "
		    "role=\"table\"><thead role=\"rowgroup\"><tr role=\"row\">",
		    label);
	for (; *columns; columns++) {
		fprintf(stream, "<th scope=\"col\" role=\"columnheader\"%s>",
			**columns == '#' ? " class=\"number\"" : "");
		html_format(stream, "%s</th>", name_of(*columns));
	}
	fputs("</tr></thead><tbody role=\"rowgroup\">\n", stream);
}

void page_table_end(FILE *stream)
{
	fputs("</tbody></table></div>\n", stream);
}

void page_row_begin(FILE *stream)
{
	fputs("<tr role=\"row\">", stream);
}

void page_row_end(FILE *stream)
{
	fputs("</tr>\n", stream);
}

static void begin_cell(FILE *stream, const char *column, const char *class)
{
	html_format(stream, "<td role=\"cell\" class=\"%s\" data-column=\"%s\">", class, name_of(column));
}

void page_cell(FILE *stream, const char *column, const char *text)
{
	begin_cell(stream, column, *column == '#' ? "number" : "text");
	html_format(stream, "%s</td>", text);
}

void page_number_cell(FILE *stream, const char *column, int64_t value, bool bytes)
{
	char number[TERMINAL_NUMBER_SIZE];

	page_cell(stream, column, bytes ? terminal_bytes(number, value) : terminal_number(number, value));
}

void page_place_cell(FILE *stream, const char *column, const char *place, const char *function, const char *via)
{
	begin_cell(stream, column, "place code");
	if (place && *place)
		html_format(stream, "%s ", place);
	html_text(stream, function);
	if (via)
		html_format(stream, " via %s", via);
	fputs("</td>", stream);
}

static void write_about(FILE *stream)
{
	html_format(stream,
		    "<footer id=\"about\"><h2>About</h2>\n<p>Made by escapement %s. The page is complete: it loads "
		    "nothing.</p>\n",
		    ESCAPEMENT_VERSION);
	fputs("<details><summary>Licences of the libraries in this page</summary><pre>", stream);
	for (const char *c = page_licences.start; c < page_licences.end; c++) {
		if (*c == '<' || *c == '&')
			fputs(*c == '<' ? "&lt;" : "&amp;", stream);
		else
			fputc(*c, stream);
	}
	fputs("</pre></details>\n</footer>\n", stream);
}

/* Writes a character of JSON as its escape. The text is UTF-8. Returns its length in bytes. */
static size_t escape_character(FILE *stream, const char *text, size_t left)
{
	uint32_t code;
	size_t length = utf8_decode(text, left, &code);

	if (!length)
		code = 0xfffd;
	if (code < 0x10000)
		fprintf(stream, "\\u%04x", code);
	else
		fprintf(stream, "\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
	return length ? length : 1;
}

/*
 * Writes the document as a script element. What is not ASCII is escaped, because it would make browsers slow (page.js).
 * A '<' could end the element. Both occur only in texts.
 */
static void write_document(FILE *stream, page_document *document, const void *context)
{
	size_t length = 0;
	char *json = NULL;
	FILE *memory = open_memstream(&json, &length);
	struct json_writer *writer = memory_zeroed(1, sizeof(*writer));

	if (!memory)
		memory_out();
	json_writer_begin(writer, memory);
	json_write_object(writer, NULL);
	document(writer, context);
	json_write_object_end(writer);
	json_writer_end(writer);
	free(writer);
	fclose(memory);
	fputs("<script id=\"data\" type=\"application/json\">", stream);
	for (const char *rest = json, *end = json + length; rest < end;) {
		const char *next = rest;

		while (next < end && *next != '<' && (unsigned char)*next < 0x80)
			next++;
		fwrite(rest, 1, (size_t)(next - rest), stream);
		rest = next < end ? next + escape_character(stream, next, (size_t)(end - next)) : end;
	}
	fputs("</script>\n", stream);
	free(json);
}

void page_end(const struct page *page, page_document *document, const void *context, const char *tree)
{
	FILE *stream = page->stream;

	write_about(stream);
	write_document(stream, document, context);
	fprintf(stream, "<script nonce=\"%s\">\n", page->nonce);
	write_assets(stream, page_scripts);
	fprintf(stream, "</script>\n<script id=\"tree\" type=\"text/plain\">%s</script>\n</body>\n</html>\n", tree);
}
