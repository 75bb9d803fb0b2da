/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports for people: a heading that says what was recorded and how reliable it is, then a table or stacks. */
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "render/render_report.h"
#include "base/memory.h"
#include "text/table.h"
#include "text/shorten.h"
#include "profile/precision.h"
#include "profile/size_class.h"
#include "text/terminal.h"
#include "text/wrap.h"

enum {
	LABEL_WIDTH = 10,
	WIDE = 100,   /* from this width on, the rarer numbers are shown */
	KEY_MIN = 16, /* minimal width of a key */
	CELL_SIZE = 2 * TERMINAL_NUMBER_SIZE,
	LINE_SIZE = 4096,
};

struct writer {
	FILE *stream;
	const struct report *report;
	int width;
	bool color;
	const struct terminal_style *style;
};

static void *checked(void *memory)
{
	if (!memory)
		memory_out();
	return memory;
}

/* --- head --- */

/* "LABEL     TEXT". */
static void print_line(const struct writer *writer, const char *style, const char *label, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void print_line(const struct writer *writer, const char *style, const char *label, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = memory_format_list(format, arguments);
	va_end(arguments);
	fprintf(writer->stream, "%-*s%s", LABEL_WIDTH, label, style);
	wrap_print(writer->stream, text, LABEL_WIDTH, (size_t)terminal_prose_width(writer->width),
		   writer->width == TERMINAL_UNLIMITED ? WRAP_WORDS : WRAP_LONG_WORDS);
	fprintf(writer->stream, "%s\n", *style ? writer->style->reset : "");
	free(text);
}

static void print_target(const struct writer *writer)
{
	const struct profile *profile = writer->report->profile;
	char command[SHORTEN_COMMAND_SIZE];

	if (profile->target)
		print_line(writer, writer->style->bold, "target", "%s", shorten_command(command, profile->target));
	for (size_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *process = &profile->processes[i];

		if (process->pid)
			print_line(writer, "", i ? "" : "process", "%d %s%s%s", process->pid,
				   process->comm ? process->comm : "", process->runtime ? ", " : "",
				   process->runtime ? process->runtime : "");
		/* A shell script may start thousands. */
		if (i == 9 && profile->process_count > 10) {
			print_line(writer, "", "", "and %zu more", profile->process_count - 10);
			break;
		}
	}
}

static void print_recording(const struct writer *writer)
{
	const struct profile *profile = writer->report->profile;
	time_t seconds = (time_t)(profile->start_ns / 1000000000);
	char start[64] = "", duration[64] = "", rate[128], number[TERMINAL_NUMBER_SIZE], bursts[PROFILE_BURSTS_TEXT];
	struct tm utc;

	if (profile->start_ns > 0 && gmtime_r(&seconds, &utc))
		strftime(start, sizeof(start), "%Y-%m-%d %H:%M:%S UTC, ", &utc);
	if (profile_bursts_text(profile, bursts))
		snprintf(rate, sizeof(rate), "%s", bursts);
	else if (profile->rate == RATE_UNKNOWN)
		snprintf(rate, sizeof(rate), "at a rate that the file does not say");
	else if (profile->rate == 0 && profile->unreachable)
		snprintf(rate, sizeof(rate), "without a heap profile");
	else if (profile->rate == 0)
		snprintf(rate, sizeof(rate), "rate 0 (slow paths only, no sampling)");
	else if (profile->rate == 1)
		snprintf(rate, sizeof(rate), "rate 1 (every allocation)");
	else
		snprintf(rate, sizeof(rate), "one sample per %s", terminal_bytes(number, profile->rate));
	if (profile->duration_ns > 0)
		snprintf(duration, sizeof(duration), "%.3g s, ", (double)profile->duration_ns / 1e9);
	if (profile->unreachable)
		print_line(writer, "", "searched", "%s%s; stopped for %.3g ms", start, rate,
			   (double)profile->duration_ns / 1e6);
	else if (profile->snapshot && profile->collections > 0)
		print_line(writer, "", "alive", "%s%s; as of collection %" PRId64, start, rate, profile->collections);
	else if (profile->snapshot)
		print_line(writer, "", "alive", "%s%s%s", start, rate,
			   profile->collections ? "" : "; there was no collection yet");
	else
		print_line(writer, "", "recorded", "%s%s%s", start, duration, rate);
}

static bool measures_objects(const struct writer *writer)
{
	return writer->report->measured & 1u << profile_objects(writer->report->profile);
}

/* Whether rows are another tool's estimates: without the samples behind them. */
static bool is_foreign(const struct writer *writer)
{
	return !writer->report->rows_exact && measures_objects(writer) &&
	       !(writer->report->measured & 1u << VALUE_SAMPLES);
}

static void print_totals(const struct writer *writer)
{
	const struct report *report = writer->report;
	enum profile_value bytes = profile_bytes(report->profile);
	char text[LINE_SIZE] = "", number[TERMINAL_NUMBER_SIZE];
	size_t length = 0;

	for (int i = profile_next_shown(report->profile, -1); i < VALUE_COUNT;
	     i = profile_next_shown(report->profile, i)) {
		int64_t total = report->totals[i];

		if (total != VALUE_UNMEASURED)
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s %s", length ? ", " : "",
						   terminal_number(number, total),
						   total == 1 ? profile_values[i].singular : profile_values[i].plural);
	}
	if (report->profile->snapshot && !report->profile->unreachable)
		length += (size_t)snprintf(text + length, sizeof(text) - length, " allocated since its %s",
					   report->profile->collections == VALUE_UNMEASURED ? "heap profile began"
											    : "start");
	print_line(writer, "", "totals", "%s (%s)", length ? text : "not measured",
		   report->profile->totals_exact			       ? "exact"
		   : report->totals_have_bounds && report->profile->rows_least ? "lower bounds"
		   : report->totals_have_bounds				       ? "estimated"
		   : is_foreign(writer)					       ? "as the file has them"
									       : "incomplete");
	if (report->totals_have_bounds && report->bounds.objects_high == VALUE_UNMEASURED &&
	    (report->profile->tiny_in_blocks || !report->profile->rows_least))
		print_line(writer, "", "", "at least %" PRId64 " %s, and tiny objects besides, if any",
			   report->bounds.objects_low, profile_values[profile_objects(report->profile)].plural);
	else if (report->totals_have_bounds && report->bounds.objects_low < report->bounds.objects_high)
		print_line(writer, "", "", "between %" PRId64 " and %" PRId64 " %s (95 %% interval)",
			   report->bounds.objects_low, report->bounds.objects_high,
			   profile_values[profile_objects(report->profile)].plural);
	if (report->totals_have_bounds && report->totals[bytes] != VALUE_UNMEASURED &&
	    report->bounds.bytes_low < report->bounds.bytes_high)
		print_line(writer, "", "", "between %" PRId64 " and %" PRId64 " %s (95 %% interval)",
			   report->bounds.bytes_low, report->bounds.bytes_high, profile_values[bytes].plural);
}

