/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_input.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/hash.h"
#include "base/hash_index.h"
#include "base/memory.h"
#include "escape/escape_position.h"
#include "escape/escape_prefix.h"
#include "escape/escape_shapes.h"

enum {
	SNIFFED = 1 << 18,
	PREFIXES_MAX = 32, /* as there are months, levels, and processes that write into one log */
	UNKNOWN_MAX = 32,
	STREAMS_MAX = 4096, /* a parser takes a few KiB */
	SHARED_MARKS = 1 << 14,
};

struct escape_input {
	struct escape_parser *first;  /* the caller's */
	struct escape_parser *parser; /* of the stream that the line is of */
	struct hash_index streams;    /* the parser of each, by how its lines are marked */
	/* Of commands beyond these: the parser that they share, the marks of their headers, and that of the last one. */
	struct escape_parser *shared;
	uint64_t *shared_marks, shared_mark;
	char *pending; /* while the prefix is searched: all input so far; later: an incomplete line */
	size_t pending_length, pending_capacity;
	bool sniffed;
	struct prefix prefixes[PREFIXES_MAX];
	size_t prefix_count, latest; /* the one that prefix_of() found last */
	bool has_bare;		     /* the first lines have a message without a prefix */
	/* What stands before the latest headers that are not read as such. */
	struct prefix unknown[UNKNOWN_MAX];
	size_t unknown_count;
	bool refused;
};

struct escape_input *escape_input_new(struct escape_parser *parser)
{
	struct escape_input *input = memory_zeroed(1, sizeof(*input));

	input->first = input->parser = parser;
	return input;
}

static void keep(struct escape_input *input, const char *text, size_t length)
{
	if (length == 0)
		return;
	if (input->pending_length + length > input->pending_capacity) {
		input->pending_capacity = 2 * (input->pending_length + length);
		input->pending = memory_resize(input->pending, input->pending_capacity, 1);
	}
	memcpy(input->pending + input->pending_length, text, length);
	input->pending_length += length;
}

/* The same for a part of a line. Keeps at most ESCAPE_LINE_MAX bytes of the line, and the newline at its end. */
static void keep_line(struct escape_input *input, const char *text, size_t length)
{
	size_t room = input->pending_length < ESCAPE_LINE_MAX ? ESCAPE_LINE_MAX - input->pending_length : 0;
	bool cut = length > room;

	keep(input, text, cut ? room : length);
	if (cut && text[length - 1] == '\n')
		input->pending[input->pending_length - 1] = '\n';
}

/* The input cannot be read, for a reason that a sentence gives with what to do about it. */
static void refuse(struct escape_input *input, const char *problem, const char *remedy, const char *line, size_t length)
{
	if (!input->refused)
		escape_parser_refuse(input->first, problem, remedy, line, length);
	input->refused = true;
}

/* Whether a line, without what stands before it, is a message about escape analysis or a part of its explanation. */
static bool is_message(const char *line, size_t length)
{
	struct position position;
	struct message message;
	struct span rest;

	return position_split((struct span){line, length}, (struct span){NULL, 0}, &position, &rest) &&
	       message_parse(rest, &message) && (message.subject.length || message.role >= MESSAGE_FLOW);
}

/* ---- prefixes ---- */

/* The length of the longest prefix that a line has; 0 if it has none of them. */
static size_t prefix_of(struct escape_input *input, const char *line, size_t length)
{
	size_t longest = 0;

	for (size_t i = 0; i < input->prefix_count; i++) {
		size_t prefix = prefix_match(&input->prefixes[i], line, length);

		if (prefix > longest) {
			input->latest = i;
			longest = prefix;
		}
	}
	return longest;
}

static size_t line_length(const char *text, size_t length)
{
	const char *newline = memchr(text, '\n', length);
	size_t line = newline ? (size_t)(newline - text) : length;

	while (line && text[line - 1] == '\r')
		line--;
	return line;
}

/* Whether a line without a prefix is the compiler's: a header, or a position whose path begins as the compiler's paths do. */
static bool is_bare(const char *line, size_t length)
{
	struct position position;
	struct span rest;

	if (length > 2 && (line[0] == '/' || (line[0] == '.' && (line[1] == '/' || line[1] == '.'))))
		return position_split((struct span){line, length}, (struct span){NULL, 0}, &position, &rest);
	return line_is_header(line, length);
}

