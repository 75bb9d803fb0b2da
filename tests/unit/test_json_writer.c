/* SPDX-License-Identifier: BSD-2-Clause */
/* The oracle is cJSON: it must read back what was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "text/json_writer.h"
#include "profile/profile.h"

static char *text;
static size_t length;
static struct json_writer writer;

static void begin(void)
{
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	json_writer_begin(&writer, stream);
}

static void end(void)
{
	json_writer_end(&writer);
	fclose(writer.stream);
}

static void commas_and_lines_are_where_they_belong(void **state)
{
	(void)state;
	begin();
	json_write_object(&writer, NULL);
	json_write_text(&writer, "a", "x");
	json_write_newline(&writer);
	json_write_array(&writer, "b");
	json_write_array_end(&writer);
	json_write_array(&writer, "c");
	json_write_object(&writer, NULL);
	json_write_object_end(&writer);
	json_write_bool(&writer, NULL, true);
	json_write_bool(&writer, NULL, false);
	json_write_newline(&writer);
	json_write_array_end(&writer);
	json_write_null(&writer, "d");
	json_write_object_end(&writer);
	end();
	assert_string_equal(text, "{\"a\":\"x\",\n\"b\":[],\"c\":[{},true,false\n],\"d\":null}\n");
	free(text);
}

static void numbers_are_whole_to_the_last_digit(void **state)
{
	(void)state;
	begin();
	json_write_array(&writer, NULL);
	json_write_integer(&writer, NULL, 0);
	json_write_integer(&writer, NULL, INT64_MAX);
	json_write_integer(&writer, NULL, INT64_MIN);
	json_write_value(&writer, NULL, VALUE_UNMEASURED);
	json_write_value(&writer, NULL, 7);
	json_write_position(&writer, NULL, 0);
	json_write_position(&writer, NULL, UINT32_MAX);
	json_write_text(&writer, NULL, NULL);
	json_write_array_end(&writer);
	end();
	assert_string_equal(text, "[0,9223372036854775807,-9223372036854775808,null,7,null,4294967295,null]\n");
	free(text);
}

static void any_text_reads_back(void **state)
{
	char every[256];
	cJSON *document;

	(void)state;
	for (int i = 0; i < 255; i++)
		every[i] = (char)(i < 127 ? i + 1 : 'x');
	every[255] = 0;
	begin();
	json_write_array(&writer, NULL);
	json_write_text(&writer, NULL, every);
	json_write_text(&writer, NULL, "");
	json_write_text(&writer, NULL, "Größe \xe2\x86\x90 \"q\" \\");
	json_write_text(&writer, NULL, "bad \xff\xc3 end");
	json_write_array_end(&writer);
	end();
	document = cJSON_Parse(text);
	assert_non_null(document);
	assert_string_equal(cJSON_GetArrayItem(document, 0)->valuestring, every);
	assert_string_equal(cJSON_GetArrayItem(document, 1)->valuestring, "");
	assert_string_equal(cJSON_GetArrayItem(document, 2)->valuestring, "Größe \xe2\x86\x90 \"q\" \\");
	assert_string_equal(cJSON_GetArrayItem(document, 3)->valuestring, "bad \xef\xbf\xbd\xef\xbf\xbd end");
	cJSON_Delete(document);
	free(text);
}

/* Every length around the size of the buffer. */
static void texts_longer_than_the_buffer_are_whole(void **state)
{
	size_t size = sizeof(writer.buffer);
	char *big = malloc(size + 8);

	(void)state;
	assert_non_null(big);
	for (size_t count = size - 8; count < size + 8; count++) {
		memset(big, 'y', count);
		big[count] = 0;
		begin();
		json_write_text(&writer, NULL, big);
		end();
		assert_int_equal(length, count + 3);
		assert_int_equal(text[0], '"');
		assert_memory_equal(text + 1, big, count);
		assert_string_equal(text + 1 + count, "\"\n");
		free(text);
	}
	free(big);
}

static const char *name_read_back(const char *name)
{
	static cJSON *document;

	cJSON_Delete(document);
	begin();
	json_write_object(&writer, NULL);
	json_write_bool(&writer, "first", true);
	json_write_newline(&writer);
	json_write_bool(&writer, name, true);
	json_write_bool(&writer, "last", true);
	json_write_object_end(&writer);
	end();
	document = cJSON_Parse(text);
	free(text);
	assert_non_null(document);
	assert_int_equal(cJSON_GetArraySize(document), 3);
	assert_true(cJSON_IsTrue(cJSON_GetArrayItem(document, 1)));
	return cJSON_GetArrayItem(document, 1)->string;
}

/* Names of files, which other people give, are names of members. */
static void any_name_reads_back(void **state)
{
	size_t sizes[] = {250, 256, 257, sizeof(writer.buffer) - 30, sizeof(writer.buffer), 2 * sizeof(writer.buffer)};

	(void)state;
	assert_string_equal(name_read_back("a\":[],\"rows\":[],\"b"), "a\":[],\"rows\":[],\"b");
	assert_string_equal(name_read_back("eight...\\x0a\n"), "eight...\\x0a\n");
	assert_string_equal(name_read_back("bad \xff"), "bad \xef\xbf\xbd");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *big = malloc(sizes[i] + 1);

		assert_non_null(big);
		memset(big, 'y', sizes[i]);
		big[sizes[i]] = 0;
		assert_string_equal(name_read_back(big), big);
		free(big);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_and_lines_are_where_they_belong),
		cmocka_unit_test(numbers_are_whole_to_the_last_digit),
		cmocka_unit_test(any_text_reads_back),
		cmocka_unit_test(texts_longer_than_the_buffer_are_whole),
		cmocka_unit_test(any_name_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