static bool some_tiny_are_unknown(const struct report *report);

/* Prints what part of the totals the rows are, if they are not of all samples. */
static void print_selection(const struct writer *writer)
{
	const struct report *report = writer->report;
	const struct report_selection *selection = &report->selection;
	const enum profile_value values[] = {profile_objects(report->profile), profile_bytes(report->profile)};
	char text[LINE_SIZE] = "", number[TERMINAL_NUMBER_SIZE];
	size_t length = 0;

	if (!selection->focus && !selection->callers)
		return;
	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		int i = values[v];

		if (report->selected[i] != VALUE_UNMEASURED)
			length += (size_t)snprintf(text + length, sizeof(text) - length, ", %s %s",
						   terminal_number(number, report->selected[i]),
						   report->selected[i] == 1 ? profile_values[i].singular
									    : profile_values[i].plural);
	}
	print_line(writer, writer->style->bold, "only", "stacks with %s%s%s%s (%s)",
		   selection->focus ? selection->focus : selection->callers,
		   selection->focus && selection->callers ? " and " : "",
		   selection->focus && selection->callers ? selection->callers : "", text,
		   report->rows_exact		  ? "exact"
		   : report->profile->unreachable ? "at least"
						  : "estimated");
}

/* Counts the samples whose stacks were deeper than the limit. */
static size_t cut_stacks(const struct profile *profile)
{
	size_t count = 0;

	for (size_t i = 0; i < profile->sample_count; i++)
		count += profile->samples[i]->key.stack && profile->samples[i]->key.stack->truncated;
	return count;
}

