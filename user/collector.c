/* SPDX-License-Identifier: BSD-2-Clause */
#include "collector.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/escapement.skel.h"
#include "procfs.h"
#include "size_class.h"
#include "string_table.h"

enum {
	BATCH = 1024,
	LEAVING_MAX = 16,
};

/* BPF_TRACE_UPROBE_MULTI: kernel headers older than 6.6 lack the name. */
#define TRACE_UPROBE_MULTI ((enum bpf_attach_type)48)

struct collector {
	struct escapement_bpf *bpf;
	bool multi, stacks;
	struct attachment *leaving, **leaving_end; /* of ended processes, oldest first */
	size_t leaving_count;
	char *processes; /* mapped */
	size_t processes_size;
	struct event_store stores[EVENT_SLOTS]; /* by process slot */
	struct event_stacks drained[2]; /* by pair: stacks of rows that are still to be taken out of it */
	bool filled[2]; /* which pairs may hold anything */
	uint64_t relieved_rows, relieved_stacks; /* of those ever put into the maps, when they were last emptied */
	int barrier, barrier_inner;
};

struct attachment {
	struct bpf_link **links;
	pthread_t *threads; /* one a link, while it is detached */
	size_t count;
	struct attachment *next; /* in the collector's list of those that leave */
};

static bool print_messages;

static int print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (!print_messages || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, format, arguments);
}

bool collector_kernel_has_multi(void)
{
	/* A program that does nothing, linked to a path that is no file: a kernel that knows the link type says
	 * EBADF, one that does not says EINVAL. */
	struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, load, .expected_attach_type = TRACE_UPROBE_MULTI);
	LIBBPF_OPTS(bpf_link_create_opts, link);
	unsigned long offset = 0;
	int program, attached, status;

	program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "probe", "GPL", instructions, 2, &load);
	if (program < 0)
		return false;
	link.uprobe_multi.path = "/";
	link.uprobe_multi.offsets = &offset;
	link.uprobe_multi.cnt = 1;
	attached = bpf_link_create(program, -1, TRACE_UPROBE_MULTI, &link);
	status = -errno;
	if (attached >= 0)
		close(attached);
	close(program);
	return attached < 0 && status == -EBADF;
}

/* First line of a file below /proc or /sys; "" where there is none. */
static void read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	line[0] = 0;
	if (!file)
		return;
	if (!fgets(line, (int)size, file))
		line[0] = 0;
	line[strcspn(line, "\n")] = 0;
	fclose(file);
}

/* Says which of the several things that end in EPERM, EINVAL or ENOENT it was. */
static int explain(struct error *error, const char *what, int code)
{
	char lockdown[128];
	struct stat status;

	read_line("/sys/kernel/security/lockdown", lockdown, sizeof(lockdown));
	if ((code == EPERM || code == EACCES) && strstr(lockdown, "[confidentiality]"))
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot %s: the kernel is locked down (confidentiality), which "
				 "forbids BPF programs to read memory; boot without lockdown", what);
	if ((code == EPERM || code == EACCES) && geteuid() != 0)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot %s: not permitted; run as root, or with CAP_BPF, "
				 "CAP_PERFMON and CAP_SYS_PTRACE", what);
	if (code == EPERM || code == EACCES)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot %s: not permitted although run as root; a seccomp filter "
				 "or a missing capability forbids it: give the container CAP_BPF, CAP_PERFMON and "
				 "CAP_SYS_ADMIN", what);
	if (code == ENOSYS)
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot %s: the kernel has no BPF (CONFIG_BPF_SYSCALL)", what);
	if (stat("/sys/bus/event_source/devices/uprobe", &status))
		return error_set(error, STATUS_CANNOT_MEASURE, "cannot %s: the kernel has no uprobes "
				 "(CONFIG_UPROBE_EVENTS)", what);
	return error_set(error, STATUS_CANNOT_MEASURE, "cannot %s: %s", what, strerror(code));
}