/* Counts a line whose message follows a prefix, under the prefix's pattern. */
static void note_prefix(struct escape_input *input, const char *line, size_t length, size_t start)
{
	struct prefix *prefix = &input->prefixes[input->prefix_count];

	if (prefix_of(input, line, length) == start)
		prefix = &input->prefixes[input->latest];
	else if (input->prefix_count == PREFIXES_MAX || !prefix_make(prefix, line, start))
		return;
	else
		input->latest = input->prefix_count++;
	prefix->found += line[start] == '#' || line[start] == '{' ? 2 : 1;
}

/* Lines have prefixes if one stands before a header or an event, or before two messages. */
static void choose_prefixes(struct escape_input *input)
{
	bool any = false;

	for (size_t i = 0; i < input->prefix_count; i++)
		any |= input->prefixes[i].found >= 2;
	if (!any)
		input->prefix_count = 0;
	input->latest = 0;
}

/* Looks for prefixes in the first lines, up to the first message without one. */
static void find_prefixes(struct escape_input *input)
{
	const char *text = input->pending, *end = text + input->pending_length;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = line_length(text, (size_t)(end - text)), start;

		if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
			text += 3;
			length -= 3;
		}
		input->has_bare = is_bare(text, length);
		if (input->has_bare)
			break;
		start = length == 0 || *text == '{' ? 0 : prefix_find(text, length);
		if (start)
			note_prefix(input, text, length, start);
		text = newline ? newline + 1 : end;
	}
	choose_prefixes(input);
}

/* ---- lines ---- */

/* The length of the control sequence at an ESC byte that makes text a link ("ESC ] 8 ; ; URL"). It ends in BEL or ESC \. */
static size_t link_length(const char *text, const char *end)
{
	static const char start[] = "\x1b]8;";
	const char *at = text + strlen(start);

	if ((size_t)(end - text) <= strlen(start) || memcmp(text, start, strlen(start)) != 0)
		return 0;
	while (at < end && *at != '\x07' && *at != '\x1b' && *at != '\n')
		at++;
	if (at < end && *at == '\x07')
		return (size_t)(at + 1 - text);
	return end - at > 1 && at[0] == '\x1b' && at[1] == '\\' ? (size_t)(at + 2 - text) : 0;
}

/* The length of the control sequence at an ESC byte that colours text on a terminal ("m"), erases the rest of a line ("K"), or
 * makes it a link; 0 if it is another, which programs do not put around lines: it is shown. */
static size_t colour_length(const char *text, const char *end)
{
	const char *at = text + 1;

	if (at == end || *at != '[')
		return link_length(text, end);
	for (at++; at < end && (isdigit((unsigned char)*at) || *at == ';'); at++)
		continue;
	return at < end && (*at == 'm' || *at == 'K') ? (size_t)(at + 1 - text) : 0;
}

/* Feeds text without colours. */
static void feed_text(struct escape_input *input, const char *text, size_t length)
{
	const char *end = text + length, *at = text;

	while ((at = memchr(at, '\x1b', (size_t)(end - at)))) {
		size_t colour = colour_length(at, end);

		if (colour) {
			escape_parser_feed(input->parser, text, (size_t)(at - text));
			text = at + colour;
		}
		at += colour ? colour : 1;
	}
	escape_parser_feed(input->parser, text, (size_t)(end - text));
}

/* ---- several commands that write into one log ---- */

/*
 * Commands beyond those that have a parser of their own share one. That is right if they ran one after the other, so that none goes on
 * behind the header of another.
 */
static void share_parser(struct escape_input *input, uint64_t mark, bool header, struct span line)
{
	uint64_t known = mark | 1; /* 0 is an empty place */
	uint64_t *place;

	if (!input->shared) {
		input->shared = escape_parser_branch(input->first);
		input->shared_marks = memory_zeroed(SHARED_MARKS, sizeof(*input->shared_marks));
	}
	place = &input->shared_marks[(known >> 1) % SHARED_MARKS];
	if (header)
		*place = input->shared_mark = known;
	if (*place != known)
		return;
	if (known != input->shared_mark && is_message(line.text, line.length))
		refuse(input, "lines of more commands that wrote at the same time than are told apart",
		       "at most 4,096 are; write the output of each to a file of its own", line.text, line.length);
	input->parser = input->shared;
}

/*
 * Has the parser of whoever wrote the line take it. What a go command says begins with a header, so a mark whose first line of the
 * compiler is one is that of a command; any other, such as a level, marks lines of the command that wrote before.
 */
