/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/ending_signals.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/priority.h"
#include "cli.h"
#include "heap/growth.h"
#include "heap/memory_map.h"
#include "heap/snapshot.h"
#include "heap/snapshot_ring.h"
#include "heap_when.h"
#include "options.h"
#include "recording.h"
#include "profile/pprof.h"
#include "render/render_growth.h"
#include "render/render_memory.h"
#include "reporting.h"
#include "target/core.h"
#include "target/privilege.h"
#include "target/target.h"
#include "text/terminal.h"
#include "when.h"

/* The formats of a report, and the profile itself. */
#define FORMAT_NAME(name, text, ...) text,
static const char *const formats[] = {REPORT_FORMATS(FORMAT_NAME) "pprof", NULL};
enum { AS_PPROF = sizeof(formats) / sizeof(formats[0]) - 2 };

enum { MEMORY_ROWS = 10, WAIT = 300, MAX_STOP = 10, COUNT = 10, KEEP = 8 };

static const char when_output[] = "heap.pb.gz";

static struct {
	struct reporting reporting;
	int64_t pid;
	const char *name, *core, *executable;
	bool fresh, memory, redact, heap_time, unreachable;
	double wait, interval, max_stop;
	int64_t count;
	struct option_list before;
	struct heap_when when;
} chosen = {
	.reporting = REPORTING_DEFAULTS, .wait = WAIT, .max_stop = MAX_STOP, .count = COUNT, .when = {.keep = KEEP}};

static const struct option_row rows[] = {
	{'p', "pid", "PID", OPTION_PID, &chosen.pid, "of this running process", NULL},
	{0, "name", "NAME", OPTION_STRING, &chosen.name, "of the only process of that name, instead of -p", NULL},
	{0, "core", "FILE", OPTION_STRING, &chosen.core, "of the process that this core file is of", NULL},
	{0, "exe", "FILE", OPTION_STRING, &chosen.executable,
	 "its executable, with --core (default: where the core file says it was)", NULL},
	{0, "fresh", NULL, OPTION_FLAG, &chosen.fresh,
	 "wait until what is allocated by now is counted: for two collections", NULL},
	{0, "wait", "TIME", OPTION_DURATION, &chosen.wait,
	 "the longest time to wait for a collection, with --fresh and --heap-time", NULL},
	{0, "unreachable", NULL, OPTION_FLAG, &chosen.unreachable,
	 "of a program on libgoalloc: what nothing refers to any more, directly and through other such objects; the program is "
	 "stopped while what may hold references is copied",
	 NULL},
	{0, "max-stop", "TIME", OPTION_DURATION, &chosen.max_stop, "the longest time to stop it, with --unreachable",
	 NULL},
	{0, "memory", NULL, OPTION_FLAG, &chosen.memory, "what its resident memory is, and no sites", NULL},
	{0, "redact", NULL, OPTION_FLAG, &chosen.redact, RECORDING_REDACT_HELP, NULL},
	{0, "interval", "TIME", OPTION_DURATION, &chosen.interval,
	 "which sites grow: take a snapshot each TIME, such as 30s", NULL},
	{0, "heap-time", NULL, OPTION_FLAG, &chosen.heap_time,
	 "who keeps the collector marking: bytes times collections survived, of --count collections; with --interval at "
	 "least TIME apart",
	 NULL},
	{0, "count", "N", OPTION_INTEGER, &chosen.count, "number of snapshots, with --interval and --heap-time", NULL},
	{0, "diff", "OLD", OPTION_STRINGS, &chosen.before,
	 "which sites have grown since OLD, a snapshot that --format pprof wrote; may be repeated, oldest first", NULL},
	{0, "when", "EXPR", OPTION_STRING, &chosen.when.expression,
	 "wait, keep the last snapshots as pprof files (-o, default heap.pb.gz), and end with one of the moment at which "
	 "EXPR is true; they are taken at the start, at half of the way and closer and closer to the end, and each "
	 "--interval TIME. EXPR is: " WHEN_CONDITIONS_HELP,
	 NULL},
	{0, "keep", "N", OPTION_INTEGER, &chosen.when.keep,
	 "snapshots to keep, with --when: heap.pb.gz is the newest, heap.1.pb.gz the one before", NULL},
	{0, "format", "FORMAT", OPTION_CHOICE, &chosen.reporting.format,
	 "how to write it; pprof is a file for 'escapement report' and 'go tool pprof'", formats},
	REPORTING_ROWS(chosen.reporting),
	{0},
};

