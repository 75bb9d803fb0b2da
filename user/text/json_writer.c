/* SPDX-License-Identifier: BSD-2-Clause */
#include "text/json_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profile/profile.h"
#include "base/utf8.h"

enum { WORD = 5 }; /* true, false, null */

static void flush(struct json_writer *writer)
{
	fwrite(writer->buffer, 1, writer->length, writer->stream);
	writer->length = 0;
}

static void put(struct json_writer *writer, const char *text, size_t length)
{
	if (length > sizeof(writer->buffer) - writer->length) {
		flush(writer);
		if (length > sizeof(writer->buffer)) {
			fwrite(text, 1, length, writer->stream);
			return;
		}
	}
	memcpy(writer->buffer + writer->length, text, length);
	writer->length += length;
}

static void put_byte(struct json_writer *writer, char byte)
{
	if (writer->length == sizeof(writer->buffer))
		flush(writer);
	writer->buffer[writer->length++] = byte;
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Whether a byte of the word is 0. */
static bool has_zero(uint64_t word)
{
	return (word - EACH_BYTE(0x01)) & ~word & EACH_BYTE(0x80);
}

/* Whether these eight bytes need no escape. */
static bool is_plain(const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	return !(((word - EACH_BYTE(0x20)) | (word + EACH_BYTE(0x01)) | word) & EACH_BYTE(0x80)) &&
	       !has_zero(word ^ EACH_BYTE('"')) && !has_zero(word ^ EACH_BYTE('\\'));
}

static bool is_plain_byte(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

static void put_escaped(struct json_writer *writer, unsigned char byte)
{
	static const char named[] = "\b\f\n\r\t\"\\", names[] = "bfnrt\"\\";
	const char *which = strchr(named, byte);
	char escape[8];

	if (byte >= 0x7f) {
		put_byte(writer, (char)byte);
	} else if (which) {
		put_byte(writer, '\\');
		put_byte(writer, names[which - named]);
	} else {
		put(writer, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", byte));
	}
}

/* Copies the start of `text`, which is `length` bytes long, to the buffer: up to the first byte that needs an escape, as far
 * as there is room. Returns the number of bytes copied. */
static size_t put_plain(struct json_writer *writer, const char *text, size_t length)
{
	char *to = writer->buffer + writer->length;
	size_t room = sizeof(writer->buffer) - writer->length, done = 0;

	if (length > room)
		length = room;
	for (; length - done >= 8 && is_plain(text + done); done += 8)
		memcpy(to + done, text + done, 8);
	for (; done < length && is_plain_byte((unsigned char)text[done]); done++)
		to[done] = text[done];
	writer->length += done;
	return done;
}

static void put_string(struct json_writer *writer, const char *text)
{
	const char *end = text + strlen(text);
	char *repaired = NULL;

	put_byte(writer, '"');
	text += put_plain(writer, text, (size_t)(end - text));
	if (text < end && (repaired = utf8_repair(text))) {
		text = repaired;
		end = text + strlen(text);
	}
	while (text < end) {
		if (writer->length == sizeof(writer->buffer))
			flush(writer);
		else if (!is_plain_byte((unsigned char)*text))
			put_escaped(writer, (unsigned char)*text++);
		text += put_plain(writer, text, (size_t)(end - text));
	}
	put_byte(writer, '"');
	free(repaired);
}

/* Whether a name can be copied as it is. */
static bool is_plain_name(const char *name, size_t length)
{
	size_t done = 0;

	for (; length - done >= 8 && is_plain(name + done); done += 8)
		;
	while (done < length && is_plain_byte((unsigned char)name[done]))
		done++;
	return done == length;
}

/* Writes what comes before a value: comma, newline and name. Leaves room for a value of WORD bytes. */
static void lead(struct json_writer *writer, const char *name)
{
	enum { AROUND = 5 + WORD, COPIED = 256 };
	size_t length = name ? strlen(name) : 0;
	bool copied = !name || (length <= COPIED && is_plain_name(name, length));
	char *at;

	if ((copied ? length : 0) + AROUND > sizeof(writer->buffer) - writer->length)
		flush(writer);
	at = writer->buffer + writer->length;
	if (writer->follows)
		*at++ = ',';
	writer->follows = true;
	if (writer->newline)
		*at++ = '\n';
	writer->newline = false;
	if (name && copied) {
		*at++ = '"';
		at = (char *)memcpy(at, name, length) + length;
		*at++ = '"';
		*at++ = ':';
	}
	writer->length = (size_t)(at - writer->buffer);
	if (copied)
		return;
	put_string(writer, name);
	if (1 + WORD > sizeof(writer->buffer) - writer->length)
		flush(writer);
	put_byte(writer, ':');
}

/* A string constant of at most WORD bytes, after lead(). Inline, so that the compiler knows its length. */
static inline void put_word(struct json_writer *writer, const char *word)
{
	memcpy(writer->buffer + writer->length, word, strlen(word));
	writer->length += strlen(word);
}

static void open(struct json_writer *writer, const char *name, char bracket)
{
	lead(writer, name);
	put_byte(writer, bracket);
	writer->follows = false;
}

static void close(struct json_writer *writer, char bracket)
{
	if (writer->newline)
		put_byte(writer, '\n');
	writer->newline = false;
	put_byte(writer, bracket);
	writer->follows = true;
}

void json_writer_begin(struct json_writer *writer, FILE *stream)
{
	writer->stream = stream;
	writer->follows = writer->newline = false;
	writer->length = 0;
}

void json_writer_end(struct json_writer *writer)
{
	put_byte(writer, '\n');
	flush(writer);
}

void json_write_object(struct json_writer *writer, const char *name)
{
	open(writer, name, '{');
}

void json_write_object_end(struct json_writer *writer)
{
	close(writer, '}');
}

void json_write_array(struct json_writer *writer, const char *name)
{
	open(writer, name, '[');
}

void json_write_array_end(struct json_writer *writer)
{
	close(writer, ']');
}

void json_write_text(struct json_writer *writer, const char *name, const char *text)
{
	if (!text) {
		json_write_null(writer, name);
		return;
	}
	lead(writer, name);
	put_string(writer, text);
}

void json_write_integer(struct json_writer *writer, const char *name, int64_t number)
{
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char digits[24], *at = digits + sizeof(digits);

	do {
		*--at = (char)('0' + rest % 10);
	} while (rest /= 10);
	if (number < 0)
		*--at = '-';
	lead(writer, name);
	put(writer, at, (size_t)(digits + sizeof(digits) - at));
}

void json_write_value(struct json_writer *writer, const char *name, int64_t value)
{
	if (value == VALUE_UNMEASURED)
		json_write_null(writer, name);
	else
		json_write_integer(writer, name, value);
}

const char *json_number_text(char text[JSON_NUMBER_SIZE], double number)
{
	if (number == (double)count_from(number))
		snprintf(text, JSON_NUMBER_SIZE, "%" PRId64, count_from(number));
	else
		snprintf(text, JSON_NUMBER_SIZE, "%.17g", number);
	return text;
}

void json_write_number(struct json_writer *writer, const char *name, double number)
{
	char text[JSON_NUMBER_SIZE];

	if (number == VALUE_UNMEASURED) {
		json_write_null(writer, name);
		return;
	}
	json_number_text(text, number);
	lead(writer, name);
	put(writer, text, strlen(text));
}

void json_write_position(struct json_writer *writer, const char *name, uint32_t number)
{
	json_write_value(writer, name, number ? (int64_t)number : VALUE_UNMEASURED);
}

void json_write_bool(struct json_writer *writer, const char *name, bool value)
{
	lead(writer, name);
	if (value)
		put_word(writer, "true");
	else
		put_word(writer, "false");
}

void json_write_null(struct json_writer *writer, const char *name)
{
	lead(writer, name);
	put_word(writer, "null");
}

void json_write_newline(struct json_writer *writer)
{
	writer->newline = true;
}
