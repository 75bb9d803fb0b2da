/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the table, and how an address goes through them:
 *
 *   ftab      sorted {entry offset, _func offset}     address -> _func
 *   _func     entry, name, and offsets in pctab of a function's "pc tables"
 *   pctab     a pc table is a list of (value delta, pc delta) varints: pc -> file number, line, inline tree index
 *   cutab     (compilation unit, file number) -> offset in filetab
 *   funcnametab, filetab   terminated strings
 *   inline tree   one record an inlined call: name, and the pc in the parent whose position is the call
 *
 * The innermost position of an instruction is that of its pc. If the inline tree index there is not negative, the
 * record names the innermost function, and its parentPc leads to the next frame, and so on. A negative index means the
 * frame of the physical function.
 */
#include "symbols/gopclntab.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash_table.h"
#include "base/memory.h"
#include "base/search.h"
#include "base/unaligned.h"
#include "profile/frames.h"
#include "symbols/mapped_text.h"

enum {
	PCDATA_INLINE_TREE_INDEX = 2,
	FUNCDATA_INLINE_TREE = 3,
};

/* The fields of runtime._func that are the same in all versions, by their names there. */
enum {
	FUNC_ENTRY_OFF = 0,
	FUNC_NAME_OFF = 4,
	FUNC_PCFILE = 20,
	FUNC_PCLN = 24,
	FUNC_NPCDATA = 28,
	FUNC_CU_OFFSET = 32,
};

/* The fields of runtime.pcHeader, by their names there. */
enum {
	HEADER_PAD1 = 4,
	HEADER_PAD2 = 5,
	HEADER_MIN_LC = 6, /* the least size of an instruction */
	HEADER_PTR_SIZE = 7,
	HEADER_NFUNC = 8,
	HEADER_TEXT_START = 24,
	HEADER_FUNCNAME_OFFSET = 32, /* followed by cuOffset, filetabOffset, pctabOffset, pclnOffset */
	HEADER_SIZE = 72,
};

/* moduledata: six slices follow the pointer to pcHeader. */
enum {
	MODULE_SLICES = 8,
	MODULE_TEXT_END_AFTER_TEXT = 8,
	MODULE_READ = 512,
};

/* Bounds for tables that are made to cost time. */
enum {
	NAME_MAX_BYTES = 16 << 10, /* of a function or file */
	FUNCTIONS_MAX = 2 << 20,   /* Kubernetes has 200,000 */
	HEADERS_MAX = 16,	   /* that look right, in a file without sections */
	NAME_BYTES_A_STEP = 32,	   /* a name costs as much as its share of steps through a pc table */
};

/* What all lookups in a file may take of steps through pc tables: each address is looked up once, in some hundred steps. */
#define LOOKUP_STEPS_MAX (UINT64_C(4) << 30)

struct bytes {
	const uint8_t *data;
	uint64_t size;
};

#define NO_PACKAGE "_."

/* A name with its type arguments shortened. */
struct short_name {
	const char *full; /* the key: of `texts`, where equal ones are the same pointer */
	UT_hash_handle hh;
	char text[];
};

/* A function that the source declares in a file. */
struct declared {
	uint32_t file;	  /* the key: where it is in the table of files */
	const char *name; /* NULL: there is none */
	UT_hash_handle hh;
};

/* The cached result of a lookup: every process of a program asks for the same addresses. */
struct answer {
	uint64_t address;
	UT_hash_handle hh;
	size_t count;
	struct profile_frame frames[];
};

struct gopclntab {
	const struct go_version *version;
	struct go_module module;
	struct bytes names, units, files, pctab, functions; /* functions: ftab, then every _func */
	struct bytes gofunc;
	uint32_t function_count;
	uint8_t least_instruction; /* in bytes: the unit of pc tables */
	struct short_name *short_names;
	struct declared *declared; /* of the files that were asked for */
	struct answer *answers;
	struct string_table texts; /* copies of the names in these */
	uint64_t steps_left;	   /* of LOOKUP_STEPS_MAX */
};

/* Returns `size` bytes at an offset, or NULL. */
static const uint8_t *at(struct bytes bytes, uint64_t offset, uint64_t size)
{
	return offset <= bytes.size && size <= bytes.size - offset ? bytes.data + offset : NULL;
}

