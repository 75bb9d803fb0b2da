/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An address is looked up in three sorted tables, each by binary search:
 *
 * - ranges of all compilation units: built from the units' own ranges at the first lookup
 *   (.debug_aranges would be faster, but clang does not write it)
 * - functions of one unit: built when the first address falls into that unit - lines of one unit: libdw's
 *
 * From the function, a short walk leads down through the inlined calls that contain the address.
 */
#include "symbols/dwarf_symbols.h"

#include <ctype.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash_table.h"
#include "base/memory.h"
#include "base/only_ours.h"
#include "base/regular_file.h"
#include "base/search.h"
#include "symbols/debug_files.h"
#include "symbols/elf_file.h"
#include "symbols/elf_symbols.h"
#include "symbols/mapped_text.h"

enum {
	DEPTH_MAX = 256,  /* nesting of entries; a greater depth means a damaged file */
	OVERLAP_MAX = 64, /* overlapping ranges examined before an address is considered to be in none */
	/* Chromium and ClickHouse have 50,000 units and 2 million functions. */
	UNITS_MAX = 1 << 18,
	RANGES_MAX = 4 << 20,
	STEPS = 256, /* between two looks at the clock */
	/* libdw goes over all attributes of each entry that it passes, and they need take no bytes there; real ones have 30. */
	ATTRIBUTES_MAX = 128,
	ABBREVIATIONS_MAX = 1 << 16, /* of a unit */
	/* Of line tables. A byte of them may be a row, which takes 100 bytes of memory. */
	LINES_UNIT_MAX = 8 << 20,
	LINES_MAX = 32 << 20, /* of the units that are looked at */
	CPU_SECONDS = 60,
};

/* The CPU time of all lookups in a file. It says how its entries hang together, and may send a walk round in circles, or to
 * other files for each of its units. */
#define CPU_MAX (INT64_C(1000000000) * CPU_SECONDS)

/* The addresses [low, high) belong to the unit or function with this index. */
struct range {
	uint64_t low, high;
	size_t index;
};

struct ranges {
	struct range *rows; /* sorted by low, once complete */
	size_t count, capacity;
};

struct unit {
	Dwarf_Die die;	   /* has ranges and lines */
	Dwarf_Die entries; /* has functions; differs from `die` if debug information is split */
	bool functions_read;
	Dwarf_Off reached; /* the last entry that was read: the next ones come after it */
	Dwarf_Die *functions;
	size_t function_count, function_capacity;
	struct ranges ranges; /* ranges of the unit's functions */
	bool lines_measured, lines_fit;
};

/* A relative source file name, made absolute with the compilation directory of its unit. */
struct absolute {
	UT_hash_handle hh;
	struct absolute_key {
		/* of `texts`: equal ones are the same pointer */
		const char *directory, *file;
	} key;
	char *path;
};

struct dwarf_symbols {
	/* NULL for a file of which libdw would inflate too much: it has only symbols; or of which no copy could be made */
	Dwfl *dwfl;
	Dwfl_Module *module;
	Elf *plain; /* the file, if libdwfl is not asked for its symbols */
	int plain_file;
	struct debug_files files; /* its copy, too, if others can change it */
	char *limit;		  /* NULL until a limit was reached; then what is missing, and why */
	char *path;		  /* of the file, without links; NULL if it has none any more */
	char *build_id;
	bool units_read;
	Dwarf *dwarf;
	Dwarf_Addr bias; /* module address minus DWARF address; nonzero only for prelinked files */
	struct unit *units;
	size_t unit_count, unit_capacity;
	struct ranges ranges; /* ranges of all units */
	size_t ranges_left;   /* of RANGES_MAX */
	size_t lines_left;    /* of LINES_MAX */
	int64_t cpu_left;     /* of CPU_MAX */
	int64_t cpu_since;    /* the thread's CPU clock when cpu_left was computed, or this lookup began */
	unsigned steps;
	struct elf_symbols *elf_symbols; /* NULL until first needed */
	struct absolute *absolutes;
	struct string_table texts;
};

static const volatile sig_atomic_t *given_up; /* NULL, or who sets it wants no more names */

