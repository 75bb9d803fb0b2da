/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/cells.h"

#include <stddef.h>

void cell_put(FILE *stream, const char *text)
{
	for (; text && *text; text++) {
		switch (*text) {
		case '\\':
			fputs("\\\\", stream);
			break;
		case '\t':
			fputs("\\t", stream);
			break;
		case '\n':
			fputs("\\n", stream);
			break;
		case '\r':
			fputs("\\r", stream);
			break;
		default:
			fputc(*text, stream);
		}
	}
}

char *cell_next(char **row)
{
	char *cell = *row, *to = cell;

	if (!cell)
		return NULL;
	for (char *from = cell;; from++) {
		if (*from == '\t' || !*from) {
			*row = *from ? from + 1 : NULL;
			*to = 0;
			break;
		}
		if (*from == '\\' && from[1]) {
			from++;
			if (*from == 'N' && to == cell && (!from[1] || from[1] == '\t')) {
				*row = from[1] ? from + 2 : NULL;
				return NULL;
			}
			*to++ = *from == 't'   ? '\t'
				: *from == 'n' ? '\n'
				: *from == 'r' ? '\r'
				: *from == '0' ? ' '
					       : *from;
		} else {
			*to++ = *from;
		}
	}
	return cell;
}