/* The runtime's tables from sizes to classes: the smallest class that holds the size. */
static void fill_size_classes(struct escapement_bpf *bpf)
{
	size_t eights = sizeof(bpf->rodata->size_class_of_8);
	size_t large = sizeof(bpf->rodata->size_class_of_128);

	for (int class = SIZE_CLASSES - 1; class > 0; class--) {
		int64_t size = size_class_bytes(class);

		bpf->rodata->size_class_sizes[class] = (uint16_t)size;
		for (size_t i = 0; i < eights && (int64_t)i * 8 <= size; i++)
			bpf->rodata->size_class_of_8[i] = (uint8_t)class;
		for (size_t i = 0; i < large && 1024 + (int64_t)i * 128 <= size; i++)
			bpf->rodata->size_class_of_128[i] = (uint8_t)class;
	}
}

static int configure(struct collector *collector)
{
	struct bpf_program *program;

	fill_size_classes(collector->bpf);
	if (getrandom((void *)collector->bpf->rodata->stack_seed, sizeof(collector->bpf->rodata->stack_seed), 0) < 0)
		return -errno;
	if (collector->multi)
		return 0;
	bpf_object__for_each_program(program, collector->bpf->obj)
		bpf_program__set_expected_attach_type(program, 0);
	return 0;
}

static int open_barrier(struct collector *collector)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);

	collector->barrier_inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(uint32_t), sizeof(uint32_t), 1, NULL);
	options.inner_map_fd = (uint32_t)collector->barrier_inner;
	collector->barrier = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, NULL, sizeof(uint32_t), sizeof(uint32_t), 1,
					    &options);
	return collector->barrier < 0 ? -errno : 0;
}

static int map_processes(struct collector *collector)
{
	void *mapped;

	collector->processes_size = (size_t)EVENT_SLOTS * sizeof(struct event_process);
	mapped = mmap(NULL, collector->processes_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(collector->bpf->maps.processes), 0);
	if (mapped == MAP_FAILED)
		return -errno;
	collector->processes = mapped;
	return 0;
}

struct collector *collector_open(bool stacks, bool verbose, struct error *error)
{
	const char *attach = getenv("ESCAPEMENT_ATTACH");
	struct collector *collector = calloc(1, sizeof(*collector));
	int status;

	if (!collector)
		abort();
	collector->leaving_end = &collector->leaving;
	collector->barrier = collector->barrier_inner = -1;
	print_messages = verbose;
	libbpf_set_print(print);
	collector->multi = !(attach && strcmp(attach, "perf") == 0) && collector_kernel_has_multi();
	collector->bpf = escapement_bpf__open();
	if (!collector->bpf) {
		explain(error, "open the BPF programs", errno);
		goto fail;
	}
	collector->bpf->rodata->stacks_wanted = collector->stacks = stacks;
	if ((status = configure(collector)) || (status = escapement_bpf__load(collector->bpf))) {
		explain(error, "load the BPF programs", -status);
		goto fail;
	}
	if ((status = map_processes(collector)) || (status = open_barrier(collector))) {
		explain(error, "map the BPF programs' counters", -status);
		goto fail;
	}
	return collector;
fail:
	collector_close(collector);
	return NULL;
}

static void *destroy_link(void *link)
{
	bpf_link__destroy(link);
	return NULL;
}

/* The kernel makes each link's end wait until no CPU can run its program any more, some 50 ms: all wait at once. */
static void detach_start(struct attachment *attachment)
{
	attachment->threads = calloc(attachment->count + 1, sizeof(*attachment->threads));
	if (!attachment->threads)
		abort();
	for (size_t i = 0; i < attachment->count; i++) {
		if (pthread_create(&attachment->threads[i], NULL, destroy_link, attachment->links[i])) {
			destroy_link(attachment->links[i]);
			attachment->threads[i] = pthread_self();
		}
	}
}

static void detach_wait(struct attachment *attachment)
{
	for (size_t i = 0; i < attachment->count; i++) {
		if (!pthread_equal(attachment->threads[i], pthread_self()))
			pthread_join(attachment->threads[i], NULL);
	}
	free(attachment->threads);
	free(attachment->links);
	free(attachment);
}

void collector_detach(struct attachment *attachment)
{
	if (!attachment)
		return;
	detach_start(attachment);
	detach_wait(attachment);
}

