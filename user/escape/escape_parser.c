/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Splits text into lines and lines into messages. A line is "POSITION: MESSAGE" or a header, "# import/path". Any other
 * line is kept as unrecognised: only blank lines are dropped.
 *
 * Compilers up to 1.20 print raw strings in expressions unchanged, over several lines. A line that ends inside a raw
 * string is joined with those that follow until the string ends. A line that is a message by itself ends the attempt,
 * so that a stray quote spoils only one line.
 */
#include "escape/escape_parser.h"

#include <stdlib.h>
#include <string.h>

#include "escape/escape_cut.h"
#include "escape/escape_facts.h"
#include "escape/escape_position.h"
#include "escape/escape_shapes.h"
#include "base/printable.h"
#include "base/memory.h"
#include "base/string_table.h"
#include "base/text_compare.h"

enum {
	UNRECOGNIZED_LENGTH_MAX = 4096,
	JOINED_LINES_MAX = 10000,
	SHOWN = 120, /* bytes of a line in an error */
};

struct escape_storage {
	struct string_table strings;
};

/* A growing byte buffer. */
struct buffer {
	char *text;
	size_t length, capacity;
};

struct escape_parser {
	struct escape_output *output;
	struct string_table *strings;
	struct facts *facts;

	/* What all texts of the input have in common is in the parser of the first one: `root`, which may be this. */
	struct escape_parser *root;
	uint64_t line_number;
	size_t unrecognized_capacity, failure_capacity;
	struct escape_parser **branches;
	size_t branch_count;

	/* The package whose lines are being read. */
	const char *package, *first_error;
	uint64_t recognized, header_line;
	bool in_vet; /* after "# [import/path]": output of go vet */

	/* A line of an explanation before everything else, as in a log of which the last part is kept; NULL: none. */
	const char *begins_within, *begins_file;
	bool begins_known; /* its file has a message before the next header: it is the compiler's */
	bool disordered; /* lines of explanations stand elsewhere, too, as the compiler prints none: they were sorted */
	enum message_role last_role; /* of the message before */

	struct buffer partial; /* an incomplete line */
	struct buffer clean;   /* a line made printable */
	struct buffer joined;  /* lines that end inside a raw string, each with its newline */
	uint64_t joined_lines;
};

static void buffer_reserve(struct buffer *buffer, size_t length)
{
	if (buffer->length + length <= buffer->capacity)
		return;
	buffer->capacity = (buffer->length + length) * 2;
	buffer->text = memory_resize(buffer->text, buffer->capacity, 1);
}

static void buffer_append(struct buffer *buffer, const char *text, size_t length)
{
	if (length == 0)
		return;
	buffer_reserve(buffer, length);
	memcpy(buffer->text + buffer->length, text, length);
	buffer->length += length;
}

/* Parses "# import/path" or "# import/path [import/path.test]", which is the same package compiled for its tests. */
static bool parse_header(struct span line, struct span *path)
{
	const char *space;

	if (!span_starts(line, SPAN("# ")) || line.length == 2)
		return false;
	*path = span_from(line, 2);
	space = memchr(path->text, ' ', path->length);
	if (space) {
		struct span variant = span_from(*path, (size_t)(space - path->text));

		if (space == path->text || variant.length < 4 || variant.text[1] != '[' ||
		    variant.text[variant.length - 1] != ']')
			return false;
		*path = span_to(*path, (size_t)(space - path->text));
	}
	return true;
}

/* Parses a line into position and message. A line without a position is a message only in cases in which the compiler
 * has none to print. */
static bool parse_message(const struct escape_parser *parser, struct span line, struct position *position,
			  struct message *message, struct span *text)
{
	if (position_split(line, facts_likely_path(parser->facts), position, text))
		return message_parse(*text, message) && (message->subject.length || message->role >= MESSAGE_FLOW);
	*position = (struct position){.path = SPAN("")};
	*text = line;
	if (!message_parse(line, message))
		return false;
	/* Variables that the compiler generates for range-over-func are called "pkg.#next" and have no position. */
	return line.text[0] == '\t' ||
	       (message->role == MESSAGE_VERDICT && span_find(message->subject, SPAN("#")) >= 0);
}

static struct span make_printable(struct escape_parser *parser, struct span line)
{
	if (printable_is(line.text, line.length))
		return line;
	parser->clean.length = 0;
	buffer_reserve(&parser->clean, line.length * PRINTABLE_GROWTH);
	return (struct span){parser->clean.text, printable_copy(parser->clean.text, line.text, line.length)};
}

