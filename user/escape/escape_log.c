/* SPDX-License-Identifier: BSD-2-Clause */
#include "escape/escape_log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

enum { FILES_MAX = 200000, FILE_SIZE_MAX = 512 << 20, TEXT_MAX = 1 << 20 };

/* A file of the log while it is fed to the parser. */
struct log {
	struct escape_parser *parser;
	char *file; /* the source file of its positions */
};

/* A source position: the compiler's "FILE:LINE:COLUMN". */
struct place {
	const char *file;
	int line, column;
};

static const char *text_of(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static void feed(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void feed(struct log *log, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = memory_format_list(format, arguments);
	va_end(arguments);
	escape_parser_feed(log->parser, text, strlen(text));
	free(text);
}

/* Reads the start of a range. Lines and columns begin at 1 here, unlike in the language server protocol. */
static bool read_start(const cJSON *range, struct place *place)
{
	const cJSON *start = cJSON_GetObjectItemCaseSensitive(range, "start");
	const cJSON *line = cJSON_GetObjectItemCaseSensitive(start, "line");
	const cJSON *column = cJSON_GetObjectItemCaseSensitive(start, "character");

	if (!cJSON_IsNumber(line) || !cJSON_IsNumber(column) || line->valueint < 0 || column->valueint < 0)
		return false;
	place->line = line->valueint;
	place->column = column->valueint;
	return true;
}

/* Feeds "escflow: flow: x = &y:" and "escflow: from &y (address-of)" in the form of -m=2. The first flow shows whether
 * the subject is a variable that moves, or an expression that is stored in the heap. */
static void feed_flow(struct log *log, const struct place *at, const char *subject, const cJSON *information,
		      bool *moved)
{
	static const char mark[] = "escflow:";
	const char *words = text_of(information, "message");
	const cJSON *location = cJSON_GetObjectItemCaseSensitive(information, "location");
	struct place from = *at;

	if (strncmp(words, mark, sizeof(mark) - 1) != 0)
		return;
	words += sizeof(mark) - 1;
	words += strspn(words, " ");
	if (strncmp(words, "flow: ", 6) == 0) {
		const char *address = strrchr(words, '&');
		size_t length = strlen(subject);

		*moved |= address && strncmp(address + 1, subject, length) == 0 && address[1 + length] == ':';
		feed(log, "%s:%d:%d:   %s\n", at->file, at->line, at->column, words);
	} else if (read_start(cJSON_GetObjectItemCaseSensitive(location, "range"), &from)) {
		const char *uri = text_of(location, "uri");

		from.file = strncmp(uri, "file://", 7) == 0 ? uri + 7 : at->file;
		feed(log, "%s:%d:%d:     %s at %s:%d:%d\n", at->file, at->line, at->column, words, from.file, from.line,
		     from.column);
	}
}

static bool feed_flows(struct log *log, const struct place *at, const char *subject, const cJSON *entry)
{
	const cJSON *information;
	bool moved = false;

	cJSON_ArrayForEach(information, cJSON_GetObjectItemCaseSensitive(entry, "relatedInformation"))
		feed_flow(log, at, subject, information, &moved);
	return moved;
}

/* Feeds "X escapes to heap" with its explanation. An entry without text repeats one. */
static void feed_escape(struct log *log, const struct place *at, const char *words, const cJSON *entry)
{
	static const char end[] = " escapes to heap";
	size_t length = strlen(words);
	char *subject;

	if (length <= sizeof(end) - 1 || strcmp(words + length - (sizeof(end) - 1), end) != 0)
		return;
	subject = memory_text_of(words, length - (sizeof(end) - 1));
	feed(log, "%s:%d:%d: %s:\n", at->file, at->line, at->column, words);
	if (feed_flows(log, at, subject, entry))
		feed(log, "%s:%d:%d: moved to heap: %s\n", at->file, at->line, at->column, subject);
	else
		feed(log, "%s:%d:%d: %s\n", at->file, at->line, at->column, words);
	free(subject);
}

/* Feeds "parameter P leaks to DST with derefs=N" with its explanation: the heading of a leak, without its colon. */
static void feed_leak(struct log *log, const struct place *at, const char *words, const cJSON *entry)
{
	static const char parameter[] = "parameter ", leaks[] = " leaks to ", derefs[] = " with derefs=";
	const char *to = strstr(words, leaks), *level = to ? strstr(to, derefs) : NULL, *name;
	int name_length, to_length;

	if (strncmp(words, parameter, sizeof(parameter) - 1) != 0 || !level)
		return;
	name = words + sizeof(parameter) - 1;
	name_length = (int)(to - name);
	to += sizeof(leaks) - 1;
	to_length = (int)(level - to);
	level += sizeof(derefs) - 1;
	feed(log, "%s:%d:%d: %s:\n", at->file, at->line, at->column, words);
	feed_flows(log, at, "", entry);
	if (*to != '{')
		feed(log, "%s:%d:%d: leaking param: %.*s to result %.*s level=%s\n", at->file, at->line, at->column,
		     name_length, name, to_length, to, level);
	else
		feed(log, "%s:%d:%d: leaking param%s: %.*s\n", at->file, at->line, at->column,
		     strcmp(level, "0") == 0 ? "" : " content", name_length, name);
}

static void feed_entry(struct log *log, const cJSON *entry)
{
	const char *code = text_of(entry, "code"), *words = text_of(entry, "message");
	struct place at = {.file = log->file};

	if (!read_start(cJSON_GetObjectItemCaseSensitive(entry, "range"), &at) || strpbrk(words, "\r\n") ||
	    strlen(words) > TEXT_MAX)
		return;
	if (strcmp(code, "escape") == 0 || strcmp(code, "escapes") == 0)
		feed_escape(log, &at, words, entry);
	else if (strcmp(code, "leak") == 0)
		feed_leak(log, &at, words, entry);
	else if (strcmp(code, "inlineCall") == 0 && *words)
		feed(log, "%s:%d:%d: inlining call to %s\n", at.file, at.line, at.column, words);
}

/* Reads the header object, which names the package and the source file. Returns false if the line is not a header. */
static bool read_header(struct log *log, const cJSON *header)
{
	const char *package = text_of(header, "package"), *file = text_of(header, "file");

	if (!cJSON_HasObjectItem(header, "version") || !*package || !*file || strpbrk(package, " \r\n") ||
	    strpbrk(file, "\r\n"))
		return false;
	feed(log, "# %s\n", package);
	log->file = memory_text(file);
	return true;
}

/* Feeds the lines of one file. Returns false if the file is not from the compiler. */
static bool feed_file(const char *path, struct escape_parser *parser)
{
	struct log log = {.parser = parser};
	FILE *stream = fopen(path, "re");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;
	bool is_log;

	while (stream && (length = getline(&line, &capacity, stream)) > 0) {
		cJSON *object = cJSON_ParseWithLength(line, (size_t)length);

		if (log.file)
			feed_entry(&log, object);
		else if (!read_header(&log, object))
			length = 0;
		cJSON_Delete(object);
		if (!length)
			break;
	}
	is_log = log.file != NULL;
	if (stream)
		fclose(stream);
	free(line);
	free(log.file);
	return is_log;
}

int escape_log_read(const char *directory, struct escape_parser *parser, struct error *error)
{
	char *const roots[] = {(char *)directory, NULL};
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOSTAT | FTS_NOCHDIR, NULL);
	size_t seen = 0, read = 0;
	FTSENT *entry;

	while (tree && (entry = fts_read(tree)) && seen < FILES_MAX) {
		struct stat status;

		if (entry->fts_info == FTS_D && entry->fts_level > 2)
			fts_set(tree, entry, FTS_SKIP);
		if (entry->fts_info == FTS_D || entry->fts_info == FTS_DP || entry->fts_namelen < 5 ||
		    strcmp(entry->fts_name + entry->fts_namelen - 5, ".json") != 0 ||
		    lstat(entry->fts_accpath, &status) || !S_ISREG(status.st_mode) || status.st_size > FILE_SIZE_MAX)
			continue;
		seen++;
		read += feed_file(entry->fts_accpath, parser);
	}
	if (tree)
		fts_close(tree);
	if (read)
		return 0;
	return error_set(error, STATUS_USAGE,
			 "'%s' is a directory without the compiler's log; create one with: go build -a "
			 "-gcflags=-json=0,DIR ./...",
			 directory);
}