/* Returns the objects in the totals that are in no row, because their size class has no sample. */
static int64_t hidden_objects(const struct report *report)
{
	const struct profile *profile = report->profile;
	int64_t in_rows = 0;

	if (report->rows_exact || profile->rows_least || !(report->measured & 1u << VALUE_OBJECTS) ||
	    !report->estimates->has_totals)
		return 0;
	for (size_t i = 0; i < profile->sample_count; i++)
		in_rows = add_saturated(in_rows, profile->samples[i]->values[VALUE_OBJECTS]);
	return report->totals[VALUE_OBJECTS] - in_rows;
}

/* Writes how many objects of the totals the check does not cover; "" if none. */
static const char *outside_text(char text[128], int64_t objects)
{
	*text = 0;
	if (objects)
		snprintf(text, 128, "; %" PRId64 " more came before or after the readings of these", objects);
	return text;
}

static int by_loss(const void *a, const void *b)
{
	const struct profile_process *x = *(const struct profile_process *const *)a,
				     *y = *(const struct profile_process *const *)b;
	int64_t more = x->lost_events, other = y->lost_events;

	if (more == other) {
		more = x->lost_stacks;
		other = y->lost_stacks;
	}
	return more > other ? -1 : more < other;
}

/* Which of several processes lost them: the few that lost most. */
static void print_losers(const struct writer *writer)
{
	enum { SHOWN = 5 };
	const struct profile *profile = writer->report->profile;
	const struct profile_process **losers =
		memory_resize(NULL, profile->process_count + 1, sizeof(struct profile_process *));
	size_t count = 0;

	for (size_t i = 0; i < profile->process_count && profile->process_count > 1; i++) {
		const struct profile_process *process = &profile->processes[i];

		if (process->pid && (process->lost_events || process->lost_stacks))
			losers[count++] = process;
	}
	qsort(losers, count, sizeof(struct profile_process *), by_loss);
	for (size_t i = 0; i < count && i < SHOWN; i++)
		print_line(writer, "", "", "of process %d %s: %" PRId64 " events, %" PRId64 " stacks", losers[i]->pid,
			   losers[i]->comm ? losers[i]->comm : "", losers[i]->lost_events, losers[i]->lost_stacks);
	if (count > SHOWN)
		print_line(writer, "", "", "of %zu more processes: what is left of it", count - SHOWN);
	free(losers);
}

static void print_trust(const struct writer *writer)
{
	const struct profile *profile = writer->report->profile;
	const struct terminal_style *style = writer->style;
	int64_t events = profile_lost_events(profile), stacks = profile_lost_stacks(profile);
	struct profile_check check = profile_check(profile);
	int64_t forked = profile_forked(profile);
	size_t cut = cut_stacks(profile);
	int64_t hidden = hidden_objects(writer->report);
	char outside[128];

	if (writer->report->rows_exact)
		print_line(
			writer, "", "rows", "exact%s%s", forked > 0 ? ", of the process that was observed" : "",
			profile->rows_least
				? ": the totals of each class; only rows of lines, functions and stacks are lower bounds"
				: "");
	else
		print_line(writer, "", "rows",
			   profile->unreachable	 ? "exact, but for the objects whose site is not known"
			   : profile->rows_least ? "lower bounds: the warnings say what is in no row"
			   : is_foreign(writer)	 ? "estimates, as the file has them, without intervals"
			   : profile->rows_exact
				   ? "exact, but for tiny objects: Go's sampler counts the blocks that they share"
			   : profile_bursts(profile).count   ? "estimated from bursts, with 95 %% intervals"
			   : profile_bursts(profile).present ? "counted, all the time but the recording's very edges"
			   : measures_objects(writer)	     ? "estimated from samples, with 95 %% intervals"
			   : writer->report->measured & 1u << VALUE_REFILLS
				   ? "the allocator's costs; their objects were not measured"
				   : "estimated; how many objects they are was not measured");
	if (writer->report->totals[VALUE_OBJECTS] > 0 && hidden > writer->report->totals[VALUE_OBJECTS] / 100)
		print_line(writer, "", "", "%" PRId64 " objects are in no row: %s", hidden,
			   profile_bursts(profile).count ? "no burst was in their time"
							 : "no sample was of their size classes");
	if (some_tiny_are_unknown(writer->report))
		print_line(
			writer, "", "",
			"+TINY ?: the row has tiny objects (below 16 bytes, without pointers) besides, if any; their "
			"number is unknown");
	if (check.present)
		print_line(writer, check.difference > check.bound || check.difference < -check.bound ? style->red : "",
			   "check", "%s: %" PRId64 " objects, difference %" PRId64 ", bound %" PRId64 "%s",
			   check.source ? check.source : "runtime", check.objects, check.difference, check.bound,
			   outside_text(outside, check.outside));
	else if (!profile->snapshot)
		print_line(writer, "", "check", "none: nothing to compare the totals with");
	if (events || stacks) {
		print_line(writer, style->red, "lost",
			   "%" PRId64 " events (the numbers are a lower bound), %" PRId64 " stacks", events, stacks);
		print_losers(writer);
	} else if (!profile->snapshot && forked <= 0 && !profile_lacks_some(profile)) {
		print_line(writer, "", "lost", "nothing");
	}
	if (forked > 0)
		print_line(writer, style->yellow, "forked",
			   "%" PRId64 " process%s, which %s not observed: what %s allocated is in no number", forked,
			   forked == 1 ? "" : "es", forked == 1 ? "is" : "are", forked == 1 ? "it" : "they");
	if (cut)
		print_line(writer, style->yellow, "cut",
			   "callers of %zu of %zu samples: of each stack %d frames are kept", cut,
			   profile->sample_count, STACK_DEPTH_MAX);
	for (size_t i = 0; i < profile->warning_count; i++)
		print_line(writer, style->yellow, "warning", "%s", profile->warnings[i]);
}