/* ---- packages that did not compile, and logs that were cut ---- */

static void add_failure(struct escape_parser *parser, const char *package, const char *text)
{
	struct escape_output *output = parser->output;

	for (size_t i = 0; i < output->failure_count; i++) {
		if (output->failures[i].package == package) {
			output->failures[i].text = output->failures[i].text ? output->failures[i].text : text;
			return;
		}
	}
	output->failures = array_reserve(output->failures, output->failure_count, &parser->root->failure_capacity,
					 sizeof(*output->failures));
	output->failures[output->failure_count++] = (struct escape_failure){package, text};
}

/* The compiler stops at errors before escape analysis, so a package with errors and no messages did not compile. */
static void end_package(struct escape_parser *parser)
{
	if (parser->package && parser->first_error && !parser->recognized)
		add_failure(parser, parser->package, parser->first_error);
	parser->first_error = NULL;
	parser->recognized = 0;
	parser->in_vet = false;
}

void escape_parser_fail(struct escape_parser *parser, const char *package)
{
	add_failure(parser, string_table_intern(parser->strings, package, strcspn(package, " ")), NULL);
}

void escape_parser_cut(struct escape_parser *parser, const char *text, size_t length)
{
	struct span shown = make_printable(parser, (struct span){text, length});

	parser->output->cut = string_table_intern(parser->strings, shown.text, shown.length);
}

void escape_parser_refuse(struct escape_parser *parser, const char *problem, const char *remedy, const char *text,
			  size_t length)
{
	struct span shown = make_printable(parser, (struct span){text, length});
	char *refusal;

	if (parser->output->mixed) /* what follows is a consequence */
		return;
	refusal = memory_format("has %s (\"%.*s\"); %s", problem, (int)(shown.length < SHOWN ? shown.length : SHOWN),
				shown.text, remedy);
	parser->output->refusal = string_table_intern(parser->strings, refusal, strlen(refusal));
	free(refusal);
}

/* Whether this line says that a log was cut. */
static bool is_cut(struct span line)
{
	static const struct span signs[] = {
		SPAN("output truncated"),   SPAN("output clipped"),
		SPAN("has been truncated"), SPAN("job's log exceeded limit"),
		SPAN("Job's log exceeded"), SPAN("exceeded the maximum log length"),
		SPAN("log limit"),	    SPAN("[truncated"),
		SPAN("(truncated"),	    SPAN("truncated ..."),
		SPAN("lines omitted"),	    SPAN("output is too large"),
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
		if (span_find(line, signs[i]) >= 0)
			return true;
	}
	return false;
}

/* ---- lines that two commands wrote at once ---- */

/* The length of the literal that begins at a quote, up to its end or that of the text. */
static size_t literal_length(struct span text)
{
	size_t at = 1;

	while (at < text.length && text.text[at] != text.text[0])
		at += text.text[at] == '\\' && text.text[0] != '`' ? 2 : 1;
	return at < text.length ? at + 1 : text.length;
}

/* The length of "12:" at the beginning of a text; 0 if there is no such thing. */
static size_t numbered(struct span text)
{
	size_t at = 0;

	while (at < text.length && text.text[at] >= '0' && text.text[at] <= '9')
		at++;
	return at && at < text.length && text.text[at] == ':' ? at + 1 : 0;
}

/* Whether this colon is the first one of "FILE.go:LINE[:COLUMN]: ", with which a line begins. Sets its message, from the space on. */
static bool is_position_of(struct span text, size_t colon, struct span *message)
{
	struct span rest = span_from(text, colon + 1);
	size_t line = colon >= 3 && memcmp(text.text + colon - 3, ".go", 3) == 0 ? numbered(rest) : 0;

	if (!line)
		return false;
	rest = span_from(rest, line);
	*message = span_from(rest, numbered(rest));
	return message->length && message->text[0] == ' ';
}

static bool is_position(struct span text, size_t colon)
{
	struct span message;

	return is_position_of(text, colon, &message);
}

/* Whether "# " begins what can only be a header, which ends the text. */
static bool is_header_end(struct span text, size_t hash)
{
	struct span path;

	return parse_header(span_from(text, hash), &path) && path.text[0] != '[' &&
	       !memchr(path.text, ')', path.length) && !memchr(path.text, '}', path.length);
}

