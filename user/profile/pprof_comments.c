/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * The data of a recording other than its samples, as pprof comments, one `key: value` each:
 *
 *   tool: escapement VERSION         the signature: comments of other tools' files are not looked at
 *   target: TEXT                     command line or executable
 *   command: TEXT                    of a program that the recording started, for a shell
 *   ended: by itself                 the program; not written where the recording ended before it
 *   kernel: TEXT                     release of the kernel
 *   rate: N                          mean bytes between samples; 1: every allocation, 0: no sampling
 *   start: DATE, duration: SECONDSs  for people; the format has fields of its own for both. A tool that adds files up adds to
 *                                    the field, and keeps the comment
 *   snapshot: collections=N          this is what was alive, not what was allocated: as of that collection
 *   unreachable: stopped=NS          of a snapshot: these objects are lost, and the process was stopped for so long
 *   exact: totals, rows              what is exact of the two; "nothing"
 *   rows: lower bounds               of objects and bytes; not written where they are not
 *   measured: NAME …                 sample types that were measured; the others' values mean nothing
 *   #sums: V V V V V V V             what the samples of the file add up to, one for each sample type in their order: a tool that
 *                                    leaves some out keeps the comments
 *   #heap_growth: interval=NS BYTES …  by how much heaps grew in each interval (time_series.h)
 *   warning: TEXT                    may be repeated
 *   process.N.pid: PID               of process N = 1, 2, …; begins a process, the next ones belong to it:
 *   process.N.comm: TEXT, process.N.executable: TEXT, process.N.build_id: TEXT, process.N.runtime: TEXT
 *   process.N.module: PATH, process.N.package: PATH, process.N.nested_modules: PATH PATH …    of a Go program
 *   process.N.check: objects=O difference=D bound=B source=TEXT     absent if there is no check
 *   process.N.outside: N             objects in the totals, but not between the check's readings; not written if 0
 *   process.N.bursts: count=N full=NS covered=NS recorded=NS     none where it was not recorded in bursts; see profile.h
 *   process.N.lost: events=E stacks=S
 *   process.N.forked: N              copies of itself that it made meanwhile and that were not observed; not written if unknown
 *   #process.N.totals: V V V V V V V           one for each sample type in their order; "-": not measured
 *   #process.N.classes.FIRST-LAST: V V V …     the same for each of these span classes
 *
 * `go tool pprof` prints comments above its reports, except those that begin with `#`. Backslashes and control
 * characters in texts are written as \\ and \xNN. A key with an unknown value is not written.
 */
/* clang-format on */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profile/pprof_format.h"
#include "base/memory.h"

#define SIGNATURE "tool: escapement "

enum { PROCESSES_MAX = 1 << 16 };

struct text_field {
	const char *key;
	size_t offset;
};

static const struct text_field profile_texts[] = {
	{"target", offsetof(struct profile, target)},
	{"command", offsetof(struct profile, command)},
	{"kernel", offsetof(struct profile, kernel)},
};

static const struct text_field process_texts[] = {
	{"comm", offsetof(struct profile_process, comm)},
	{"executable", offsetof(struct profile_process, executable)},
	{"build_id", offsetof(struct profile_process, build_id)},
	{"runtime", offsetof(struct profile_process, runtime)},
	{"module", offsetof(struct profile_process, module)},
	{"package", offsetof(struct profile_process, package)},
	{"nested_modules", offsetof(struct profile_process, nested_modules)},
};

enum {
	PROFILE_TEXTS = sizeof(profile_texts) / sizeof(profile_texts[0]),
	PROCESS_TEXTS = sizeof(process_texts) / sizeof(process_texts[0]),
};

static const char **text_at(void *structure, const struct text_field *field)
{
	return (const char **)((char *)structure + field->offset);
}

/* --- writing --- */

struct writer {
	void (*emit)(void *context, const char *comment);
	void *context;
	const struct profile *profile;
};

static void write_comment(const struct writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void write_comment(const struct writer *writer, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = memory_format_list(format, arguments);
	va_end(arguments);
	writer->emit(writer->context, text);
	free(text);
}

static void write_text(const struct writer *writer, const char *key, const char *text)
{
	char *escaped, *to;

	if (!text)
		return;
	escaped = to = memory_allocate(4 * strlen(text) + 1);
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '\\')
			to += sprintf(to, "\\\\");
		else if (byte < 0x20 || byte == 0x7f)
			to += sprintf(to, "\\x%02x", byte);
		else
			*to++ = (char)byte;
	}
	*to = 0;
	write_comment(writer, "%s: %s", key, escaped);
	free(escaped);
}

