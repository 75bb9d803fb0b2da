/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap of a process on libgoalloc: its heap profile, spans and counters. It has no collector: what is freed is not alive
 * at once. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/count.h"
#include "base/memory.h"
#include "heap/lost_rows.h"
#include "heap/memory_map.h"
#include "heap/process.h"
#include "heap/snapshot.h"
#include "profile/size_class.h"
#include "runtime/goalloc_counters.h"
#include "runtime/goalloc_rows.h"
#include "runtime/goalloc_spans.h"
#include "runtime/runtime.h"
#include "target/core.h"

struct heap_process_of_goalloc {
	struct heap_process process;
	struct runtime *goalloc;
	struct goalloc_counters counters;
};

static struct heap_process_of_goalloc *of_goalloc(const struct heap_process *process)
{
	return (struct heap_process_of_goalloc *)process;
}

static int read_layout(struct heap_process *process, bool *ready, struct error *error)
{
	struct goalloc_counters *counters = &of_goalloc(process)->counters;
	struct error refusal = {0};

	if (goalloc_layout_read(&counters->layout, process->target, counters->description, ready, &refusal))
		return heap_cannot_read(process, &refusal, error);
	return 0;
}

/* The same of a process that has allocated something. */
static int read_ready_layout(struct heap_process *process, struct error *error)
{
	bool ready;

	if (read_layout(process, &ready, error))
		return -1;
	return ready ? 0
		     : error_set(error, STATUS_CANNOT_MEASURE,
				 "process %d (%s) has allocated nothing by libgoalloc yet", process->target->pid,
				 process->target->comm);
}

/* --- a row becomes a sample --- */

static const struct profile_stack *stack_of(struct heap_builder *builder, const struct goalloc_row *row)
{
	struct runtime *runtime = of_goalloc(builder->process)->goalloc;
	struct event_key key = {.site = row->site};
	struct event_stack stack = {.depth = (uint32_t)row->depth, .truncated = row->truncated != 0};

	_Static_assert(EVENT_STACK_MAX >= GOALLOC_STACK_MAX, "a stack of a row fits");
	memcpy(stack.pcs, row->pcs, row->depth * sizeof(row->pcs[0]));
	runtime->ops->remember(runtime, builder->process->target, &key);
	return runtime->ops->stack(runtime, builder->space, builder->profile, &key, &stack);
}

static void add_rows(struct heap_builder *builder, struct goalloc_rows *rows)
{
	const struct goalloc_row *row;

	while ((row = goalloc_rows_next(rows))) {
		int64_t allocated = (int64_t)row->counts[GOALLOC_ROW_ALLOCATED];
		struct heap_sample sample = {.size = GOALLOC_OBJECT_SIZE(row->key),
					     .span_class = (int)GOALLOC_OBJECT_SPAN_CLASS(row->key),
					     .allocated = allocated,
					     .live = allocated - (int64_t)row->counts[GOALLOC_ROW_FREED],
					     .stack = stack_of(builder, row)};

		heap_builder_add(builder, &sample);
	}
}

static void warn(struct profile *profile, const struct goalloc_rows *rows)
{
	if (rows->changed)
		profile_warn(profile,
			     "objects were allocated or freed %" PRIu64
			     " times while the rows were read: they are not all of one moment",
			     rows->changed);
	if (rows->lost)
		profile_warn(profile, "%" PRIu64 " sampled objects are in no row: the process had no memory for them",
			     rows->lost);
}

static int without_profile(const struct heap_process *process, struct error *error)
{
	const struct target *target = process->target;

	return error_set(
		error, STATUS_CANNOT_MEASURE,
		"to see who holds its memory, start the program with GOALLOC_HEAP_PROFILE=512k in its environment, or call "
		"goalloc_start_heap_profile() in it: process %d (%s) keeps no heap profile",
		target->pid, target->comm);
}