void dwarf_symbols_give_up_when(const volatile sig_atomic_t *asked)
{
	given_up = asked;
}

static void reach_limit(struct dwarf_symbols *symbols, const char *what)
{
	if (!symbols->limit)
		symbols->limit = memory_text(what);
}

/* Whether CPU time is left, and nobody has asked to give up. */
static bool has_time(struct dwarf_symbols *symbols)
{
	int64_t now = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	symbols->cpu_left -= now - symbols->cpu_since;
	symbols->cpu_since = now;
	if (given_up && *given_up) {
		symbols->cpu_left = 0;
		reach_limit(
			symbols,
			"some functions and lines are not known: a signal ended the reading of its debug information");
	}
	if (symbols->cpu_left > 0)
		return true;
	reach_limit(symbols, "some functions and lines are not known: its debug information takes too long to read");
	return false;
}

/* The same for a loop of short steps. */
static bool may_go_on(struct dwarf_symbols *symbols)
{
	return ++symbols->steps % STEPS ? symbols->cpu_left > 0 : has_time(symbols);
}

/* Makes room for one more element. */
static void *grow(void *rows, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return rows;
	*capacity = *capacity ? *capacity * 2 : 16;
	rows = memory_resize(rows, *capacity, size);
	return rows;
}

/* --- ranges --- */

static void ranges_add(struct ranges *ranges, uint64_t low, uint64_t high, size_t index)
{
	/* Functions that the linker discarded have address 0. */
	if (low >= high || low == 0)
		return;
	ranges->rows = grow(ranges->rows, ranges->count, &ranges->capacity, sizeof(*ranges->rows));
	ranges->rows[ranges->count++] = (struct range){low, high, index};
}

/* Returns whether there were any. */
static bool ranges_add_entry(struct dwarf_symbols *symbols, struct ranges *ranges, Dwarf_Die *die, size_t index)
{
	size_t before = ranges->count;
	Dwarf_Addr base, low, high;
	ptrdiff_t offset = 0;

	while (symbols->ranges_left && (offset = dwarf_ranges(die, offset, &base, &low, &high)) > 0) {
		ranges_add(ranges, low, high, index);
		symbols->ranges_left--;
	}
	return ranges->count > before;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *left = a, *right = b;

	if (left->low != right->low)
		return left->low < right->low ? -1 : 1;
	/* Sorts the innermost of several ranges last. */
	return left->high > right->high ? -1 : left->high < right->high;
}

static void ranges_sort(struct ranges *ranges)
{
	if (ranges->count)
		qsort(ranges->rows, ranges->count, sizeof(*ranges->rows), compare_ranges);
}

static bool begins_at_or_before(const void *rows, size_t index, const void *address)
{
	return ((const struct range *)rows)[index].low <= *(const uint64_t *)address;
}

/* Returns the innermost range that contains the address, or NULL. */
static const struct range *ranges_find(const struct ranges *ranges, uint64_t address)
{
	size_t low = search_place(0, ranges->count, begins_at_or_before, ranges->rows, &address);

	for (size_t i = 0; i < OVERLAP_MAX && i < low; i++) {
		const struct range *range = &ranges->rows[low - 1 - i];

		if (address < range->high)
			return range;
	}
	return NULL;
}

/* --- entries --- */

/* Goes on to the next entry of a list, for which what is below this one is read over. */
static bool next_entry(struct dwarf_symbols *symbols, Dwarf_Die *entry)
{
	return dwarf_siblingof(entry, entry) == 0 && may_go_on(symbols);
}

/* As dwarf_haspc(), but a file may have given each of its entries the same long list of ranges. */
static bool has_address(struct dwarf_symbols *symbols, Dwarf_Die *entry, uint64_t address)
{
	Dwarf_Addr base, low, high;
	ptrdiff_t offset = 0;

	while ((offset = dwarf_ranges(entry, offset, &base, &low, &high)) > 0 && may_go_on(symbols)) {
		if (address >= low && address < high)
			return true;
	}
	return false;
}

/* --- units and functions --- */