static void wait_for_oldest(struct collector *collector)
{
	struct attachment *oldest = collector->leaving;

	collector->leaving = oldest->next;
	if (!collector->leaving)
		collector->leaving_end = &collector->leaving;
	collector->leaving_count--;
	detach_wait(oldest);
}

void collector_detach_dead(struct collector *collector, struct attachment *attachment)
{
	if (!collector->multi) { /* they still run, for all others, and into the slot */
		collector_detach(attachment);
		return;
	}
	detach_start(attachment);
	*collector->leaving_end = attachment;
	collector->leaving_end = &attachment->next;
	if (++collector->leaving_count > LEAVING_MAX)
		wait_for_oldest(collector);
}

void collector_close(struct collector *collector)
{
	if (!collector)
		return;
	while (collector->leaving)
		wait_for_oldest(collector);
	if (collector->processes)
		munmap(collector->processes, collector->processes_size);
	if (collector->barrier >= 0)
		close(collector->barrier);
	if (collector->barrier_inner >= 0)
		close(collector->barrier_inner);
	for (uint32_t slot = 0; slot < EVENT_SLOTS; slot++)
		event_store_free(&collector->stores[slot]);
	event_stacks_free(&collector->drained[0]);
	event_stacks_free(&collector->drained[1]);
	escapement_bpf__destroy(collector->bpf);
	free(collector);
}

/* All probes of one program in one file make one link. */
static struct bpf_link *attach_multi(struct bpf_program *program, int pid, uint32_t slot,
				     const struct probe *const *probes, size_t count)
{
	unsigned long *offsets = calloc(count, sizeof(*offsets)), *semaphores = calloc(count, sizeof(*semaphores));
	uint64_t *cookies = calloc(count, sizeof(*cookies));
	LIBBPF_OPTS(bpf_uprobe_multi_opts, options, .offsets = offsets, .ref_ctr_offsets = semaphores,
		    .cookies = (const __u64 *)cookies, .cnt = count);
	struct bpf_link *link;

	if (!offsets || !semaphores || !cookies)
		abort();
	for (size_t i = 0; i < count; i++) {
		offsets[i] = probes[i]->offset;
		semaphores[i] = probes[i]->semaphore_offset;
		cookies[i] = EVENT_COOKIE(slot, probes[i]->flags);
	}
	link = bpf_program__attach_uprobe_multi(program, pid, probes[0]->path, NULL, &options);
	free(offsets);
	free(semaphores);
	free(cookies);
	return link;
}

/* A perf uprobe bound to a PID would miss its other threads, so it is attached to all and the program selects. */
static struct bpf_link *attach_perf(struct bpf_program *program, uint32_t slot, const struct probe *probe)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .ref_ctr_offset = probe->semaphore_offset,
		    .bpf_cookie = EVENT_COOKIE(slot, probe->flags));

	return bpf_program__attach_uprobe_opts(program, -1, probe->path, probe->offset, &options);
}

static void attachment_add(struct attachment *attachment, struct bpf_link *link)
{
	attachment->links = reallocarray(attachment->links, attachment->count + 1, sizeof(struct bpf_link *));
	if (!attachment->links)
		abort();
	attachment->links[attachment->count++] = link;
}

/* Attaches probes->items[first] and those after it of the same program and file. */
static int attach_group(struct collector *collector, struct attachment *attachment, int pid, uint32_t slot,
			const struct probe_set *probes, bool *done, size_t first)
{
	const struct probe *leader = &probes->items[first];
	struct bpf_program *program = bpf_object__find_program_by_name(collector->bpf->obj, leader->program);
	const struct probe **group = calloc(probes->count, sizeof(*group));
	struct bpf_link *link = NULL;
	size_t count = 0;

	if (!group || !program)
		abort();
	for (size_t i = first; i < probes->count; i++) {
		if (!done[i] && strcmp(probes->items[i].program, leader->program) == 0 &&
		    strcmp(probes->items[i].path, leader->path) == 0) {
			done[i] = true;
			group[count++] = &probes->items[i];
		}
	}
	if (collector->multi) {
		link = attach_multi(program, pid, slot, group, count);
		if (link)
			attachment_add(attachment, link);
	}
	for (size_t i = 0; i < count && !collector->multi; i++) {
		link = attach_perf(program, slot, group[i]);
		if (!link)
			break;
		attachment_add(attachment, link);
	}
	free(group);
	return link ? 0 : -errno;
}

