/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libdwfl can look up symbols by address too, but walks over all of them each time.
 */
#include "symbols/elf_symbols.h"
#include "base/memory.h"
#include "base/search.h"
#include "symbols/elf_file.h"
#include "symbols/mapped_text.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Programs have up to a million; these rows take 160 MB. */
enum { SYMBOLS_MAX = 4 << 20 };

struct symbol {
	uint64_t low, high; /* high == low if the symbol has no size: it extends to the next one */
	const char *name;   /* in the file, and never read further than the length that it had when it was found */
	uint32_t length;
	int rank; /* of several symbols at one address, the one with the highest rank is shown */
};

struct elf_symbols {
	struct symbol *rows; /* sorted by low; one per address */
	size_t count;
	bool incomplete;	   /* some were left out, so nobody knows where one without a size ends */
	struct string_table names; /* of those that were found */
};

/* Suffixes that compilers append to the names of clones and parts of a function. */
static const char *const suffixes[] = {".constprop", ".isra", ".part", ".cold", ".lto_priv", ".llvm", ".localalias"};

/*
 * Returns the length of the name without these suffixes and without a version: "f.constprop.0" is f,
 * "runtime.newobject.cold" is runtime.newobject, "read@@GLIBC_2.2.5" is read.
 */
static uint32_t length_without_suffix(const char *name, size_t length)
{
	const char *version = memchr(name, '@', length);

	if (version)
		length = (size_t)(version - name);

	for (;;) {
		size_t digits = length, word;

		while (digits > 0 && isdigit((unsigned char)name[digits - 1]))
			digits--;
		word = digits < length && digits > 0 && name[digits - 1] == '.' ? digits - 1 : length;
		for (size_t i = 0;; i++) {
			size_t suffix;

			if (i == sizeof(suffixes) / sizeof(suffixes[0]))
				return (uint32_t)length;
			suffix = strlen(suffixes[i]);
			if (word > suffix && memcmp(name + word - suffix, suffixes[i], suffix) == 0) {
				length = word - suffix;
				break;
			}
		}
	}
}

static int compare_symbols(const void *a, const void *b)
{
	const struct symbol *left = a, *right = b;
	int order;

	if (left->low != right->low)
		return left->low < right->low ? -1 : 1;
	if (left->rank != right->rank)
		return right->rank - left->rank;
	order = memcmp(left->name, right->name, left->length < right->length ? left->length : right->length);
	return order ? order : (left->length > right->length) - (left->length < right->length);
}

/* Prefers symbols with a size to labels, global symbols to weak and local ones, and plain names to reserved ones. */
static int rank(const GElf_Sym *symbol, const char *name)
{
	return (symbol->st_size ? 8 : 0) + (GELF_ST_BIND(symbol->st_info) == STB_GLOBAL ? 4 : 0) +
	       (GELF_ST_BIND(symbol->st_info) == STB_WEAK ? 2 : 0) + (name[0] != '_');
}

/* Makes an empty table with places for `found` symbols, or as many as are kept. Returns that number. */
static int make_room(struct elf_symbols *symbols, int found)
{
	int total = found < SYMBOLS_MAX ? found : SYMBOLS_MAX;

	if (total > 0)
		symbols->rows = memory_zeroed((size_t)total, sizeof(*symbols->rows));
	symbols->incomplete = found > SYMBOLS_MAX;
	return total;
}

static void add(struct elf_symbols *symbols, Elf *file, const GElf_Sym *symbol, uint64_t address, const char *name)
{
	int type = GELF_ST_TYPE(symbol->st_info);
	size_t length;

	if (!mapped_text_length(file, name, &length) || !length || symbol->st_shndx == SHN_UNDEF ||
	    (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE))
		return;
	/* Labels without a type are functions of assembly files, unless they are data. */
	if (type == STT_NOTYPE && name[0] == '.')
		return;
	symbols->rows[symbols->count++] =
		(struct symbol){address, address + symbol->st_size, name, (uint32_t)length, rank(symbol, name)};
}

static void sort(struct elf_symbols *symbols)
{
	struct symbol *rows = symbols->rows;
	size_t kept = 0;

	if (rows)
		qsort(rows, symbols->count, sizeof(*rows), compare_symbols);
	for (size_t i = 0; rows && i < symbols->count; i++) {
		if (kept && rows[i].low == rows[kept - 1].low)
			continue;
		rows[kept] = rows[i];
		rows[kept].length = length_without_suffix(rows[i].name, rows[i].length);
		kept++;
	}
	symbols->count = kept;
}

