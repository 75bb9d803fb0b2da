/* SPDX-License-Identifier: BSD-2-Clause */
#include "audit/audit_place.h"

const char *audit_place(const struct audit_row *row, uint32_t *line, uint32_t *column)
{
	const struct profile_frame *frame = &row->site;
	const char *file = row->file;

	/* If the output has the file, its name is the output's string, so the pointers differ. */
	for (uint32_t i = 0; row->file == row->site.file && i < row->inlined_count; i++) {
		if (row->inlined_files[i] == row->inlined_at[i].file)
			continue;
		frame = &row->inlined_at[i];
		file = row->inlined_files[i];
		break;
	}
	if (line)
		*line = frame->line;
	if (column)
		*column = frame->column;
	return file;
}

const char *audit_shown_place(const struct audit_row *row, uint32_t *line, uint32_t *column)
{
	if (!audit_is_at_owner(row))
		return audit_place(row, line, column);
	if (line)
		*line = row->owner->line;
	if (column)
		*column = 0;
	return row->owner_file;
}
