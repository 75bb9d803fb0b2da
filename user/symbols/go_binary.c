/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/go_binary.h"
#include "base/memory.h"
#include "symbols/elf_file.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUILD_INFO_HEADER = 32,
	BUILD_INFO_POINTER_SIZE = 14,
	BUILD_INFO_FLAGS = 15,
	BUILD_INFO_INLINE = 2,	  /* flag: the strings follow the header */
	BUILD_INFO_SENTINEL = 16, /* bytes around the module information */
	NOTE_GO_BUILD_ID = 4,
	VERSION_TEXT_MAX = 64,
	BUILD_VERSION_MAX = 4 << 10,
	BUILD_INFO_MAX = 16 << 20,
};

static char *copy(const void *text, size_t length)
{
	char *result = memory_allocate(length + 1);

	memcpy(result, text, length);
	result[length] = 0;
	return result;
}

/* ---- version and build information ---- */

static bool read_length(const uint8_t *data, uint64_t size, uint64_t *offset, uint64_t *length)
{
	*length = 0;
	for (int shift = 0; shift < 63 && *offset < size; shift += 7) {
		uint8_t byte = data[(*offset)++];

		*length |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return *length <= size - *offset;
	}
	return false;
}

/* Parses two strings, each preceded by its length: the version, and the module information between two sentinels. */
static bool parse_build_info(struct go_binary *binary, const uint8_t *data, uint64_t size)
{
	uint64_t offset = BUILD_INFO_HEADER, length;

	if (size < BUILD_INFO_HEADER || data[BUILD_INFO_POINTER_SIZE] > 8 ||
	    !(data[BUILD_INFO_FLAGS] & BUILD_INFO_INLINE))
		return false;
	if (!read_length(data, size, &offset, &length) || length == 0 || length > BUILD_VERSION_MAX)
		return false;
	binary->version_text = copy(data + offset, length);
	offset += length;
	if (read_length(data, size, &offset, &length) && length > 2 * BUILD_INFO_SENTINEL && length <= BUILD_INFO_MAX)
		binary->build_info = copy(data + offset + BUILD_INFO_SENTINEL, length - 2 * BUILD_INFO_SENTINEL);
	return true;
}

static bool find_build_info(struct go_binary *binary)
{
	static const char magic[] = "\xff Go buildinf:";
	const struct go_image *image = &binary->image;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct go_image_segment *segment = &image->segments[i];
		const uint8_t *data = image->data + segment->offset, *end = data + segment->size, *found = data;

		/* The linker puts it at the start of the data segment; in a position-independent program, after
		 * relocated data. */
		if (!segment->writable)
			continue;
		while ((found = memmem(found, (size_t)(end - found), magic, sizeof(magic) - 1))) {
			if (parse_build_info(binary, found, (uint64_t)(end - found)))
				return true;
			found++;
		}
	}
	return false;
}

