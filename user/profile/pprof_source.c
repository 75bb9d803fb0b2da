/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/pprof_source.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- errors --- */

static int wrong(const struct pprof_source *source, const char *how, const char *format, va_list arguments)
{
	char what[256];

	vsnprintf(what, sizeof(what), format, arguments);
	return error_set(source->error, STATUS_USAGE, "profile '%s' is %s: %s", source->name, how, what);
}

int pprof_source_malformed(const struct pprof_source *source, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	wrong(source, "malformed", format, arguments);
	va_end(arguments);
	return -1;
}

int pprof_source_too_large(const struct pprof_source *source, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	wrong(source, "too large", format, arguments);
	va_end(arguments);
	return -1;
}

/*
 * Whether these bytes begin like a profile: with a ValueType, either the first sample type or (Go) the type of the
 * period. Distinguishes a damaged profile from another kind of file.
 */
static bool begins_like_a_profile(const uint8_t *bytes, size_t size)
{
	enum { SAMPLE_TYPE = 0x0a, PERIOD_TYPE = 0x5a, TYPE_OF_VALUE_TYPE = 0x08, VALUE_TYPE_MAX = 22 };

	if (size < 3)
		return bytes[0] == SAMPLE_TYPE;
	return (bytes[0] == SAMPLE_TYPE || bytes[0] == PERIOD_TYPE) &&
	       (bytes[1] == 0 || (bytes[1] <= VALUE_TYPE_MAX && bytes[2] == TYPE_OF_VALUE_TYPE));
}

/* What is no profile but is often taken for one, by its first bytes. */
static const struct {
	const char *start, *what;
} others[] = {
	{"heap profile:",
	 "a heap profile as text: fetch it without ?debug=1, or convert it with 'go tool pprof -proto PROGRAM FILE'"},
	{"--- heap", "a heap profile as text: convert it with 'go tool pprof -proto PROGRAM FILE'"},
	{"MAPPED_LIBRARIES:", "a heap profile as text: convert it with 'go tool pprof -proto PROGRAM FILE'"},
	{"heap_v2/", "a heap profile of jemalloc: it says what is in use, not what was allocated"},
	{"{\"head\":", "a heap profile of V8: it says what is in use, not what was allocated"},
	{"\x1f\x8b", "compressed twice: gunzip it once"},
	{"\x28\xb5\x2f\xfd", "compressed by zstd: decompress it with 'zstd -d'"},
	{"\xfd\x37zXZ", "compressed by xz: decompress it with 'xz -d'"},
	{"BZh", "compressed by bzip2: decompress it with 'bzip2 -d'"},
	{"\x7f\x45LF", "a program, not a profile: record it with 'escapement record -- PROGRAM'"},
	{"PERFILE2", "a recording of perf, which does not count allocations"},
	{"goroutine profile:", "a goroutine profile as text: it does not count allocations"},
	{"<!DOCTYPE html", "a web page: is it the index of /debug/pprof/? the profile is /debug/pprof/allocs"},
	{"go 1.", "an execution trace of Go, not a profile: fetch /debug/pprof/allocs instead of /debug/pprof/trace"},
	{"# callgrind format", "a profile of callgrind, which does not count allocations"},
	{"# ", "compiler output, it seems: give it to 'escapement escapes', or to 'audit --escape'"},
};

int pprof_source_truncated(const struct pprof_source *source)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		size_t length = strlen(others[i].start);

		if (source->first_count >= length && memcmp(source->first, others[i].start, length) == 0)
			return error_set(source->error, STATUS_USAGE, "'%s' is %s", source->name, others[i].what);
	}
	return error_set(source->error, STATUS_USAGE,
			 source->first_count && begins_like_a_profile(source->first, source->first_count)
				 ? "profile '%s' is truncated or corrupt"
				 : "'%s' is not a pprof profile: expected what "
				   "'escapement record' or runtime/pprof writes",
			 source->name);
}

static int read_failed(const struct pprof_source *source)
{
	int code;
	const char *text = gzerror(source->file, &code);

	switch (code) {
	case Z_BUF_ERROR:
		return error_set(source->error, STATUS_USAGE, "profile '%s' is truncated: its gzip data ends early",
				 source->name);
	case Z_ERRNO:
		return error_set(source->error, STATUS_USAGE, "cannot read '%s': %s", source->name, strerror(errno));
	default:
		return error_set(source->error, STATUS_USAGE, "profile '%s' is corrupt: gzip says '%s'", source->name,
				 text);
	}
}

/* --- bytes --- */

/* So much of a file is kept as it is read first, unpacked, so that it need not be unpacked once more. */
enum { KEPT = 32 << 20 };

/* Forgets what has been read of a source that is larger than what is kept of one. */
static void forget_read(struct pprof_source *source)
{
	if (source->end < KEPT && !source->partial)
		return;
	source->partial = true;
	memmove(source->buffer, source->buffer + source->start, source->end - source->start);
	source->end -= source->start;
	source->start = 0;
}

/*
 * Reads until the window has at least `size` bytes. Returns 1, 0 if the source ends before, or -1 with an error. Memory
 * is allocated as bytes arrive, because a field may claim any length.
 */
