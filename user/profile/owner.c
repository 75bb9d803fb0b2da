/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/owner.h"

#include <stdlib.h>
#include <string.h>

#include "base/package_glob.h"
#include "base/memory.h"
#include "base/pointer_map.h"
#include "profile/frames.h"
#include "target/go_versions.h"

enum { PACKAGE_SIZE = 1024 };

/* Decides which functions a process owns. Processes of one build share a rule. */
struct rule {
	const char *package, *nested;
	const char *module; /* NULL: everything outside of GOROOT */
	size_t module_length;
	bool go;		      /* a Go process, in which C functions do not belong to its module */
	struct pointer_map functions; /* function name -> whether the process owns it */
};

struct owner_table {
	const struct profile *profile;
	struct rule *rules;
	size_t rule_count;
	uint32_t *rule_of_process; /* the last one is for samples of unknown processes */
	size_t last;		   /* process of the previous sample */
	const char *goroot;	   /* a file name up to and including "/src/"; NULL if unknown */
	size_t goroot_length;
};

/* Libraries that allocate on behalf of a C program, by the start of their file names. */
static const char *const c_libraries[] = {
	"libc.so", "libc-", "libc.musl", "libstdc++.so", "libm.so", "libgcc_s.so", "ld-linux", "ld-musl", "libgoalloc",
};

/* Whether a function belongs to Go's standard library, judging only by its import path. */
static bool is_standard(const char *function)
{
	char package[PACKAGE_SIZE];
	size_t length = frames_package(function, package, sizeof(package));

	return length && go_version_is_standard(package, length);
}

static bool is_c_library(const struct profile_mapping *mapping)
{
	const char *name;

	if (!mapping || !mapping->file)
		return false;
	name = strrchr(mapping->file, '/');
	name = name ? name + 1 : mapping->file;
	for (size_t i = 0; i < sizeof(c_libraries) / sizeof(c_libraries[0]); i++) {
		if (strncmp(name, c_libraries[i], strlen(c_libraries[i])) == 0)
			return true;
	}
	return false;
}

/* Whether an import path is `module` or below it; "example.com/m_test" is the external test package of it. */
static bool is_below(const char *package, const char *module, size_t length)
{
	return strncmp(package, module, length) == 0 &&
	       (!package[length] || package[length] == '/' || strcmp(package + length, "_test") == 0);
}

/* Whether the package is in a separate module whose path is within the main module's: the longest path decides. */
static bool is_nested(const struct rule *rule, const char *package)
{
	for (const char *path = rule->nested; path && *path;) {
		size_t length = strcspn(path, " ");

		if (length && is_below(package, path, length))
			return true;
		path += length;
		path += *path == ' ';
	}
	return false;
}

/* Whether a glob matches an import path or one of its parents. */
static bool glob_matches(const char *glob, const char *package)
{
	char path[PACKAGE_SIZE];
	char *slash;

	strcpy(path, package);
	do {
		if (package_glob(glob, path))
			return true;
		slash = strrchr(path, '/');
		if (slash)
			*slash = 0;
	} while (slash);
	return false;
}

static bool chosen_by_globs(const struct profile *profile, const char *package)
{
	for (size_t i = 0; i < profile->module_count; i++) {
		if (glob_matches(profile->modules[i], package))
			return true;
	}
	return false;
}

static bool is_in_goroot(const struct owner_table *table, const struct profile_frame *frame)
{
	if (table->goroot && frame->file && frame->file[0] == '/')
		return strncmp(frame->file, table->goroot, table->goroot_length) == 0;
	return is_standard(frame->function);
}

/* Whether this is the main function that `go test` generates. If a stack has no other own function, the testing package
 * allocates. */
static bool is_generated_main(const struct profile_frame *frame)
{
	static const char name[] = "_testmain.go";
	size_t length = frame->file ? strlen(frame->file) : 0;

	return length >= sizeof(name) - 1 && strcmp(frame->file + length - (sizeof(name) - 1), name) == 0;
}

static bool in_module(const struct rule *rule, const char *package)
{
	return strcmp(package, "main") == 0 ||
	       (is_below(package, rule->module, rule->module_length) && !is_nested(rule, package));
}

/* Whether a file is of the standard library: below GOROOT, or under an import path of it as -trimpath leaves it. */
static bool is_standard_file(const struct owner_table *table, const char *file)
{
	const char *slash = strrchr(file, '/');

	if (file[0] == '/')
		return table->goroot && strncmp(file, table->goroot, table->goroot_length) == 0;
	return slash && go_version_is_standard(file, (size_t)(slash - file));
}

/*
 * Whether a function is a copy of a closure of the standard library, made where the function around it was inlined. It is called
 * after the function that has the copy ("main.keys.Collect[...]-range1"), but stands in the library's file.
 */
static bool is_copied_closure(const struct owner_table *table, const struct profile_frame *frame, const char *path)
{
	return frame->file && is_standard_file(table, frame->file) && !go_version_is_standard(path, strlen(path)) &&
	       !is_below(path, "cmd", strlen("cmd"));
}

