/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/metrics.h"

#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "target/procfs.h"

enum { READ_TRIES = 10000 };

/* Shared with the server. The agent writes, and the number is odd while it does. */
struct page {
	_Atomic uint32_t sequence;
	uint32_t length;
	char text[METRICS_TEXT_MAX];
};

struct metrics {
	struct page *page;
	struct metrics_part sums[METRICS_PROCESSES]; /* of each process that is watched */
	size_t count;
};

/* The counters and gauges that a process has beside its values. */
#define METRICS(ROW)                                                                                             \
	ROW("observed_seconds_total", "counter", "Time for which the process was observed.", seconds, SECONDS)   \
	ROW("cpu_seconds_total", "counter", "CPU time that it used meanwhile.", cpu_seconds, SECONDS)            \
	ROW("overhead_seconds_total", "counter", "CPU time that probes cost it meanwhile, estimated.",           \
	    overhead_seconds, SECONDS)                                                                           \
	ROW("lost_events_total", "counter", "Events that were lost.", lost_events, COUNT)                        \
	ROW("lost_stacks_total", "counter", "Events that were counted without their stack.", lost_stacks, COUNT) \
	ROW("heap_in_use_bytes", "gauge", "HeapInuse of its runtime at the end of the last window.", heap_in_use, COUNT)

enum metric_kind { SECONDS, COUNT };
static const struct metric {
	const char *name, *type, *help;
	size_t offset;
	enum metric_kind kind;
} table[] = {
#define METRIC_ROW(name, type, help, member, kind) {name, type, help, offsetof(struct metrics_part, member), kind},
	METRICS(METRIC_ROW)
#undef METRIC_ROW
};
_Static_assert(sizeof(table) / sizeof(table[0]) + VALUE_COUNT <= METRICS_SERIES, "the text has room for all series");

struct metrics *metrics_new(void)
{
	struct metrics *metrics = memory_zeroed(1, sizeof(*metrics));