static const struct option_usage usage = {
	.synopsis = "heap [OPTIONS] (-p PID | --name NAME | --core FILE)",
	.description =
		"Prints what is alive in a Go program and who allocated it, as its runtime/pprof would write it now, "
		"without a probe, a pause or a change to the program; or in a program on libgoalloc that keeps a heap profile "
		"(GOALLOC_HEAP_PROFILE=512k in its environment).",
	.examples = "  escapement heap -p 1234\n"
		    "  escapement heap --name server --by function --top 10\n"
		    "  escapement heap -p 1234 --interval 30s --count 10\n"
		    "  escapement heap -p 1234 --unreachable --by stack\n"
		    "  escapement heap -p 1234 --heap-time --count 100\n"
		    "  escapement heap -p 1234 --format pprof -o heap.pb.gz\n"
		    "  escapement heap -p 1234 --when 'cgroup>90%,oom' -o heap.pb.gz\n"
		    "  escapement report --by stack --focus main.handle heap.pb.gz\n"
		    "  escapement heap --core core.1234 --exe ./server\n",
	.rows = rows,
};

/* Nonzero after Ctrl-C and its like, where there is something to write then; elsewhere these end the command. */
static const volatile sig_atomic_t not_stopped;
static const volatile sig_atomic_t *stopped = &not_stopped;

/* Options that belong to others. */
static int check_companions(struct error *error)
{
	const struct {
		const char *name, *with;
		bool given, applies;
	} companions[] = {
		{"--exe", "--core", chosen.executable != NULL, chosen.core != NULL},
		{"--max-stop", "--unreachable", chosen.max_stop != MAX_STOP, chosen.unreachable},
		{"--wait", "--fresh and --heap-time", chosen.wait != WAIT, chosen.fresh || chosen.heap_time},
		{"--count", "--interval and --heap-time", chosen.count != COUNT,
		 (chosen.interval > 0 && !chosen.when.expression) || chosen.heap_time},
		{"--keep", "--when", chosen.when.keep != KEEP, chosen.when.expression != NULL},
	};

	for (size_t i = 0; i < sizeof(companions) / sizeof(companions[0]); i++) {
		if (companions[i].given && !companions[i].applies)
			return error_set(error, STATUS_USAGE, "%s goes with %s", companions[i].name,
					 companions[i].with);
	}
	return 0;
}

static int choose_target(int argc, char **argv, int first, struct error *error)
{
	if ((chosen.pid != 0) + (chosen.name != NULL) + (chosen.core != NULL) != 1)
		return error_set(error, STATUS_USAGE, "give one of -p PID, --name NAME and --core FILE");
	if (chosen.core &&
	    (chosen.fresh || chosen.memory || chosen.interval > 0 || chosen.heap_time || chosen.unreachable))
		return error_set(error, STATUS_USAGE, "%s needs a live process, not --core",
				 chosen.fresh	      ? "--fresh"
				 : chosen.unreachable ? "--unreachable"
				 : chosen.heap_time   ? "--heap-time"
				 : chosen.memory      ? "--memory"
						      : "--interval");
	if (first < argc)
		return options_unexpected(argv[first], chosen.pid > 0, error);
	if (chosen.name) {
		chosen.pid = target_find(chosen.name, error);
		if (chosen.pid < 0)
			return -1;
	}
	if (chosen.pid > INT32_MAX)
		return error_set(error, STATUS_CANNOT_MEASURE, "no process with PID %" PRId64, chosen.pid);
	return 0;
}