static void read_units(struct dwarf_symbols *symbols)
{
	Dwarf_CU *cursor = NULL, *next;
	Dwarf_Die die, split;
	uint8_t type;
	bool is_split;

	symbols->units_read = true;
	symbols->dwarf = debug_files_dwarf(&symbols->files, symbols->module, &symbols->bias);
	if (symbols->files.over_limit)
		reach_limit(symbols,
			    "its debug file is not read: those whose checksums were asked for in this minute have more "
			    "than 4 GiB");
	while (symbols->dwarf && symbols->unit_count < UNITS_MAX && has_time(symbols) &&
	       dwarf_get_units(symbols->dwarf, cursor, &next, NULL, &type, &die, NULL) == 0) {
		cursor = next;
		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		is_split = type == DW_UT_skeleton &&
			   debug_files_split(&symbols->files, &die, symbols->module, symbols->path, &split);
		if (type == DW_UT_skeleton && symbols->files.copied)
			reach_limit(symbols, "some functions are not known: others can change the file, so its split "
					     "debug information (.dwo, .dwp) is not read");
		symbols->units =
			grow(symbols->units, symbols->unit_count, &symbols->unit_capacity, sizeof(*symbols->units));
		symbols->units[symbols->unit_count] = (struct unit){.die = die, .entries = is_split ? split : die};
		ranges_add_entry(symbols, &symbols->ranges, &die, symbols->unit_count);
		symbols->unit_count++;
	}
	ranges_sort(&symbols->ranges);
}

static bool entries_are_short(Dwarf_Die *unit)
{
	size_t length, attributes;
	Dwarf_Off offset = 0;

	for (int i = 0; i < ABBREVIATIONS_MAX; i++) {
		Dwarf_Abbrev *abbreviation = dwarf_getabbrev(unit, offset, &length);

		if (!abbreviation || abbreviation == DWARF_END_ABBREV) /* libdw finds none behind it either */
			return true;
		if (dwarf_getattrcnt(abbreviation, &attributes) || attributes > ATTRIBUTES_MAX)
			return false;
		offset += length;
	}
	return false;
}

/* Entries lie one after the other, each before those below it. Where a file says otherwise (DW_AT_sibling leads to where we have
 * been already), its list ends. */
static void read_functions(struct dwarf_symbols *symbols, struct unit *unit, Dwarf_Die *parent, int depth)
{
	Dwarf_Die child;

	if (depth > DEPTH_MAX || dwarf_child(parent, &child) != 0)
		return;
	do {
		if (dwarf_dieoffset(&child) <= unit->reached)
			return;
		unit->reached = dwarf_dieoffset(&child);
		switch (dwarf_tag(&child)) {
		case DW_TAG_subprogram:
			if (ranges_add_entry(symbols, &unit->ranges, &child, unit->function_count)) {
				unit->functions = grow(unit->functions, unit->function_count, &unit->function_capacity,
						       sizeof(*unit->functions));
				unit->functions[unit->function_count++] = child;
			}
			read_functions(symbols, unit, &child, depth + 1);
			break;
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_lexical_block:
			read_functions(symbols, unit, &child, depth + 1);
			break;
		}
	} while (next_entry(symbols, &child));
}

/* Returns the unit's function that contains the address, or NULL. */
static Dwarf_Die *find_function(struct dwarf_symbols *symbols, struct unit *unit, uint64_t address)
{
	const struct range *range;

	if (!unit->functions_read) {
		unit->functions_read = true;
		if (entries_are_short(&unit->entries))
			read_functions(symbols, unit, &unit->entries, 0);
		else
			reach_limit(symbols, "some functions are not known: entries of its debug information have more "
					     "attributes than those of compilers");
		ranges_sort(&unit->ranges);
	}
	range = ranges_find(&unit->ranges, address);
	return range ? &unit->functions[range->index] : NULL;
}

/*
 * Fills `chain` with the function and the inlined calls in it that contain the address, outermost first. Returns their
 * number.
 */
