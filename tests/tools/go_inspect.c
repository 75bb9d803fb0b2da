/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * go_inspect COMMAND FILE|PID [ARG...]: prints what libescapement reads from a Go program, for tests that compare it
 * with the output of other tools and of the program.
 *
 *   info FILE            version, build, tables
 *   lookup FILE          frames of the addresses on standard input, in the form of addr2line -a -i -f
 *   packages FILE        first elements of import paths that belong to the standard library of any release
 *   names FILE           every function: entry, end, name
 *   decode FILE          the address of every instruction of every function
 *   points FILE          probe points in the runtime's functions, and addresses of its variables
 *   statistics PID       the process's own heap counters
 *   open FILE COUNT      opens and closes the file COUNT times; prints the median in milliseconds
 *   damage FILE COUNT    opens COUNT damaged copies and reads their tables; a crash is a bug
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "runtime/amd64.h"
#include "symbols/go_binary.h"
#include "runtime/go_code.h"
#include "runtime/go_heap.h"
#include "profile/size_class.h"

static struct go_binary *open_or_die(const char *path)
{
	struct error error;
	struct go_binary *binary = go_binary_open(path, &error);

	if (!binary) {
		fprintf(stderr, "go_inspect: %s\n", error.text);
		exit(error.status);
	}
	return binary;
}

static int info(const char *path, char **arguments)
{
	struct go_binary *binary = open_or_die(path);
	char race[16] = "";

	(void)arguments;
	go_binary_setting(binary, "-race", race, sizeof(race));
	printf("version %s\nrow 1.%d\nknown %d\nmodule %s\nbuild_id %s\nmemory_profiling %d\nrace %s\nfunctions %u\n",
	       binary->version_text, binary->version->minor, binary->version_known,
	       binary->module ? binary->module : "", binary->build_id ? binary->build_id : "", binary->memory_profiling,
	       race, gopclntab_function_count(binary->symbols));
	go_binary_close(binary);
	return 0;
}

static int lookup(const char *path, char **arguments)
{
	struct go_binary *binary = open_or_die(path);
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	char line[64];

	(void)arguments;
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t address = strtoull(line, NULL, 16);
		size_t count = gopclntab_lookup(binary->symbols, address, frames);

		printf("0x%016" PRIx64 "\n", address);
		for (size_t i = 0; i < count; i++)
			printf("%s\n%s:%u\n", frames[i].function, frames[i].file ? frames[i].file : "??",
			       frames[i].line);
	}
	go_binary_close(binary);
	return 0;
}

static int packages(const char *path, char **arguments)
{
	(void)path;
	(void)arguments;
	for (int i = 0; go_version_row(i); i++)
		printf("%s ", go_version_row(i)->packages);
	putchar('\n');
	return 0;
}

static int names(const char *path, char **arguments)
{
	struct go_binary *binary = open_or_die(path);
	struct go_function function;

	(void)arguments;
	for (uint32_t i = 0; i < gopclntab_function_count(binary->symbols); i++) {
		if (gopclntab_function(binary->symbols, i, &function))
			printf("%" PRIx64 " %" PRIx64 " %s\n", function.entry, function.end, function.name);
	}
	go_binary_close(binary);
	return 0;
}

static int decode(const char *path, char **arguments)
{
	struct go_binary *binary = open_or_die(path);
	struct amd64_instruction instruction;
	struct go_function function;

	(void)arguments;
	for (uint32_t i = 0; i < gopclntab_function_count(binary->symbols); i++) {
		if (!gopclntab_function(binary->symbols, i, &function))
			continue;
		for (uint64_t address = function.entry; address < function.end; address += instruction.length) {
			const void *code = go_image_at(&binary->image, address, function.end - address);

			if (!code || !amd64_decode(code, function.end - address, &instruction))
				break;
			printf("%" PRIx64 "\n", address);
		}
	}
	go_binary_close(binary);
	return 0;
}

static uint64_t file_offset(const struct go_binary *binary, uint64_t address)
{
	uint64_t offset;

	return go_image_offset(&binary->image, address, &offset) ? offset : 0;
}

