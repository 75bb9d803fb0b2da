/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/suggest.h"

#include <string.h>

enum { LENGTH_MAX = 40 };

static int least(int a, int b, int c)
{
	int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Optimal string alignment distance. Neither string is longer than LENGTH_MAX. */
static int distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int rows[LENGTH_MAX + 1][LENGTH_MAX + 1];

	for (size_t i = 0; i <= a_length; i++)
		rows[i][0] = (int)i;
	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = (int)j;
	for (size_t i = 1; i <= a_length; i++) {
		for (size_t j = 1; j <= b_length; j++) {
			rows[i][j] = least(rows[i - 1][j] + 1, rows[i][j - 1] + 1,
					   rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    rows[i - 2][j - 2] + 1 < rows[i][j])
				rows[i][j] = rows[i - 2][j - 2] + 1;
		}
	}
	return rows[a_length][b_length];
}

void suggest(struct suggestion *best, const char *word, const char *name)
{
	size_t word_length = strlen(word), length = strlen(name);
	int found;

	if (!word_length || word_length > LENGTH_MAX || length > LENGTH_MAX)
		return;
	if (word_length >= 2 && strncmp(word, name, word_length) == 0)
		found = 1;
	else
		found = distance(word, word_length, name, length);
	if (found > 1 && (size_t)found * 3 > length)
		return;
	if (found >= (int)length || (best->name && found >= best->distance))
		return;
	best->name = name;
	best->distance = found;
}