/* Waits for two collections, if that was asked for. */
static int wait_fresh(struct heap_process *process, struct error *error)
{
	int missing;

	if (!chosen.fresh)
		return 0;
	stopped = recording_watch_signals();
	missing = heap_wait_fresh(process, chosen.wait, stopped, error);
	recording_unwatch_signals();
	if (missing > 0)
		cli_warn("%d of the 2 collections that --fresh waits for did not come: what was allocated since the "
			 "last one is not counted",
			 missing);
	return missing < 0 ? -1 : 0;
}

static int write_snapshot(struct profile *profile, const char *name, struct error *error)
{
	if (chosen.reporting.format != AS_PPROF)
		return reporting_write(&chosen.reporting, profile, name, error);
	profile_set_modules(profile, chosen.reporting.modules.values, (size_t)chosen.reporting.modules.count);
	return pprof_write(profile, chosen.reporting.output, error);
}

/* --- memory --- */

static void write_memory(const struct memory_map *map, FILE *stream)
{
	bool color = terminal_has_color((enum terminal_color)chosen.reporting.color, stream);
	size_t top = chosen.reporting.top == REPORTING_UNSET ? MEMORY_ROWS : (size_t)chosen.reporting.top;

	if (chosen.reporting.format == REPORT_JSON)
		render_memory_json(stream, map, (int)chosen.pid);
	else
		render_memory_text(stream, map, color, top);
}

static int show_memory(struct heap_process *process, struct error *error)
{
	struct memory_map map;
	struct output output;

	if (memory_map_read(process, &map, error) || output_open(&output, chosen.reporting.output, error))
		return -1;
	write_memory(&map, output.stream);
	return output_commit(&output, error);
}

/* Prints the lines of the memory after the sites. */
static void append_memory(void *context, FILE *stream)
{
	fputc('\n', stream);
	render_memory_lines(stream, context, terminal_has_color((enum terminal_color)chosen.reporting.color, stream));
}

/* Prints the snapshot and, as text, what the memory is. If there is no snapshot, prints only the latter, which is
 * exact and needs no sampler. */
static int show_snapshot(struct heap_process *process, struct error *error)
{
	bool text = chosen.reporting.format == REPORT_TEXT && !chosen.core && !chosen.unreachable;
	struct profile *profile;
	struct memory_map map;
	struct error none;
	int result;

	if (text && memory_map_read(process, &map, &none) == 0) {
		chosen.reporting.append = append_memory;
		chosen.reporting.append_context = &map;
	}
	profile =
		chosen.unreachable ? heap_unreachable(process, chosen.max_stop, error) : heap_snapshot(process, error);
	if (profile) {
		result = write_snapshot(profile, heap_process_name(process), error);
		profile_free(profile);
		return result;
	}
	if (chosen.reporting.append)
		show_memory(process, &none);
	return -1;
}

/* --- growth --- */

static struct growth_style style_for(FILE *stream)
{
	return (struct growth_style){
		.top = chosen.reporting.top == REPORTING_UNSET ? 30 : (size_t)chosen.reporting.top,
		.width = terminal_width(stream),
		.color = terminal_has_color((enum terminal_color)chosen.reporting.color, stream),
	};
}

static void render(FILE *stream, const struct heap_time *found)
{
	struct growth_style style = style_for(stream);
	bool json = chosen.reporting.format == REPORT_JSON;

	if (chosen.heap_time && json)
		render_heap_time_json(stream, found);
	else if (chosen.heap_time)
		render_heap_time_text(stream, found, &style);
	else if (json)
		render_growth_json(stream, found->growth, found->last);
	else
		render_growth_text(stream, found->growth, found->last, &style);
}

/* Writes growth, of which `found` has no more, or heap time. */
static int write_found(const struct heap_time *found, struct error *error)
{
	struct output output;

	if (output_open(&output, chosen.reporting.output, error))
		return -1;
	render(output.stream, found);
	return output_commit(&output, error);
}

/* Sleeps, until Ctrl-C. */
static void wait_interval(void)
{
	struct timespec left = {(time_t)chosen.interval, (long)(fmod(chosen.interval, 1) * 1e9)};

	while (!*stopped && nanosleep(&left, &left) && errno == EINTR)
		;
}

