/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/secret.h"
#include "skip.h"

/* Checks how a word of a command line is printed when it follows the word `before`. */
static void check(const char *before, const char *word, const char *expected)
{
	const char *words[] = {before, word, NULL};
	char **shown = secret_hide(words);

	assert_string_equal(shown[1], expected);
	assert_null(shown[2]);
	free(shown[0]);
	free(shown[1]);
	free(shown);
}

static void values_of_telling_names_are_hidden(void **state)
{
	(void)state;
	check("server", "--password=hunter2", "--password=<hidden>");
	check("server", "-db.Passwd=a=b c", "-db.Passwd=<hidden>");
	check("env", "GITHUB_TOKEN=abc", "GITHUB_TOKEN=<hidden>");
	check("curl", "Authorization: Bearer abc def", "Authorization:<hidden>");
	check("curl", "http://host/path?user=me&access_token=abc&x=1",
	      "http://host/path?user=me&access_token=<hidden>");
	check("psql", "host=db user=me password=x dbname=y", "host=db user=me password=<hidden>");
	check("--api-key", "abc", "<hidden>");
	check("-secret", "abc", "<hidden>");
	check("--client-secret", "", "");
}

static void passwords_of_urls_are_hidden(void **state)
{
	(void)state;
	check("server", "postgres://me:hunter2@db:5432/x?sslmode=off", "postgres://me:<hidden>@db:5432/x?sslmode=off");
	check("server", "--dsn=amqp://me:p@ss@host/", "--dsn=amqp://me:<hidden>@host/");
	check("git", "https://abcdef@host/repo", "https://<hidden>@host/repo");
	check("git", "https://host/a@b", "https://host/a@b");
	check("server", "http://host:8080/", "http://host:8080/");
}

static void keys_of_known_forms_are_hidden(void **state)
{
	(void)state;
	check("s3", "AKIAIOSFODNN7EXAMPLE", "<hidden>");
	check("s3", "--id=ASIAIOSFODNN7EXAMPLE", "--id=<hidden>");
	check("s3", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "<hidden>");
	check("gh", "ghp_0123456789abcdefABCDEF0123456789abcd", "<hidden>");
	check("x", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "<hidden>");
	check("x", "-----BEGIN PRIVATE KEY-----", "<hidden>");
}

static void a_word_has_as_many_secrets_as_rules_find(void **state)
{
	(void)state;
	check("x", "https://me:A@host/?access_token=B", "https://me:<hidden>@host/?access_token=<hidden>");
	check("x", "postgres://me:A@db1,postgres://me:B@db2", "postgres://me:<hidden>@db1,postgres://me:<hidden>@db2");
	check("x", "--keys=ghp_0123456789abcdefABCD,token=B", "--keys=<hidden>");
	check("x", "a://b:C@d wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY e://f:G@h",
	      "a://b:<hidden>@d <hidden> e://f:<hidden>@h");
	check("x", "id=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY;next", "id=<hidden>;next");
	check("x", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "<hidden>");
	check("x", "a://:@b", "a://:@b");
}

static void values_of_options_within_a_word_are_hidden(void **state)
{
	(void)state;
	check("-c", "mysql --password A db", "mysql --password <hidden> db");
	check("-c", "mysql --password 'A B'\\ C db -token D", "mysql --password <hidden> db -token <hidden>");
	check("-c", "mysql '--password'   A; ls", "mysql '--password'   <hidden> ls");
	check("-c", "mysql --password A\\ B db", "mysql --password <hidden> db");
	check("-c", "mysql --password 'A", "mysql --password <hidden>");
	check("-c", "mysql --password --verbose db", "mysql --password --verbose db");
	check("-c", "mysql --password", "mysql --password");
	check("x", "[\"mysql\", \"--password\", \"A B\", \"db\"]", "[\"mysql\", \"--password\", <hidden> \"db\"]");
	check("x", "--without=a,-token,b", "--without=a,-token,b");
}

static void a_value_may_begin_like_an_option(void **state)
{
	(void)state;
	check("--token", "-HUNTER6", "<hidden>");
	check("--token", "-aB3dE6", "<hidden>");
	check("--token", "-7unter", "<hidden>");
	check("--token", "--aB3dE6", "<hidden>");
	check("-c", "x --token -HUNTER6 y", "x --token <hidden> y");
	check("--token", "-", "-");
	check("--token", "-v", "-v");
	check("--token", "--", "--");
	check("--token", "--http2", "--http2");
	check("--token", "--port=1", "--port=1");
	check("--token", "-verbose", "-verbose");
	check("--token", "-port=80", "-port=80");
	check("--cookie", "-it", "-it");
	check("-c", "x --token -n=5000 -verbose y", "x --token -n=5000 -verbose y");
	check("-c", "x --token \"-n=5000\" y", "x --token \"-n=5000\" y");
	check("-c", "x --token '-a b' '-c;d'", "x --token <hidden> '-c;d'");
}