	metrics->page = mmap(NULL, sizeof(*metrics->page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (metrics->page == MAP_FAILED)
		memory_out();
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	munmap(metrics->page, sizeof(*metrics->page));
	free(metrics);
}

int metrics_only_read(const struct metrics *metrics)
{
	return mprotect(metrics->page, sizeof(*metrics->page), PROT_READ);
}

void metrics_add(struct metrics *metrics, const struct metrics_part *part)
{
	struct metrics_part *sum = NULL;

	for (size_t i = 0; i < metrics->count && !sum; i++) {
		if (metrics->sums[i].pid == part->pid && metrics->sums[i].started == part->started)
			sum = &metrics->sums[i];
	}
	if (!sum) {
		if (metrics->count < METRICS_PROCESSES)
			metrics->sums[metrics->count++] = *part;
		return;
	}
	if (strcmp(sum->service, part->service) != 0 || strcmp(sum->build, part->build) != 0) {
		*sum = *part; /* by exec it is another program now, and nothing of the old one is alive */
		return;
	}
	sum->seconds += part->seconds;
	sum->cpu_seconds += part->cpu_seconds;
	sum->overhead_seconds += part->overhead_seconds;
	for (int value = 0; value < VALUE_COUNT; value++)
		sum->values[value] = profile_add_measured(sum->values[value], part->values[value]);
	sum->lost_events = profile_add_measured(sum->lost_events, part->lost_events);
	sum->lost_stacks = profile_add_measured(sum->lost_stacks, part->lost_stacks);
	sum->heap_in_use = part->heap_in_use;
}

static bool is_watched(const struct metrics_part *sum, const struct agent_config *config, const struct watched *watched,
		       int count)
{
	for (int i = 0; i < count; i++) {
		if (watched[i].pid == sum->pid && watched[i].started == sum->started)
			return strncmp(config->watches[watched[i].watch].service, sum->service,
				       sizeof(sum->service) - 1) == 0;
	}
	return false;
}

void metrics_keep(struct metrics *metrics, const struct agent_config *config, const struct watched *watched, int count)
{
	size_t kept = 0;

	for (size_t i = 0; i < metrics->count; i++) {
		if (is_watched(&metrics->sums[i], config, watched, count))
			metrics->sums[kept++] = metrics->sums[i];
	}
	metrics->count = kept;
}

/* Rates of what has ended are nobody's, and one more process would be one more series for ever. */
static void forget_ended(struct metrics *metrics)
{
	size_t kept = 0;

	for (size_t i = 0; i < metrics->count; i++) {
		if (procfs_start_time(metrics->sums[i].pid) == metrics->sums[i].started)
			metrics->sums[kept++] = metrics->sums[i];
	}
	metrics->count = kept;
}

/* A label's value: Prometheus's escapes, and no byte that is not a character of its own. */
static void put_label(FILE *stream, const char *name, const char *value)
{
	fprintf(stream, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", stream);
		else if (*value == '"' || *value == '\\')
			fprintf(stream, "\\%c", *value);
		else
			putc((unsigned char)*value < ' ' || (unsigned char)*value >= 0x7f ? '?' : *value, stream);
	}
	putc('"', stream);
}

static void put_name(FILE *stream, const char *name, const struct metrics_part *part)
{
	fprintf(stream, "escapement_%s{", name);
	put_label(stream, "service", part->service);
	putc(',', stream);
	put_label(stream, "build", part->build);
	putc(',', stream);
	put_label(stream, "comm", part->comm);
	fprintf(stream, ",pid=\"%d\"} ", part->pid);
}

static void put_head(FILE *stream, const char *name, const char *type, const char *help)
{
	fprintf(stream, "# HELP escapement_%s %s\n# TYPE escapement_%s %s\n", name, help, name, type);
}

static void put_metric(FILE *stream, const struct metrics *metrics, const struct metric *metric)
{
	put_head(stream, metric->name, metric->type, metric->help);
	for (size_t i = 0; i < metrics->count; i++) {
		const void *member = (const char *)&metrics->sums[i] + metric->offset;

		if (metric->kind == COUNT && *(const int64_t *)member == VALUE_UNMEASURED)
			continue;
		put_name(stream, metric->name, &metrics->sums[i]);
		if (metric->kind == COUNT)
			fprintf(stream, "%" PRId64 "\n", *(const int64_t *)member);
		else
			fprintf(stream, "%.6f\n", *(const double *)member);
	}
}

static void put_values(FILE *stream, const struct metrics *metrics)
{
	for (int value = -1; (value = profile_value_next(value, VALUE_SHOWN)) < VALUE_COUNT;) {
		char *name = memory_format("%s_total", profile_values[value].key);
		char *help = memory_format("Allocated meanwhile: %s, exactly.", profile_values[value].plural);

		put_head(stream, name, "counter", help);
		for (size_t i = 0; i < metrics->count; i++) {
			if (metrics->sums[i].values[value] == VALUE_UNMEASURED)
				continue;
			put_name(stream, name, &metrics->sums[i]);
			fprintf(stream, "%" PRId64 "\n", metrics->sums[i].values[value]);
		}
		free(name);
		free(help);
	}
}

/* The groups that have failed, which are being printed. */
struct groups {
	FILE *stream;
	const struct agent_config *config;
	int count;
};

static void put_group(void *context, uid_t user, size_t watch, unsigned failures)
{
	struct groups *groups = context;
	char name[METRICS_NAME];

	if (watch >= groups->config->watch_count || groups->count++ >= METRICS_GROUPS)
		return;
	snprintf(name, sizeof(name), "%s", groups->config->watches[watch].service);
	fputs("escapement_agent_group_failures{", groups->stream);
	put_label(groups->stream, "service", name);
	fprintf(groups->stream, ",uid=\"%u\"} %u\n", user, failures);
}

static void put_agent(FILE *stream, const struct metrics_agent *agent)
{
	struct groups groups = {stream, agent->config, 0};
	char name[METRICS_NAME];

	snprintf(name, sizeof(name), "%s", agent->host);
	put_head(stream, "agent_info", "gauge", "The agent.");
	fputs("escapement_agent_info{", stream);
	put_label(stream, "host", name);
	fputs(",version=\"" ESCAPEMENT_VERSION "\"} 1\n", stream);
	put_head(stream, "agent_spool_windows", "gauge", "Windows that wait for the store.");
	fprintf(stream, "escapement_agent_spool_windows %" PRIu64 "\n", agent->spool.windows);
	put_head(stream, "agent_spool_bytes", "gauge", "Their bytes.");
	fprintf(stream, "escapement_agent_spool_bytes %" PRIu64 "\n", agent->spool.bytes);
	put_head(stream, "agent_dropped_windows_total", "counter",
		 "Windows that were dropped since the spool was made.");
	fprintf(stream, "escapement_agent_dropped_windows_total %" PRIu64 "\n", agent->spool.dropped);
	put_head(stream, "agent_failed_windows_total", "counter",
		 "Windows that were lost because their process did not end well.");
	fprintf(stream, "escapement_agent_failed_windows_total %" PRIu64 "\n", agent->failed);
	put_head(stream, "agent_group_failures", "gauge",
		 "Windows and searches that what a user runs as a service has ended lately.");
	if (agent->setbacks)
		setbacks_groups(agent->setbacks, put_group, &groups);
}

void metrics_publish(struct metrics *metrics, const struct metrics_agent *agent)
{
	struct page *page = metrics->page;
	size_t length;
	char *text;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		memory_out();
	forget_ended(metrics);
	put_agent(stream, agent);
	put_values(stream, metrics);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		put_metric(stream, metrics, &table[i]);
	if (fclose(stream))
		memory_out();
	if (length > sizeof(page->text)) /* there is room for all; if not, no number is better than an old one */
		length = 0;
	atomic_fetch_add(&page->sequence, 1);
	memcpy(page->text, text, length);
	page->length = (uint32_t)length;
	atomic_fetch_add(&page->sequence, 1);
	free(text);
}

char *metrics_text(const struct metrics *metrics, size_t *length)
{
	const struct page *page = metrics->page;

	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t before = atomic_load(&page->sequence);
		uint32_t size = page->length;
		char *copy;

		if (before % 2 || size > sizeof(page->text)) {
			sched_yield();
			continue;
		}
		copy = memory_zeroed((size_t)size + 1, 1);
		memcpy(copy, page->text, size);
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load(&page->sequence) == before) {
			*length = size;
			return copy;
		}
		free(copy);
	}
	return NULL;
}
