/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <stdlib.h>

#include "cli.h"
#include "escape/escape_functions.h"
#include "escape/escape_parser.h"
#include "record/top_model.h"
#include "recording.h"
#include "render/render_top.h"
#include "text/terminal.h"
#include "top_screen.h"

static const char *const grouping_names[] = {"site", "function", "type", "size-class", NULL};
static const enum report_by groupings[] = {BY_SITE, BY_FUNCTION, BY_TYPE, BY_SIZE_CLASS};

enum { BATCH_ROWS = 10, UNSET = -1 };

struct arguments {
	struct recording recording;
	const char *escape, *source, *output;
	struct option_list modules;
	int by, sort, color;
	int64_t top;
	double interval;
	bool batch;
};

static struct arguments given = {.recording = RECORDING_DEFAULTS,
				 .output = "escapement-top.pb.gz",
				 .sort = UNSET,
				 .interval = 1,
				 .top = BATCH_ROWS};

static const struct option_row rows[] = {
	{'p', "pid", "PID", OPTION_PID, &given.recording.pid, "attach to this running process", NULL},
	{0, "name", "NAME", OPTION_STRING, &given.recording.name,
	 "attach to the only process of that name, instead of -p", NULL},
	{0, "user", "NAME", OPTION_STRING, &given.recording.user, RECORDING_USER_HELP, NULL},
	{0, "no-follow", NULL, OPTION_FLAG, &given.recording.no_follow,
	 "do not observe processes that the program starts", NULL},
	{0, NULL, NULL, NULL, NULL, "what to show", NULL},
	{0, "interval", "TIME", OPTION_DURATION, &given.interval,
	 "time between views; longer by itself if views cost more than 0.3 % of a CPU", NULL},
	{0, "by", "KIND", OPTION_CHOICE, &given.by, "group by", grouping_names},
	{0, "sort", "VALUE", OPTION_CHOICE, &given.sort,
	 "greatest rate first of (default: bytes if measured, else refills)", profile_value_options},
	{'e', "escape", "FILE", OPTION_STRING, &given.escape,
	 "what the compiler said, the output of go build -gcflags=-m=2: adds its verdict to each row", NULL},
	{'C', "directory", "DIR", OPTION_STRING, &given.source,
	 "where the compiler ran: its relative paths start there (default: .)", NULL},
	{0, "module", "GLOB", OPTION_PACKAGES, &given.modules,
	 "packages that own allocations, by import path (default: the program's main module); may be given several "
	 "times",
	 NULL},
	{'o', "output", "FILE", OPTION_STRING, &given.output, "where the key 's' saves the profile", NULL},
	{0, "redact", NULL, OPTION_FLAG, &given.recording.redact, RECORDING_REDACT_HELP, NULL},
	{0, "color", "WHEN", OPTION_CHOICE, &given.color, "colours", terminal_color_choices},
	{0, "batch", NULL, OPTION_FLAG, &given.batch, "print a block of text at each interval; also without a terminal",
	 NULL},
	{0, "top", "N", OPTION_INTEGER, &given.top, "rows of such a block", NULL},
	{0, NULL, NULL, NULL, NULL, "how to measure", NULL},
	{0, "rate", "SIZE", OPTION_BYTES, &given.recording.rate, RECORDING_RATE_HELP, NULL},
	{0, "duration", "TIME", OPTION_DURATION, &given.recording.duration, RECORDING_DURATION_HELP, NULL},
	{0, "max-overhead", "PERCENT", OPTION_NUMBER, &given.recording.max_overhead, RECORDING_OVERHEAD_HELP, NULL},
	{0, "enable-sampler", NULL, OPTION_FLAG, &given.recording.enable_sampler, RECORDING_SAMPLER_HELP, NULL},
	{0},
};

static const struct option_usage usage = {
	.synopsis = "top [OPTIONS] (-p PID | --name NAME | -- PROGRAM [ARG...])",
	.description =
		"Shows what a process allocates now, live: rates and totals by site, function, type or size class, "
		"with growth of the heap and collections. On a terminal '?' lists the keys; a program that is "
		"started here does not get the terminal.",
	.examples = "  escapement top -p 1234\n"
		    "  escapement top --escape m2.txt --name server\n"
		    "  escapement top --batch --interval 5s --duration 1m -p 1234\n",
	.rows = rows,
};

struct top {
	struct top_display display;
	struct top_screen *screen; /* NULL: blocks of text */
	bool failed;		   /* the terminal could not be taken */
	struct error error;
};

/* The terminal is taken over when there is something to show; until then messages are visible. */
static void take_screen(struct top *top)
{
	if (!top->screen || top->failed)
		return;
	top->failed = top_screen_take(top->screen, &top->error) != 0;
	if (top->failed)
		recording_end();
}

static void choose_order(struct top *top, const struct profile *profile)
{
	if (given.sort == UNSET)
		top->display.question.sort = report_default_sort(profile);
}