enum { VALUES_SIZE = VALUE_COUNT * 21 + 1 };

static const char *format_values(const struct writer *writer, char text[VALUES_SIZE], const int64_t *values)
{
	char *to = text;

	for (int i = 0; i < VALUE_COUNT; i++) {
		if (!profile_stores(writer->profile, i))
			continue;
		if (to != text)
			*to++ = ' ';
		to += values[i] == VALUE_UNMEASURED ? sprintf(to, "-") : sprintf(to, "%" PRId64, values[i]);
	}
	return text;
}

static bool all_unmeasured(const int64_t *values)
{
	for (int i = 0; i < VALUE_COUNT; i++) {
		if (values[i] != VALUE_UNMEASURED)
			return false;
	}
	return true;
}

/* Consecutive classes with equal values, which most are, share one comment. */
static void write_classes(const struct writer *writer, size_t number, const struct profile_process *process)
{
	const int64_t(*rows)[VALUE_COUNT] = process->class_totals;
	char text[VALUES_SIZE];
	int last;

	for (int first = 0; first < SPAN_CLASSES; first = last + 1) {
		for (last = first; last + 1 < SPAN_CLASSES; last++) {
			if (memcmp(rows[last + 1], rows[first], sizeof(rows[first])) != 0)
				break;
		}
		if (!all_unmeasured(rows[first]))
			write_comment(writer, "#process.%zu.classes.%d-%d: %s", number, first, last,
				      format_values(writer, text, rows[first]));
	}
}

static void write_process(const struct writer *writer, size_t number, struct profile_process *process)
{
	char text[VALUES_SIZE], key[64];

	write_comment(writer, "process.%zu.pid: %d", number, process->pid);
	for (int i = 0; i < PROCESS_TEXTS; i++) {
		snprintf(key, sizeof(key), "process.%zu.%s", number, process_texts[i].key);
		write_text(writer, key, *text_at(process, &process_texts[i]));
	}
	if (process->check.present) {
		snprintf(key, sizeof(key), "process.%zu.check", number);
		char *check;

		check = memory_format("objects=%" PRId64 " difference=%" PRId64 " bound=%" PRId64 " source=%s",
				      process->check.objects, process->check.difference, process->check.bound,
				      process->check.source ? process->check.source : "");
		write_text(writer, key, check);
		free(check);
		if (process->check.outside)
			write_comment(writer, "process.%zu.outside: %" PRId64, number, process->check.outside);
	}
	if (process->bursts.present)
		write_comment(writer,
			      "process.%zu.bursts: count=%" PRId64 " full=%" PRId64 " covered=%" PRId64
			      " recorded=%" PRId64,
			      number, process->bursts.count, process->bursts.full_ns, process->bursts.covered_ns,
			      process->bursts.recorded_ns);
	write_comment(writer, "process.%zu.lost: events=%" PRId64 " stacks=%" PRId64, number, process->lost_events,
		      process->lost_stacks);
	if (process->forked != VALUE_UNMEASURED)
		write_comment(writer, "process.%zu.forked: %" PRId64, number, process->forked);
	if (!all_unmeasured(process->totals))
		write_comment(writer, "#process.%zu.totals: %s", number, format_values(writer, text, process->totals));
	write_classes(writer, number, process);
}

static void write_start(const struct writer *writer, int64_t start_ns)
{
	time_t seconds = (time_t)(start_ns / 1000000000);
	struct tm utc;
	char date[64];

	if (start_ns > 0 && gmtime_r(&seconds, &utc) && strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc))
		write_comment(writer, "start: %s.%03dZ", date, (int)(start_ns % 1000000000 / 1000000));
}