static bool owns_package(const struct owner_table *table, const struct rule *rule, const struct profile_frame *frame,
			 const char *package)
{
	const char *path = strcmp(package, "main") == 0 && rule->package ? rule->package : package;

	if (is_generated_main(frame) || is_copied_closure(table, frame, path))
		return false;
	if (table->profile->module_count)
		return chosen_by_globs(table->profile, path);
	return rule->module ? in_module(rule, package) : !is_in_goroot(table, frame);
}

static bool find_out(const struct owner_table *table, const struct rule *rule, const struct profile_frame *frame,
		     const struct profile_mapping *mapping)
{
	char package[PACKAGE_SIZE];

	if (frame->function[0] == '(') /* one of our own names, such as */
		return true;
	/* equality and hash functions generated by the compiler: the caller is shown instead */
	if (strncmp(frame->function, "type:", 5) == 0 || strncmp(frame->function, "type..", 6) == 0 ||
	    strncmp(frame->function, "go:", 3) == 0)
		return false;
	if (frames_package(frame->function, package, sizeof(package)))
		return owns_package(table, rule, frame, package);
	return !rule->go && !is_c_library(mapping);
}

static bool owns(const struct owner_table *table, struct rule *rule, const struct profile_location *location,
		 const struct profile_frame *frame)
{
	uint32_t *known;

	if (!frame->function)
		return false;
	known = pointer_map_at(&rule->functions, frame->function);
	if (*known == POINTER_MAP_NONE)
		*known = find_out(table, rule, frame, location->mapping);
	return *known;
}

/* --- rules of processes --- */

static struct rule rule_of(const struct profile_process *process)
{
	static const char test[] = ".test";
	struct rule rule = {.package = process->package, .nested = process->nested_modules, .module = process->module};
	size_t length = process->package ? strlen(process->package) : 0;

	rule.go = profile_process_is_go(process);
	rule.module_length = rule.module ? strlen(rule.module) : 0;
	/* a test of a standard library package, "strings.test", has no module: it owns its package */
	if (!rule.module && length > sizeof(test) &&
	    strcmp(process->package + length - (sizeof(test) - 1), test) == 0 &&
	    go_version_is_standard(process->package, length - (sizeof(test) - 1))) {
		rule.module = process->package;
		rule.module_length = length - (sizeof(test) - 1);
	}
	return rule;
}

bool owner_in_main_module(const struct profile *profile, const char *package)
{
	bool known = false;

	for (size_t i = 0; i < profile->process_count; i++) {
		struct rule rule = rule_of(&profile->processes[i]);

		if (rule.module && in_module(&rule, package))
			return true;
		known |= rule.module != NULL;
	}
	return !known;
}

bool owner_glob_chooses(const char *glob, const struct profile_process *process, const char *package)
{
	return glob_matches(glob, strcmp(package, "main") == 0 && process->package ? process->package : package);
}

static bool chooses_of_any_process(const struct profile *profile, const char *glob, const char *package)
{
	for (size_t i = 0; i < profile->process_count; i++) {
		if (owner_glob_chooses(glob, &profile->processes[i], package))
			return true;
	}
	return false;
}

bool *owner_matched_globs(const struct profile *profile)
{
	struct pointer_map seen = {0};
	size_t left = profile->module_count;
	bool *matched = memory_zeroed(left + 1, sizeof(*matched));
	char package[PACKAGE_SIZE];

	for (size_t i = 0; i < profile->locations->count && left; i++) {
		const struct profile_location *location = profile->locations->table[i];

		for (uint32_t j = 0; j < location->frame_count && left; j++) {
			const char *function = location->frames[j].function;
			uint32_t *known = function ? pointer_map_at(&seen, function) : NULL;

			if (!known || *known != POINTER_MAP_NONE)
				continue;
			*known = 1;
			if (!frames_package(function, package, sizeof(package)))
				continue;
			for (size_t k = 0; k < profile->module_count; k++) {
				if (matched[k] || !chooses_of_any_process(profile, profile->modules[k], package))
					continue;
				matched[k] = true;
				left--;
			}
		}
	}
	pointer_map_free(&seen);
	return matched;
}

static uint32_t add_rule(struct owner_table *table, const struct profile_process *process)
{
	struct rule rule = rule_of(process);

	for (size_t i = 0; i < table->rule_count; i++) {
		const struct rule *other = &table->rules[i];

		if (other->module == rule.module && other->package == rule.package && other->nested == rule.nested &&
		    other->go == rule.go)
			return (uint32_t)i;
	}
	table->rules[table->rule_count] = rule;
	return (uint32_t)table->rule_count++;
}

/* Finds the directory of the standard library's sources from a function of the runtime. */
static void find_goroot(struct owner_table *table)
{
	const struct profile *profile = table->profile;
	static const char runtime[] = "/src/runtime/";

	for (size_t i = 0; i < profile->locations->count; i++) {
		const struct profile_location *location = profile->locations->table[i];
		const struct profile_frame *frame =
			location->frame_count ? &location->frames[location->frame_count - 1] : NULL;
		const char *found;

		if (!frame || !frame->function || !frame->file || frame->file[0] != '/' ||
		    strncmp(frame->function, "runtime.", 8) != 0 || !(found = strstr(frame->file, runtime)))
			continue;
		table->goroot = frame->file;
		table->goroot_length = (size_t)(found - frame->file) + strlen("/src/");
		return;
	}
}