/* Has the programs look at whose event it is: perf uprobes are attached to all processes. */
static int select_process(struct event_process *process, int pid)
{
	struct stat status;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	if (stat(path, &status))
		return -errno;
	process->pid_namespace_device = status.st_dev;
	process->pid_namespace_inode = status.st_ino;
	/* as it sees itself: what programs see that run in its PID namespace */
	process->only_pid = (uint32_t)procfs_status_number(pid, "NSpid");
	if (!process->only_pid)
		process->only_pid = (uint32_t)pid;
	return 0;
}

struct attachment *collector_attach(struct collector *collector, int pid, uint32_t slot,
				    const struct probe_set *probes, struct error *error)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));
	bool *done = calloc(probes->count + 1, sizeof(*done));
	int status = 0;

	if (!attachment || !done)
		abort();
	if (!collector->multi && slot < EVENT_SLOTS)
		status = select_process((struct event_process *)collector_process(collector, slot), pid);
	for (size_t i = 0; i < probes->count && !status; i++) {
		if (!done[i])
			status = attach_group(collector, attachment, pid, slot, probes, done, i);
	}
	free(done);
	if (!status)
		return attachment;
	explain(error, "attach to the probes", -status);
	collector_detach(attachment);
	return NULL;
}

volatile struct event_process *collector_process(struct collector *collector, uint32_t slot)
{
	return (volatile struct event_process *)(collector->processes + slot * sizeof(struct event_process));
}

static uint64_t shape_objects(const volatile struct event_shape *shape, bool all)
{
	return shape->state == EVENT_SHAPE_READY ? shape->inside + (all ? shape->outside : 0) : 0;
}

void collector_totals(const volatile struct event_process *process, bool all,
		      struct event_class_totals totals[EVENT_SPAN_CLASSES])
{
	for (int class = 0; class < EVENT_SPAN_CLASSES; class++) {
		const volatile struct event_class_totals *inside = &process->inside.classes[class];
		const volatile struct event_class_totals *outside = &process->outside.classes[class];

		totals[class].objects = inside->objects + (all ? outside->objects : 0);
		totals[class].bytes = inside->bytes + (all ? outside->bytes : 0);
		totals[class].refills = inside->refills + (all ? outside->refills : 0);
		totals[class].central_grows = inside->central_grows + (all ? outside->central_grows : 0);
	}
	for (int i = 0; i < EVENT_SHAPES; i++) {
		const volatile struct event_shape *shape = &process->shapes[i];
		uint64_t objects = shape_objects(shape, all);

		totals[shape->span_class].objects += objects;
		totals[shape->span_class].bytes += objects * shape->bytes;
	}
}

int64_t collector_hits(const volatile struct event_process *process)
{
	uint64_t hits = process->hits;

	for (int i = 0; i < EVENT_SHAPES; i++)
		hits += shape_objects(&process->shapes[i], true);
	return (int64_t)hits;
}

typedef void row_function(void *context, const struct event_key *key, const struct event_sums *sums);

static void each_count(uint32_t slot, enum event_kind kind, uint32_t span_class, uint64_t count, uint64_t bytes,
		       row_function *each, void *context)
{
	struct event_key key = {.slot = slot, .kind = (uint16_t)kind, .span_class = (uint16_t)span_class};
	struct event_sums sums = {.count = count, .bytes = bytes};

	if (count)
		each(context, &key, &sums);
}

/* The rows that are in no map: without stacks, shapes and totals tell what they would. */
static void each_total(const volatile struct event_process *process, uint32_t slot, row_function *each, void *context)
{
	const volatile struct event_window *inside = &process->inside;

	for (uint32_t class = 0; class < EVENT_SPAN_CLASSES; class++) {
		each_count(slot, EVENT_REFILL, class, inside->classes[class].refills, 0, each, context);
		each_count(slot, EVENT_CENTRAL_GROW, class, inside->classes[class].central_grows, 0, each, context);
	}
	each_count(slot, EVENT_HEAP_GROW, EVENT_NO_SPAN_CLASS, inside->heap_grows, inside->heap_grow_bytes, each, context);
	for (int i = 0; i < EVENT_SHAPES; i++) {
		const volatile struct event_shape *shape = &process->shapes[i];
		uint64_t objects = shape_objects(shape, false);
		struct event_sums sums = {.count = objects, .bytes = objects * shape->bytes};
		struct event_key key = {.slot = slot, .kind = EVENT_ALLOC, .site = shape->site, .type = shape->type,
					.span_class = shape->span_class};

		if (objects)
			each(context, &key, &sums);
	}
}