static void print_point(const struct go_binary *binary, const struct go_function *function, bool inlined)
{
	struct go_point point;

	if (go_code_point(binary, function, &point))
		printf("%s +%" PRIu64 " %s%s offset %" PRIu64 "\n", function->name, point.address - function->entry,
		       point.is_check ? "check" : "entry", inlined ? " inlined" : "",
		       file_offset(binary, point.address));
}

static int points(const char *path, char **arguments)
{
	static const char *const wanted[] = {"runtime.mallocgc",
					     "runtime.(*mcache).refill",
					     "runtime.(*mcache).releaseAll",
					     "runtime.(*mcache).allocLarge",
					     "runtime.(*mcentral).grow",
					     "runtime.(*mheap).grow",
					     "runtime.profilealloc",
					     "runtime.mProf_Malloc"};
	struct go_binary *binary = open_or_die(path);
	struct go_code_layout layout;
	struct go_code_profile profile;
	struct go_code_bits bits;
	struct go_function function;
	bool inlined[sizeof(wanted) / sizeof(wanted[0])];

	(void)arguments;
	go_code_inlined(binary, wanted, inlined, sizeof(wanted) / sizeof(wanted[0]));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (gopclntab_function_named(binary->symbols, wanted[i], &function))
			print_point(binary, &function, inlined[i]);
	}
	for (uint32_t i = 0; i < gopclntab_function_count(binary->symbols); i++) {
		if (gopclntab_function(binary->symbols, i, &function) && go_code_is_specialised_malloc(function.name))
			print_point(binary, &function, false);
	}
	go_code_heap_layout(binary, &layout);
	go_code_memory_profile(binary, &profile);
	go_code_bits(binary, &bits);
	printf("statistics %" PRIx64 "\nprocessors %" PRIx64 "\ngoroutines %" PRIx64 "\nprofile_rate %" PRIx64 "\n",
	       go_code_heap_statistics(binary), go_code_processors(binary), go_code_goroutines(binary),
	       go_code_profile_rate(binary));
	printf("all_spans %" PRIx64 "\nbuckets %" PRIx64 "\ncycle %" PRIx64 " of %u\nbits %" PRIx64 " at %u\n",
	       go_code_all_spans(binary), profile.buckets, profile.cycle, profile.cycle_size, bits.arenas,
	       bits.span_alloc_bits);
	printf("switches %" PRIx64 " %" PRIx64 "\n", go_code_lost_systemstack(binary), go_code_morestack(binary));
	printf("layout %u %u %u %u %u\n", layout.mcache_alloc, layout.span_alloc_count,
	       layout.span_alloc_count_before_cache, layout.tiny_count, layout.p_mcache);
	printf("table %u %u %u %u %u\n", binary->version->heap.mcache_alloc, binary->version->heap.span_alloc_count,
	       binary->version->heap.span_alloc_count_before_cache, binary->version->statistics.tiny_count,
	       binary->version->heap.p_mcache);
	go_binary_close(binary);
	return 0;
}