static void some_options_with_telling_names_have_no_secret(void **state)
{
	static const char *const names[] = {
		"-tokenize",	"--tokenizer", "--no-password",	   "-no-auth-token", "--enable-cleartext-password",
		"-allow-token", "--allow-pwd", "--disable-secrets"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char line[100];

		check(names[i], "next", "next");
		check(names[i], "-Xmx512m", "-Xmx512m");
		snprintf(line, sizeof(line), "x %s next -Xmx512m", names[i]);
		check("-c", line, line);
	}
	check("--not-a-token", "x", "<hidden>");
	check("--db-no-password", "x", "<hidden>");
}

static void a_value_belongs_to_the_command_of_its_option(void **state)
{
	static const char *const lines[] = {
		"x --token; y 7",
		"x --token && y 7",
		"x --token ;y 7",
		"x --token|y 7",
		"x --token | y 7",
		"x --token\ny 7",
		"x --token \n y 7",
		"(x --token) y 7",
		"$(x --token ) y 7",
		"x --token > y 7",
		"x --token>y 7",
		"x --token 2> y 7",
		"x --token 2>&1 7",
		"x --token < y 7",
		"x '--token'; y 7",
		"x '--token' && y 7",
		"print(\"--token\"); x = 5",
		"[\"x\", \"--token\"], 7",
		"f(\"--token\", x)",
		"x '--token'\ny 7",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		check("-c", lines[i], lines[i]);
	check("-c", "x --token \\\n A y", "x --token \\\n <hidden> y");
	check("-c", "x --token\\\n\t'A B' y", "x --token\\\n\t<hidden> y");
	check("-c", "x --token 27 y", "x --token <hidden> y");
	check("-c", "x --token 27", "x --token <hidden>");
	check("-c", "x --tokenizer-password A y", "x --tokenizer-password <hidden> y");
	check("x", "[\"--token\",\n \"A B\", 7]", "[\"--token\",\n <hidden> 7]");
	check("x", "[\\\"--token\\\", \\\"A\\\"]", "[\\\"--token\\\", <hidden>");
	check("x", "{\"--token\" : \"A B\", 7}", "{\"--token\" : <hidden> 7}");
}

static void a_value_begins_at_its_quote(void **state)
{
	(void)state;
	check("-c", "mysql --password \"(two words)\" db", "mysql --password <hidden> db");
	check("-c", "mysql --password '; A' db", "mysql --password <hidden> db");
	check("-c", "mysql --password '| A' db", "mysql --password <hidden> db");
	check("-c", "mysql '--password' '& A' db", "mysql '--password' <hidden> db");
	check("-c", "mysql --password '> A' db", "mysql --password <hidden> db");
	check("-c", "mysql --password'A B' db", "mysql --password<hidden> db");
	check("-c", "mysql --password \"\" db", "mysql --password <hidden> db");
	check("-c", "mysql --password [A db", "mysql --password <hidden> db");
	check("x", "[\"--password\", \"(A B)\", \"db\"]", "[\"--password\", <hidden> \"db\"]");
}

/* The shapes that a search from each place to the end would take hours for. */
static void a_long_word_takes_linear_time(void **state)
{
	static const char *const parts[] = {"eyJ",	"://",	       "-token,",      "-token ",     "-a\n",
					    "sk-",	"AKIA,",       "a=",	       "://a:b@c/",   "\"",
					    "-token '", "-token \\\n", "-token \"-a ", "-token\",\n", "-token 1"};
	static char word[(1 << 20) + 1];
	clock_t before = clock();

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip_because("a sanitizer's string functions read to the end of the string");
#endif
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *words[] = {word, NULL};
		size_t length = strlen(parts[i]);
		char **shown;

		for (size_t at = 0; at + length < sizeof(word); at += length)
			memcpy(word + at, parts[i], length);
		shown = secret_hide(words);
		free(shown[0]);
		free(shown);
		memset(word, 0, sizeof(word));
	}
	assert_true(clock() - before < (clock_t)20 * CLOCKS_PER_SEC);
}

static void what_is_no_secret_stays(void **state)
{
	static const char *const words[] = {
		"./server",
		"--config=/etc/server/passwords.d",
		"--port=8080",
		"/usr/lib/x86_64-linux-gnu/Frameworks2/libSomethingVeryLongIndeed.so",
		"cmd/MyServer2/internal/handlers/RequestsOfUsers",
		"0123456789abcdef0123456789abcdef01234567", /* a hash */
		"550e8400-e29b-41d4-a716-446655440000",
		"-test.run=^TestParseAuthorisationOfEveryKind$",
		"--tokens", /* an option without a value */
		"sk-ipped",
		"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		check("program", words[i], words[i]);
	check("--password", "--verbose", "--verbose");
	check("password", "next", "next"); /* a subcommand */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_telling_names_are_hidden),
		cmocka_unit_test(passwords_of_urls_are_hidden),
		cmocka_unit_test(keys_of_known_forms_are_hidden),
		cmocka_unit_test(a_word_has_as_many_secrets_as_rules_find),
		cmocka_unit_test(values_of_options_within_a_word_are_hidden),
		cmocka_unit_test(a_value_may_begin_like_an_option),
		cmocka_unit_test(some_options_with_telling_names_have_no_secret),
		cmocka_unit_test(a_value_belongs_to_the_command_of_its_option),
		cmocka_unit_test(a_value_begins_at_its_quote),
		cmocka_unit_test(a_long_word_takes_linear_time),
		cmocka_unit_test(what_is_no_secret_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