static int rows_map(const struct collector *collector, uint32_t which)
{
	return bpf_map__fd(which ? collector->bpf->maps.rows1 : collector->bpf->maps.rows0);
}

static int stacks_map(const struct collector *collector, uint32_t which)
{
	return bpf_map__fd(which ? collector->bpf->maps.stacks1 : collector->bpf->maps.stacks0);
}

/* Whether the pair may hold rows. */
static bool pair_filled(const struct collector *collector, uint32_t which)
{
	return collector->bpf->bss->maps.filling == which || collector->filled[which];
}

/* bpf_map_lookup_batch(), or bpf_map_lookup_and_delete_batch(). */
typedef int batch_function(int map, void *from, void *to, void *keys, void *values, __u32 *count,
			   const struct bpf_map_batch_opts *options);

/* 0, or -errno where the kernel did not give all. */
static int each_element(int map, batch_function *read, size_t key_size, size_t value_size,
			void (*each)(void *context, const void *key, const void *value), void *context)
{
	char *keys = calloc(BATCH, key_size), *values = calloc(BATCH, value_size);
	uint32_t position, *previous = NULL;
	bool more = true;
	int error = 0;

	if (!keys || !values)
		abort();
	while (more) {
		uint32_t count = BATCH;

		more = read(map, previous, &position, keys, values, &count, NULL) == 0;
		if (!more && errno != ENOENT) {
			error = -errno;
			break;
		}
		for (uint32_t i = 0; i < count; i++)
			each(context, keys + i * key_size, values + i * value_size);
		previous = &position;
	}
	free(keys);
	free(values);
	return error;
}

struct row_reader {
	row_function *each;
	void *context;
};

static void read_row(void *context, const void *key, const void *sums)
{
	const struct row_reader *reader = context;

	reader->each(reader->context, key, sums);
}

static int each_of_map(int map, row_function *each, void *context)
{
	struct row_reader reader = {each, context};

	return each_element(map, bpf_map_lookup_batch, sizeof(struct event_key), sizeof(struct event_sums), read_row,
			    &reader);
}

/* Those of one process. */
struct slot_reader {
	uint32_t slot;
	row_function *each;
	void *context;
};

static void read_slot(void *context, const struct event_key *key, const struct event_sums *sums)
{
	const struct slot_reader *reader = context;

	if (key->slot == reader->slot)
		reader->each(reader->context, key, sums);
}

void collector_rows(struct collector *collector, uint32_t slot,
		    void (*each)(void *context, const struct event_key *key, const struct event_sums *sums),
		    void *context)
{
	const struct event_store *store = &collector->stores[slot];
	struct slot_reader reader = {slot, each, context};

	for (uint32_t which = 0; which < 2; which++) {
		if (pair_filled(collector, which))
			each_of_map(rows_map(collector, which), read_slot, &reader);
	}
	for (uint32_t i = 0; i < store->row_count; i++) {
		struct event_key key = event_store_key(&store->rows[i], slot);

		each(context, &key, &store->rows[i].sums);
	}
	if (!collector->stacks)
		each_total(collector_process(collector, slot), slot, each, context);
}

/* A row on its way from the maps to its store. A stack that it should have and has not got is a lost one. */
static void store_row(struct collector *collector, const struct event_key *key, const struct event_stack *stack,
		      const struct event_sums *sums)
{
	struct event_process *process = (struct event_process *)collector_process(collector, key->slot);

	if (!event_store_add(&collector->stores[key->slot], key, stack, sums))
		__atomic_fetch_add(&process->lost_stacks, sums->count, __ATOMIC_RELAXED);
}

