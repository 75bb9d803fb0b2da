/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/quantity.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char size_letters[] = "kMGT";

int quantity_count(const char *text, int64_t *value)
{
	long long number;
	char *end;

	if (*text < '0' || *text > '9') /* strtoll() would accept spaces and signs */
		return -1;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (*end || errno)
		return -1;
	*value = number;
	return 0;
}

/* Reads the decimal number at the start of `text`. Returns what follows it; NULL if there is none. */
static const char *take_number(const char *text, double *number)
{
	size_t length = strspn(text, "0123456789.");
	char *end;

	if (!length || !strpbrk(text, "0123456789"))
		return NULL;
	*number = strtod(text, &end);
	return end == text + length ? end : NULL; /* rejects 1e9 and 0x1 */
}

int quantity_bytes(const char *text, int64_t *bytes)
{
	const char *end, *letter;
	double number;

	if (quantity_count(text, bytes) == 0) /* keeps all digits of large numbers */
		return 0;
	end = take_number(text, &number);
	if (!end)
		return -1;
	letter = *end ? strchr(size_letters, *end == 'K' ? 'k' : *end == 'm' ? 'M' : *end == 'g' ? 'G' : *end) : NULL;
	if (*end && !letter)
		return -1;
	if (letter) {
		number = ldexp(number, 10 * (int)(letter - size_letters + 1));
		end++;
		if (strcasecmp(end, "i") == 0 || strcasecmp(end, "ib") == 0 || strcasecmp(end, "b") == 0)
			end += strlen(end);
	}
	if (*end || number >= 0x1p63)
		return -1;
	*bytes = (int64_t)number;
	return 0;
}

int quantity_seconds(const char *text, double *seconds)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"min", 60}, {"h", 3600}};
	const char *end;
	double number;

	end = take_number(text, &number);
	for (size_t i = 0; end && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (number * units[i].seconds > 1e9)
			return -1;
		*seconds = number * units[i].seconds;
		return 0;
	}
	return -1;
}

const char *quantity_bytes_text(char text[QUANTITY_SIZE], int64_t bytes)
{
	int power = 0;

	while (bytes && bytes % 1024 == 0 && size_letters[power]) {
		bytes /= 1024;
		power++;
	}
	snprintf(text, QUANTITY_SIZE, "%" PRId64 "%.1s", bytes, power ? &size_letters[power - 1] : "");
	return text;
}