static size_t find_inlined(struct dwarf_symbols *symbols, Dwarf_Die *function, uint64_t address,
			   Dwarf_Die chain[SYMBOLIZER_INLINE_MAX])
{
	Dwarf_Die entry = *function, child;
	size_t count = 0;
	int depth = 0;
	bool found = true;

	chain[count++] = entry;
	while (found && count < SYMBOLIZER_INLINE_MAX && depth++ < DEPTH_MAX) {
		found = false;
		if (dwarf_child(&entry, &child) != 0)
			break;
		do {
			int tag = dwarf_tag(&child);

			if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) &&
			    has_address(symbols, &child, address)) {
				if (tag == DW_TAG_inlined_subroutine)
					chain[count++] = child;
				entry = child;
				found = true;
				break;
			}
		} while (next_entry(symbols, &child));
	}
	return count;
}

/* --- attributes --- */

static uint32_t number_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (!dwarf_attr_integrate(die, name, &attribute) || dwarf_formudata(&attribute, &value) || value > INT32_MAX)
		return 0;
	return (uint32_t)value;
}

/* Returns a copy of text that libdw has found, in one of the files that it reads for this entry. */
static const char *copy_of(struct dwarf_symbols *symbols, Dwarf_Die *die, const char *text)
{
	Dwarf *dwarf = dwarf_cu_getdwarf(die->cu), *shared = dwarf ? dwarf_getalt(dwarf) : NULL;
	size_t length, other;

	if (!mapped_text_length(dwarf ? dwarf_getelf(dwarf) : NULL, text, &length) ||
	    !mapped_text_length(shared ? dwarf_getelf(shared) : NULL, text, &other))
		return NULL;
	return mapped_text_copy(&symbols->texts, text, length < other ? length : other);
}

static const char *text_of(struct dwarf_symbols *symbols, Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;

	return dwarf_attr_integrate(die, name, &attribute) ? copy_of(symbols, die, dwarf_formstring(&attribute)) : NULL;
}

/* Whether the name is mangled (C++, Rust): an encoding of types and scopes for the linker. */
static bool is_mangled(const char *name)
{
	return strncmp(name, "_Z", 2) == 0 || strncmp(name, "_R", 2) == 0;
}

/*
 * The function's asm label (asm("runtime.newobject")) if it has one, else its name. Compilers omit the linkage name of
 * static functions, so for a physical function the symbol table is consulted too.
 */
static const char *name_of(struct dwarf_symbols *symbols, Dwarf_Die *die, bool physical, uint64_t address)
{
	const char *linkage = text_of(symbols, die, DW_AT_linkage_name), *symbol, *text;

	if (linkage && !is_mangled(linkage))
		return linkage;
	symbol = physical ? elf_symbols_find(symbols->elf_symbols, address) : NULL;
	if (symbol && elf_symbol_is_given(symbol))
		return symbol;
	text = text_of(symbols, die, DW_AT_name);
	return text ? text : symbol;
}

/* Compilers record file names as they were given on the command line, together with the working directory. */
static const char *absolute_path(struct dwarf_symbols *symbols, Dwarf_Die *unit, const char *file)
{
	struct absolute_key key = {.directory = text_of(symbols, unit, DW_AT_comp_dir), .file = file};
	struct absolute *entry;

	if (!file || file[0] == '/' || !key.directory || key.directory[0] != '/')
		return file;
	if (strncmp(file, "./", 2) == 0)
		file += 2;
	HASH_FIND(hh, symbols->absolutes, &key, sizeof(key), entry);
	if (!entry) {
		entry = memory_zeroed(1, sizeof(*entry));
		entry->path = memory_format("%s/%s", key.directory, file);
		entry->key = key;
		HASH_ADD(hh, symbols->absolutes, key, sizeof(key), entry);
	}
	return entry->path;
}

/* Returns the size of the line table at an offset of a section. */
static uint64_t table_size(const Elf_Data *lines, uint64_t offset)
{
	uint32_t size;
	uint64_t long_size;

	if (!lines || !lines->d_buf || offset > lines->d_size || lines->d_size - offset < sizeof(size))
		return 0;
	memcpy(&size, (const char *)lines->d_buf + offset, sizeof(size));
	if (size != UINT32_MAX || lines->d_size - offset < sizeof(size) + sizeof(long_size))
		return size;
	memcpy(&long_size, (const char *)lines->d_buf + offset + sizeof(size), sizeof(long_size));
	return long_size;
}