/* Returns the terminated string at an offset, or NULL. Who can write to the file can take its end away. */
static const char *string_at(struct bytes bytes, uint64_t offset)
{
	uint64_t rest = offset < bytes.size ? bytes.size - offset : 0;

	if (!rest || !memchr(bytes.data + offset, 0, rest < NAME_MAX_BYTES ? rest : NAME_MAX_BYTES))
		return NULL;
	return (const char *)bytes.data + offset;
}

/* Whether the string at an offset is this one, of `size` bytes with its end. */
static bool string_is(struct bytes bytes, uint64_t offset, const char *text, size_t size)
{
	const uint8_t *found = at(bytes, offset, size);

	return found && memcmp(found, text, size) == 0;
}

/* ---- finding the table ---- */

/* The least size of an instruction, in which pc tables count. */
static uint8_t least_instruction(const struct go_image *image)
{
	return image->machine == EM_AARCH64 ? 4 : 1;
}

static bool header_plausible(const struct go_image *image, const uint8_t *header, uint64_t rest)
{
	uint64_t offset = 0;

	if (rest < HEADER_SIZE || header[HEADER_PAD1] != 0 || header[HEADER_PAD2] != 0 ||
	    header[HEADER_PTR_SIZE] != 8 || header[HEADER_MIN_LC] != least_instruction(image))
		return false;
	if (load_u32(header) != GO118_PCLNTAB_MAGIC && load_u32(header) != GO120_PCLNTAB_MAGIC)
		return false;
	if (load_u64(header + HEADER_NFUNC) == 0 || load_u64(header + HEADER_NFUNC) > rest / 8)
		return false;
	for (int i = 0; i < 5; i++) { /* the parts are in ascending order */
		uint64_t next = load_u64(header + HEADER_FUNCNAME_OFFSET + 8 * i);

		if (next < offset || next > rest)
			return false;
		offset = next;
	}
	return true;
}

/* Reads moduledata by the layout of one version; returns false if its values are impossible. */
static bool read_module(const struct go_image *image, const struct go_version *version, uint64_t address,
			struct go_module *module, uint8_t raw[MODULE_READ])
{
	const struct go_moduledata_layout *layout = &version->module;
	uint64_t rest;

	if (!go_image_read(image, address, raw, MODULE_READ))
		return false;
	module->address = address;
	module->header = load_u64(raw);
	module->text = load_u64(raw + layout->text);
	module->text_end = load_u64(raw + layout->text + MODULE_TEXT_END_AFTER_TEXT);
	module->types = load_u64(raw + layout->types);
	module->types_end = load_u64(raw + layout->types_end);
	module->gofunc = load_u64(raw + layout->gofunc);
	return module->text < module->text_end && go_image_rest(image, module->text, &rest) &&
	       module->text_end - module->text <= rest && module->types <= module->types_end &&
	       go_image_at(image, module->types, module->types_end - module->types) &&
	       go_image_rest(image, module->gofunc, &rest);
}

/* Reads the six slices after the header's address: names, units, files, pctab, pclntab, ftab. */
static bool read_slices(struct gopclntab *table, const struct go_image *image, const uint8_t *raw)
{
	struct bytes *const parts[5] = {&table->names, &table->units, &table->files, &table->pctab, &table->functions};
	static const uint8_t width[5] = {1, 4, 1, 1, 1};
	uint64_t count = load_u64(raw + MODULE_SLICES + 24 * 5 + 8);

	for (int i = 0; i < 5; i++) {
		const uint8_t *slice = raw + MODULE_SLICES + 24 * i;
		uint64_t rest;

		parts[i]->data = go_image_rest(image, load_u64(slice), &rest);
		if (!parts[i]->data || load_u64(slice + 8) > rest / width[i])
			return false;
		parts[i]->size = load_u64(slice + 8) * width[i];
	}
	/* ftab has one entry more than there are functions: the end of the last one. */
	if (count < 2 || count > FUNCTIONS_MAX || count > table->functions.size / 8)
		return false;
	table->function_count = (uint32_t)count - 1;
	table->gofunc.data = go_image_rest(image, table->module.gofunc, &table->gofunc.size);
	return true;
}

static uint64_t entry_of(const struct gopclntab *table, uint32_t index)
{
	return table->module.text + load_u32(table->functions.data + (uint64_t)index * 8);
}

/* Returns the _func of a function, of which the fixed part is in bounds, or NULL. */
static const uint8_t *func_of(const struct gopclntab *table, uint32_t index)
{
	uint32_t offset = load_u32(table->functions.data + (uint64_t)index * 8 + 4);

	return at(table->functions, offset, table->version->pclntab.func_size);
}