/* Says what to do if the intervals are so wide that they tell nothing. */
static void print_precision(const struct writer *writer)
{
	const struct report *report = writer->report;
	char *advice =
		precision_of_report(report) ? NULL : precision_advice(report->profile, report->totals[VALUE_OBJECTS]);

	if (advice)
		print_line(writer, writer->style->yellow, "advice", "%s", advice);
	free(advice);
}

/* --- table --- */

/* The share of the total of the value that the report is sorted by. */
static const char *share(const struct report *report, const struct report_row *row, char cell[CELL_SIZE])
{
	int64_t total = report->whole[report->sort], value = row->values[report->sort];

	if (total <= 0 || value == VALUE_UNMEASURED)
		strcpy(cell, "-");
	else
		snprintf(cell, CELL_SIZE, value / total < 10 ? "%.1f" : ">999", 100 * (double)value / (double)total);
	return cell;
}

/* "900..1500"; "900.." without an upper end. */
static const char *ends(int64_t low, int64_t high, char cell[CELL_SIZE])
{
	char low_text[TERMINAL_NUMBER_SIZE], high_text[TERMINAL_NUMBER_SIZE];

	snprintf(cell, CELL_SIZE, "%s..%s", terminal_number(low_text, low),
		 high == VALUE_UNMEASURED ? "" : terminal_number(high_text, high));
	return cell;
}

static const char *interval(const struct report *report, const struct report_row *row, char cell[CELL_SIZE])
{
	(void)report;
	return row->has_bounds ? ends(row->bounds.objects_low, row->bounds.objects_high, cell) : strcpy(cell, "-");
}

static const char *bytes_interval(const struct report *report, const struct report_row *row, char cell[CELL_SIZE])
{
	if (!row->has_bounds || row->values[profile_bytes(report->profile)] == VALUE_UNMEASURED)
		return strcpy(cell, "-");
	return ends(row->bounds.bytes_low, row->bounds.bytes_high, cell);
}

/* The ends in percent of the number, outwards, where there is no room for both: "-12+15%", "-12%.." without an upper end. */
static const char *bytes_percent(const struct report *report, const struct report_row *row, char cell[CELL_SIZE])
{
	const struct interval_bounds *bounds = &row->bounds;
	double bytes = (double)row->values[profile_bytes(report->profile)], less, more;

	if (bytes <= 0)
		return bytes_interval(report, row, cell);
	if (!row->has_bounds)
		return strcpy(cell, "-");
	less = ceil(100 * fmax(bytes - (double)bounds->bytes_low, 0) / bytes);
	more = ceil(100 * fmax((double)bounds->bytes_high - bytes, 0) / bytes);
	if (bounds->bytes_high == VALUE_UNMEASURED)
		snprintf(cell, CELL_SIZE, "-%.0f%%..", less);
	else if (more > 999)
		snprintf(cell, CELL_SIZE, "-%.0f+>999%%", less);
	else
		snprintf(cell, CELL_SIZE, "-%.0f+%.0f%%", less, more);
	return cell;
}

/*
 * Columns: the share, then the values in their order; intervals follow the numbers of objects and of bytes. A column is a value,
 * or the result of `format` for a row.
 */