void pprof_comments_write(const struct profile *profile, const int64_t *sums,
			  void (*emit)(void *context, const char *comment), void *context)
{
	const struct writer writer = {emit, context, profile};
	char measured[512] = "", text[VALUES_SIZE];

	write_comment(&writer, SIGNATURE "%s", profile->tool_version ? profile->tool_version : ESCAPEMENT_VERSION);
	for (int i = 0; i < PROFILE_TEXTS; i++)
		write_text(&writer, profile_texts[i].key, *text_at((void *)profile, &profile_texts[i]));
	if (profile->rate != RATE_UNKNOWN)
		write_comment(&writer, "rate: %" PRId64, profile->rate);
	write_start(&writer, profile->start_ns);
	write_comment(&writer, "duration: %.3fs", (double)profile->duration_ns / 1e9);
	if (profile->snapshot)
		write_comment(&writer, "snapshot: collections=%" PRId64, profile->collections);
	if (profile->unreachable)
		write_comment(&writer, "unreachable: stopped=%" PRId64, profile->duration_ns);
	write_comment(&writer, "exact: %s%s%s", profile->totals_exact ? "totals" : "",
		      profile->totals_exact && profile->rows_exact ? ", " : "",
		      profile->rows_exact     ? "rows"
		      : profile->totals_exact ? ""
					      : "nothing");
	if (profile->rows_least)
		write_comment(&writer, "rows: lower bounds");
	if (profile->ended)
		write_comment(&writer, "ended: by itself");
	for (int i = 0; i < VALUE_COUNT; i++) {
		if (profile->row_measured & 1u << i && profile_stores(profile, i)) {
			strcat(measured, " ");
			strcat(measured, profile_values[i].pprof_type);
		}
	}
	write_comment(&writer, "measured:%s", *measured ? measured : " nothing");
	write_comment(&writer, "#sums: %s", format_values(&writer, text, sums));
	if (profile->heap_growth.interval_ns) {
		char *growth = time_series_text(&profile->heap_growth);

		write_comment(&writer, "#heap_growth: %s", growth);
		free(growth);
	}
	for (size_t i = 0; i < profile->warning_count; i++)
		write_text(&writer, "warning", profile->warnings[i]);
	for (size_t i = 0; i < profile->process_count; i++)
		write_process(&writer, i + 1, &profile->processes[i]);
}

/* --- reading --- */

/* Each returns 0, or -1 if the value does not have the key's form. */
typedef int read_value(struct profile *profile, const char *value);
typedef int read_process_value(struct profile *profile, struct profile_process *process, const char *value);