static void add_snapshot(struct growth *growth, struct profile *profile)
{
	profile_set_modules(profile, chosen.reporting.modules.values, (size_t)chosen.reporting.modules.count);
	growth_add(growth, profile);
}

/* Waits until the next snapshot is due. False if there is none any more, with the error's text empty if nothing failed. */
static bool wait_next(struct heap_process *process, struct error *error)
{
	int found = 1;

	error->text[0] = 0;
	if (chosen.interval > 0)
		wait_interval();
	if (chosen.heap_time && !*stopped)
		found = heap_wait_collection(process, chosen.wait, stopped, error);
	if (!found && !*stopped)
		error_set(error, STATUS_CANNOT_MEASURE, "no collection came within %g s (--wait)", chosen.wait);
	return found > 0 && !*stopped;
}

/* Takes all snapshots after the first one, for heap time until so many collections were observed. If the process ends or no
 * collection comes before, *why says so, and the result is that of the snapshots until then. Returns the last snapshot. */
static struct profile *watch(struct heap_process *process, struct growth *growth, struct profile *last,
			     struct error *why)
{
	const char *unit = chosen.heap_time ? "collection" : "snapshot";
	int64_t done = chosen.heap_time ? (int64_t)growth->snapshots : 1;

	why->text[0] = 0;
	stopped = recording_watch_signals();
	while (done < chosen.count && !*stopped) {
		struct profile *next;

		if (cli_verbosity >= 0 && isatty(STDERR_FILENO))
			fprintf(stderr, "\r%s %" PRId64 " of %" PRId64 "\033[K", unit, done, chosen.count);
		next = wait_next(process, why) ? heap_snapshot(process, why) : NULL;
		if (!next && !*stopped && done)
			cli_warn("%s; what follows is of %" PRId64 " %s%s", why->text, done, unit,
				 done == 1 ? "" : "s");
		if (!next)
			break;
		profile_free(last);
		last = next;
		add_snapshot(growth, last);
		done = chosen.heap_time ? (int64_t)growth->snapshots : done + 1;
		if (cli_verbosity > 0)
			cli_say("snapshot of collection %" PRId64, last->collections);
	}
	recording_unwatch_signals();
	if (cli_verbosity >= 0 && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return last;
}

/* The snapshots that were taken before. */
static int read_before(struct growth *growth, struct error *error)
{
	int64_t newest = 0;

	for (int i = 0; i < chosen.before.count; i++) {
		const char *path = chosen.before.values[i];
		struct profile *profile = pprof_read(path, error);
		bool snapshot = profile && profile->snapshot, in_order = snapshot && profile->start_ns >= newest;

		if (in_order) {
			newest = profile->start_ns;
			add_snapshot(growth, profile);
		} else if (snapshot) {
			error_set(error, STATUS_USAGE, "snapshot '%s' is older than '%s': give --diff the oldest first",
				  path, chosen.before.values[i - 1]);
		} else if (profile) {
			error_set(error, STATUS_USAGE,
				  "profile '%s' is not a heap snapshot; 'escapement heap --format pprof' writes one",
				  path);
		}
		profile_free(profile);
		if (!in_order)
			return -1;
	}
	return 0;
}

static int show_growth(struct heap_process *process, struct error *error)
{
	struct growth *growth = growth_new((enum report_by)chosen.reporting.by);
	struct profile *last = read_before(growth, error) ? NULL : heap_snapshot(process, error);
	struct error why;
	int result = -1;

	if (last) {
		add_snapshot(growth, last);
		if (chosen.interval > 0)
			last = watch(process, growth, last, &why);
		growth_finish(growth);
		result = write_found(&(struct heap_time){.growth = growth, .last = last}, error);
	}
	profile_free(last);
	growth_free(growth);
	return result;
}

/* --- heap time --- */

/* Observes collections from the first snapshot on, which *last is, and writes what was found. */
static int observe_heap_time(struct heap_process *process, struct growth *growth, struct profile **last,
			     struct error *error)
{
	struct heap_collector from = heap_collector_read(process), to;
	struct heap_time found = {.growth = growth};
	struct error why;

