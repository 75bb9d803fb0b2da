/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads arbitrary bytes as a raw profile, which libgoalloc writes when a program records itself. It must be possible to
 * report and write an accepted profile. File names in the input are made relative to a directory that does not exist,
 * so that no file is opened.
 */
#include <fcntl.h>
#include <string.h>

#include "input.h"
#include "profile/pprof.h"
#include "profile/report.h"
#include "record/raw_profile.h"
#include "render/render_report.h"

static void check(struct profile *profile)
{
	static const struct report_style style = {.width = 80};
	static struct input_file file;
	static FILE *nowhere;
	struct error error = {0};
	struct report *report;
	struct profile *back;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	profile->rate = 1;
	profile->rows_exact = true;
	profile->row_measured = (1u << VALUE_COUNT) - 1;
	report = report_new(profile, BY_STACK, VALUE_BYTES, 0);
	for (int format = 0; report_format_names[format]; format++)
		render_report(nowhere, report, (enum report_format)format, &style);
	report_free(report);
	input_file_fill(&file, NULL, 0);
	REQUIRE(pprof_write(profile, file.path, &error) == 0);
	back = pprof_read(file.path, &error);
	if (!back)
		fprintf(stderr, "%s\n", error.text);
	REQUIRE(back);
	profile_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *text = malloc(size + 1);
	struct profile *profile = profile_new();
	static struct input_file file;
	struct error error = {0};

	memcpy(text, bytes, size);
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '/')
			text[i] = '_';
	}
	input_file_fill(&file, text, size);
	if (raw_profile_read(profile, open(file.path, O_RDONLY | O_CLOEXEC), file.path, &error) < 0)
		REQUIRE(error.text[0]);
	else
		check(profile);
	profile_free(profile);
	free(text);
	return 0;
}