struct owner_table *owner_table_new(const struct profile *profile)
{
	struct owner_table *table = memory_zeroed(1, sizeof(*table));
	static const struct profile_process none;

	table->profile = profile;
	table->rules = memory_zeroed(profile->process_count + 1, sizeof(*table->rules));
	table->rule_of_process = memory_zeroed(profile->process_count + 1, sizeof(*table->rule_of_process));
	for (size_t i = 0; i < profile->process_count; i++)
		table->rule_of_process[i] = add_rule(table, &profile->processes[i]);
	table->rule_of_process[profile->process_count] = add_rule(table, &none);
	find_goroot(table);
	return table;
}

void owner_table_free(struct owner_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->rule_count; i++)
		pointer_map_free(&table->rules[i].functions);
	free(table->rules);
	free(table->rule_of_process);
	free(table);
}

static bool is_process(const struct profile_process *process, const struct profile_key *key, bool comm)
{
	return process->pid == key->pid && (!comm || process->comm == key->comm);
}

/* Returns the rule of a sample's process. A process ID may occur twice, before and after an exec; then the name
 * decides. */
static struct rule *rule_of_sample(struct owner_table *table, const struct profile_key *key)
{
	const struct profile *profile = table->profile;

	if (profile->process_count == 1)
		return &table->rules[table->rule_of_process[0]];
	if (table->last < profile->process_count && is_process(&profile->processes[table->last], key, true))
		return &table->rules[table->rule_of_process[table->last]];
	for (int comm = 1; comm >= 0; comm--) {
		for (size_t i = 0; i < profile->process_count; i++) {
			if (is_process(&profile->processes[i], key, comm)) {
				table->last = i;
				return &table->rules[table->rule_of_process[i]];
			}
		}
	}
	return &table->rules[table->rule_of_process[profile->process_count]];
}

static bool any_frame_known(const struct profile_stack *stack)
{
	for (uint32_t i = 0; i < stack->depth; i++) {
		if (profile_stack_at(stack, i)->frame_count && profile_stack_at(stack, i)->frames[0].function)
			return true;
	}
	return false;
}

/* Whether a C program's stack has only library frames: then the innermost one is shown. */
static bool is_c_only(const struct rule *rule, const struct profile_frame *frame)
{
	char package[PACKAGE_SIZE];

	return !rule->go && frame->function && !frames_package(frame->function, package, sizeof(package));
}

/* Whether the function that the owner called is the test framework's. It allocates more or less by how often it prints. */
static bool is_framework(const struct profile_frame *called)
{
	return called && called->function && strncmp(called->function, "testing.", strlen("testing.")) == 0;
}

/* Whether a frame of a C library would be shown although code without symbols is further in: it has only called that code, as
 * main's caller has. */
static bool is_nameless_within(const struct profile_stack *stack, uint32_t end)
{
	if (!is_c_library(profile_stack_at(stack, end)->mapping))
		return false;
	for (uint32_t i = 0; i < end; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		if (!(location->frame_count && location->frames[0].function) && !is_c_library(location->mapping))
			return true;
	}
	return false;
}

struct owner owner_of(struct owner_table *table, const struct profile_sample *sample)
{
	const struct profile_stack *stack = sample->key.stack;
	struct owner owner = {.kind = OWNER_UNKNOWN};
	const struct profile_frame *called = NULL;
	struct frames_site site;
	struct rule *rule;

	if (!stack || !any_frame_known(stack))
		return owner;
	owner.kind = OWNER_OUTSIDE;
	if (!frames_site(stack, &site))
		return owner;
	owner.allocating = frames_site_frame(stack, &site);
	owner.runtime_call = site.runtime_call;
	rule = rule_of_sample(table, &sample->key);
	for (uint32_t i = site.location; i < stack->depth && !owner.frame; i++) {
		const struct profile_location *location = profile_stack_at(stack, i);

		for (uint32_t j = i == site.location ? site.frame : 0; j < location->frame_count && !owner.frame; j++) {
			if (owns(table, rule, location, &location->frames[j]))
				owner.frame = &location->frames[j];
			else
				called = &location->frames[j];
		}
	}
	if (!owner.frame && !rule->go && is_nameless_within(stack, site.location))
		return (struct owner){.kind = OWNER_UNKNOWN};
	if (!owner.frame && is_c_only(rule, owner.allocating))
		owner.frame = owner.allocating;
	if (owner.frame && is_framework(called))
		owner.frame = NULL;
	if (!owner.frame)
		return owner;
	owner.kind = OWNER_FOUND;
	if (owner.frame != owner.allocating && owner.frame->function != owner.allocating->function)
		owner.via = owner.allocating->function;
	return owner;
}