typedef const char *cell_format(const struct report *report, const struct report_row *row, char cell[CELL_SIZE]);

struct column {
	const char *name;
	int value; /* enum profile_value; -1: formatted */
	cell_format *format;
};

enum { COLUMNS_MAX = VALUE_COUNT + 4 };

static bool shows_value(const struct writer *writer, enum profile_value value)
{
	const struct report *report = writer->report;

	if (value == report->sort)
		return true;
	if (!(profile_values[value].kinds & profile_shown_kind(report->profile)) || !(report->measured & 1u << value))
		return false;
	if (!(profile_values[value].kinds & VALUE_RARE))
		return true;
	for (size_t i = 0; i < report->row_count && writer->width >= WIDE; i++) {
		if (report->rows[i].values[value] > 0)
			return true;
	}
	return false;
}

/* "?" if the row may have tiny objects, which its number does not include. */
static const char *tiny(const struct report *report, const struct report_row *row, char cell[CELL_SIZE])
{
	(void)report;
	strcpy(cell, row->tiny_unknown ? "?" : "");
	return cell;
}

static bool some_tiny_are_unknown(const struct report *report)
{
	for (size_t i = 0; i < report->row_count; i++) {
		if (report->rows[i].tiny_unknown)
			return true;
	}
	return false;
}

/* The forms of the interval of bytes, the one that takes most first. */
static const struct bytes_form {
	const char *heading;
	cell_format *format; /* NULL: there is no room for any */
	int key;	     /* so many columns are to be left for the key */
} bytes_forms[] = {{"95% INTERVAL", bytes_interval, 2 * KEY_MIN}, {"95%", bytes_percent, KEY_MIN}, {NULL, NULL, 0}};

static int choose_columns(const struct writer *writer, const struct bytes_form *form,
			  struct column columns[COLUMNS_MAX])
{
	const struct profile *profile = writer->report->profile;
	bool has_intervals = !writer->report->rows_exact && measures_objects(writer) && !profile->unreachable;
	int count = 0;

	columns[count++] = (struct column){"%", -1, share};
	for (int value = 0; value < VALUE_COUNT; value++) {
		if (shows_value(writer, value))
			columns[count++] = (struct column){profile_values[value].heading, value, NULL};
		if (value == (int)profile_objects(profile) && has_intervals)
			columns[count++] = (struct column){"95% INTERVAL", -1, interval};
		if (value == (int)profile_bytes(profile) && has_intervals &&
		    shows_value(writer, profile_bytes(profile)) && form->format)
			columns[count++] = (struct column){form->heading, -1, form->format};
		if (value == (int)profile_objects(profile) && some_tiny_are_unknown(writer->report))
			columns[count++] = (struct column){"+TINY", -1, tiny};
	}
	return count;
}

static const char *cell_text(const struct report *report, const struct column *column, const struct report_row *row,
			     char cell[CELL_SIZE])
{
	return column->value < 0 ? column->format(report, row, cell)
				 : terminal_number(cell, row->values[column->value]);
}

static const char *scan_text(const struct report_row *row)
{
	if (row->scan_unknown)
		return "";
	return span_class_noscan(row->span_class) ? " noscan" : " scan";
}

const char *render_report_key(enum report_by by, const struct report_row *row, char *text, size_t size, size_t width)
{
	switch (by) {
	case BY_TYPE:
		snprintf(text, size, "%s", row->type ? row->type : "(unknown)");
		break;
	case BY_SIZE_CLASS: {
		int class = row->span_class;

		if (class == SPAN_CLASS_UNKNOWN)
			snprintf(text, size, "(none)"); /* growth of the heap has no class */
		else if (row->shared_tiny)
			snprintf(text, size, "tiny, in blocks of others");
		else if (span_class_size_class(class) == 0)
			snprintf(text, size, "large%s", scan_text(row));
		else
			snprintf(text, size, "%" PRId64 "%s", size_class_bytes(span_class_size_class(class)),
				 scan_text(row));
		break;
	}
	default:
		shorten_site(text, size, row->function, row->file, row->line, row->via, width);
	}
	return text;
}

static struct libscols_column *new_column(struct libscols_table *table, const char *name, int flags, bool color)
{
	struct libscols_column *column = checked(scols_table_new_column(table, name, 0, flags));

	if (color)
		scols_cell_set_color(scols_column_get_header(column), "bold");
	return column;
}