static int fill(struct pprof_source *source, size_t size)
{
	while (source->end - source->start < size) {
		int code, count;

		if (!source->file || source->complete)
			return 0;
		if (source->end == source->capacity)
			forget_read(source);
		if (source->end == source->capacity) {
			source->capacity = source->capacity ? source->capacity * 2 : 1 << 16;
			source->buffer = memory_resize(source->buffer, source->capacity, 1);
			source->window = source->buffer;
		}
		count = gzread(source->file, source->buffer + source->end, (unsigned)(source->capacity - source->end));
		gzerror(source->file, &code);
		if (count < 0 || (count == 0 && code != Z_OK && code != Z_STREAM_END))
			return read_failed(source);
		if (count == 0) {
			source->complete = !source->partial;
			return 0;
		}
		source->end += (size_t)count;
	}
	return 1;
}

int pprof_source_rewind(struct pprof_source *source)
{
	source->start = 0;
	if (!source->file || source->complete)
		return 0;
	source->partial = false;
	source->end = 0;
	return gzrewind(source->file) ? read_failed(source) : 0;
}

/* Copies a source that can be read only once. Returns a descriptor that can be read twice, or -1 with an error. */
static int copy_of(const struct pprof_source *source, int descriptor, size_t copy_max)
{
	char bytes[1 << 16];
	size_t size = 0;
	int copy = memfd_create("profile", MFD_CLOEXEC);

	if (copy < 0)
		goto failed;
	for (;;) {
		ssize_t count = read(descriptor, bytes, sizeof(bytes)), written;

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			goto failed;
		if (count == 0)
			break;
		size += (size_t)count;
		if (size > copy_max) {
			pprof_source_too_large(source, "more than %zu MiB come through a pipe; read it from a file",
					       copy_max >> 20);
			close(copy);
			return -1;
		}
		for (ssize_t done = 0; done < count; done += written) {
			written = write(copy, bytes + done, (size_t)(count - done));
			if (written < 0)
				goto failed;
		}
	}
	if (lseek(copy, 0, SEEK_SET) == 0)
		return copy;
failed:
	error_set(source->error, STATUS_USAGE, "cannot read '%s': %s", source->name, strerror(errno));
	if (copy >= 0)
		close(copy);
	return -1;
}

/* Checks that the source is not empty, and stores its first bytes. */
static int look_at_first(struct pprof_source *source)
{
	if (fill(source, sizeof(source->first)) < 0)
		return -1;
	source->first_count = source->end < sizeof(source->first) ? source->end : sizeof(source->first);
	if (!source->first_count)
		return error_set(source->error, STATUS_USAGE, "profile '%s' is empty", source->name);
	memcpy(source->first, source->window, source->first_count);
	return 0;
}

int pprof_source_file(struct pprof_source *source, int descriptor, const char *name, size_t copy_max,
		      struct error *error)
{
	int copy;

	*source = (struct pprof_source){.name = name, .error = error};
	if (descriptor >= 0 && lseek(descriptor, 0, SEEK_CUR) < 0) {
		copy = copy_of(source, descriptor, copy_max);
		close(descriptor);
		if (copy < 0)
			return -1;
		descriptor = copy;
	}
	source->file = descriptor < 0 ? NULL : gzdopen(descriptor, "rb");
	if (source->file)
		return look_at_first(source);
	error_set(error, STATUS_USAGE, "cannot open profile '%s': %s", source->name, strerror(errno));
	if (descriptor >= 0)
		close(descriptor);
	return -1;
}

int pprof_source_open(struct pprof_source *source, const char *path, size_t copy_max, struct error *error)
{
	bool standard_input = strcmp(path, "-") == 0;

	return pprof_source_file(source, standard_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC),
				 standard_input ? "standard input" : path, copy_max, error);
}

int pprof_source_memory(struct pprof_source *source, const void *bytes, size_t size, const char *name,
			struct error *error)
{
	*source = (struct pprof_source){.name = name, .error = error, .window = bytes, .end = size};
	return look_at_first(source);
}

void pprof_source_close(struct pprof_source *source)
{
	if (source->file)
		gzclose(source->file);
	free(source->buffer);
}

/* --- fields --- */

int pprof_source_field(struct pprof_source *source, struct wire_field *field, struct wire_bytes *all)
{
	struct wire_bytes header;
	size_t size;
	int status = fill(source, WIRE_HEADER_MAX);

	if (status < 0 || source->start == source->end)
		return status < 0 ? -1 : 0;
	header = (struct wire_bytes){source->window + source->start, source->window + source->end};
	if (!wire_take_header(&header, field))
		return pprof_source_truncated(source);
	size = (size_t)(header.next - source->window) - source->start;
	status = fill(source, size + (field->length < PPROF_REST_BYTES_MAX ? field->length : PPROF_REST_BYTES_MAX));
	if (status <= 0)
		return status ? -1 : pprof_source_truncated(source);
	if (field->length > PPROF_REST_BYTES_MAX)
		return pprof_source_too_large(source, "a field has more than %zu MiB", PPROF_REST_BYTES_MAX >> 20);
	all->next = source->window + source->start;
	all->end = all->next + size + field->length;
	field->content = (struct wire_bytes){all->next + size, all->end};
	source->start += size + field->length;
	return 1;
}