static void choose_parser(struct escape_input *input, uint64_t mark, const char *text, size_t length)
{
	const struct span line = {text, line_length(text, length)};
	const uint64_t stream = hash_index_get(&input->streams, mark, NULL, NULL, NULL);
	struct position position;
	struct span rest;
	bool header;

	if (stream) {
		input->parser = (struct escape_parser *)(uintptr_t)stream;
		return;
	}
	header = line_is_header(line.text, line.length);
	if (input->streams.count == STREAMS_MAX)
		share_parser(input, mark, header, line);
	else if (header || position_split(line, (struct span){NULL, 0}, &position, &rest)) {
		if (header && input->streams.count)
			input->parser = escape_parser_branch(input->first);
		*hash_index_at(&input->streams, mark, NULL, NULL, NULL) = (uintptr_t)input->parser;
	}
}

/* A hash of what an object of a log says about the process or container that wrote its text. */
static uint64_t mark_of_writer(const cJSON *object)
{
	static const char *const keys[] = {
		"_PID",		"_SYSTEMD_UNIT",  "SYSLOG_IDENTIFIER", "CONTAINER_ID", "CONTAINER_NAME",
		"container_id", "container_name", "container",	       "pod",	       "pod_name",
		"pid",		"host",		  "hostname",	       "job",	       "step"};
	uint64_t mark = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, keys[i]);

		if (cJSON_IsString(value))
			mark = hash_fold(mark, hash_bytes(value->valuestring, strlen(value->valuestring)));
		else if (cJSON_IsNumber(value))
			mark = hash_fold(mark, (uint64_t)value->valuedouble);
	}
	return mark;
}

/* ---- prefixes that were not found ---- */

static void refuse_unknown(struct escape_input *input, const char *line, size_t length)
{
	refuse(input, "compiler output behind something that is not recognised",
	       "at most 32 prefixes are, which begin in the first 256 KiB and before the first message without one; remove "
	       "what stands before the compiler's lines",
	       line, length);
}

/* Whether the text of an event is a header. */
static bool is_header_event(const char *line, size_t length)
{
	cJSON *event = cJSON_ParseWithLength(line, length);
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "Output"));
	bool is_header;

	if (!text)
		text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "log"));
	is_header = text && line_is_header(text, line_length(text, strlen(text)));
	cJSON_Delete(event);
	return is_header;
}

static void note_unknown_prefix(struct escape_input *input, const char *line, size_t length)
{
	struct prefix *prefix = &input->unknown[input->unknown_count % UNKNOWN_MAX];

	prefix_make(prefix, line, length);
	/* Tests indent what they print about other output. */
	if (!input->has_bare || !isspace((unsigned char)prefix->pattern[0]))
		input->unknown_count++;
	else
		prefix->length = 0;
}

/*
 * Refuses lines with a prefix that find_prefixes() did not find: it begins later, or there are too many. These lines would be parsed
 * with their prefix, and match no package and no file of a program. A header alone may be other text ("case # 12"), so a message
 * with the same prefix must follow it.
 */
static void refuse_unknown_prefixes(struct escape_input *input, const char *line, size_t length)
{
	size_t start = 0;

	while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
		length--;
	if (memchr(line, '#', length) && !is_bare(line, length))
		start = prefix_find(line, length);
	if (start && line[start] == '{' && is_header_event(line + start, length - start))
		refuse_unknown(input, line, length);
	else if (start && line[start] == '#')
		note_unknown_prefix(input, line, start);
	for (size_t i = 0; i < UNKNOWN_MAX && i < input->unknown_count; i++) {
		size_t prefix = prefix_match(&input->unknown[i], line, length);

		if (prefix && is_message(line + prefix, length - prefix))
			refuse_unknown(input, line, length);
	}
}

/* ---- objects and lines ---- */

/* Feeds the text of a log's object: of Docker's (json-file), of journald's (-o json), or of what collectors make of a line. Only
 * Docker's have the newline. Returns false if the object has no text. */
static bool feed_logged(struct escape_input *input, const cJSON *object, uint64_t mark)
{
	static const char *const keys[] = {"log", "MESSAGE", "message", "msg"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const cJSON *text = cJSON_GetObjectItemCaseSensitive(object, keys[i]);

		if (!cJSON_IsString(text))
			continue;
		choose_parser(input, hash_fold(mark, mark_of_writer(object)), text->valuestring,
			      strlen(text->valuestring));
		refuse_unknown_prefixes(input, text->valuestring, strlen(text->valuestring));
		feed_text(input, text->valuestring, strlen(text->valuestring));
		if (i > 0)
			escape_parser_feed(input->parser, "\n", 1);
		return true;
	}
	return false;
}

