/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts of a profile: formatted, shortened where it is redacted, and its warnings. */
#include "profile/profile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/secret.h"
#include "profile/type_name.h"

enum { COMMAND_MAX = 1024 }; /* bytes of a command line; of a longer one, a part would be another command */

const char *profile_shown_type(const struct profile *profile, const char *type)
{
	char text[1024];

	if (!type || !type_name_for_people(type, text, sizeof(text)))
		return type;
	return profile_string((struct profile *)profile, text); /* changes what `storage` points to, not the profile */
}

const char *profile_format(struct profile *profile, const char *format, ...)
{
	const char *interned;
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = memory_format_list(format, arguments);
	va_end(arguments);
	interned = profile_string(profile, text);
	free(text);
	return interned;
}

const char *profile_path(struct profile *profile, const char *path)
{
	const char *slash = path && profile->redacted ? strrchr(path, '/') : NULL;

	return profile_string(profile, slash && slash[1] ? slash + 1 : path);
}

const char *profile_command(struct profile *profile, const char *const *words)
{
	char **shown, text[1024] = "";

	if (profile->redacted)
		return profile_path(profile, words[0] ? words[0] : "");
	shown = secret_hide(words);
	for (size_t i = 0; shown[i]; i++) {
		size_t length = strlen(text);

		snprintf(text + length, sizeof(text) - length, "%s%s", i ? " " : "", shown[i]);
		free(shown[i]);
	}
	free(shown);
	return profile_string(profile, text);
}

const char *profile_shell_command(struct profile *profile, const char *const *words)
{
	const char *command;
	char *text;

	if (profile->redacted)
		return profile_path(profile, words[0] ? words[0] : "");
	text = secret_command_line(words);
	command = profile_string(profile, strlen(text) <= COMMAND_MAX ? text : "PROGRAM");
	free(text);
	return command;
}

/* Shortens the absolute paths in a message to names of files. */
static void shorten_paths(char *text)
{
	static const char around[] = " \t'\"(),;:";
	char *to = text;

	for (const char *from = text; *from;) {
		size_t length = strcspn(from, around);
		const char *slash = *from == '/' ? memrchr(from, '/', length) : NULL;

		if (slash && slash + 1 < from + length) {
			length -= (size_t)(slash + 1 - from);
			from = slash + 1;
		}
		length += from[length] != 0;
		memmove(to, from, length);
		to += length;
		from += length;
	}
	*to = 0;
}

void profile_warn(struct profile *profile, const char *format, ...)
{
	va_list arguments;
	const char *warning;
	char *text;

	va_start(arguments, format);
	text = memory_format_list(format, arguments);
	va_end(arguments);
	if (profile->redacted)
		shorten_paths(text);
	warning = profile_string(profile, text);
	free(text);
	for (size_t i = 0; i < profile->warning_count; i++) {
		if (profile->warnings[i] == warning) /* already given for another process */
			return;
	}
	profile->warnings = memory_resize(profile->warnings, profile->warning_count + 2, sizeof(*profile->warnings));
	profile->warnings[profile->warning_count++] = warning;
	profile->warnings[profile->warning_count] = NULL;
}
