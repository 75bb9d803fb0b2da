/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/printable.h"

int error_set(struct error *error, enum exit_status status, const char *format, ...)
{
	va_list arguments;

	if (!error)
		return -1;
	error->status = status;
	error->cause = 0;
	va_start(arguments, format);
	printable_format(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return -1;
}

bool error_is_shortage(int code)
{
	return code == EAGAIN || code == ENOMEM || code == EMFILE || code == ENFILE;
}

int error_prefix(struct error *error, const char *format, ...)
{
	char text[sizeof(error->text)];
	va_list arguments;
	size_t length;

	if (!error)
		return -1;
	memcpy(text, error->text, sizeof(text));
	va_start(arguments, format);
	printable_format(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	length = strlen(error->text);
	if (length + 1 < sizeof(error->text))
		snprintf(error->text + length, sizeof(error->text) - length, ": %s", text);
	return -1;
}