	if ((*last)->collections == VALUE_UNMEASURED)
		return error_set(
			error, STATUS_CANNOT_MEASURE,
			"heap time is bytes times collections, and process %d (%s) has no collector; --interval "
			"shows what grows",
			(int)chosen.pid, heap_process_name(process));
	add_snapshot(growth, *last);
	if (cli_verbosity > 0)
		cli_say("snapshot of collection %" PRId64, (*last)->collections);
	found.last = *last = watch(process, growth, *last, &why);
	to = heap_collector_read(process);
	growth_finish(growth);
	growth_sort_by_heap_time(growth);
	found.since_start = to.share >= 0 ? to.share : from.share;
	found.meanwhile = heap_collector_share(&from, &to);
	return growth->snapshots ? write_found(&found, error)
				 : error_set(error, STATUS_CANNOT_MEASURE, "heap time is not known: %s",
					     why.text[0] ? why.text : "stopped before a collection came");
}

static int show_heap_time(struct heap_process *process, struct error *error)
{
	struct growth *growth = growth_new((enum report_by)chosen.reporting.by);
	struct profile *last = heap_snapshot(process, error);
	int result = last ? observe_heap_time(process, growth, &last, error) : -1;

	profile_free(last);
	growth_free(growth);
	return result;
}

static bool wants_growth(void)
{
	return chosen.interval > 0 || chosen.before.count || chosen.heap_time;
}

/* The option that asks for it. */
static const char *growth_option(void)
{
	return chosen.heap_time ? "--heap-time" : chosen.before.count ? "--diff" : "--interval";
}

/* Checks the options of growth: it is printed as text or JSON, and its rows need a name that is the same in each
 * snapshot. */
static int check_growth(struct error *error)
{
	const struct reporting *reporting = &chosen.reporting;
	const char *subject = chosen.heap_time ? "heap time" : "growth";

	if (chosen.unreachable && (wants_growth() || chosen.memory || chosen.fresh))
		return error_set(error, STATUS_USAGE, "--unreachable is of a single instant: %s does not go with it",
				 chosen.memory	? "--memory"
				 : chosen.fresh ? "--fresh"
						: growth_option());
	if (chosen.unreachable && chosen.max_stop <= 0)
		return error_set(error, STATUS_USAGE, "--max-stop must be more than 0");
	if (chosen.memory && (wants_growth() || (reporting->format != REPORT_TEXT && reporting->format != REPORT_JSON)))
		return error_set(error, STATUS_USAGE, "--memory is text or json, and of a single instant");
	if (!wants_growth())
		return 0;
	if (reporting->format != REPORT_TEXT && reporting->format != REPORT_JSON)
		return error_set(error, STATUS_USAGE, "%s is text or json: --format %s does not go with %s", subject,
				 formats[reporting->format], growth_option());
	if (chosen.heap_time && chosen.before.count)
		return error_set(error, STATUS_USAGE, "--heap-time is of a live process: --diff does not go with it");
	if (reporting->by == BY_STACK || reporting->selection.focus || reporting->selection.callers)
		return error_set(error, STATUS_USAGE,
				 "%s is by site, frame, function, type or size class: %s does not go with %s", subject,
				 reporting->by == BY_STACK    ? "--by stack"
				 : reporting->selection.focus ? "--focus"
							      : "--callers",
				 growth_option());
	if (chosen.heap_time && chosen.count < 1)
		return error_set(error, STATUS_USAGE, "heap time needs a collection: give --count 1 or more");
	if (!chosen.heap_time && !chosen.before.count && chosen.count < 2)
		return error_set(error, STATUS_USAGE, "growth needs two snapshots: give --count 2 or more");
	return 0;
}

/* --- a trigger --- */

static int check_when(struct error *error)
{
	const struct reporting *reporting = &chosen.reporting;
	const char *other = chosen.core			   ? "--core"
			    : chosen.fresh		   ? "--fresh"
			    : chosen.memory		   ? "--memory"
			    : chosen.unreachable	   ? "--unreachable"
			    : chosen.heap_time		   ? "--heap-time"
			    : chosen.before.count	   ? "--diff"
			    : reporting->selection.focus   ? "--focus"
			    : reporting->selection.callers ? "--callers"
							   : NULL;

	if (!chosen.when.expression)
		return 0;
	if (other)
		return error_set(error, STATUS_USAGE,
				 "--when takes snapshots of a live process as files: %s does not go "
				 "with it",
				 other);
	if (reporting->format != REPORT_TEXT && reporting->format != AS_PPROF)
		return error_set(error, STATUS_USAGE,
				 "--when writes pprof files, which 'escapement report' turns into %s",
				 formats[reporting->format]);
	chosen.reporting.format = AS_PPROF;
	if (strcmp(chosen.reporting.output, "-") == 0)
		chosen.reporting.output = when_output;
	chosen.when.output = chosen.reporting.output;
	chosen.when.interval = chosen.interval;
	chosen.when.modules = &chosen.reporting.modules;
	chosen.interval = 0;
	return snapshot_ring_check(chosen.when.output, (size_t)chosen.when.keep, error);
}

static int wait_for_trigger(struct heap_process *process, struct memory_watch *watch, struct error *error)
{
	ending_signals_write_on(SIGPIPE, NULL); /* snapshots go to files */
	return heap_when(process, (int)chosen.pid, watch, &chosen.when, recording_watch_signals(), error);
}

/* --- one of these --- */

static int look(struct target *target, struct memory_watch *watch, struct error *error)
{
	struct heap_process *process = heap_process_open(target, error);
	int result = -1;

	if (process)
		heap_process_redact(process, chosen.redact);
	if (process && watch)
		result = wait_for_trigger(process, watch, error);
	else if (process && wait_fresh(process, error) == 0)
		result = chosen.memory	    ? show_memory(process, error)
			 : chosen.heap_time ? show_heap_time(process, error)
			 : wants_growth()   ? show_growth(process, error)
					    : show_snapshot(process, error);
	heap_process_close(process);
	return result;
}

static int run(int argc, char **argv)
{
	int result, first = options_parse(argc, argv, &usage, NULL);
	struct memory_watch *watch = NULL;
	struct target *target;
	struct error error;

	if (first < 0)
		return options_status(first);
	if (chosen.when.expression && when_parse(chosen.when.expression, &chosen.when.trigger))
		return STATUS_USAGE;
	if (check_companions(&error) || choose_target(argc, argv, first, &error) || check_when(&error))
		return cli_fail(&error);
	if ((chosen.reporting.format != AS_PPROF && reporting_settle(&chosen.reporting, &error)) ||
	    check_growth(&error))
		return cli_fail(&error);
	if (chosen.reporting.format == AS_PPROF && strcmp(chosen.reporting.output, "-") == 0 && isatty(STDOUT_FILENO)) {
		cli_say("a pprof file is not for a terminal: -o FILE writes it elsewhere");
		return STATUS_USAGE;
	}
	target = chosen.core ? core_open(chosen.core, chosen.executable, &error) : target_open((int)chosen.pid, &error);
	if (target && chosen.when.expression) {
		priority_raise(); /* who allocates until memory is out leaves little time to others */
		watch = when_open((int)chosen.pid, &chosen.when.trigger, false, &error);
	}
	if (!target || (chosen.when.expression && !watch)) {
		target_close(target);
		return cli_fail(&error);
	}
	if (privilege_keep(PRIVILEGE_READ | PRIVILEGE_WRITE | (chosen.unreachable ? PRIVILEGE_PRIORITY : 0)))
		cli_warn("heap could not give up its privileges: %m");
	result = look(target, watch, &error);
	memory_watch_close(watch);
	target_close(target);
	return result ? cli_fail(&error) : STATUS_OK;
}

const struct command command_heap = {"heap", "what is alive in a live process, and who allocated it", run, NULL};