/* Functions are in the order of their code, as Go's runtime demands when it starts: so they share none of it. */
static bool functions_ascend(const struct gopclntab *table)
{
	for (uint32_t i = 0; i < table->function_count; i++) {
		if (entry_of(table, i) > entry_of(table, i + 1))
			return false;
	}
	return true;
}

/* Tries the layouts that fit the header's magic: only that of the given version, or else all of them, newest first. */
static bool open_module(struct gopclntab *table, const struct go_image *image, uint64_t address, uint32_t magic,
			const struct go_version *wanted)
{
	uint8_t raw[MODULE_READ];
	int count = 0;

	while (go_version_row(count))
		count++;
	for (int i = count - 1; i >= 0; i--) {
		const struct go_version *version = go_version_row(i);

		if (version->magic != magic || (wanted && version != wanted))
			continue;
		if (!read_module(image, version, address, &table->module, raw) || !read_slices(table, image, raw))
			continue;
		table->version = version;
		if (functions_ascend(table))
			return true;
	}
	return false;
}

static bool open_header(struct gopclntab *table, const struct go_image *image, uint64_t header,
			const struct go_version *version)
{
	uint64_t rest, module;
	const uint8_t *bytes = go_image_rest(image, header, &rest);

	if (!bytes || !header_plausible(image, bytes, rest))
		return false;
	table->least_instruction = least_instruction(image);
	module = go_image_find_pair(image, header, header + load_u64(bytes + HEADER_FUNCNAME_OFFSET));
	return module && open_module(table, image, module, load_u32(bytes), version);
}

/* If there is no section of a known name: searches all segments for the header. */
static bool scan_for_header(struct gopclntab *table, const struct go_image *image, const struct go_version *version)
{
	/* the last three bytes of either magic, and the bytes that follow it */
	const uint8_t tail[] = {0xff, 0xff, 0xff, 0, 0, least_instruction(image), 8};
	int headers = 0;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct go_image_segment *segment = &image->segments[i];
		const uint8_t *data = image->data + segment->offset;
		const uint8_t *from = data, *end = data + segment->size, *found;

		while ((found = memmem(from, (size_t)(end - from), tail, sizeof(tail)))) {
			uint64_t address = segment->address + (uint64_t)(found - data) - 1;

			if (found > data && address % 8 == 0 &&
			    header_plausible(image, found - 1, (uint64_t)(end - found) + 1)) {
				if (open_header(table, image, address, version))
					return true;
				if (++headers == HEADERS_MAX)
					return false;
			}
			from = found + 1;
		}
	}
	return false;
}

struct gopclntab *gopclntab_open(const struct go_image *image, const struct go_version *version, struct error *error)
{
	static const char *const sections[] = {".gopclntab", ".data.rel.ro.gopclntab"};
	struct gopclntab *table = memory_zeroed(1, sizeof(*table));
	uint64_t address, size;

	table->steps_left = LOOKUP_STEPS_MAX;

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		if (go_image_section(image, sections[i], &address, &size) &&
		    open_header(table, image, address, version))
			return table;
	}
	if (scan_for_header(table, image, version))
		return table;
	free(table);
	error_set(error, STATUS_CANNOT_MEASURE, "no Go symbol table (pclntab) of Go 1.19 or newer found");
	return NULL;
}

void gopclntab_close(struct gopclntab *table)
{
	struct short_name *name, *next;
	struct declared *declared, *next_declared;
	struct answer *answer, *next_answer;

	if (!table)
		return;
	HASH_ITER (hh, table->answers, answer, next_answer) {
		HASH_DEL(table->answers, answer);
		free(answer);
	}
	HASH_ITER (hh, table->short_names, name, next) {
		HASH_DEL(table->short_names, name);
		free(name);
	}
	HASH_ITER (hh, table->declared, declared, next_declared) {
		HASH_DEL(table->declared, declared);
		free(declared);
	}
	string_table_free(&table->texts);
	free(table);
}

const struct go_module *gopclntab_module(const struct gopclntab *table)
{
	return &table->module;
}

const struct go_version *gopclntab_version(const struct gopclntab *table)
{
	return table->version;
}

/* ---- functions ---- */

uint32_t gopclntab_function_count(const struct gopclntab *table)
{
	return table->function_count;
}