/* How many columns of the terminal a column takes, without the space behind it. */
static size_t column_width(const struct report *report, const struct column *column)
{
	size_t width = strlen(column->name);
	char cell[CELL_SIZE];

	for (size_t r = 0; r < report->row_count; r++) {
		size_t length = strlen(cell_text(report, column, &report->rows[r], cell));

		width = length > width ? length : width;
	}
	return width;
}

/* Chooses those whose numbers leave room for the key. Returns how many they are, and what is left. */
static int fit_columns(const struct writer *writer, struct column columns[COLUMNS_MAX], int *key_width)
{
	const struct bytes_form *form = bytes_forms;
	int count;

	for (;; form++) {
		count = choose_columns(writer, form, columns);
		*key_width = writer->width;
		for (int i = 0; i < count; i++)
			*key_width -= (int)column_width(writer->report, &columns[i]) + 1;
		if (*key_width >= form->key || !form->format)
			return count;
	}
}

const char *const render_report_headings[] = {"SITE", "FRAME", "FUNCTION", "TYPE", "SIZE CLASS", "STACK", "CALLER"};

static void print_table(const struct writer *writer)
{
	const struct report *report = writer->report;
	struct libscols_table *table = checked(scols_new_table());
	struct column columns[COLUMNS_MAX];
	char cell[CELL_SIZE], key[LINE_SIZE];
	int key_width, count = fit_columns(writer, columns, &key_width);

	scols_table_set_stream(table, writer->stream);
	scols_table_enable_noencoding(table, 1); /* table_text() */
	scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
	scols_table_set_termwidth(table, (size_t)writer->width);
	scols_table_enable_colors(table, writer->color);
	for (int i = 0; i < count; i++)
		new_column(table, columns[i].name, SCOLS_FL_RIGHT, writer->color);
	new_column(table, render_report_headings[report->by], SCOLS_FL_TRUNC, writer->color);
	if (key_width < KEY_MIN)
		key_width = KEY_MIN;
	for (size_t r = 0; r < report->row_count; r++) {
		struct libscols_line *line = checked(scols_table_new_line(table, NULL));
		char *text;

		for (int i = 0; i < count; i++) {
			if (scols_line_set_data(line, (size_t)i,
						cell_text(report, &columns[i], &report->rows[r], cell)))
				memory_out();
		}
		text = table_text(render_report_key(report->by, &report->rows[r], key, sizeof(key), (size_t)key_width));
		if (scols_line_refer_data(line, (size_t)count, text)) /* which the line frees */
			memory_out();
	}
	scols_print_table(table);
	scols_unref_table(table);
}

/* --- foot --- */

static void print_paragraph(const struct writer *writer, const char *text)
{
	wrap_print(writer->stream, text, 0, (size_t)terminal_prose_width(writer->width), WRAP_WORDS);
	fputc('\n', writer->stream);
}

/* Where most is of no line of the program's own, the rows tell little: says how to see more. */
static void print_outside(const struct writer *writer)
{
	const struct report *report = writer->report;
	int64_t total = report->whole[report->sort];

	if (report->by != BY_SITE && report->by != BY_FUNCTION)
		return;
	for (size_t i = 0; i < report->row_count; i++) {
		const struct report_row *row = &report->rows[i];

		if (row->function != report_outside || total <= 0 || row->values[report->sort] <= total / 2)
			continue;
		fputc('\n', writer->stream);
		print_paragraph(writer,
				report->profile->module_count
					? "(outside) is what no package of --module allocated: --by frame shows which "
					  "functions did"
					: "(outside) is what no line of the program's own module allocated: --by frame "
					  "shows which functions did, --module GLOB names the packages that are yours");
	}
}

void render_report_text(FILE *stream, const struct report *report, const struct report_style *style)
{
	const struct writer writer = {stream, report, style->width, style->color, terminal_style(style->color)};

	print_target(&writer);
	print_recording(&writer);
	print_totals(&writer);
	print_trust(&writer);
	print_precision(&writer);
	print_selection(&writer);
	fputc('\n', stream);
	if (!report->row_count)
		print_paragraph(&writer, precision_nothing(report->profile));
	else if (report->by == BY_STACK)
		render_report_tree(stream, report, style);
	else
		print_table(&writer);
	if (report->row_count < report->row_total)
		fprintf(stream, "... %zu more rows; --top 0 shows all\n", report->row_total - report->row_count);
	print_outside(&writer);
}
