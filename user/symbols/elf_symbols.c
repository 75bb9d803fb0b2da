/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libdwfl can look up symbols by address too, but walks over all of them each time.
 */
#include "symbols/elf_symbols.h"
#include "base/memory.h"
#include "base/search.h"
#include "symbols/mapped_text.h"

#include <ctype.h>
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

/* Returns the contents of the file's table of that kind; NULL if it has none, or a compressed one. */
static Elf_Data *table_of(Elf *file, uint32_t kind, GElf_Shdr *header)
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

struct elf_symbols *elf_symbols_of_file(Elf *file)
{
	struct elf_symbols *symbols = memory_zeroed(1, sizeof(*symbols));
	GElf_Shdr header = {0};
	Elf_Data *table = table_of(file, SHT_SYMTAB, &header), *names;
	int total;

	if (!table)
		table = table_of(file, SHT_DYNSYM, &header);
	names = table ? elf_rawdata(elf_getscn(file, header.sh_link), NULL) : NULL;
	total = make_room(symbols, names && names->d_buf ? (int)(table->d_size / sizeof(Elf64_Sym)) : 0);
	for (int i = 1; i < total; i++) {
		GElf_Sym symbol;

		if (gelf_getsym(table, i, &symbol) && symbol.st_name < names->d_size)
			add(symbols, file, &symbol, symbol.st_value, (const char *)names->d_buf + symbol.st_name);
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