/* The same of a package that has a path: "# 12" and "# generated" are no such header. */
static bool is_import_header_end(struct span text, size_t hash)
{
	return is_header_end(text, hash) && span_find(span_from(text, hash), SPAN("/")) >= 0;
}

/* The length of the directory of a path, with the separator. */
static size_t directory_length(struct span path)
{
	size_t length = path.length;

	while (length && path.text[length - 1] != '/' && path.text[length - 1] != '\\')
		length--;
	return length;
}

/* Tests and loggers indent what they print. */
static bool is_indented(struct span line)
{
	return line.text[0] == ' ' || line.text[0] == '\t';
}

/* Whether a line with this path may be the compiler's, after one with the path `likely`: others name files without their
 * directory. */
static bool is_beside(struct span line, struct span path, struct span likely)
{
	struct span directory = span_to(likely, directory_length(likely));

	return !is_indented(line) &&
	       (!likely.length || (directory_length(path) == directory.length && span_starts(path, directory)));
}

/* Whether a message of the compiler, with its position, is the end of a text, or a header. Tests and loggers print positions and
 * numbers ("# 12"), too. */
static bool has_message_within(struct span text)
{
	ptrdiff_t hash = span_find_last(text, SPAN("# "));
	struct message parsed;
	struct span rest;

	if (hash >= 0 && is_import_header_end(text, (size_t)hash))
		return true;
	for (size_t i = text.length; i-- > 0;) {
		if (text.text[i] == ':' && is_position_of(text, i, &rest))
			return message_parse(span_from(rest, 1), &parsed) && parsed.subject.length;
	}
	return false;
}

/* The quick answer, which is false for nearly all lines. */
static bool may_have_line_within(struct span text)
{
	const char *end;

	if (!text.length)
		return false;
	if (memchr(text.text, '#', text.length))
		return true;
	end = text.text + text.length;
	for (const char *at = text.text; at < end && (at = memchr(at, ':', (size_t)(end - at))); at++) {
		if (is_position(text, (size_t)(at - text.text)))
			return true;
	}
	return false;
}

/* Whether the beginning of another line stands within an expression or the rest of a line. No Go expression has a file's
 * position or a header but in a literal. */
static bool has_line_within(struct span text)
{
	if (!may_have_line_within(text))
		return false;
	for (size_t i = 0; i < text.length; i++) {
		char c = text.text[i];

		if (c == '"' || c == '`' || c == '\'')
			i += literal_length(span_from(text, i)) - 1;
		else if ((c == ':' && is_position(text, i)) || (c == '#' && is_header_end(text, i)))
			return true;
	}
	return false;
}

/*
 * Two commands that write into one pipe at once may cut each other's lines in two: the second begins within a line of the first,
 * whose rest follows later. From there on nobody knows which package a line is of.
 */
static bool is_spliced(const struct message *message)
{
	return message->role == MESSAGE_VERDICT &&
	       (has_line_within(message->subject) || has_line_within(message->detail));
}

/* Whether this line, which is no message, is the beginning of one that was cut, and the beginning of another line. `likely` is the
 * path of the message before. */
static bool is_cut_off(struct span line, struct span likely)
{
	struct position position;
	struct span rest;
	ptrdiff_t hash = span_find_last(line, SPAN("# "));

	if (!likely.length || is_indented(line))
		return false;
	if (position_split(line, likely, &position, &rest) && span_ends(position.path, SPAN(".go")))
		return is_beside(line, position.path, likely) && has_message_within(rest);
	return hash > 0 && (span_starts(likely, span_to(line, (size_t)hash)) || span_starts(line, likely)) &&
	       is_import_header_end(line, (size_t)hash);
}

static void note_mixed(struct escape_parser *parser, struct span line)
{
	if (!parser->output->mixed)
		parser->output->mixed = string_table_intern(parser->strings, line.text, line.length);
}

/* Examines a line that is not a message: it may be an error of the package, or say that the log was cut. */
static void note_trouble(struct escape_parser *parser, struct span line, const char *text)
{
	struct span likely = facts_likely_path(parser->facts), rest;
	struct position position;

	if (is_cut(line))
		parser->output->cut = text;
	if (position_split(line, likely, &position, &rest) && position.path.length == likely.length &&
	    memcmp(position.path.text, likely.text, likely.length) == 0 && cut_explanation(rest))
		parser->output->cut = text;
	if (is_cut_off(line, likely))
		note_mixed(parser, line);
	if (!parser->package || parser->in_vet || parser->first_error)
		return;
	if (position_split(line, likely, &position, &rest))
		parser->first_error = text;
	if (span_find(line, SPAN("internal compiler error")) >= 0)
		add_failure(parser, parser->package, text);
}

