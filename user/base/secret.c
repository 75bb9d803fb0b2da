/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/secret.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/command_line.h"
#include "base/memory.h"

enum {
	KEY_MIN =
		32, /* the shortest random word, in bytes. UUIDs and hashes are as long, but have no capital letters */
	KEY_SLASHES = 2,
};

/* Between words in text, and around them. */
#define SPACES	   " \t\r\n"
#define QUOTES	   "\"'`"
#define SEPARATORS ",;&|()[]{}<>"
#define AROUND	   SPACES QUOTES SEPARATORS

/* Parts of names whose values are secrets. */
static const char *const telling[] = {"passw",	   "passphrase",  "pwd",	 "secret",     "token",
				      "apikey",	   "api-key",	  "api_key",	 "access-key", "access_key",
				      "accesskey", "private-key", "private_key", "credential", "authorization",
				      "cookie",	   "bearer"};

/* How the names of options begin that have none of these as their value. */
static const char *const untelling[] = {"no-", "enable-", "allow-", "disable-"};

/* Prefixes that issuers give to their keys, and how many letters, digits, '-' or '_' follow at least. */
static const struct {
	const char *prefix;
	size_t least;
} forms[] = {{"AKIA", 16},  {"ASIA", 16},	 {"ghp_", 20},	   {"gho_", 20},  {"ghu_", 20},	 {"ghs_", 20},
	     {"ghr_", 20},  {"github_pat_", 20}, {"glpat-", 16},   {"xoxb-", 10}, {"xoxp-", 10}, {"xoxa-", 10},
	     {"xoxs-", 10}, {"sk_live_", 10},	 {"rk_live_", 10}, {"sk-", 20},	  {"AIza", 30},	 {"-----BEGIN", 0}};

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static bool is_key(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool is_telling(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++) {
		size_t part = strlen(telling[i]);

		for (size_t at = 0; at + part <= length; at++) {
			if (strncasecmp(name + at, telling[i], part) == 0)
				return true;
		}
	}
	return false;
}

/* A word of a command line, and which of its bytes are to be hidden. Each rule looks through all of it once: a word may have a
 * megabyte, and what one rule hides is not all that is secret. */
struct word {
	const char *text;
	size_t length;
	bool *hidden; /* `length` of them */
};

static void mark(const struct word *word, const char *begin, const char *end)
{
	memset(word->hidden + (begin - word->text), true, (size_t)(end - begin));
}

static void mark_rest(const struct word *word, const char *begin)
{
	mark(word, begin, word->text + word->length);
}

/* What follows a telling name: "NAME=", "NAME:". */
static void mark_named_value(const struct word *word)
{
	const char *name = word->text;

	for (const char *c = name; *c; c++) {
		if ((*c == '=' || *c == ':') && c[1] && is_telling(name, (size_t)(c - name))) {
			mark_rest(word, c + 1);
			return;
		}
		if (!is_name(*c))
			name = c + 1;
	}
}

/* The passwords of URLs, "://USER:PASSWORD@" or "://TOKEN@" with nothing before it. */
static void mark_url_passwords(const struct word *word)
{
	for (const char *start = word->text; (start = strstr(start, "://"));) {
		const char *at, *colon;
		size_t authority;

		start += strlen("://");
		authority = strcspn(start, "/?#");
		at = memrchr(start, '@', authority);
		colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;
		if (at)
			mark(word, colon ? colon + 1 : start, at);
	}
}

static bool is_marked_key(const char *text)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t length = strlen(forms[i].prefix), rest = 0;

		if (strncmp(text, forms[i].prefix, length) != 0)
			continue;
		while (rest < forms[i].least && is_key(text[length + rest]))
			rest++;
		if (rest == forms[i].least)
			return true;
	}
	return false;
}

/* What begins with a key, to the end. A JSON web token is two objects in base64 and a signature. */
static void mark_keys(const struct word *word)
{
	const char *token = strstr(word->text, "eyJ");

	if (token && strstr(token, ".eyJ"))
		mark_rest(word, token);
	for (const char *c = word->text; *c; c++) {
		if ((c == word->text || !is_key(c[-1])) && is_marked_key(c)) {
			mark_rest(word, c);
			return;
		}
	}
}

/* Whether letters of both kinds and digits are mixed as in random keys. */
static bool is_random(const char *word, size_t length)
{
	bool upper = false, lower = false, digit = false;
	size_t slashes = 0;

	if (length < KEY_MIN || *word == '/')
		return false;
	for (size_t i = 0; i < length; i++) {
		upper |= isupper((unsigned char)word[i]) != 0;
		lower |= islower((unsigned char)word[i]) != 0;
		digit |= isdigit((unsigned char)word[i]) != 0;
		slashes += word[i] == '/';
		if (!is_key(word[i]) && !strchr("+/=", word[i]))
			return false;
	}
	return upper && lower && digit && slashes <= KEY_SLASHES;
}

/* Random words within the word, also after "NAME=". */
static void mark_random(const struct word *word)
{
	static const char around[] = SPACES QUOTES ",;&|()";

	for (const char *part = word->text; *part;) {
		size_t length = strcspn(part, around);
		const char *end = part + length, *equals = memchr(part, '=', length);

		if (equals && is_random(equals + 1, (size_t)(end - equals - 1)))
			mark(word, equals + 1, end);
		else if (is_random(part, length))
			mark(word, part, end);
		part = end + strspn(end, around);
	}
}

