/* SPDX-License-Identifier: BSD-2-Clause */
/* Prepares, builds and runs two builds of one program in turns, and removes everything that was created. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ending_signals.h"
#include "base/memory.h"
#include "base/text_compare.h"
#include "cli.h"
#include "compare.h"
#include "compare/go_line.h"
#include "compare/overlay.h"
#include "compare/revision.h"
#include "compare/toolchain.h"
#include "counted_run.h"
#include "gate/gate_enough.h"
#include "gate/gate_measure.h"
#include "gate/gate_modules.h"
#include "gate/go_test.h"

struct builds {
	struct compare_options *options;
	struct workspace workspace;
	struct repository_view *repository; /* NULL: no revisions are compared */
	struct compare_side *sides;
	char **words;
	struct sigaction pipe_before; /* what SIGPIPE did, which would leave the workspace */
	struct gate_counts
		*first[2]; /* the sides' first runs, while it is open whether these are enough; NULL: it is not */
};

static int prepare_revisions(struct builds *builds, struct error *error)
{
	const char *const revisions[2] = {builds->options->base, builds->options->head};

	builds->repository = repository_view_open(&builds->workspace, error);
	if (!builds->repository)
		return -1;
	for (int i = 0; i < 2; i++) {
		struct compare_side *side = &builds->sides[i];

		side->directory = repository_view_check_out(builds->repository, revisions[i], &side->name, error);
		if (!side->directory)
			return -1;
	}
	return 0;
}

static int prepare_overlay(struct builds *builds, struct error *error)
{
	const struct compare_options *options = builds->options;
	const char *file = options->patch ? options->patch : options->overlay;
	struct compare_side *after = &builds->sides[1];

	builds->sides[0].name = memory_text("the source as it is");
	after->name = memory_format("with %s", options->settings.redact ? text_base_name(file) : file);
	after->overlay =
		options->patch ? overlay_of_patch(&builds->workspace, file, error) : overlay_check(file, error);
	return after->overlay ? 0 : -1;
}

static int prepare_toolchains(struct builds *builds, struct error *error)
{
	const char *list = builds->options->go, *comma = strchr(list, ',');
	const struct identity *user = &builds->workspace.user;
	const char *home = user->other ? user->home : getenv("HOME");

	if (!comma || comma == list || !comma[1] || strchr(comma + 1, ','))
		return error_set(error, STATUS_USAGE, "--go takes two toolchains, such as 1.26,1.27, not '%s'", list);
	for (int i = 0; i < 2; i++) {
		struct compare_side *side = &builds->sides[i];
		char *name = i ? memory_text(comma + 1) : memory_text_of(list, (size_t)(comma - list)), *directory;
		static const char *const words[] = {"go", "env", "GOVERSION", NULL};
		struct subprocess process = workspace_command(&builds->workspace, words);

		directory = toolchain_find(name, home ? home : "/", error);
		free(name);
		if (!directory)
			return -1;
		compare_side_use_toolchain(side, directory);
		free(directory);
		process.place = compare_side_place(side);
		side->name = workspace_run(&builds->workspace, &process, error);
		if (!side->name)
			return -1;
	}
	return 0;
}

/* Checks that the program can be built in another place. */
static int check_words(const struct builds *builds, struct error *error)
{
	const struct compare_options *options = builds->options;
	struct go_line *line = go_line_read(builds->words);
	bool go = line != NULL, overlaid = line && line->flag_count && strstr(line->flags[0], "-overlay");

	go_line_free(line);
	if (overlaid && (options->overlay || options->patch))
		return error_set(error, STATUS_USAGE, "the command has an -overlay of its own");
	if (go && options->build)
		return error_set(error, STATUS_USAGE, "go test and go run build by themselves: leave out --build");
	if (!go && (options->overlay || options->patch))
		return error_set(error, STATUS_USAGE, "--patch and --overlay need go test or go run, not '%s'",
				 builds->words[0]);
	if (!go && !options->build)
		return error_set(error, STATUS_USAGE,
				 "it is unknown how to build '%s': give go test or go run, or --build COMMAND",
				 builds->words[0]);
	return 0;
}

static int prepare(struct builds *builds, struct error *error)
{
	const struct compare_options *options = builds->options;

	if (options->base)
		return prepare_revisions(builds, error);
	return options->go ? prepare_toolchains(builds, error) : prepare_overlay(builds, error);
}

static int build(struct builds *builds, struct error *error)
{
	for (int i = 0; i < 2; i++) {
		if (cli_verbosity >= 0)
			cli_say("building: %s", builds->sides[i].name);
		if (compare_side_build(&builds->sides[i], &builds->workspace, builds->words, builds->options->build,
				       error))
			return -1;
	}
	if (!builds->options->test)
		return 0;
	if (compare_side_test(&builds->sides[1], &builds->workspace, builds->words, error))
		return -1;
	cli_say("go test ./... passes: %s", builds->sides[1].name);
	return 0;
}

/* Runs one side once; unless `first` is NULL, stores there what this run alone counted. */
static int run_side(struct builds *builds, struct compare_side *side, struct gate_measurement *measurement,
		    struct gate_counts **first, struct error *error)
{
	struct compare_options *options = builds->options;
	struct profile *profile;
	struct audit *audit;