bool gopclntab_function(const struct gopclntab *table, uint32_t index, struct go_function *function)
{
	const uint8_t *func;

	if (index >= table->function_count)
		return false;
	func = func_of(table, index);
	function->index = index;
	function->entry = entry_of(table, index);
	function->end = entry_of(table, index + 1);
	function->name = func ? string_at(table->names, load_u32(func + FUNC_NAME_OFF)) : NULL;
	return function->name && function->entry < function->end;
}

static bool begins_at_or_before(const void *table, size_t index, const void *address)
{
	return entry_of(table, (uint32_t)index) <= *(const uint64_t *)address;
}

/* Finds the last function that starts at or before the address. */
static bool find_index(const struct gopclntab *table, uint64_t address, uint32_t *index)
{
	if (address < entry_of(table, 0) || address >= entry_of(table, table->function_count))
		return false;
	*index = (uint32_t)search_place(1, table->function_count, begins_at_or_before, table, &address) - 1;
	return true;
}

bool gopclntab_function_at(const struct gopclntab *table, uint64_t address, struct go_function *function)
{
	uint32_t index;

	return find_index(table, address, &index) && gopclntab_function(table, index, function);
}

bool gopclntab_function_named(const struct gopclntab *table, const char *name, struct go_function *function)
{
	size_t size = strlen(name) + 1;

	for (uint32_t i = 0; i < table->function_count; i++) {
		const uint8_t *func = func_of(table, i);

		if (func && string_is(table->names, load_u32(func + FUNC_NAME_OFF), name, size) &&
		    gopclntab_function(table, i, function))
			return true;
	}
	return false;
}

/* ---- pc tables ---- */