static bool has_any(const char *text, size_t length, const char *of)
{
	for (size_t i = 0; i < length; i++) {
		if (strchr(of, text[i]))
			return true;
	}
	return false;
}

/* Whether the word is an option whose value, a secret, is the next word. */
static bool announces(const char *word, size_t length)
{
	static const char tokenize[] = "tokeniz"; /* speaks of no secret */
	const char *name = word + strspn(word, "-");

	if (length < 2 || *word != '-' || has_any(word, length, "=:/ "))
		return false;
	for (size_t i = 0; i < sizeof(untelling) / sizeof(untelling[0]); i++) {
		if (strncasecmp(name, untelling[i], strlen(untelling[i])) == 0)
			return false;
	}
	if (strncasecmp(name, tokenize, strlen(tokenize)) == 0)
		name += strlen(tokenize);
	return is_telling(name, length - (size_t)(name - word));
}

/* Whether the word is "-", "-v", "-port=1", "--verbose" or "--port=1", and no value of the option before it. Random values may begin
 * with '-', too, but then have other characters. */
static bool is_option(const char *word, size_t length)
{
	size_t first, name;

	if (*word != '-' || length <= 2)
		return *word == '-';
	first = name = word[1] == '-' ? 2 : 1;
	while (name < length &&
	       (islower((unsigned char)word[name]) || isdigit((unsigned char)word[name]) || strchr("-_.", word[name])))
		name++;
	return islower((unsigned char)word[first]) && (name == length || word[name] == '=');
}

static bool is_quote(char c)
{
	return c && strchr(QUOTES, c);
}

/* What separates words of one command: a line ends it unless '\' is before its end. */
static const char *skip_blanks(const char *c)
{
	while (*c && (strchr(" \t\r", *c) || (*c == '\\' && c[1] == '\n') || (*c == '\n' && c[-1] == '\\')))
		c++;
	return c;
}

/* Where the next word begins after the option that ends at `end`, with its quote, or NULL if the command ends there for a shell, or
 * the list for JSON. */
static const char *value_begin(const char *end)
{
	bool closed = is_quote(*end) && strchr(SPACES SEPARATORS ":", end[1]);
	const char *c = skip_blanks(end + closed);
	size_t digits;

	if (closed && (*c == ',' || *c == ':')) {
		c += 1 + strspn(c + 1, SPACES);
		return is_quote(c[*c == '\\']) ? c : NULL;
	}
	if (c == end + closed && !is_quote(*c))
		return NULL;
	digits = strspn(c, "0123456789");
	if (strchr("\n;&|()<>", *c) || (c[digits] && strchr("<>", c[digits])))
		return NULL;
	return c;
}

/* Whether the value is itself an option, perhaps in quotes. */
static bool is_option_at(const char *value)
{
	bool quoted = is_quote(*value);

	return is_option(value + quoted, strcspn(value + quoted, quoted ? QUOTES : AROUND));
}

/* Where a value ends for a shell: at a space that is not quoted. */
static const char *value_end(const char *value)
{
	char quote = 0;
	const char *c = value;

	for (; *c && (quote || !strchr(SPACES, *c)); c++) {
		if (*c == '\\' && c[1])
			c++;
		else if (quote)
			quote = *c == quote ? 0 : quote;
		else if (strchr(QUOTES, *c))
			quote = *c;
	}
	return c;
}

/* The values of options within the word: sh -c "mysql --password X", '["mysql", "--password", "X"]', and what a server has written
 * over its arguments. */
static void mark_announced(const struct word *word)
{
	for (const char *part = word->text; *part;) {
		size_t length = strcspn(part, AROUND);
		const char *end = part + length, *value = announces(part, length) ? value_begin(end) : NULL;

		if (value && !is_option_at(value)) {
			end = value_end(value);
			mark(word, value, end);
		}
		part = end + strspn(end, AROUND);
	}
}

static char *hide(const char *text)
{
	static void (*const rules[])(const struct word *word) = {mark_named_value, mark_url_passwords, mark_keys,
								 mark_random, mark_announced};
	struct word word = {.text = text, .length = strlen(text)};
	size_t begins = 0;
	char *shown, *to;

	word.hidden = memory_zeroed(word.length + 1, sizeof(*word.hidden));
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](&word);
	for (size_t i = 0; i < word.length; i++)
		begins += word.hidden[i] && !(i && word.hidden[i - 1]);
	shown = to = memory_allocate(word.length + begins * strlen(SECRET_HIDDEN) + 1);
	for (size_t i = 0; i < word.length; i++) {
		if (!word.hidden[i])
			*to++ = text[i];
		else if (!i || !word.hidden[i - 1])
			to = stpcpy(to, SECRET_HIDDEN);
	}
	*to = 0;
	free(word.hidden);
	return shown;
}

char **secret_hide(const char *const *words)
{
	size_t count = 0;
	char **hidden;

	while (words[count])
		count++;
	hidden = memory_zeroed(count + 1, sizeof(*hidden));
	for (size_t i = 0; i < count; i++) {
		bool announced = i > 0 && announces(words[i - 1], strlen(words[i - 1])) && words[i][0] &&
				 !is_option(words[i], strlen(words[i]));

		hidden[i] = announced ? memory_text(SECRET_HIDDEN) : hide(words[i]);
	}
	return hidden;
}

char *secret_command_line(const char *const *words)
{
	char **shown = secret_hide(words), *text = command_line_text((const char *const *)shown);

	for (size_t i = 0; shown[i]; i++)
		free(shown[i]);
	free(shown);
	return text;
}