struct elf_symbols *elf_symbols_new(Dwfl_Module *module)
{
	struct elf_symbols *symbols = memory_zeroed(1, sizeof(*symbols));
	int total = make_room(symbols, dwfl_module_getsymtab(module));

	for (int i = 1; i < total; i++) {
		GElf_Sym symbol = {0};
		GElf_Addr address;
		Elf *file = NULL;
		const char *name = dwfl_module_getsym_info(module, i, &symbol, &address, NULL, &file, NULL);

		add(symbols, file, &symbol, address, name);
	}
	sort(symbols);
	return symbols;
}

/* Symbols of a file, and their names, where they lie in it. */
struct table {
	const uint8_t *symbols;
	uint64_t count;
	const char *names;
	uint64_t names_size;
};

/* ---- by sections ---- */

/* Returns the contents of the file's table of that kind; NULL if it has none, or a compressed one. */
static Elf_Data *section_of(Elf *file, uint32_t kind, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(file, section))) {
		if (gelf_getshdr(section, header) && header->sh_type == kind)
			return header->sh_flags & SHF_COMPRESSED || header->sh_size > SYMBOLS_MAX * sizeof(Elf64_Sym)
				       ? NULL
				       : elf_getdata(section, NULL);
	}
	return NULL;
}

static void find_by_sections(Elf *file, struct table *table)
{
	GElf_Shdr header = {0};
	Elf_Data *symbols = section_of(file, SHT_SYMTAB, &header), *names;

	if (!symbols)
		symbols = section_of(file, SHT_DYNSYM, &header);
	names = symbols ? elf_rawdata(elf_getscn(file, header.sh_link), NULL) : NULL;
	if (symbols && symbols->d_buf && names && names->d_buf)
		*table = (struct table){symbols->d_buf, symbols->d_size / sizeof(Elf64_Sym), names->d_buf,
					names->d_size};
}