static bool read_varint(struct bytes bytes, uint64_t *offset, uint32_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 35; shift += 7) {
		uint8_t byte;

		if (*offset >= bytes.size)
			return false;
		byte = bytes.data[(*offset)++];
		*value |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

struct pc_step {
	uint64_t offset; /* in pctab, of the next pair */
	uint64_t pc;	 /* offset in the function where the value ends */
	int32_t value;
	bool started;
};

static bool take(uint64_t *left, uint64_t steps)
{
	*left = *left > steps ? *left - steps : 0;
	return *left > 0;
}

/* Reads the next (value, until pc) of a pc table; returns false at its end, and when no steps are left. */
static bool pc_step(const struct gopclntab *table, struct pc_step *step, uint64_t *left)
{
	uint32_t value, pc;

	if (!take(left, 1) || !read_varint(table->pctab, &step->offset, &value) || (value == 0 && step->started) ||
	    !read_varint(table->pctab, &step->offset, &pc))
		return false;
	step->value = (int32_t)((uint32_t)step->value + (-(value & 1) ^ (value >> 1)));
	step->pc += (uint64_t)pc * table->least_instruction;
	step->started = true;
	return true;
}

/* Returns the value of a pc table at an offset in its function; -1 if there is none. */
static int32_t pc_value(struct gopclntab *table, uint32_t offset, uint64_t pc)
{
	struct pc_step step = {.offset = offset, .value = -1};

	if (offset == 0)
		return -1;
	while (pc_step(table, &step, &table->steps_left)) {
		if (pc < step.pc)
			return step.value;
	}
	return -1;
}

/* Returns the offset in pctab of one of a function's numbered tables; 0 if it has none. */
static uint32_t pcdata_offset(const struct gopclntab *table, const uint8_t *func, uint32_t which)
{
	uint64_t start = (uint64_t)(func - table->functions.data) + table->version->pclntab.func_size;
	const uint8_t *entry;

	if (which >= load_u32(func + FUNC_NPCDATA))
		return 0;
	entry = at(table->functions, start + 4ULL * which, 4);
	return entry ? load_u32(entry) : 0;
}

/* Returns the inline tree of a function: its records, and everything after them in the segment. Empty if it has
 * none. */
static struct bytes inline_tree(const struct gopclntab *table, const uint8_t *func)
{
	uint16_t size = table->version->pclntab.func_size;
	uint64_t start = (uint64_t)(func - table->functions.data) + size;
	uint8_t funcdata_count = func[size - 1];
	struct bytes none = {0};
	const uint8_t *entry;
	uint32_t offset;

	if (funcdata_count <= FUNCDATA_INLINE_TREE)
		return none;
	entry = at(table->functions, start + 4ULL * load_u32(func + FUNC_NPCDATA) + 4 * FUNCDATA_INLINE_TREE, 4);
	offset = entry ? load_u32(entry) : UINT32_MAX;
	if (offset == UINT32_MAX || !at(table->gofunc, offset, 1))
		return none;
	return (struct bytes){table->gofunc.data + offset, table->gofunc.size - offset};
}

static const uint8_t *inline_record(const struct gopclntab *table, struct bytes tree, int32_t index)
{
	return index < 0 ? NULL
			 : at(tree, (uint64_t)index * table->version->pclntab.inlined_size,
			      table->version->pclntab.inlined_size);
}

void gopclntab_inlined(const struct gopclntab *table, uint32_t index, uint64_t *steps_left,
		       bool (*visit)(const char *name, void *context), void *context)
{
	const uint8_t *func = index < table->function_count ? func_of(table, index) : NULL;
	struct pc_step step = {.value = -1};
	struct bytes tree;
	int32_t last = -1;

	if (!func)
		return;
	tree = inline_tree(table, func);
	step.offset = pcdata_offset(table, func, PCDATA_INLINE_TREE_INDEX);
	if (step.offset == 0)
		return;
	/* The tree does not contain its length; it is given by the largest index in use. */
	while (pc_step(table, &step, steps_left))
		last = step.value > last ? step.value : last;
	for (int32_t i = 0; i <= last; i++) {
		const uint8_t *record = inline_record(table, tree, i);
		const char *name;

		if (!record)
			return;
		name = string_at(table->names, load_u32(record + table->version->pclntab.inlined_name));
		if (!take(steps_left,
			  1 + (name ? strnlen(name, NAME_MAX_BYTES) : NAME_MAX_BYTES) / NAME_BYTES_A_STEP) ||
		    (name && !visit(name, context)))
			return;
	}
}

/* ---- names and positions ---- */

/* Go's own stack traces show F[go.shape.int] as F[...]. */
static const char *display_name(struct gopclntab *table, const char *full)
{
	const char *open = strchr(full, '['), *close = strrchr(full, ']');
	struct short_name *name;
	size_t head, size;

	if (!open || !close || close < open || strncmp(open, "[...]", 5) == 0)
		return full;
	HASH_FIND_PTR(table->short_names, &full, name);
	if (name)
		return name->text;
	head = (size_t)(open - full);
	size = head + strlen("[...]") + strlen(close + 1) + 1;
	name = memory_zeroed(1, sizeof(*name) + size);
	name->full = full;
	snprintf(name->text, size, "%.*s[...]%s", (int)head, full, close + 1);
	HASH_ADD_PTR(table->short_names, full, name);
	return name->text;
}

static const char *copy_at(struct gopclntab *table, struct bytes bytes, uint64_t offset)
{
	const char *text = string_at(bytes, offset);

	return text ? mapped_text_copy(&table->texts, text, strnlen(text, NAME_MAX_BYTES)) : NULL;
}

/* Returns where the file of an instruction is in the table of files; UINT32_MAX if it has none. */
static uint32_t file_offset(struct gopclntab *table, const uint8_t *func, uint64_t pc)
{
	int32_t file = pc_value(table, load_u32(func + FUNC_PCFILE), pc);
	const uint8_t *offset;

	if (file < 0)
		return UINT32_MAX;
	offset = at(table->units, 4 * ((uint64_t)load_u32(func + FUNC_CU_OFFSET) + (uint32_t)file), 4);
	return offset ? load_u32(offset) : UINT32_MAX;
}

/* Whether it is a function or method: the name of a closure may begin with the package that its function was inlined into. */
static bool is_declared(const char *name)
{
	const char *local = frames_local_name(name), *dot = strchr(local, '.');

	return local != name && strncmp(name, NO_PACKAGE, strlen(NO_PACKAGE)) != 0 &&
	       (!dot || (*local == '(' && !strchr(dot + 1, '.')));
}

/* Returns a copy: who can write to the file could change the name. */
static const char *find_declared(struct gopclntab *table, uint32_t file)
{
	for (uint32_t i = 0; i < table->function_count && take(&table->steps_left, 1); i++) {
		const uint8_t *func = func_of(table, i);
		const char *name;

		if (!func || file_offset(table, func, 0) != file ||
		    !take(&table->steps_left, NAME_MAX_BYTES / NAME_BYTES_A_STEP))
			continue;
		name = string_at(table->names, load_u32(func + FUNC_NAME_OFF));
		if (name && is_declared(name))
			name = copy_at(table, table->names, load_u32(func + FUNC_NAME_OFF));
		if (name && is_declared(name))
			return name;
	}
	return NULL;
}

static const char *declared_in(struct gopclntab *table, uint32_t file)
{
	struct declared *declared;

	HASH_FIND(hh, table->declared, &file, sizeof(file), declared);
	if (!declared) {
		declared = memory_zeroed(1, sizeof(*declared));
		declared->file = file;
		declared->name = find_declared(table, file);
		HASH_ADD(hh, table->declared, file, sizeof(file), declared);
	}
	return declared->name;
}

/*
 * Go 1.27 names a closure of an inlined function that has a `//go:linkname` as if that had no package: _.goready.func1. Its
 * package is that of its file, and so of the other functions there.
 */
static const char *with_package(struct gopclntab *table, const char *full, uint32_t file)
{
	const char *other = file == UINT32_MAX ? NULL : declared_in(table, file), *copy;
	char *named;

	if (!other)
		return full;
	named = memory_format("%.*s%s", (int)(frames_local_name(other) - 1 - other), other,
			      full + strlen(NO_PACKAGE) - 1);
	copy = mapped_text_copy(&table->texts, named, strlen(named));
	free(named);
	return copy;
}

static void set_name(struct gopclntab *table, struct profile_frame *frame, uint32_t offset, uint32_t file)
{
	const char *full = copy_at(table, table->names, offset);

	if (full && strncmp(full, NO_PACKAGE, strlen(NO_PACKAGE)) == 0)
		full = with_package(table, full, file);
	frame->function = full ? display_name(table, full) : NULL;
}

static void set_position(struct gopclntab *table, struct profile_frame *frame, const uint8_t *func, uint64_t pc,
			 uint32_t file)
{
	int32_t line = pc_value(table, load_u32(func + FUNC_PCLN), pc);

	if (file == UINT32_MAX || line < 0)
		return;
	frame->file = copy_at(table, table->files, file);
	frame->line = frame->file ? (uint32_t)line : 0;
}

static uint32_t line_at(const uint8_t *record, uint16_t offset)
{
	int32_t line = offset ? (int32_t)load_u32(record + offset) : 0;

	return line > 0 ? (uint32_t)line : 0;
}

static size_t decode(struct gopclntab *table, uint64_t address, struct profile_frame frames[SYMBOLIZER_INLINE_MAX])
{
	const struct go_pclntab_layout *layout = &table->version->pclntab;
	uint32_t index, tree_offset;
	const uint8_t *func;
	struct bytes tree;
	uint64_t pc;
	size_t count = 0;

	if (!find_index(table, address, &index) || !(func = func_of(table, index)))
		return 0;
	pc = address - entry_of(table, index);
	if (load_u32(func + FUNC_PCLN) != 0 && pc_value(table, load_u32(func + FUNC_PCLN), pc) < 0)
		return 0; /* padding after the function's code */
	tree = inline_tree(table, func);
	tree_offset = pcdata_offset(table, func, PCDATA_INLINE_TREE_INDEX);
	while (count < SYMBOLIZER_INLINE_MAX) {
		struct profile_frame *frame = &frames[count++];
		const uint8_t *record = inline_record(table, tree, pc_value(table, tree_offset, pc));
		const uint32_t file = file_offset(table, func, pc);

		memset(frame, 0, sizeof(*frame));
		set_position(table, frame, func, pc, file);
		if (!record) {
			set_name(table, frame, load_u32(func + FUNC_NAME_OFF), file);
			frame->start_line = line_at(func, layout->func_start_line);
			break;
		}
		set_name(table, frame, load_u32(record + layout->inlined_name), file);
		frame->start_line = line_at(record, layout->inlined_start_line);
		pc = load_u32(record + layout->inlined_parent);
	}
	return count;
}

size_t gopclntab_lookup(struct gopclntab *table, uint64_t address, struct profile_frame frames[SYMBOLIZER_INLINE_MAX])
{
	struct answer *answer;
	size_t count;

	HASH_FIND(hh, table->answers, &address, sizeof(address), answer);
	if (answer) {
		memcpy(frames, answer->frames, answer->count * sizeof(*frames));
		return answer->count;
	}
	count = decode(table, address, frames);
	answer = memory_allocate(sizeof(*answer) + count * sizeof(*frames));
	answer->address = address;
	answer->count = count;
	memcpy(answer->frames, frames, count * sizeof(*frames));
	HASH_ADD(hh, table->answers, address, sizeof(address), answer);
	return count;
}