static int fill(struct heap_builder *builder, struct error *error)
{
	struct heap_process *process = builder->process;
	struct heap_process_of_goalloc *own = of_goalloc(process);
	struct goalloc_rows rows = {0};
	struct error refusal = {0};
	int status;

	if (read_ready_layout(process, error))
		return -1;
	status = goalloc_rows_read(&rows, &own->counters.layout, process->target, &refusal);
	builder->profile->start_ns = process->target->core ? core_time_ns(process->target->core) : wall_ns();
	builder->profile->collections = VALUE_UNMEASURED;
	builder->profile->rate = (int64_t)rows.rate;
	if (status)
		heap_cannot_read(process, &refusal, error);
	else if (!rows.rate)
		status = without_profile(process, error);
	if (!status) {
		target_allow(process->target);
		add_rows(builder, &rows);
		warn(builder->profile, &rows);
	}
	if (!status && own->goalloc->refusal.text[0])
		status = heap_cannot_read(process, &own->goalloc->refusal, error);
	goalloc_rows_free(&rows);
	return status;
}

/* --- lost objects --- */

/* Shown in place of a function, for objects of which no stack was recorded. */
static const struct profile_stack *stack_of_none(struct profile *profile)
{
	const struct profile_frame frame = {.function =
						    profile_string(profile, "(allocated where nothing was sampled)")};
	const struct profile_location *location = profile_location(profile, 0, NULL, &frame, 1);

	return profile_stack(profile, &location, 1, false);
}

static void warn_of_unknown(struct profile *profile, const struct lost_rows *rows, int64_t unknown)
{
	profile->rows_exact = !unknown;
	if (!unknown)
		return;
	if (rows->rate == 1 && rows->unsettled)
		profile_warn(profile,
			     "of %" PRId64 " lost objects no stack was found: the heap profile changed whenever it was "
			     "read, or does not have them; try again when the process allocates less",
			     unknown);
	else if (rows->rate == 1)
		profile_warn(profile,
			     "of %" PRId64 " lost objects no stack was recorded: they were allocated before the heap "
			     "profile began, or it had no memory for them",
			     unknown);
	else
		profile_warn(profile,
			     "of %" PRId64 " lost objects no stack was recorded: start the program with "
			     "GOALLOC_HEAP_PROFILE=1 in its environment to see where each was allocated",
			     unknown);
}

static void add_lost(struct heap_builder *builder, struct lost_rows *rows)
{
	const struct profile_stack **stacks = memory_zeroed(rows->row_count + 1, sizeof(*stacks));
	const struct profile_stack *none = stack_of_none(builder->profile);
	int64_t unknown = 0;

	for (size_t i = 0; i < rows->count; i++) {
		const struct lost_item *item = &rows->items[i];
		const struct profile_stack **stack = &stacks[item->row];

		if (item->row && !*stack)
			*stack = stack_of(builder, rows->rows[item->row - 1]);
		unknown += item->row ? 0 : (int64_t)item->objects;
		heap_builder_add_lost(builder, item->row ? *stack : none, item->span_class, (int64_t)item->objects,
				      (int64_t)item->bytes, item->indirect);
	}
	warn_of_unknown(builder->profile, rows, unknown);
	free(stacks);
}

static int fill_unreachable(struct heap_builder *builder, double seconds, struct error *error)
{
	struct heap_process *process = builder->process;
	struct heap_process_of_goalloc *own = of_goalloc(process);
	struct profile *profile = builder->profile;
	struct lost_objects lost = {0};
	struct lost_rows rows = {0};
	struct error refusal = {0};
	int status;

	profile->start_ns = wall_ns();
	profile->collections = VALUE_UNMEASURED;
	if (read_ready_layout(process, error))
		return -1;
	status = lost_objects_find(&lost, &own->counters.layout, process->target, seconds, &refusal) ||
		 lost_rows_read(&rows, &lost, &own->counters.layout, process->target, &refusal);
	profile->rate = (int64_t)rows.rate;
	profile->duration_ns = lost.stopped_ns;
	if (status && refusal.cause)
		*error = refusal;
	else if (status)
		heap_cannot_read(process, &refusal, error);
	else
		add_lost(builder, &rows);
	if (lost.inside)
		profile_warn(
			profile,
			"threads were inside libgoalloc each of the %u times that it was stopped: what they handled "
			"counts as referred to",
			lost.stops);
	lost_rows_free(&rows);
	lost_objects_free(&lost);
	return status ? -1 : 0;
}