static bool is_version(const char *text, uint64_t length)
{
	static const char *const starts[] = {"go1.", "devel go1.", "devel +"};

	for (size_t i = 0; length < VERSION_TEXT_MAX && i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (length > strlen(starts[i]) && memcmp(text, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

/* Some distributors strip the build information; the string variable runtime.buildVersion always exists. */
static void find_version(struct go_binary *binary)
{
	const char *text;
	uint64_t length;

	if (find_build_info(binary))
		return;
	text = go_image_find_string(&binary->image, is_version, &length);
	binary->version_text = text ? copy(text, length) : copy("go", 2);
}

/* Reads "mod\tPATH\tVERSION\n", or "path\tPATH\n" in a program outside of modules. */
static void find_module(struct go_binary *binary)
{
	static const char *const keys[] = {"mod\t", "path\t"};

	for (size_t i = 0; binary->build_info && !binary->module && i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *line = strstr(binary->build_info, keys[i]);

		if (line && (line == binary->build_info || line[-1] == '\n')) {
			line += strlen(keys[i]);
			binary->module = copy(line, strcspn(line, "\t\n"));
		}
	}
}

bool go_binary_setting(const struct go_binary *binary, const char *key, char *value, size_t size)
{
	const char *line = binary->build_info;

	while (line && (line = strstr(line, "build\t"))) {
		line += strlen("build\t");
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == '=') {
			line += strlen(key) + 1;
			snprintf(value, size, "%.*s", (int)strcspn(line, "\n"), line);
			return true;
		}
	}
	return false;
}

/* ---- types ---- */

bool go_binary_type_name(const struct go_binary *binary, uint64_t type, char *name, size_t size)
{
	const struct go_module *module = gopclntab_module(binary->symbols);
	const struct go_type_layout *layout = &binary->version->type;
	uint64_t rest, offset = 1, length; /* a byte of flags precedes the name */
	const uint8_t *descriptor, *text;
	int32_t name_offset;

	if (type < module->types || type >= module->types_end)
		return false;
	descriptor = go_image_at(&binary->image, type, layout->size);
	if (!descriptor)
		return false;
	memcpy(&name_offset, descriptor + layout->name, sizeof(name_offset));
	if (name_offset <= 0 || (uint64_t)name_offset >= module->types_end - module->types)
		return false;
	text = go_image_rest(&binary->image, module->types + (uint64_t)name_offset, &rest);
	if (!text || !read_length(text, rest, &offset, &length) || length == 0)
		return false;
	if ((descriptor[layout->flags] & layout->flag_extra_star) && text[offset] == '*') {
		offset++;
		length--;
	}
	snprintf(name, size, "%.*s", (int)(length < size ? length : size - 1), (const char *)text + offset);
	return length > 0;
}

/* ---- in a process ---- */

bool go_binary_has_note(const char *path)
{
	uint64_t address, value;

	return elf_note_find(path, "Go", NOTE_GO_BUILD_ID, &address, &value, NULL) == 1;
}

uint64_t go_binary_bias(const struct go_binary *binary, const struct target *target, const char *path)
{
	if (!binary->image.position_independent)
		return 0;
	/* By path, not the first mapping: a Go heap may be mapped below the program. */
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *mapping = &target->mappings[i];

		if (mapping->inode && strcmp(mapping->path, path) == 0 && mapping->offset == 0)
			return mapping->start - binary->image.base;
	}
	return 0;
}

/* ---- opening ---- */

/* The linker disables the runtime's sampler if none of these functions is reachable. */
static bool has_memory_profiling(const struct gopclntab *symbols)
{
	struct go_function function;

	return gopclntab_function_named(symbols, "runtime.MemProfile", &function) ||
	       gopclntab_function_named(symbols, "runtime.memProfileInternal", &function);
}

/* Go's linker puts this note into a section that is in no segment. */
static char *read_gnu_build_id(const struct go_image *image)
{
	enum { HEADER = sizeof(Elf64_Nhdr) + sizeof(ELF_NOTE_GNU), BYTES_MAX = 64 }; /* Elf64_Nhdr and "GNU" */
	uint64_t address, size = 0;
	const unsigned char *note = NULL;
	char *text;

	if (go_image_section(image, ".note.gnu.build-id", &address, &size) && size > HEADER &&
	    size <= HEADER + BYTES_MAX)
		note = go_image_at(image, address, size);
	if (!note || memcmp(note + sizeof(Elf64_Nhdr), ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) != 0)
		return NULL;
	text = memory_allocate(2 * (size - HEADER) + 1);
	for (size_t i = 0; i < size - HEADER; i++)
		sprintf(text + 2 * i, "%02x", note[HEADER + i]);
	return text;
}

struct go_binary *go_binary_open(const char *path, struct error *error)
{
	struct go_binary *binary = memory_zeroed(1, sizeof(*binary));
	const struct go_version *version;
	const void *id;
	size_t id_size;

	if (go_image_open(&binary->image, path, error))
		goto fail;
	find_version(binary);
	version = go_version_find(binary->version_text, &binary->version_known);
	binary->symbols = gopclntab_open(&binary->image, version, error);
	if (!binary->symbols && version) /* the version text is wrong: determine the layout from the data */
		binary->symbols = gopclntab_open(&binary->image, NULL, error);
	if (!binary->symbols) {
		error_prefix(error, "'%s'", path);
		goto fail;
	}
	binary->version = gopclntab_version(binary->symbols);
	binary->version_known = binary->version_known && binary->version == version;
	find_module(binary);
	id = go_image_note(&binary->image, "Go", NOTE_GO_BUILD_ID, &id_size);
	binary->build_id = id && id_size > 0 ? copy(id, id_size) : NULL;
	binary->gnu_build_id = read_gnu_build_id(&binary->image);
	binary->memory_profiling = has_memory_profiling(binary->symbols);
	return binary;
fail:
	go_binary_close(binary);
	return NULL;
}

void go_binary_close(struct go_binary *binary)
{
	if (!binary)
		return;
	gopclntab_close(binary->symbols);
	go_image_close(&binary->image);
	free((void *)binary->version_text);
	free((void *)binary->module);
	free((void *)binary->build_info);
	free((void *)binary->build_id);
	free((void *)binary->gnu_build_id);
	free(binary->notes);
	free(binary);
}

/* ---- sharing ---- */

enum { UNUSED_MAX = 8 }; /* unused shared binaries that stay open */

static struct go_binary *shared; /* most recently used first */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Removes the binary of this file from the list; NULL if it is not in it. */
static struct go_binary *take_shared(const struct stat *file)
{
	for (struct go_binary **at = &shared; *at; at = &(*at)->next) {
		struct go_binary *binary = *at;

		if (is_same_file(&binary->file, file)) {
			*at = binary->next;
			return binary;
		}
	}
	return NULL;
}

struct go_binary *go_binary_share(const char *path, struct error *error)
{
	struct go_binary *binary;
	struct stat file;

	if (stat(path, &file))
		return go_binary_open(path, error); /* sets the error */
	binary = take_shared(&file);
	if (!binary)
		binary = go_binary_open(path, error);
	if (!binary)
		return NULL;
	binary->file = file;
	binary->users++;
	binary->next = shared;
	shared = binary;
	return binary;
}

void go_binary_unshare(struct go_binary *binary)
{
	struct go_binary **at = &shared;
	unsigned unused = 0;

	if (!binary)
		return;
	binary->users--;
	while (*at) {
		struct go_binary *next = *at;

		if (next->users == 0 && ++unused > UNUSED_MAX) {
			*at = next->next;
			go_binary_close(next);
		} else {
			at = &next->next;
		}
	}
}