static void add_unrecognized(struct escape_parser *parser, struct span line, uint64_t line_number)
{
	struct escape_output *output = parser->output;
	size_t length = line.length;

	if (length > UNRECOGNIZED_LENGTH_MAX) {
		length = UNRECOGNIZED_LENGTH_MAX;
		while (length && ((unsigned char)line.text[length] & 0xc0) == 0x80)
			length--;
	}
	output->unrecognized = array_reserve(output->unrecognized, output->unrecognized_count,
					     &parser->root->unrecognized_capacity, sizeof(*output->unrecognized));
	output->unrecognized[output->unrecognized_count++] =
		(struct escape_unrecognized){line_number, string_table_intern(parser->strings, line.text, length)};
	note_trouble(parser, line, output->unrecognized[output->unrecognized_count - 1].text);
}

/*
 * A log of which only the last part is kept may begin within an explanation. Then the rest of the package follows, with a
 * message about the same file, in the compiler's order: what stands behind a heading is its explanation.
 */
static void note_beginning(struct escape_parser *parser, struct span line, struct span path)
{
	parser->disordered |= parser->recognized > 0;
	if (!parser->begins_within && !parser->package && !parser->output->annotation_count && !parser->recognized) {
		parser->begins_within = string_table_intern(parser->strings, line.text, line.length);
		parser->begins_file = string_table_intern(parser->strings, path.text, path.length);
	}
}

static void note_order(struct escape_parser *parser, const struct message *message, struct span path)
{
	bool begins = message->role == MESSAGE_VERDICT || message->role == MESSAGE_HEADING;

	if (!parser->begins_within)
		return;
	parser->begins_known |= begins && !parser->package && strlen(parser->begins_file) == path.length &&
				memcmp(parser->begins_file, path.text, path.length) == 0;
	parser->disordered |= begins && parser->last_role == MESSAGE_HEADING;
	parser->last_role = message->role;
}

/* The go command prints no header without a message below. Two that write line by line do, as filters do. */
static void note_hollow(struct escape_parser *parser, struct span next)
{
	if (parser->package && parser->header_line + 1 == parser->root->line_number &&
	    !(strlen(parser->package) == next.length && memcmp(parser->package, next.text, next.length) == 0))
		parser->output->hollow = parser->package;
	parser->header_line = parser->root->line_number;
}

static bool recognize(struct escape_parser *parser, struct span line)
{
	struct position position;
	struct message message;
	struct span text;
	bool spliced;

	if (line.text[0] == '#' && parse_header(line, &text)) {
		if (text.text[0] == '[') {
			parser->in_vet = true;
			return true;
		}
		note_hollow(parser, text);
		end_package(parser);
		parser->package = string_table_intern(parser->strings, text.text, text.length);
		facts_package(parser->facts, text);
		return true;
	}
	if (!parse_message(parser, line, &position, &message, &text))
		return false;
	spliced = is_spliced(&message) && is_beside(line, position.path, facts_likely_path(parser->facts));
	if (!facts_add(parser->facts, &position, &message, text)) {
		parser->output->strayed = true;
		note_beginning(parser, line, position.path);
		return false;
	}
	note_order(parser, &message, position.path);
	if (spliced)
		note_mixed(parser, line);
	parser->recognized++;
	return true;
}

/* ---- messages over several lines ---- */

/* Whether a raw string is open after `text`, given whether one was open before it. */
static bool raw_string_open(struct span text, bool open)
{
	const char *at = text.text, *end = at + text.length;

	while (at < end) {
		if (open) {
			at = memchr(at, '`', (size_t)(end - at));
			if (!at)
				return true;
			open = false;
			at++;
		} else if (*at == '`') {
			open = true;
			at++;
		} else if (*at == '"') {
			for (at++; at < end && *at != '"'; at++)
				at += *at == '\\';
			at++;
		} else if (*at == '\'' && end - at >= 3 && at[2] == '\'') {
			at += 3;
		} else {
			at++;
		}
	}
	return open;
}

