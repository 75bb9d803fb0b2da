/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/secret.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

enum {
	KEY_MIN =
		32, /* the shortest random word, in bytes. UUIDs and hashes are as long, but have no capital letters */
	KEY_SLASHES = 2,
};

/* Parts of names whose values are secrets. */
static const char *const telling[] = {"passw",	   "passphrase",  "pwd",	 "secret",     "token",
				      "apikey",	   "api-key",	  "api_key",	 "access-key", "access_key",
				      "accesskey", "private-key", "private_key", "credential", "authorization",
				      "cookie",	   "bearer"};

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

/* Returns where the value begins that follows a telling name ("NAME=", "NAME:"), NULL if there is none. */
static const char *named_value(const char *word)
{
	const char *name = word;

	for (const char *c = word; *c; c++) {
		if ((*c == '=' || *c == ':') && c[1] && is_telling(name, (size_t)(c - name)))
			return c + 1;
		if (!is_name(*c))
			name = c + 1;
	}
	return NULL;
}

/* Finds the password of a URL, "://USER:PASSWORD@" or "://TOKEN@" with nothing before it. */
static bool url_password(const char *word, const char **begin, const char **end)
{
	const char *start = strstr(word, "://"), *at, *colon;
	size_t authority;

	if (!start)
		return false;
	start += 3;
	authority = strcspn(start, "/?#");
	at = memrchr(start, '@', authority);
	if (!at)
		return false;
	colon = memchr(start, ':', (size_t)(at - start));
	*begin = colon ? colon + 1 : start;
	*end = at;
	return *begin < *end;
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

/* Returns where a key begins in the word, NULL if there is none. */
static const char *marked_key(const char *word)
{
	const char *equals = strchr(word, '='), *value = equals ? equals + 1 : word;

	for (const char *c = word; *c; c++) {
		for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
			size_t length = strlen(forms[i].prefix), rest = 0;

			if ((c > word && is_key(c[-1])) || strncmp(c, forms[i].prefix, length) != 0)
				continue;
			while (is_key(c[length + rest]))
				rest++;
			if (rest >= forms[i].least)
				return c;
		}
		/* a JSON web token: two objects in base64 and a signature */
		if (strncmp(c, "eyJ", 3) == 0 && strstr(c, ".eyJ"))
			return c;
	}
	return is_random(value, strlen(value)) ? value : is_random(word, strlen(word)) ? word : NULL;
}

static char *hide(const char *word)
{
	const char *value = named_value(word), *end = word + strlen(word), *password_end;

	if (!value)
		value = marked_key(word);
	if (!value && url_password(word, &value, &password_end))
		end = password_end;
	if (!value)
		return memory_text(word);
	return memory_format("%.*s" SECRET_HIDDEN "%s", (int)(value - word), word, end);
}

/* Whether the word is an option whose value, a secret, is the next word. */
static bool announces(const char *word)
{
	return word[0] == '-' && word[1] && !strpbrk(word, "=:/ ") && is_telling(word, strlen(word));
}

char **secret_hide(const char *const *words)
{
	size_t count = 0;
	char **hidden;

	while (words[count])
		count++;
	hidden = memory_zeroed(count + 1, sizeof(*hidden));
	for (size_t i = 0; i < count; i++) {
		bool announced = i > 0 && announces(words[i - 1]) && words[i][0] && words[i][0] != '-';

		hidden[i] = announced ? memory_text(SECRET_HIDDEN) : hide(words[i]);
	}
	return hidden;
}