struct gathered_rows {
	struct gathered_row {
		struct event_key key;
		struct event_sums sums;
	} *items;
	size_t count, capacity;
};

static void gather_row(void *context, const struct event_key *key, const struct event_sums *sums)
{
	struct gathered_rows *rows = context;

	if (rows->count == rows->capacity) {
		rows->capacity = 2 * rows->capacity + 64;
		rows->items = memory_resize(rows->items, rows->capacity, sizeof(*rows->items));
	}
	rows->items[rows->count++] = (struct gathered_row){*key, *sums};
}

/* A stack of a row of that pair; NULL: it has none. */
static const struct event_stack *pair_stack(struct collector *collector, uint32_t which, const struct event_hash *hash,
					    struct event_stack *buffer)
{
	const struct event_stack *drained;

	if (!hash->part[0] && !hash->part[1])
		return NULL;
	drained = event_stacks_find(&collector->drained[which], hash);
	if (drained)
		return drained;
	return bpf_map_lookup_elem(stacks_map(collector, which), hash, buffer) ? NULL : buffer;
}

/* Returns when no program runs that has begun before: the kernel promises that for maps of maps. */
static bool programs_left(struct collector *collector)
{
	uint32_t index = 0;

	return bpf_map_update_elem(collector->barrier, &index, &collector->barrier_inner, BPF_ANY) == 0;
}

/* The same of a row that may be in either; NULL also where it has left them. */
static const struct event_stack *any_stack(struct collector *collector, const struct event_hash *hash,
					   struct event_stack *buffer)
{
	const struct event_stack *stack = pair_stack(collector, 0, hash, buffer);

	return stack ? stack : pair_stack(collector, 1, hash, buffer);
}

/* Counts what was noted in `before` by the verdicts, unless the mcache has given it back until `after`: then the program at
 * that probe has looked. */
static int64_t settle_cache(struct collector *collector, uint32_t slot, const struct event_cache *before,
			    const struct event_cache *after, const int verdicts[EVENT_SPAN_CLASSES])
{
	volatile struct event_process *process = collector_process(collector, slot);
	struct event_stack buffer;
	int64_t unknown = 0;

	for (uint32_t class = 0; class < EVENT_SPAN_CLASSES; class++) {
		struct event_key key = {.stack = before->spans[class].stack, .slot = slot, .kind = EVENT_CENTRAL_GROW,
					.span_class = (uint16_t)class};
		struct event_sums sums = {.count = 1};
		bool held = after->spans[class].state == EVENT_SPAN_HELD;

		if (held && verdicts[class] < 0)
			unknown++;
		if (!(held && verdicts[class] > 0) && after->spans[class].state != EVENT_SPAN_GREW)
			continue;
		__atomic_add_fetch(&process->inside.classes[class].central_grows, 1, __ATOMIC_RELAXED);
		if (collector->stacks)
			store_row(collector, &key, any_stack(collector, &key.stack, &buffer), &sums);
	}
	return unknown;
}

static bool next_cache(const struct collector *collector, uint32_t slot, struct event_cache_key *key)
{
	const struct event_cache_key *previous = key->cache ? key : NULL;

	while (bpf_map_get_next_key(bpf_map__fd(collector->bpf->maps.caches), previous, key) == 0) {
		if (key->slot == slot)
			return true;
		previous = key;
	}
	return false;
}

int64_t collector_settle_grows(struct collector *collector, uint32_t slot,
			       int (*came_fresh)(void *context, uint64_t cache, int span_class), void *context)
{
	int map = bpf_map__fd(collector->bpf->maps.caches);
	struct event_cache before, after;
	struct event_cache_key key = {0};
	int verdicts[EVENT_SPAN_CLASSES];
	int64_t unknown = 0;

	programs_left(collector); /* those that may still note something */
	while (next_cache(collector, slot, &key)) {
		if (bpf_map_lookup_elem(map, &key, &before))
			continue;
		for (int class = 0; class < EVENT_SPAN_CLASSES; class++) {
			bool held = before.spans[class].state == EVENT_SPAN_HELD;

			verdicts[class] = held ? came_fresh(context, key.cache, class) : 0;
		}
		if (bpf_map_lookup_elem(map, &key, &after) == 0)
			unknown += settle_cache(collector, slot, &before, &after, verdicts);
	}
	return unknown;
}