/* Takes the next line from `rest`, in which every line ends in a newline. */
static bool next_line(struct span *rest, struct span *line)
{
	const char *newline = memchr(rest->text, '\n', rest->length);

	if (!newline)
		return false;
	*line = span_to(*rest, (size_t)(newline - rest->text));
	*rest = span_from(*rest, line->length + 1);
	return true;
}

/* Ends a joined message. If it is complete, it is one message, in which newlines are shown as \n; otherwise each of its
 * lines is parsed separately. */
static void end_joined(struct escape_parser *parser, bool complete)
{
	struct span all = {parser->joined.text, parser->joined.length}, line;
	uint64_t line_number = parser->root->line_number - parser->joined_lines + complete;
	struct buffer message = {0};

	parser->joined.length = 0;
	parser->joined_lines = 0;
	if (complete) {
		for (struct span rest = all; next_line(&rest, &line);) {
			if (message.length)
				buffer_append(&message, "\\n", 2);
			buffer_append(&message, line.text, line.length);
		}
		complete = recognize(parser, (struct span){message.text, message.length});
		free(message.text);
	}
	if (complete)
		return;
	for (struct span rest = all; next_line(&rest, &line); line_number++) {
		if (line.length && !recognize(parser, line))
			add_unrecognized(parser, line, line_number);
	}
}

static void join(struct escape_parser *parser, struct span line)
{
	buffer_append(&parser->joined, line.text, line.length);
	buffer_append(&parser->joined, "\n", 1);
	parser->joined_lines++;
}

/* Returns whether the line was taken as a part of a message over several lines. */
static bool continue_joined(struct escape_parser *parser, struct span line)
{
	struct position position;
	struct message message;
	struct span text;

	if (parser->joined_lines >= JOINED_LINES_MAX ||
	    (line.length && (parse_message(parser, line, &position, &message, &text) ||
			     (line.text[0] == '#' && parse_header(line, &text))))) {
		end_joined(parser, false);
		return false;
	}
	join(parser, line);
	if (!raw_string_open(line, true))
		end_joined(parser, true);
	return true;
}

static bool begin_joined(struct escape_parser *parser, struct span line)
{
	struct position position;
	struct span text;

	if (!memchr(line.text, '`', line.length) ||
	    !position_split(line, facts_likely_path(parser->facts), &position, &text) || !raw_string_open(text, false))
		return false;
	join(parser, line);
	return true;
}

/* ---- lines ---- */

static void parse_line(struct escape_parser *parser, struct span line)
{
	parser->root->line_number++;
	if (parser->root->line_number == 1 && span_starts(line, SPAN("\xef\xbb\xbf")))
		line = span_from(line, 3);
	if (line.length > ESCAPE_LINE_MAX)
		line.length = ESCAPE_LINE_MAX;
	while (line.length && line.text[line.length - 1] == '\r')
		line.length--;
	line = make_printable(parser, line);
	if (parser->joined_lines && continue_joined(parser, line))
		return;
	if (!line.length || begin_joined(parser, line) || recognize(parser, line))
		return;
	add_unrecognized(parser, line, parser->root->line_number);
}

/* ---- interface ---- */

struct escape_parser *escape_parser_new(void)
{
	struct escape_parser *parser = memory_zeroed(1, sizeof(*parser));

	parser->output = memory_zeroed(1, sizeof(*parser->output));
	parser->output->storage = memory_zeroed(1, sizeof(*parser->output->storage));
	parser->strings = &parser->output->storage->strings;
	parser->facts = facts_new(parser->output, parser->strings);
	parser->root = parser;
	return parser;
}

struct escape_parser *escape_parser_branch(struct escape_parser *parser)
{
	struct escape_parser *branch = memory_zeroed(1, sizeof(*branch)), *root = parser->root;

	branch->output = root->output;
	branch->strings = root->strings;
	branch->facts = facts_branch(root->facts);
	branch->root = root;
	root->branches = memory_resize(root->branches, root->branch_count + 1, sizeof(struct escape_parser *));
	return root->branches[root->branch_count++] = branch;
}

static void append_partial(struct escape_parser *parser, const char *text, size_t length)
{
	size_t room = ESCAPE_LINE_MAX - parser->partial.length;

	buffer_append(&parser->partial, text, length < room ? length : room);
}