static void show(void *context, const struct session_view *view)
{
	struct top *top = context;
	struct top_display *display = &top->display;

	take_screen(top);
	if (top->failed || display->frozen)
		return;
	if (!top_model_profile(display->model))
		choose_order(top, view->profile);
	top_model_add(display->model, view);
	if (top->screen) {
		top_screen_update(top->screen);
		return;
	}
	if (!top_model_sums(display->model, 1))
		return; /* no rates yet */
	display->rows = top_model_rows(display->model, &display->question, &display->count);
	render_top_block(stdout, display, given.top ? (size_t)given.top : SIZE_MAX, terminal_width(stdout));
	if (fflush(stdout))
		recording_end(); /* the reader is gone */
}

static void on_progress(void *context, const struct session_progress *progress)
{
	struct top *top = context;

	(void)progress;
	if (top->screen && !top_screen_keys(top->screen))
		recording_end();
}

/* Shows the last view after the recording has ended. */
static void show_end(struct top *top, const struct profile *profile)
{
	struct session_view view = {.profile = profile, .seconds = (double)profile->duration_ns / 1e9};
	const struct top_sums *sums = top_model_sums(top->display.model, 0);
	const struct profile_process *process = profile->process_count ? &profile->processes[0] : NULL;
	char why[128];

	view.collections = sums ? sums->collections : VALUE_UNMEASURED;
	if (recording_is_ending() || top->failed)
		return;
	if (!sums)
		choose_order(top, profile);
	take_screen(top);
	if (top->failed)
		return;
	top_model_add(top->display.model, &view);
	if (!top->screen) {
		top->display.rows = top_model_rows(top->display.model, &top->display.question, &top->display.count);
		render_top_block(stdout, &top->display, given.top ? (size_t)given.top : SIZE_MAX,
				 terminal_width(stdout));
		return;
	}
	if (given.recording.duration > 0 && view.seconds >= given.recording.duration)
		snprintf(why, sizeof(why), "the recording has ended after %g s: this is its last state; q ends",
			 given.recording.duration);
	else if (profile->process_count == 1 && process)
		snprintf(why, sizeof(why), "process %d has ended: this is its last state; s saves it, q ends",
			 process->pid);
	else
		snprintf(why, sizeof(why), "the program has ended: this is its last state; s saves it, q ends");
	top_screen_linger(top->screen, why);
}

static int understand(struct top *top, bool separator, struct error *error)
{
	const char *why;

	if (given.interval < 0.1)
		return error_set(error, STATUS_USAGE, "--interval is at least 100ms");
	if (given.sort != UNSET && profile_values[given.sort].kinds & (VALUE_LIVE | VALUE_LOST))
		return error_set(error, STATUS_USAGE,
				 "cannot sort by %s: 'escapement heap' measures them, top does not",
				 profile_values[given.sort].plural);
	if (!given.batch && top_screen_is_possible(&why))
		top->screen = top_screen_new(&top->display, given.output, (enum terminal_color)given.color, separator);
	else if (!given.batch && cli_verbosity >= 0 && isatty(STDOUT_FILENO))
		cli_say("%s: blocks of text instead of a screen", why);
	given.recording.view = show;
	given.recording.progress = on_progress;
	given.recording.view_seconds = given.interval;
	given.recording.view_context = top;
	given.recording.input = top->screen ? top_screen_input(top->screen) : -1;
	top_model_set_modules(top->display.model, given.modules.values, (size_t)given.modules.count);
	return 0;
}

static int run(int argc, char **argv)
{
	struct top top = {.display = {.interval = 1}};
	struct audit_options options = {0};
	struct escape_output *compiler = NULL;
	struct profile *profile = NULL;
	char *directory = NULL;
	struct error error;
	bool separator;
	int status, first = options_parse(argc, argv, &usage, &separator);

	if (first < 0)
		return options_status(first);
	top.display.model = top_model_new();
	top.display.question = (struct top_question){
		.by = groupings[given.by], .sort = given.sort == UNSET ? VALUE_BYTES : (enum profile_value)given.sort};
	top.display.interval = given.interval;
	top.display.verdicts = given.escape != NULL;
	if ((given.escape && !(compiler = escape_read(given.escape, &error))) || understand(&top, separator, &error)) {
		status = cli_fail(&error);
	} else {
		directory = getcwd(NULL, 0);
		options.directory = given.source ? given.source : directory;
		if (compiler) {
			escape_name_functions(compiler, options.directory);
			top_model_set_escape(top.display.model, compiler, &options);
		}
		profile = recording_run(&given.recording, argc, argv, first, separator, &error);
		if (profile)
			show_end(&top, profile);
		top_screen_free(top.screen);
		if (top.failed)
			error = top.error;
		status = !profile || top.failed ? cli_fail(&error) : recording_status(&given.recording, profile);
	}
	free(directory);
	top_model_free(top.display.model);
	profile_free(profile);
	escape_free(compiler);
	return status;
}

const struct command command_top = {"top", "show live what a process allocates", run, NULL};
