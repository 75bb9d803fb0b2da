/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate/gate_packages.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text_compare.h"
#include "gate/baseline.h"

/* Whether `name` is that of the test binary of what `package` is the end of: "codec.test". */
static bool is_test_binary(const char *name, const char *package)
{
	static const char suffix[] = ".test";
	size_t length = strlen(package);

	return strncmp(name, package, length) == 0 && strcmp(name + length, suffix) == 0;
}

/* Whether go test tests a package of that path, which has "_test" at its end. */
static bool is_tested(const char *package, const struct profile_process *process, const struct gate_counts *printed)
{
	if (process && process->package)
		return is_test_binary(process->package, package);
	if (process && process->executable)
		return is_test_binary(text_base_name(process->executable), text_base_name(package));
	for (size_t i = 0; i < printed->benchmark_count; i++) {
		if (text_same(printed->benchmarks[i].package, package))
			return true;
	}
	return false;
}

void gate_package_fold(char *package, const struct profile_process *process, const struct gate_counts *printed)
{
	static const char suffix[] = "_test";
	size_t length = strlen(package), cut = sizeof(suffix) - 1;

	if (length > cut && strcmp(package + length - cut, suffix) == 0 && !is_tested(package, process, printed))
		package[length - cut] = 0;
}

/* --- baselines without packages --- */

/* The name of a benchmark without that of its sub-benchmark: "BenchmarkParse" in "BenchmarkParse/small". */
static bool same_benchmark(const char *a, const char *b)
{
	size_t length = strcspn(a, "/");

	return strcspn(b, "/") == length && memcmp(a, b, length) == 0;
}

/* Whether a package of that benchmark is another than `*found`, which is set if it was NULL. */
static bool is_another(const char *package, const char **found)
{
	if (package && !*found)
		*found = package;
	return package && strcmp(package, *found) != 0;
}

/* Finds the only measured package with that benchmark; NULL if there is none. Returns false if there are several. */
static bool only_package(const struct gate_counts *measured, const char *benchmark, const char **package)
{
	bool several = false;

	*package = NULL;
	for (size_t i = 0; i < measured->benchmark_count; i++) {
		if (same_benchmark(measured->benchmarks[i].name, benchmark))
			several |= is_another(measured->benchmarks[i].package, package);
	}
	for (size_t i = 0; i < measured->site_count; i++) {
		const struct gate_site *site = &measured->sites[i];

		if (site->benchmark && same_benchmark(site->benchmark, benchmark))
			several |= is_another(site->benchmark_package, package);
	}
	return !several;
}

static int refuse(const struct gate_counts *baseline, const char *path, const char *benchmark, struct error *error)
{
	char *command = baseline_update_command(path, baseline->command);

	error_set(
		error, STATUS_USAGE,
		"the baseline '%s' does not say of which package its '%s' is, and several have one; write it anew: %s",
		path, benchmark, command);
	free(command);
	return -1;
}

/* Looks the package of each benchmark up once: sites of a benchmark are many. */
static int adopt(struct gate_counts *baseline, const char *path, const struct gate_counts *measured, const char *name,
		 const char **target, const char **last, struct error *error)
{
	const char *package;

	if (!name || *target)
		return 0;
	if (last[0] && strcmp(last[0], name) == 0) {
		*target = last[1];
		return 0;
	}
	if (!only_package(measured, name, &package))
		return refuse(baseline, path, name, error);
	*target = gate_counts_string(baseline, package);
	last[0] = name;
	last[1] = *target;
	return 0;
}

int gate_packages_adopt(struct gate_counts *baseline, const char *path, const struct gate_counts *measured,
			struct error *error)
{
	const char *last[2] = {NULL, NULL};

	for (size_t i = 0; i < baseline->site_count; i++) {
		struct gate_site *site = &baseline->sites[i];

		if (adopt(baseline, path, measured, site->benchmark, &site->benchmark_package, last, error))
			return -1;
	}
	for (size_t i = 0; i < baseline->benchmark_count; i++) {
		struct gate_benchmark *benchmark = &baseline->benchmarks[i];

		if (adopt(baseline, path, measured, benchmark->name, &benchmark->package, last, error))
			return -1;
	}
	gate_counts_sort(baseline);
	return 0;
}

/* --- names for people --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect(const struct gate_counts *side, const char **packages, size_t *count)
{
	for (size_t i = 0; i < side->benchmark_count + side->site_count; i++) {
		const char *package = i < side->benchmark_count
					      ? side->benchmarks[i].package
					      : side->sites[i - side->benchmark_count].benchmark_package;

		/* sites of a side have one pointer for one text */
		if (package && (!*count || packages[*count - 1] != package))
			packages[(*count)++] = package;
	}
}

const char **gate_packages_list(const struct gate_counts *before, const struct gate_counts *after, size_t *count)
{
	size_t room = before->benchmark_count + before->site_count + after->benchmark_count + after->site_count,
	       kept = 0;
	const char **packages = memory_zeroed(room + 1, sizeof(*packages));

	*count = 0;
	collect(before, packages, count);
	collect(after, packages, count);
	qsort(packages, *count, sizeof(*packages), by_text);
	for (size_t i = 0; i < *count; i++) {
		if (!kept || strcmp(packages[kept - 1], packages[i]) != 0)
			packages[kept++] = packages[i];
	}
	*count = kept;
	return packages;
}

/* Whether the path ends in these elements: "a/codec" ends in "codec", but "a/mycodec" does not. */
static bool ends_in(const char *path, const char *end)
{
	size_t length = strlen(path), ending = strlen(end);

	return length >= ending && strcmp(path + length - ending, end) == 0 &&
	       (length == ending || path[length - ending - 1] == '/');
}

static bool is_unique(const char *const *packages, size_t count, const char *end)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += ends_in(packages[i], end);
	return found <= 1;
}

const char *gate_benchmark_text(char *text, size_t size, const char *const *packages, size_t count, const char *package,
				const char *benchmark)
{
	const char *end;

	if (count < 2 || !package) {
		snprintf(text, size, "%s", benchmark ? benchmark : "");
		return text;
	}
	for (end = package + strlen(package); end > package; end--) {
		if (end[-1] == '/' && *end && is_unique(packages, count, end))
			break;
	}
	snprintf(text, size, "%s.%s", end, benchmark ? benchmark : "");
	return text;
}