static int statistics(const char *pid, char **arguments)
{
	struct target *target = target_open(atoi(pid), NULL);
	int64_t mallocs, bytes;
	struct go_heap_state state;
	struct error refusal;
	struct go_binary *binary;
	struct go_heap heap;
	char path[64];

	(void)arguments;
	if (!target)
		return 3;
	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	binary = open_or_die(path);
	go_heap_init(&heap, binary, target->mappings ? go_binary_bias(binary, target, target->executable) : 0);
	if (go_heap_read(&heap, target, NULL, &state, &refusal))
		return 3;
	mallocs = state.large_count + state.tiny_count + state.tiny_tail;
	bytes = state.large_bytes;
	printf("{");
	for (int class = 1; class < SIZE_CLASSES; class ++) {
		int64_t count = state.small_count[class] + state.tail[2 * class] + state.tail[2 * class + 1];

		mallocs += count;
		bytes += count * size_class_bytes(class);
		printf("\"%" PRId64 "\":%" PRId64 ",", size_class_bytes(class), count);
	}
	printf("\"mallocs\":%" PRId64 ",\"total_alloc\":%" PRId64 ",\"profile_rate\":%" PRId64 ",\"unsettled\":%" PRId64
	       ",\"running\":%" PRId64 "}\n",
	       mallocs, bytes, go_heap_profile_rate(&heap, target), state.unsettled, state.running);
	go_binary_close(binary);
	target_close(target);
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int open_often(const char *path, char **arguments)
{
	int count = arguments[0] ? atoi(arguments[0]) : 1;
	double *times = calloc((size_t)count, sizeof(*times));

	for (int i = 0; i < count; i++) {
		struct timespec from, to;

		clock_gettime(CLOCK_MONOTONIC, &from);
		go_binary_close(open_or_die(path));
		clock_gettime(CLOCK_MONOTONIC, &to);
		times[i] = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	}
	qsort(times, (size_t)count, sizeof(*times), compare);
	printf("%.3f\n", times[count / 2]);
	free(times);
	return 0;
}

static bool count_name(const char *name, void *context)
{
	*(size_t *)context += strlen(name);
	return true;
}

static size_t walk(struct go_binary *binary)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	uint32_t count = gopclntab_function_count(binary->symbols);
	uint64_t steps = GOPCLNTAB_WALK_STEPS;
	struct go_function function;
	size_t sum = 0;
	char name[64];

	for (uint32_t i = 0; i < count && i < 4000; i++) {
		if (!gopclntab_function(binary->symbols, i, &function))
			continue;
		sum += strlen(function.name);
		gopclntab_inlined(binary->symbols, i, &steps, count_name, &sum);
		sum += gopclntab_lookup(binary->symbols, function.entry + (uint64_t)rand() % 256, frames);
	}
	for (int i = 0; i < 1000; i++) {
		uint64_t type = gopclntab_module(binary->symbols)->types + (uint64_t)rand() % 65536;

		sum += go_binary_type_name(binary, type, name, sizeof(name));
	}
	return sum;
}

/* Changes random bytes of the headers, the symbol table and moduledata, but not of code and data. */
static void damage(uint8_t *data, size_t size, const struct go_binary *intact)
{
	const struct go_module *module = gopclntab_module(intact->symbols);
	uint64_t header, address, ranges[3][2] = {{0, 4096}};

	go_image_offset(&intact->image, module->header, &header);
	go_image_offset(&intact->image, module->address, &address);
	ranges[1][0] = header;
	ranges[1][1] = rand() % 2 ? 72 : size - header;
	ranges[2][0] = address;
	ranges[2][1] = 512;
	for (int i = 1 + rand() % 8; i > 0; i--) {
		uint64_t *range = ranges[rand() % 3];
		size_t at = (range[0] + ((uint64_t)rand() << 16 ^ (uint64_t)rand()) % range[1]) % (size - 8);
		uint64_t values[4] = {(uint64_t)rand(), UINT64_MAX, (uint64_t)rand() % 4096, 1ULL << (rand() % 64)};

		memcpy(data + at, &values[rand() % 4], (size_t)(1 + rand() % 8));
	}
}

static int survive_damage(const char *path, char **arguments)
{
	struct go_binary *intact = open_or_die(path);
	size_t size = intact->image.size, opened = 0, sum = 0;
	int count = arguments[0] ? atoi(arguments[0]) : 100;

	srand(1);
	for (int i = 0; i < count; i++) {
		int fd = memfd_create("damaged", 0);
		char name[64];
		struct go_binary *binary;
		uint8_t *data;

		if (fd < 0 || ftruncate(fd, (off_t)size))
			return 2;
		data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (data == MAP_FAILED)
			return 2;
		memcpy(data, intact->image.data, size);
		damage(data, size, intact);
		munmap(data, size);
		if (rand() % 8 == 0 && ftruncate(fd, (off_t)((size_t)rand() % size)))
			return 2;
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		binary = go_binary_open(name, NULL);
		if (binary) {
			opened++;
			sum += walk(binary);
		}
		go_binary_close(binary);
		close(fd);
	}
	go_binary_close(intact);
	printf("%zu of %d opened, %zu read\n", opened, count, sum);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(const char *path, char **arguments);
} commands[] = {
	{"info", info},
	{"lookup", lookup},
	{"packages", packages},
	{"names", names},
	{"decode", decode},
	{"points", points},
	{"statistics", statistics},
	{"open", open_often},
	{"damage", survive_damage},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc >= 3 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argv[2], argv + 3);
	}
	fprintf(stderr, "usage: go_inspect COMMAND FILE [ARG...]\n");
	return 2;
}