static void describe(const struct heap_process *process, struct profile *profile, struct profile_process *described)
{
	described->runtime = profile_string(profile, of_goalloc(process)->goalloc->version);
}

/* --- collections: there are none --- */

static int wait_collection(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
			   struct error *error)
{
	(void)seconds, (void)stop;
	return error_set(error, STATUS_CANNOT_MEASURE,
			 "libgoalloc, the allocator of process %d (%s), has no collector; --interval shows what grows",
			 process->target->pid, process->target->comm);
}

static int wait_fresh(struct heap_process *process, double seconds, const volatile sig_atomic_t *stop,
		      struct error *error)
{
	(void)process, (void)seconds, (void)stop, (void)error;
	return 0;
}

static struct heap_collector collector(const struct heap_process *process)
{
	(void)process;
	return (struct heap_collector){-1, -1};
}

/* --- memory --- */

static int read_spans(struct heap_process *process, struct heap_span **items, size_t *count, struct error *refusal)
{
	struct heap_process_of_goalloc *own = of_goalloc(process);
	bool ready;

	*items = NULL;
	*count = 0;
	refusal->text[0] = 0;
	if (goalloc_layout_read(&own->counters.layout, process->target, own->counters.description, &ready, refusal))
		return -1;
	return !ready ? 0 : goalloc_spans_read(&own->counters.layout, process->target, items, count, refusal);
}

static void says(struct heap_process *process, const struct heap_span *spans, size_t count, struct memory_map *map)
{
	static const struct goalloc_telling every_object = {.every_object = true};
	static const enum memory_line lines[] = {[HEAP_SPAN_IN_USE] = MEMORY_HEAP_IN_USE,
						 [HEAP_SPAN_MANUAL] = MEMORY_STACKS,
						 [HEAP_SPAN_FREE] = MEMORY_HEAP_IDLE};
	struct heap_counters counters;
	struct error refusal;

	for (size_t i = 1; i < sizeof(lines) / sizeof(lines[0]); i++)
		map->says[lines[i]] = 0;
	map->says[MEMORY_HEAP_RELEASED] = 0;
	for (size_t i = 0; i < count; i++) {
		int64_t *kept = &map->says[lines[spans[i].state]], *released = &map->says[MEMORY_HEAP_RELEASED];

		*kept = add_saturated(*kept, (int64_t)((spans[i].pages - spans[i].released) * GO_PAGE_SIZE));
		*released = add_saturated(*released, (int64_t)(spans[i].released * GO_PAGE_SIZE));
	}
	if (goalloc_counters_read(&of_goalloc(process)->counters, process->target, &every_object, &counters, &refusal))
		return;
	for (int i = 0; i < SPAN_CLASSES; i++) {
		const struct heap_class *from = &counters.classes[i];
		struct memory_class *class = &map->classes[span_class_size_class(i)];
		int64_t bytes = from->bytes - from->freed_bytes;

		class->objects += from->objects - from->freed_objects;
		class->bytes += bytes;
		class->free_bytes = class->free_bytes > bytes ? class->free_bytes - bytes : 0;
	}
}

/* --- opening --- */

static void close_goalloc(struct heap_process *process)
{
	struct heap_process_of_goalloc *own = of_goalloc(process);

	goalloc_counters_free(&own->counters);
	runtime_free(own->goalloc);
}

static const struct heap_runtime heap_runtime_goalloc = {
	.fill = fill,
	.fill_unreachable = fill_unreachable,
	.describe = describe,
	.wait_collection = wait_collection,
	.wait_fresh = wait_fresh,
	.collector = collector,
	.spans = read_spans,
	.says = says,
	.close = close_goalloc,
};

struct heap_process *heap_of_goalloc(struct target *target, bool *absent, struct error *error)
{
	struct runtime *runtime = runtime_goalloc_detect(target, absent, error);
	struct heap_process_of_goalloc *own;

	if (!runtime)
		return NULL;
	*absent = false;
	own = memory_zeroed(1, sizeof(*own));
	own->process = (struct heap_process){.runtime = &heap_runtime_goalloc, .target = target};
	own->goalloc = runtime;
	own->counters.description = runtime_goalloc_description(runtime);
	return &own->process;
}