static int hexadecimal(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Returns the text that write_text() escaped, interned. NULL if it is malformed. */
static const char *read_text(struct profile *profile, const char *value)
{
	char *text = memory_text(value), *to = text;
	const char *interned;

	while (*value) {
		if (*value != '\\') {
			*to++ = *value++;
		} else if (value[1] == '\\') {
			*to++ = '\\';
			value += 2;
		} else {
			int high = value[1] == 'x' ? hexadecimal(value[2]) : -1;
			int low = high < 0 ? -1 : hexadecimal(value[3]);

			if (low < 0 || high + low == 0) {
				free(text);
				return NULL;
			}
			*to++ = (char)(high << 4 | low);
			value += 4;
		}
	}
	*to = 0;
	interned = profile_string(profile, text);
	free(text);
	return interned;
}

static int read_number(const char *text, char **end, int64_t *number)
{
	errno = 0;
	*number = strtoll(text, end, 10);
	return *end == text || errno ? -1 : 0;
}

/* Files from before a value was added do not have it. */
static bool is_in_file(const struct profile *profile, int value)
{
	return profile->stored & 1u << value && profile_stores(profile, value);
}

static int read_values(const struct profile *profile, const char *text, int64_t *values)
{
	int left = 0;

	for (int i = 0; i < VALUE_COUNT; i++)
		left += is_in_file(profile, i);
	for (int i = 0; i < VALUE_COUNT; i++) {
		char *end = (char *)text + 1;

		values[i] = VALUE_UNMEASURED;
		if (!is_in_file(profile, i))
			continue;
		if (*text == '-' && (text[1] == ' ' || !text[1]))
			values[i] = VALUE_UNMEASURED;
		else if (read_number(text, &end, &values[i]) || values[i] < 0)
			return -1;
		if (*end != (--left ? ' ' : 0))
			return -1;
		text = end + 1;
	}
	return 0;
}

static int read_tool(struct profile *profile, const char *value)
{
	const char *version = strchr(value, ' ');

	profile->tool_version = version ? profile_string(profile, version + 1) : NULL;
	return version ? 0 : -1;
}

static int read_rate(struct profile *profile, const char *value)
{
	char *end;

	return read_number(value, &end, &profile->rate) || *end || profile->rate < 0 ? -1 : 0;
}

static int read_snapshot(struct profile *profile, const char *value)
{
	int used = 0;

	profile->snapshot = true;
	return sscanf(value, "collections=%" SCNd64 "%n", &profile->collections, &used) == 1 && !value[used] &&
			       profile->collections >= VALUE_UNMEASURED
		       ? 0
		       : -1;
}

static int read_unreachable(struct profile *profile, const char *value)
{
	int used = 0;

	profile->snapshot = profile->unreachable = true;
	return sscanf(value, "stopped=%" SCNd64 "%n", &profile->duration_ns, &used) == 1 && !value[used] &&
			       profile->duration_ns >= 0
		       ? 0
		       : -1;
}

static int read_exact(struct profile *profile, const char *value)
{
	profile->totals_exact = strstr(value, "totals");
	profile->rows_exact = strstr(value, "rows");
	return 0;
}

static int read_rows(struct profile *profile, const char *value)
{
	profile->rows_least = strcmp(value, "lower bounds") == 0;
	return 0;
}

static int read_ended(struct profile *profile, const char *value)
{
	profile->ended = strcmp(value, "by itself") == 0;
	return 0;
}

static int read_measured(struct profile *profile, const char *value)
{
	profile->row_measured = 0;
	while (*value) {
		size_t length = strcspn(value, " ");

		for (int i = 0; i < VALUE_COUNT; i++) {
			if (strlen(profile_values[i].pprof_type) == length &&
			    memcmp(profile_values[i].pprof_type, value, length) == 0)
				profile->row_measured |= 1u << i;
		}
		value += length;
		value += *value == ' ';
	}
	return 0;
}

static int read_sums(struct profile *profile, const char *value)
{
	return read_values(profile, value, profile->written_sums);
}

static int read_duration(struct profile *profile, const char *value)
{
	char *end;

	profile->written_seconds = strtod(value, &end);
	return end == value || strcmp(end, "s") != 0 ? -1 : 0;
}

static int read_warning(struct profile *profile, const char *value)
{
	const char *text = read_text(profile, value);

	if (!text)
		return -1;
	profile_warn(profile, "%s", text);
	return 0;
}

static int read_heap_growth(struct profile *profile, const char *value)
{
	return time_series_read(&profile->heap_growth, value);
}

static const struct {
	const char *key;
	read_value *read;
} profile_keys[] = {
	{"tool", read_tool},
	{"rate", read_rate},
	{"exact", read_exact},
	{"rows", read_rows},
	{"ended", read_ended},
	{"measured", read_measured},
	{"sums", read_sums},
	{"duration", read_duration},
	{"warning", read_warning},
	{"snapshot", read_snapshot},
	{"heap_growth", read_heap_growth},
	{"unreachable", read_unreachable},
};

static int read_check(struct profile *profile, struct profile_process *process, const char *value)
{
	struct profile_check check = {.present = true};
	int used = -1;

	if (sscanf(value, "objects=%" SCNd64 " difference=%" SCNd64 " bound=%" SCNd64 " source=%n", &check.objects,
		   &check.difference, &check.bound, &used) != 3 ||
	    used < 0 || check.bound < 0 || check.difference == INT64_MIN)
		return -1;
	check.source = read_text(profile, value + used);
	if (!check.source)
		return -1;
	if (!*check.source)
		check.source = NULL;
	process->check = check;
	return 0;
}

static int read_outside(struct profile *profile, struct profile_process *process, const char *value)
{
	char *end;

	(void)profile;
	return read_number(value, &end, &process->check.outside) || *end || process->check.outside == INT64_MIN ? -1
														: 0;
}

static int read_bursts(struct profile *profile, struct profile_process *process, const char *value)
{
	struct profile_bursts bursts = {.present = true};
	int used = -1;

	(void)profile;
	if (sscanf(value, "count=%" SCNd64 " full=%" SCNd64 " covered=%" SCNd64 " recorded=%" SCNd64 "%n",
		   &bursts.count, &bursts.full_ns, &bursts.covered_ns, &bursts.recorded_ns, &used) != 4 ||
	    used < 0 || value[used] || bursts.count < 0 || bursts.full_ns < 0 || bursts.covered_ns < 0 ||
	    bursts.recorded_ns < 0)
		return -1;
	process->bursts = bursts;
	return 0;
}

static int read_lost(struct profile *profile, struct profile_process *process, const char *value)
{
	(void)profile;
	return sscanf(value, "events=%" SCNd64 " stacks=%" SCNd64, &process->lost_events, &process->lost_stacks) == 2 &&
			       process->lost_events >= 0 && process->lost_stacks >= 0
		       ? 0
		       : -1;
}

static int read_forked(struct profile *profile, struct profile_process *process, const char *value)
{
	char *end;

	(void)profile;
	return read_number(value, &end, &process->forked) || *end || process->forked < 0 ? -1 : 0;
}

static int read_totals(struct profile *profile, struct profile_process *process, const char *value)
{
	return read_values(profile, value, process->totals);
}

static const struct {
	const char *key;
	read_process_value *read;
} process_keys[] = {{"check", read_check},   {"outside", read_outside}, {"lost", read_lost},
		    {"forked", read_forked}, {"totals", read_totals},	{"bursts", read_bursts}};

/* `range` is FIRST-LAST. */
static int read_classes(const struct profile *profile, struct profile_process *process, const char *range,
			const char *value)
{
	int64_t values[VALUE_COUNT];
	int first, last;

	if (sscanf(range, "%d-%d", &first, &last) != 2 || first < 0 || first > last || last >= SPAN_CLASSES ||
	    read_values(profile, value, values))
		return -1;
	for (int class = first; class <= last; class ++)
		memcpy(process->class_totals[class], values, sizeof(values));
	return 0;
}

/* `key` is what follows "process.": N.NAME. Processes come in order, and "pid" begins each. */
static int read_process(struct profile *profile, const char *key, const char *value)
{
	struct profile_process *process;
	int64_t number, pid;
	char *name;

	if (read_number(key, &name, &number) || *name++ != '.')
		return -1;
	if (strcmp(name, "pid") == 0) {
		char *end;

		if (number != (int64_t)profile->process_count + 1 || number > PROCESSES_MAX ||
		    read_number(value, &end, &pid) || *end || pid < 0 || pid > INT32_MAX)
			return -1;
		profile_process_add(profile, (int)pid);
		return 0;
	}
	if (number < 1 || (uint64_t)number > profile->process_count)
		return -1;
	process = &profile->processes[number - 1];
	for (int i = 0; i < PROCESS_TEXTS; i++) {
		if (strcmp(name, process_texts[i].key) == 0) {
			const char *text = read_text(profile, value);

			*text_at(process, &process_texts[i]) = text;
			return text ? 0 : -1;
		}
	}
	for (size_t i = 0; i < sizeof(process_keys) / sizeof(process_keys[0]); i++) {
		if (strcmp(name, process_keys[i].key) == 0)
			return process_keys[i].read(profile, process, value);
	}
	return strncmp(name, "classes.", 8) == 0 ? read_classes(profile, process, name + 8, value) : 0;
}

static int read_key(struct profile *profile, const char *key, const char *value)
{
	for (int i = 0; i < PROFILE_TEXTS; i++) {
		if (strcmp(key, profile_texts[i].key) == 0) {
			const char *text = read_text(profile, value);

			*text_at(profile, &profile_texts[i]) = text;
			return text ? 0 : -1;
		}
	}
	for (size_t i = 0; i < sizeof(profile_keys) / sizeof(profile_keys[0]); i++) {
		if (strcmp(key, profile_keys[i].key) == 0)
			return profile_keys[i].read(profile, value);
	}
	return strncmp(key, "process.", 8) == 0 ? read_process(profile, key + 8, value) : 0;
}

/* Whether a comment begins a process that is there already, as after the comments of one recording those of another do. */
static bool is_of_another_recording(const struct profile *profile, const char *comment)
{
	unsigned long long number;
	int used = 0;

	return sscanf(comment, "process.%llu.pid: %n", &number, &used) == 1 && used && number >= 1 &&
	       number <= profile->process_count;
}

bool pprof_comment_is_signature(const char *comment)
{
	return strncmp(comment, SIGNATURE, strlen(SIGNATURE)) == 0;
}

int pprof_comment_read(struct profile *profile, const char *comment, struct error *error)
{
	const char *colon = strstr(comment, ": ");
	int result = 0;
	char *key;

	if (*comment == '#')
		comment++;
	if (colon) {
		key = memory_text_of(comment, (size_t)(colon - comment));
		result = read_key(profile, key, colon + 2);
		free(key);
	}
	if (result && is_of_another_recording(profile, comment))
		return error_set(
			error, STATUS_USAGE,
			"it is of several recordings, which another tool has added up (go tool pprof -proto?)");
	return result ? error_set(error, STATUS_USAGE, "malformed comment '%.200s'", comment) : 0;
}
