/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads compiler output from a file, a pipe or memory, and rejects unsuitable input with a reason. */
#include "escape/escape_parser.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "escape/escape_files.h"
#include "escape/escape_input.h"
#include "escape/escape_log.h"

enum { CHUNK = 1 << 18, BINARY_PROBE = 8192 };

/* Rejects input that is not text, judging by its first bytes. */
static int check_text(const char *text, size_t length, const char *name, struct error *error)
{
	const unsigned char *bytes = (const unsigned char *)text;

	if (length >= 2 && ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff)))
		return error_set(error, STATUS_USAGE,
				 "'%s' is UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8 FILE", name);
	if (memchr(text, 0, length < BINARY_PROBE ? length : BINARY_PROBE))
		return error_set(error, STATUS_USAGE,
				 "'%s' is binary, not compiler output; create it with: go build -gcflags=-m=2 2> FILE",
				 name);
	return 0;
}

int escape_check_complete(const struct escape_output *output, const char *name, struct error *error)
{
	const struct escape_failure *failure = output->failures;

	if (output->failure_count)
		return error_set(error, STATUS_USAGE, "'%s' is from a build that failed: %s did not compile%s%s%s",
				 name, failure->package, failure->text ? " (" : "", failure->text ? failure->text : "",
				 failure->text ? ")" : "");
	if (output->cut)
		return error_set(error, STATUS_USAGE, "'%s' is cut off: \"%.120s\"", name, output->cut);
	return 0;
}

/* Ends the parse, and rejects input without annotations. */
static struct escape_output *conclude(struct escape_parser *parser, const char *name, struct error *error)
{
	struct escape_output *output = escape_parser_finish(parser);
	char *unsettled = escape_settle_files(output);

	if (unsettled)
		error_set(error, STATUS_USAGE, "'%s' %s", name, unsettled);
	else if (!output->byte_count)
		error_set(error, STATUS_USAGE,
			  "'%s' is empty: the compiler printed nothing; build with -gcflags=-m=2, and -a to rebuild "
			  "what is cached",
			  name);
	else if (!output->annotation_count && !escape_check_complete(output, name, error))
		error_set(error, STATUS_USAGE,
			  "'%s' has no compiler annotations in its %llu lines; expected the output of "
			  "go build -gcflags=-m=2",
			  name, (unsigned long long)output->line_count);
	if (!unsettled && output->annotation_count)
		return output;
	free(unsettled);
	escape_free(output);
	return NULL;
}

struct escape_output *escape_parse(const char *text, size_t length, const char *name, struct error *error)
{
	struct escape_parser *parser;
	struct escape_input *input;

	if (check_text(text, length, name, error))
		return NULL;
	parser = escape_parser_new();
	input = escape_input_new(parser);
	escape_input_feed(input, text, length);
	escape_input_finish(input);
	return conclude(parser, name, error);
}

/* Reads `size` bytes or up to the end, because a pipe may return less at a time. */
static ssize_t read_fully(int fd, char *buffer, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t count = read(fd, buffer + done, size - done);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -1;
		if (count == 0)
			break;
		done += (size_t)count;
	}
	return (ssize_t)done;
}

static bool is_directory(const char *name)
{
	struct stat status;

	return stat(name, &status) == 0 && S_ISDIR(status.st_mode);
}

static struct escape_output *read_log(const char *name, struct error *error)
{
	struct escape_parser *parser = escape_parser_new();

	if (escape_log_read(name, parser, error) == 0)
		return conclude(parser, name, error);
	escape_free(escape_parser_finish(parser));
	return NULL;
}

/* Reads from a descriptor, up to its end. */
static struct escape_output *read_text(int fd, const char *name, struct error *error)
{
	struct escape_parser *parser = escape_parser_new();
	struct escape_input *input = escape_input_new(parser);
	char *buffer = memory_resize(NULL, CHUNK, 1);
	bool first = true, refused = false;
	ssize_t count;

	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while (!refused && (count = read_fully(fd, buffer, CHUNK)) > 0) {
		refused = first && check_text(buffer, (size_t)count, name, error);
		first = false;
		if (!refused)
			escape_input_feed(input, buffer, (size_t)count);
	}
	if (!refused && count < 0) {
		error_set(error, STATUS_USAGE, "cannot read '%s': %s", name, strerror(errno));
		refused = true;
	}
	free(buffer);
	escape_input_finish(input);
	if (!refused)
		return conclude(parser, name, error);
	escape_free(escape_parser_finish(parser));
	return NULL;
}

struct escape_output *escape_read(const char *name, struct error *error)
{
	struct escape_output *output;
	int fd;

	if (strcmp(name, "-") == 0)
		return read_text(STDIN_FILENO, "standard input", error);
	if (is_directory(name))
		return read_log(name, error);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		error_set(error, STATUS_USAGE, "cannot open '%s': %s", name, strerror(errno));
		return NULL;
	}
	output = read_text(fd, name, error);
	close(fd);
	return output;
}

int escape_open(const char *name, int64_t most, struct stat *status, struct error *error)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, status))
		error_set(error, STATUS_USAGE, "cannot open '%s': %s", name, strerror(errno));
	else if (!S_ISREG(status->st_mode))
		error_set(error, STATUS_USAGE,
			  "'%s' is not a regular file; expected the output of go build -gcflags=-m=2", name);
	else if (status->st_size > most)
		error_set(error, STATUS_USAGE, "'%s' has %lld bytes, more than the %lld that are read", name,
			  (long long)status->st_size, (long long)most);
	else
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

struct escape_output *escape_read_open(int file, const char *name, struct error *error)
{
	return read_text(file, name, error);
}