/* Returns the size of a unit's line table: of the largest one if the file leaves open which section libdw takes. */
static uint64_t lines_size(const struct dwarf_symbols *symbols, Dwarf_Die *unit)
{
	static const char *const names[] = {".debug_line", ".zdebug_line"};
	Elf *file = dwarf_getelf(symbols->dwarf);
	uint64_t largest = 0;
	Dwarf_Attribute attribute;
	Dwarf_Word offset;
	GElf_Shdr header;

	if (!dwarf_attr(unit, DW_AT_stmt_list, &attribute))
		return 0;
	if (dwarf_formudata(&attribute, &offset))
		return UINT64_MAX;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		Elf_Scn *section = NULL;

		while ((section = elf_section_next(file, section, names[i], &header))) {
			uint64_t size = table_size(elf_rawdata(section, NULL), offset);

			if (size > largest)
				largest = size;
		}
	}
	return largest;
}

/* Whether libdw may read the unit's line table, which names its source files, too. */
static bool lines_fit(struct dwarf_symbols *symbols, struct unit *unit)
{
	uint64_t size;

	if (unit->lines_measured)
		return unit->lines_fit;
	unit->lines_measured = true;
	size = lines_size(symbols, &unit->die);
	unit->lines_fit = size <= LINES_UNIT_MAX && size <= symbols->lines_left;
	if (unit->lines_fit)
		symbols->lines_left -= size;
	else
		reach_limit(symbols,
			    "some lines are not known: its line tables are larger than 8 MiB for a unit, or 32 MiB");
	return unit->lines_fit;
}

static const char *file_of(struct dwarf_symbols *symbols, struct unit *unit, uint32_t index)
{
	Dwarf_Files *files;
	size_t count;

	if (!lines_fit(symbols, unit) || dwarf_getsrcfiles(&unit->die, &files, &count) != 0 || index >= count)
		return NULL;
	return absolute_path(symbols, &unit->die,
			     copy_of(symbols, &unit->die, dwarf_filesrc(files, index, NULL, NULL)));
}

/* Sets the position of the instruction itself, which belongs to the innermost function. */
static void set_line(struct dwarf_symbols *symbols, struct unit *unit, uint64_t address, struct profile_frame *frame)
{
	Dwarf_Line *line = lines_fit(symbols, unit) ? dwarf_getsrc_die(&unit->die, address) : NULL;
	int number;

	if (!line)
		return;
	frame->file = absolute_path(symbols, &unit->die, copy_of(symbols, &unit->die, dwarf_linesrc(line, NULL, NULL)));
	if (dwarf_lineno(line, &number) == 0 && number > 0)
		frame->line = (uint32_t)number;
	if (dwarf_linecol(line, &number) == 0 && number > 0)
		frame->column = (uint32_t)number;
}

/* --- lookup --- */

static size_t lookup_dwarf(struct dwarf_symbols *symbols, uint64_t address, struct profile_frame *frames)
{
	const struct range *range;
	Dwarf_Die chain[SYMBOLIZER_INLINE_MAX], *function;
	struct unit *unit;
	size_t count;

	if (!symbols->units_read)
		read_units(symbols);
	range = ranges_find(&symbols->ranges, address - symbols->bias);
	if (!range)
		return 0;
	unit = &symbols->units[range->index];
	function = find_function(symbols, unit, address - symbols->bias);
	count = function ? find_inlined(symbols, function, address - symbols->bias, chain) : 0;
	for (size_t i = 0; i < count; i++) {
		Dwarf_Die *die = &chain[count - 1 - i];

		frames[i] = (struct profile_frame){.function = name_of(symbols, die, i + 1 == count, address),
						   .start_line = number_of(die, DW_AT_decl_line)};
		/* An inlined call's attributes have its position in the enclosing function, which is the previous
		 * frame. */
		if (i > 0) {
			Dwarf_Die *call = &chain[count - i];

			frames[i].file = file_of(symbols, unit, number_of(call, DW_AT_call_file));
			frames[i].line = number_of(call, DW_AT_call_line);
			frames[i].column = number_of(call, DW_AT_call_column);
		}
	}
	if (count == 0) {
		/* Assembly code may have lines without functions. An address without a symbol is padding. */
		frames[0] = (struct profile_frame){.function = elf_symbols_find(symbols->elf_symbols, address)};
		count = frames[0].function ? 1 : 0;
	}
	if (count)
		set_line(symbols, unit, address - symbols->bias, &frames[0]);
	return count;
}

