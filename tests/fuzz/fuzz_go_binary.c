/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the Go program that FUZZ_GO names after changing some bytes of its build information, pclntab, moduledata, type
 * descriptors, and of the code that we decode.
 */
#include "image.h"
#include "runtime/go_code.h"
#include "symbols/go_binary.h"

enum { FUNCTIONS = 64, TYPES = 64, INLINED_MAX = 200 };

static struct image image;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const parts[] = {"gopclntab", "buildinfo", "note",	 ".data",     "noptrdata",
					    "module",	 ".rela",     ".rodata", ".typelink", ".text",
					    "go.type",	 "str",	      NULL};

	(void)argc, (void)argv;
	image_open(&image, "FUZZ_GO", parts);
	return 0;
}

static bool count_inlined(const char *name, void *context)
{
	REQUIRE(strlen(name) < image.size);
	return ++*(int *)context < INLINED_MAX;
}

static void check_function(const struct go_binary *binary, uint32_t index)
{
	struct profile_frame frames[SYMBOLIZER_INLINE_MAX];
	struct go_function function;
	struct go_point point;
	uint64_t steps = GOPCLNTAB_WALK_STEPS;
	int inlined = 0;

	if (gopclntab_function(binary->symbols, index, &function)) {
		size_t count;

		REQUIRE(function.entry <= function.end && strlen(function.name) < image.size);
		count = gopclntab_lookup(binary->symbols, function.entry + (function.end - function.entry) / 2, frames);
		REQUIRE(count <= SYMBOLIZER_INLINE_MAX);
		for (size_t i = 0; i < count; i++)
			REQUIRE((!frames[i].function || strlen(frames[i].function) < image.size) &&
				(!frames[i].file || strlen(frames[i].file) < image.size));
		go_code_point(binary, &function, &point);
	}
	gopclntab_inlined(binary->symbols, index, &steps, count_inlined, &inlined);
}

static void check_code(const struct go_binary *binary)
{
	struct go_code_bits bits;
	struct go_code_layout layout;
	struct error error = {0};

	go_code_heap_statistics(binary);
	go_code_processors(binary);
	go_code_goroutines(binary);
	go_code_profile_rate(binary);
	go_code_lost_systemstack(binary);
	go_code_morestack(binary);
	go_code_bits(binary, &bits);
	go_code_heap_layout(binary, &layout);
	REQUIRE(go_code_confirm(binary, &error) || error.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct error error = {0};
	struct go_binary *binary;
	char text[256];

	image_change(&image, bytes, size);
	binary = go_binary_open(image.path, &error);
	if (binary) {
		const struct go_module *module = gopclntab_module(binary->symbols);
		uint32_t functions = gopclntab_function_count(binary->symbols);

		for (uint32_t i = 0; i < FUNCTIONS; i++)
			check_function(binary, (uint32_t)((uint64_t)functions * i / FUNCTIONS));
		for (uint64_t i = 0; i < TYPES; i++) {
			if (go_binary_type_name(binary, module->types + (module->types_end - module->types) / TYPES * i,
						text, sizeof(text)))
				REQUIRE(strlen(text) < sizeof(text));
		}
		go_binary_setting(binary, "-buildmode", text, sizeof(text));
		check_code(binary);
		go_binary_close(binary);
	} else {
		REQUIRE(error.text[0]);
	}
	image_restore(&image);
	return 0;
}