/* Of a process that has left the slot. */
static void forget_caches(struct collector *collector, uint32_t slot)
{
	struct event_cache_key key = {0}, gone;

	while (next_cache(collector, slot, &key)) {
		gone = key;
		key.cache = 0;
		bpf_map_delete_elem(bpf_map__fd(collector->bpf->maps.caches), &gone);
	}
}

/* Moves one process's rows out of a pair that others may be filling. */
static int take_slot(struct collector *collector, uint32_t which, uint32_t slot)
{
	struct gathered_rows rows = {0};
	struct slot_reader reader = {slot, gather_row, &rows};
	int error = each_of_map(rows_map(collector, which), read_slot, &reader);
	struct event_stack stack;

	for (size_t i = 0; i < rows.count; i++) {
		const struct event_key *key = &rows.items[i].key;

		store_row(collector, key, pair_stack(collector, which, &key->stack, &stack), &rows.items[i].sums);
		bpf_map_delete_elem(rows_map(collector, which), key);
	}
	free(rows.items);
	return error;
}

static void store_total(void *collector, const struct event_key *key, const struct event_sums *sums)
{
	store_row(collector, key, NULL, sums);
}

int collector_collect(struct collector *collector, uint32_t slot)
{
	uint32_t filling = collector->bpf->bss->maps.filling;
	int error = 0;

	for (uint32_t i = 0; i < 2; i++) { /* the older rows first */
		uint32_t which = i ? filling : !filling;
		int status = pair_filled(collector, which) ? take_slot(collector, which, slot) : 0;

		if (status)
			error = status;
	}
	if (!collector->stacks)
		each_total(collector_process(collector, slot), slot, store_total, collector);
	return error;
}

void collector_take(struct collector *collector, uint32_t slot, struct event_store *store)
{
	*store = collector->stores[slot];
	collector->stores[slot] = (struct event_store){0};
	forget_caches(collector, slot);
	memset((void *)collector_process(collector, slot), 0, sizeof(struct event_process));
}

struct pair {
	struct collector *collector;
	uint32_t which;
};

static void drain_row(void *context, const void *row_key, const void *sums)
{
	const struct pair *pair = context;
	const struct event_key *key = row_key;

	store_row(pair->collector, key, event_stacks_find(&pair->collector->drained[pair->which], &key->stack), sums);
}

static void drain_stack(void *stacks, const void *hash, const void *stack)
{
	event_stacks_add(stacks, hash, stack);
}

/* Empties a pair that no program fills. What cannot be read now stays there until its next turn. */
static void drain(struct collector *collector, uint32_t which)
{
	struct pair pair = {collector, which};

	if (each_element(stacks_map(collector, which), bpf_map_lookup_and_delete_batch, sizeof(struct event_hash),
			 sizeof(struct event_stack), drain_stack, &collector->drained[which]) ||
	    each_element(rows_map(collector, which), bpf_map_lookup_and_delete_batch, sizeof(struct event_key),
			 sizeof(struct event_sums), drain_row, &pair))
		return;
	event_stacks_clear(&collector->drained[which]);
	collector->filled[which] = false;
}

void collector_relieve(struct collector *collector)
{
	volatile struct event_maps *maps = &collector->bpf->bss->maps;
	uint64_t rows = maps->rows, stacks = maps->stacks;
	uint32_t full = maps->filling;

	if (rows - collector->relieved_rows <= EVENT_ROWS_MAX / 4 &&
	    stacks - collector->relieved_stacks <= EVENT_STACKS_MAX / 4)
		return;
	collector->relieved_rows = rows;
	collector->relieved_stacks = stacks;
	collector->filled[full] = true;
	maps->filling = !full;
	if (programs_left(collector)) /* else it is emptied at its next turn */
		drain(collector, full);
}

uint64_t collector_missed(struct collector *collector)
{
	struct bpf_program *program;
	uint64_t missed = 0;

	bpf_object__for_each_program(program, collector->bpf->obj) {
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);

		if (bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0)
			missed += info.recursion_misses;
	}
	return missed;
}