	options->recording.stays_privileged = true; /* the worktrees are removed as their user */
	options->recording.place = compare_side_place(side);
	profile = counted_run(&options->recording, side->words, gate_measurement_counts(measurement), error);
	if (!profile)
		return error_prefix(error, "%s", side->name);
	for (size_t i = 0; i < profile->warning_count; i++)
		cli_warn("%s", profile->warnings[i]);
	profile_set_modules(profile, options->modules.values, (size_t)options->modules.count);
	audit = gate_audit(profile, side->escape);
	gate_measurement_add(measurement, profile, audit);
	if (first)
		*first = gate_enough_count(side->directory, profile, audit, gate_measurement_counts(measurement));
	audit_free(audit);
	profile_free(profile);
	return 0;
}

/* A benchmark that only one side has is a result; that neither has one is a mistake in the command. */
static int check_benchmarks(const struct builds *builds, struct error *error)
{
	int before = go_test_check_benchmarks(builds->words, builds->sides[0].counts, error),
	    after = go_test_check_benchmarks(builds->words, builds->sides[1].counts, error);

	if (!before || !after)
		return 0;
	if (after > 0)
		cli_warn(GO_TEST_NO_BENCHMARK);
	return after > 0 ? 0 : -1;
}

/* Whether the first runs of both sides counted the same. */
static bool is_enough(struct builds *builds)
{
	const struct policy *policy = &builds->options->settings.policy;
	bool enough = gate_enough(builds->first[0], builds->first[1], policy) &&
		      gate_enough(builds->first[1], builds->first[0], policy);

	for (int i = 0; i < 2; i++) {
		gate_counts_free(builds->first[i]);
		builds->first[i] = NULL;
	}
	return enough;
}

/* Runs both sides in turns, as often as it takes. */
static int run_sides(struct builds *builds, struct gate_measurement *measurements[2], struct error *error)
{
	const struct compare_options *options = builds->options;
	int64_t runs = options->runs ? options->runs : options->settings.policy.runs;
	const char *normalize = options->normalize ? options->normalize : options->settings.policy.normalize;
	bool may_end = !options->runs && !normalize;

	for (int64_t run = 0; run < runs; run++) {
		for (int i = 0; i < 2; i++) {
			if (run_side(builds, &builds->sides[i], measurements[i],
				     may_end && run == 0 ? &builds->first[i] : NULL, error)) {
				gate_counts_free(builds->first[0]);
				return -1;
			}
		}
		if (may_end && run == 0 && is_enough(builds))
			break;
	}
	return 0;
}

/* Measures both sides in turns, so that other work on the machine affects both. */
static int measure(struct builds *builds, struct error *error)
{
	const struct policy *policy = &builds->options->settings.policy;
	const char *normalize = builds->options->normalize ? builds->options->normalize : policy->normalize;
	struct gate_measurement *measurements[2];
	int failed;

	builds->options->recording.go_tests = true;
	for (int i = 0; i < 2; i++) {
		measurements[i] = gate_measurement_new(builds->sides[i].directory);
		gate_measurement_keep_stacks(measurements[i], builds->options->stacks,
					     i ? CALL_TREE_NOW : CALL_TREE_BEFORE);
	}
	failed = run_sides(builds, measurements, error);
	for (int i = 0; i < 2; i++) {
		struct compare_side *side = &builds->sides[i];

		if (failed) {
			gate_measurement_free(measurements[i]);
			continue;
		}
		side->counts = gate_measurement_finish(measurements[i], normalize, error);
		failed = side->counts ? 0 : error_prefix(error, "%s", side->name);
		if (side->counts)
			gate_counts_command(side->counts, (const char *const *)builds->words);
	}
	if (failed || gate_modules_check_sides(builds->sides[0].counts, builds->sides[1].counts, error))
		return -1;
	return check_benchmarks(builds, error);
}

/* Measures Go's collector with a run of each side without probes, which would slow everything except the collector. */
static int trace(struct builds *builds, struct error *error)
{
	for (int i = 0; i < 2; i++) {
		const char *runtime = builds->sides[i].counts->runtime;

		if (!runtime || strncmp(runtime, "go1.", 4) != 0)
			return 0;
	}
	for (int i = 0; i < 2; i++) {
		if (compare_side_trace(&builds->sides[i], &builds->workspace, error))
			return error_prefix(error, "%s", builds->sides[i].name);
	}
	return 0;
}

/* Removes everything that was created. */
void compare_builds_end(struct builds *builds)
{
	struct error left;

	if (!builds)
		return;
	if (repository_view_close(builds->repository, &left))
		cli_warn("a worktree is left: %s; remove it with 'git worktree prune'", left.text);
	if (workspace_remove(&builds->workspace, &left))
		cli_warn("%s", left.text);
	sigaction(SIGPIPE, &builds->pipe_before, NULL);
	free(builds);
}

struct builds *compare_builds(struct compare_options *options, char **words, struct compare_side sides[2],
			      struct error *error)
{
	struct builds *builds = memory_zeroed(1, sizeof(*builds));
	const volatile sig_atomic_t *stop = recording_watch_signals();
	struct identity user;

	*builds = (struct builds){.options = options, .sides = sides, .words = words};
	ending_signals_write_on(SIGPIPE, &builds->pipe_before);
	if (check_words(builds, error) || identity_find(options->recording.user, &user, error) ||
	    workspace_make(&builds->workspace, &user, stop, error) || prepare(builds, error) || build(builds, error) ||
	    measure(builds, error) || trace(builds, error)) {
		compare_builds_end(builds);
		return NULL;
	}
	return builds;
}