void escape_parser_feed(struct escape_parser *parser, const char *text, size_t length)
{
	const char *end = text + length;

	parser->output->byte_count += length;
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		if (!newline) {
			append_partial(parser, text, (size_t)(end - text));
			return;
		}
		if (parser->partial.length) {
			append_partial(parser, text, (size_t)(newline - text));
			parse_line(parser, (struct span){parser->partial.text, parser->partial.length});
			parser->partial.length = 0;
		} else {
			parse_line(parser, (struct span){text, (size_t)(newline - text)});
		}
		text = newline + 1;
	}
}

/* A collector ends each line, also one that it has the beginning of alone; and a log may end before what its last line announces. */
static void note_cut_end(struct escape_parser *parser)
{
	struct escape_output *output = parser->output;
	const struct escape_unrecognized *last =
		output->unrecognized_count ? &output->unrecognized[output->unrecognized_count - 1] : NULL;
	const char *heading = facts_heading_alone(parser->facts);

	if (parser->begins_within && parser->begins_known && !parser->disordered)
		output->cut = parser->begins_within;
	if (heading && !parser->disordered)
		output->cut = string_table_intern(parser->strings, heading, strlen(heading));
	if (last && last->line_number == parser->root->line_number &&
	    cut_message((struct span){last->text, strlen(last->text)}, facts_likely_path(parser->facts),
			parser->package))
		output->cut = last->text;
}

/* Ends one text, and frees its parser. */
static void end_text(struct escape_parser *parser)
{
	struct escape_output *output = parser->output;
	size_t unrecognized = output->unrecognized_count;

	if (parser->partial.length)
		parse_line(parser, (struct span){parser->partial.text, parser->partial.length});
	/* The compiler's last line ends in a newline. An incomplete last line that is not a message is the beginning of
	 * one. */
	if (output->unrecognized_count > unrecognized)
		output->cut = output->unrecognized[unrecognized].text;
	note_cut_end(parser);
	if (parser->joined_lines) {
		parser->root->line_number++; /* as if another line had ended the attempt */
		end_joined(parser, false);
		parser->root->line_number--;
	}
	end_package(parser);
	facts_free(parser->facts);
	output->line_count = parser->root->line_number;
	free(parser->partial.text);
	free(parser->clean.text);
	free(parser->joined.text);
	free(parser->branches);
	free(parser);
}

struct escape_output *escape_parser_finish(struct escape_parser *parser)
{
	struct escape_output *output = parser->output;

	for (size_t i = 0; i < parser->branch_count; i++)
		end_text(parser->branches[i]);
	end_text(parser);
	for (size_t i = 0; i < output->annotation_count; i++)
		output->counts[output->annotations[i].kind]++;
	return output;
}

struct string_table *escape_output_strings(struct escape_output *output)
{
	return &output->storage->strings;
}

/* Returns the new name of a file, which may be NULL. */
typedef const char *rename_file(struct string_table *strings, const char *file, void *context);

static void rename_files(struct escape_output *output, rename_file *rename, void *context)
{
	struct string_table *strings = &output->storage->strings;

	for (size_t i = 0; i < output->annotation_count; i++) {
		struct escape_annotation *annotation = &output->annotations[i];

		annotation->file = rename(strings, annotation->file, context);
		for (uint32_t flow = 0; flow < annotation->flow_count; flow++) {
			/* its own, in the arena of the output */
			struct escape_step *steps = (struct escape_step *)annotation->flows[flow].steps;

			for (uint32_t step = 0; step < annotation->flows[flow].step_count; step++)
				steps[step].file = rename(strings, steps[step].file, context);
		}
	}
}

static const char *base_name(struct string_table *strings, const char *file, void *context)
{
	const char *name = text_base_name(file);

	(void)context;
	return name ? string_table_intern(strings, name, strlen(name)) : NULL;
}

void escape_redact(struct escape_output *output)
{
	rename_files(output, base_name, NULL);
}

struct renaming {
	const char *from, *to;
};

static const char *other_name(struct string_table *strings, const char *file, void *context)
{
	const struct renaming *renaming = context;

	if (!file || strcmp(file, renaming->from) != 0)
		return file;
	return string_table_intern(strings, renaming->to, strlen(renaming->to));
}

void escape_rename_file(struct escape_output *output, const char *from, const char *to)
{
	rename_files(output, other_name, &(struct renaming){from, to});
}

void escape_free(struct escape_output *output)
{
	if (!output)
		return;
	free(output->annotations);
	free(output->unrecognized);
	free(output->packages);
	free(output->failures);
	string_table_free(&output->storage->strings);
	free(output->storage);
	free(output);
}