size_t dwarf_symbols_lookup(struct dwarf_symbols *symbols, uint64_t address,
			    struct profile_frame frames[SYMBOLIZER_INLINE_MAX])
{
	size_t count = 0;

	if (!symbols->module && !symbols->plain)
		return 0;
	symbols->cpu_since = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	if (!symbols->elf_symbols)
		symbols->elf_symbols = elf_symbols_new(symbols->module);
	if (symbols->module && symbols->cpu_left > 0 && has_time(symbols)) {
		count = lookup_dwarf(symbols, address, frames);
		has_time(symbols);
	}
	if (symbols->files.copies.left_out)
		reach_limit(symbols, symbols->files.copies.left_out);
	if (count == 0) {
		frames[0] = (struct profile_frame){.function = elf_symbols_find(symbols->elf_symbols, address)};
		count = frames[0].function ? 1 : 0;
	}
	return count;
}

/* --- opening --- */

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = debug_files_find,
	.section_address = dwfl_offline_section_address,
};

static char *build_id_text(const unsigned char *bytes, ssize_t length)
{
	char *text = length > 0 ? memory_allocate(2 * (size_t)length + 1) : NULL;

	for (ssize_t i = 0; text && i < length; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

static bool open_file(struct dwarf_symbols *symbols, int descriptor, struct error *error)
{
	char name[REGULAR_FILE_NAME];

	symbols->plain = elf_file_open(regular_file_name(descriptor, name), ELF_SYMBOLS, &symbols->plain_file, error);
	return symbols->plain != NULL;
}

static void close_file(struct dwarf_symbols *symbols)
{
	if (!symbols->plain)
		return;
	elf_end(symbols->plain);
	close(symbols->plain_file);
	symbols->plain = NULL;
}

/* Reads only the symbols of a file. Returns false if it is no ELF file either. */
static bool open_plain(struct dwarf_symbols *symbols, int descriptor, const char *why)
{
	char *missing;
	const void *id = NULL;
	ssize_t length = 0;

	if (!symbols->plain && !open_file(symbols, descriptor, NULL))
		return false;
	if (elf_notes_are_few(symbols->plain))
		length = dwelf_elf_gnu_build_id(symbols->plain, &id);
	symbols->build_id = build_id_text(id, length);
	if (!symbols->elf_symbols)
		symbols->elf_symbols = elf_symbols_of_file(symbols->plain);
	missing = memory_format("only names of symbols are known: %s", why);
	reach_limit(symbols, missing);
	free(missing);
	return true;
}

/* Reads the symbols that libdwfl is not to look for, if the file is one of those. Returns false with `error` if libdwfl would look
 * for them when it is asked for something else: to relocate debug information. */
static bool read_symbols_of_segments(struct dwarf_symbols *symbols, int descriptor, struct error *error)
{
	GElf_Ehdr header;

	if (!open_file(symbols, descriptor, error))
		return false;
	if (!elf_symbols_are_by_segments(symbols->plain)) {
		close_file(symbols);
		return true;
	}
	symbols->elf_symbols = elf_symbols_of_file(symbols->plain);
	if (gelf_getehdr(symbols->plain, &header) && header.e_type != ET_REL)
		return true;
	error_set(error, STATUS_USAGE, "it is an object file without symbols");
	return false;
}

/* Opens the file, or a copy of it if others can change it. -1 if neither can be done; files.copies.left_out says why no copy could
 * be made of a file that may be fine. */
static int open_unchanging(struct dwarf_symbols *symbols, const char *path, struct error *error)
{
	char words[REGULAR_FILE_WORDS];
	int file = regular_file_open(path, NULL, error), copy;

	if (file < 0 || only_ours_file(file))
		return file;
	copy = elf_copy(file, ELF_LINES, &symbols->files.copies);
	if (copy < 0 && !symbols->files.copies.left_out)
		error_set(error, STATUS_USAGE,
			  "cannot read %s as an ELF file: it is none of 64 bits and this byte order, or is damaged",
			  regular_file_words(path, words));
	close(file);
	symbols->files.copied = true;
	return copy;
}

struct dwarf_symbols *dwarf_symbols_open(const char *path, struct error *error)
{
	char words[REGULAR_FILE_WORDS];
	struct dwarf_symbols *symbols = memory_zeroed(1, sizeof(*symbols));
	int descriptor = open_unchanging(symbols, path, error);
	const unsigned char *id = NULL;
	struct error why;
	GElf_Addr address;
	int length;

	if (descriptor < 0 && symbols->files.copies.left_out) {
		reach_limit(symbols, symbols->files.copies.left_out);
		elf_share_end(&symbols->files.copies);
		return symbols;
	}
	if (descriptor < 0) {
		dwarf_symbols_close(symbols);
		return NULL;
	}
	if (!elf_file_is_harmless(descriptor, symbols->files.copied ? &symbols->files.copies : NULL, &why) ||
	    !read_symbols_of_segments(symbols, descriptor, &why)) {
		if (!open_plain(symbols, descriptor, why.text)) {
			error_set(error, why.status, "cannot read %s as an ELF file: %s",
				  regular_file_words(path, words), why.text);
			dwarf_symbols_close(symbols);
			symbols = NULL;
		}
		close(descriptor);
		return symbols;
	}
	symbols->ranges_left = RANGES_MAX;
	symbols->lines_left = LINES_MAX;
	symbols->cpu_left = CPU_MAX;
	symbols->path = realpath(path, NULL); /* a path in /proc/self/fd does not last */
	symbols->dwfl = dwfl_begin(&callbacks);
	if (symbols->dwfl) {
		/* With base 0, addresses in the module are the file's own addresses, which callers use. */
		symbols->module =
			dwfl_report_elf(symbols->dwfl, path, symbols->path ? symbols->path : path, descriptor, 0, true);
		dwfl_report_end(symbols->dwfl, NULL, NULL);
	}
	if (!symbols->module) {
		error_set(error, STATUS_USAGE, "cannot read %s as an ELF file: %s", regular_file_words(path, words),
			  dwfl_errmsg(-1));
		close(descriptor);
		dwarf_symbols_close(symbols);
		return NULL;
	}
	debug_files_begin(&symbols->files, symbols->module);
	length = dwfl_module_build_id(symbols->module, &id, &address);
	symbols->build_id = build_id_text(id, length);
	return symbols;
}

void dwarf_symbols_close(struct dwarf_symbols *symbols)
{
	struct absolute *entry, *next;

	if (!symbols)
		return;
	for (size_t i = 0; i < symbols->unit_count; i++) {
		free(symbols->units[i].functions);
		free(symbols->units[i].ranges.rows);
	}
	free(symbols->units);
	free(symbols->ranges.rows);
	elf_symbols_free(symbols->elf_symbols);
	string_table_free(&symbols->texts);
	HASH_ITER (hh, symbols->absolutes, entry, next) {
		HASH_DEL(symbols->absolutes, entry);
		free(entry->path);
		free(entry);
	}
	free(symbols->path);
	free(symbols->build_id);
	free(symbols->limit);
	close_file(symbols);
	if (symbols->dwfl)
		dwfl_end(symbols->dwfl);
	elf_share_end(&symbols->files.copies);
	free(symbols);
}

const char *dwarf_symbols_build_id(const struct dwarf_symbols *symbols)
{
	return symbols->build_id;
}

const char *dwarf_symbols_limit(const struct dwarf_symbols *symbols)
{
	return symbols->limit;
}