/* Feeds the compiler's part of a line of `go build -json` or `go test -json`, or of a log of objects. Returns false if the line is
 * not from these. */
static bool feed_event(struct escape_input *input, const char *line, size_t length, uint64_t mark)
{
	cJSON *event = cJSON_ParseWithLength(line, length);
	const cJSON *action = cJSON_GetObjectItemCaseSensitive(event, "Action"), *output, *path;
	bool is_event = cJSON_IsString(action);

	if (!event && line_begins_event(line, length)) { /* its rest is missing */
		escape_parser_cut(input->parser, line, length < 80 ? length : 80);
		return true;
	}
	if (is_event) {
		output = cJSON_GetObjectItemCaseSensitive(event, "Output");
		path = cJSON_GetObjectItemCaseSensitive(event, "ImportPath");
		if (cJSON_IsString(output)) {
			if (cJSON_IsString(path))
				mark = hash_fold(mark, hash_bytes(path->valuestring, strlen(path->valuestring)));
			choose_parser(input, mark, output->valuestring, strlen(output->valuestring));
			escape_parser_feed(input->parser, output->valuestring, strlen(output->valuestring));
		}
		if (strcmp(action->valuestring, "build-fail") == 0 && cJSON_IsString(path))
			escape_parser_fail(input->parser, path->valuestring);
	} else {
		is_event = feed_logged(input, event, mark);
	}
	cJSON_Delete(event);
	return is_event;
}

/* Feeds a quoted text (logfmt: msg="..."), of which the first quote is part of the prefix. The characters that logs escape in
 * compiler output are quotes, backslashes and tabs. */
static void feed_quoted(struct escape_input *input, const char *line, size_t length)
{
	char *text = memory_allocate(length + 1), *to = text;
	const char *end = line + line_quoted_length(line, length);

	for (const char *at = line; at < end; at++) {
		bool escaped = *at == '\\' && at + 1 < end;

		at += escaped;
		*to++ = escaped && *at == 't' ? '\t' : *at;
	}
	*to++ = '\n';
	feed_text(input, text, (size_t)(to - text));
	free(text);
}

/* Feeds one line, with its newline if it has one. */
static void feed_line(struct escape_input *input, const char *line, size_t length)
{
	size_t prefix = prefix_of(input, line, length);
	uint64_t mark = prefix ? prefix_mark(line, prefix) : 0;
	bool quoted = prefix_ends_in_quote(line, prefix);

	line += prefix;
	length -= prefix;
	if (length > 2 && line[0] == '{' && line[1] == '"' && feed_event(input, line, length, mark))
		return;
	if (prefix)
		choose_parser(input, mark, line, quoted ? line_quoted_length(line, length) : length);
	if (quoted) {
		feed_quoted(input, line, length);
		return;
	}
	refuse_unknown_prefixes(input, line, length);
	feed_text(input, line, length);
}

static void feed_lines(struct escape_input *input, const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		if (!newline) {
			keep_line(input, text, (size_t)(end - text));
			return;
		}
		if (input->pending_length) {
			keep_line(input, text, (size_t)(newline + 1 - text));
			feed_line(input, input->pending, input->pending_length);
			input->pending_length = 0;
		} else {
			feed_line(input, text, (size_t)(newline + 1 - text));
		}
		text = newline + 1;
	}
}

static void end_sniffing(struct escape_input *input)
{
	char *text = input->pending;
	size_t length = input->pending_length;

	find_prefixes(input);
	input->sniffed = true;
	input->pending = NULL;
	input->pending_length = input->pending_capacity = 0;
	feed_lines(input, text, length);
	free(text);
}

void escape_input_feed(struct escape_input *input, const char *text, size_t length)
{
	if (input->sniffed) {
		feed_lines(input, text, length);
		return;
	}
	keep(input, text, length);
	if (input->pending_length >= SNIFFED)
		end_sniffing(input);
}

void escape_input_finish(struct escape_input *input)
{
	if (!input->sniffed && input->pending_length)
		end_sniffing(input);
	if (input->pending_length)
		feed_line(input, input->pending, input->pending_length);
	hash_index_free(&input->streams);
	free(input->shared_marks);
	free(input->pending);
	free(input);
}