static bool has_section(Elf *file)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(file, section))) {
		if (gelf_getshdr(section, &header) && header.sh_entsize &&
		    (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
			return true;
	}
	return false;
}

/* ---- by segments, as the dynamic linker finds them ---- */

/* Returns what the file has at an address, and how much there is up to its end; NULL if nothing. */
static const uint8_t *bytes_at(Elf *file, uint64_t address, uint64_t *left)
{
	size_t size = 0;
	const char *bytes = elf_rawfile(file, &size);
	uint64_t offset;

	if (!bytes || !elf_file_offset(file, address, &offset))
		return NULL;
	*left = size - offset;
	return (const uint8_t *)bytes + offset;
}

/* Returns false if the file has no dynamic section. */
static bool find_dynamic(Elf *file, GElf_Phdr *segment)
{
	size_t segments = 0;

	elf_getphdrnum(file, &segments);
	for (size_t i = 0; i < segments; i++) {
		if (gelf_getphdr(file, (int)i, segment) && segment->p_type == PT_DYNAMIC)
			return true;
	}
	return false;
}

bool elf_symbols_are_by_segments(Elf *file)
{
	GElf_Phdr segment;

	return !has_section(file) && find_dynamic(file, &segment);
}

/* Stores what the dynamic section says for these tags. */
static void read_dynamic(Elf *file, uint64_t values[DT_NUM], uint64_t *gnu_hash)
{
	size_t size = 0;
	const char *bytes = elf_rawfile(file, &size);
	GElf_Phdr segment;
	uint64_t end;

	if (!bytes || !find_dynamic(file, &segment) || segment.p_offset > size ||
	    segment.p_filesz > size - segment.p_offset)
		return;
	end = segment.p_offset + segment.p_filesz;
	for (uint64_t at = segment.p_offset; end - at >= sizeof(Elf64_Dyn); at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn entry;

		memcpy(&entry, bytes + at, sizeof(entry));
		if (entry.d_tag == DT_NULL)
			return;
		if (entry.d_tag == DT_GNU_HASH)
			*gnu_hash = entry.d_un.d_val;
		else if (entry.d_tag > 0 && entry.d_tag < DT_NUM)
			values[entry.d_tag] = entry.d_un.d_val;
	}
}

static uint32_t word_at(const uint8_t *bytes, uint64_t index)
{
	uint32_t word;

	memcpy(&word, bytes + index * sizeof(word), sizeof(word));
	return word;
}

/* Returns the number of symbols that a hash table of the old kind is for. */
static uint64_t count_hashed(const uint8_t *table, uint64_t left)
{
	return table && left >= 8 ? word_at(table, 1) : 0;
}

/* The same for GNU's, which does not say it: it is one more than the last symbol of the chain that begins last. Of a chain that does
 * not end, nothing is believed. */
static uint64_t count_gnu_hashed(const uint8_t *table, uint64_t left)
{
	const uint64_t words = left / 4;
	uint64_t buckets, chains, last = 0, unhashed;

	if (!table || words < 4)
		return 0;
	unhashed = word_at(table, 1);
	buckets = 4 + 2 * (uint64_t)word_at(table, 2);
	chains = buckets + word_at(table, 0);
	if (chains > words)
		return 0;
	for (uint64_t i = buckets; i < chains; i++)
		last = word_at(table, i) > last ? word_at(table, i) : last;
	if (last < unhashed)
		return unhashed;
	for (uint64_t i = chains + last - unhashed; i < words; i++, last++) {
		if (word_at(table, i) & 1)
			return last + 1;
	}
	return 0;
}

static void find_by_segments(Elf *file, struct table *table)
{
	uint64_t values[DT_NUM] = {0}, gnu_hash = 0, symbols_left = 0, names_left = 0, left = 0, count;
	const uint8_t *symbols, *names, *hash;

	read_dynamic(file, values, &gnu_hash);
	symbols = bytes_at(file, values[DT_SYMTAB], &symbols_left);
	names = bytes_at(file, values[DT_STRTAB], &names_left);
	hash = values[DT_HASH] ? bytes_at(file, values[DT_HASH], &left) : NULL;
	count = count_hashed(hash, left);
	if (!count && gnu_hash) {
		hash = bytes_at(file, gnu_hash, &left);
		count = count_gnu_hashed(hash, left);
	}
	if (values[DT_SYMTAB] && values[DT_STRTAB] && symbols && names && count <= symbols_left / sizeof(Elf64_Sym))
		*table = (struct table){symbols, count, (const char *)names,
					values[DT_STRSZ] < names_left ? values[DT_STRSZ] : names_left};
}

/* ---- all of them, by address ---- */

struct elf_symbols *elf_symbols_of_file(Elf *file)
{
	struct elf_symbols *symbols = memory_zeroed(1, sizeof(*symbols));
	struct table table = {0};
	int total;

	if (has_section(file))
		find_by_sections(file, &table);
	else
		find_by_segments(file, &table);
	total = make_room(symbols, table.count < INT_MAX ? (int)table.count : INT_MAX);
	for (int i = 1; i < total; i++) {
		GElf_Sym symbol;

		memcpy(&symbol, table.symbols + (size_t)i * sizeof(symbol), sizeof(symbol));
		if (symbol.st_name < table.names_size)
			add(symbols, file, &symbol, symbol.st_value, table.names + symbol.st_name);
	}
	sort(symbols);
	return symbols;
}

void elf_symbols_free(struct elf_symbols *symbols)
{
	if (!symbols)
		return;
	string_table_free(&symbols->names);
	free(symbols->rows);
	free(symbols);
}

static bool begins_at_or_before(const void *rows, size_t index, const void *address)
{
	return ((const struct symbol *)rows)[index].low <= *(const uint64_t *)address;
}

static const struct symbol *find(const struct elf_symbols *symbols, uint64_t address)
{
	const struct symbol *last;
	size_t low = search_place(0, symbols->count, begins_at_or_before, symbols->rows, &address);

	if (low == 0)
		return NULL;
	/* A label inside a function has no size: finds the function before it that extends to the address. */
	for (size_t i = low; i-- > 0 && low - i < 64;) {
		if (address < symbols->rows[i].high)
			return &symbols->rows[i];
	}
	last = &symbols->rows[low - 1];
	return last->high == last->low && (!symbols->incomplete || address == last->low) ? last : NULL;
}

const char *elf_symbols_find(struct elf_symbols *symbols, uint64_t address)
{
	const struct symbol *symbol = find(symbols, address);

	return symbol ? mapped_text_copy(&symbols->names, symbol->name, symbol->length) : NULL;
}

bool elf_symbol_is_given(const char *name)
{
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && *name != '_' && *name != '$')
			return true;
	}
	return false;
}
