/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reader of .eh_frame_hdr and .eh_frame (Linux Standard Base, exception frames; DWARF 5, sections 6.4 and 7.24).
 *
 * .eh_frame_hdr is a table of (start of a function, address of its FDE), sorted by start. cfi_lookup runs the
 * instructions of the CIE and then of the FDE up to the address, and follows three registers only: the CFA, the frame
 * pointer and the return address. Reads stop at the end of the record. A malformed record yields no rule or a wrong
 * rule, never a fault, because unwind.c checks each address before it reads from it.
 */
#include "cfi.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "machine.h"

enum { StateStack = 8 }; /* nested DW_CFA_remember_state */

/* From the DWARF standard and the Linux Standard Base, with their names. Defined here because <dwarf.h> belongs to
 * elfutils, and libgoalloc depends on libc only. */
enum {
	DW_EH_PE_absptr = 0x00,
	DW_EH_PE_uleb128 = 0x01,
	DW_EH_PE_udata2 = 0x02,
	DW_EH_PE_udata4 = 0x03,
	DW_EH_PE_udata8 = 0x04,
	DW_EH_PE_sleb128 = 0x09,
	DW_EH_PE_sdata2 = 0x0a,
	DW_EH_PE_sdata4 = 0x0b,
	DW_EH_PE_sdata8 = 0x0c,
	DW_EH_PE_format = 0x0f, /* mask of the above */
	DW_EH_PE_pcrel = 0x10,
	DW_EH_PE_datarel = 0x30,
	DW_EH_PE_application = 0x70, /* mask of the two */
};

enum {
	/* the three opcodes whose operand is in the low six bits */
	DW_CFA_advance_loc = 0x40,
	DW_CFA_offset = 0x80,
	DW_CFA_restore = 0xc0,
	DW_CFA_primary = 0xc0, /* mask of the three */
	DW_CFA_nop = 0x00,
	DW_CFA_advance_loc1 = 0x02,
	DW_CFA_advance_loc2 = 0x03,
	DW_CFA_advance_loc4 = 0x04,
	DW_CFA_offset_extended = 0x05,
	DW_CFA_restore_extended = 0x06,
	DW_CFA_undefined = 0x07,
	DW_CFA_same_value = 0x08,
	DW_CFA_register = 0x09,
	DW_CFA_remember_state = 0x0a,
	DW_CFA_restore_state = 0x0b,
	DW_CFA_def_cfa = 0x0c,
	DW_CFA_def_cfa_register = 0x0d,
	DW_CFA_def_cfa_offset = 0x0e,
	DW_CFA_def_cfa_expression = 0x0f,
	DW_CFA_expression = 0x10,
	DW_CFA_offset_extended_sf = 0x11,
	DW_CFA_def_cfa_sf = 0x12,
	DW_CFA_def_cfa_offset_sf = 0x13,
	DW_CFA_val_expression = 0x16,
	DW_CFA_GNU_args_size = 0x2e,
};

enum { DW_OP_deref = 0x06, DW_OP_breg0 = 0x70 };

struct reader {
	const uint8_t *at, *end;
};

static uint8_t read_u8(struct reader *r)
{
	return r->at < r->end ? *r->at++ : 0;
}

static uint64_t read_bytes(struct reader *r, unsigned n)
{
	uint64_t value = 0;

	if ((size_t)(r->end - r->at) < n) {
		r->at = r->end;
		return 0;
	}
	memcpy(&value, r->at, n);
	r->at += n;
	return value;
}

static uint64_t read_uleb(struct reader *r)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = read_u8(r);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

static int64_t read_sleb(struct reader *r)
{
	const uint8_t *start = r->at;
	uint64_t value = read_uleb(r);
	unsigned bits = 7 * (unsigned)(r->at - start);

	/* The sign is the second-highest bit of the last byte. */
	if (bits != 0 && bits < 64 && (r->at[-1] & 0x40))
		value |= UINT64_MAX << bits;
	return (int64_t)value;
}

/* Reads a pointer in the given DW_EH_PE encoding. Does not follow DW_EH_PE_indirect. */
static uintptr_t read_encoded(struct reader *r, uint8_t encoding)
{
	const uint8_t *here = r->at;
	uintptr_t value;

	switch (encoding & DW_EH_PE_format) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		value = read_bytes(r, 8);
		break;
	case DW_EH_PE_uleb128:
		value = read_uleb(r);
		break;
	case DW_EH_PE_udata2:
		value = read_bytes(r, 2);
		break;
	case DW_EH_PE_udata4:
		value = read_bytes(r, 4);
		break;
	case DW_EH_PE_sleb128:
		value = (uintptr_t)read_sleb(r);
		break;
	case DW_EH_PE_sdata2:
		value = (uintptr_t)(int16_t)read_bytes(r, 2);
		break;
	case DW_EH_PE_sdata4:
		value = (uintptr_t)(int32_t)read_bytes(r, 4);
		break;
	default:
		r->at = r->end;
		return 0;
	}
	return (encoding & DW_EH_PE_application) == DW_EH_PE_pcrel ? value + (uintptr_t)here : value;
}

/* ---- finding the FDE ---- */

struct module {
	uintptr_t address;
	const uint8_t *eh_frame_hdr;
};

static int find_module(struct dl_phdr_info *info, size_t size, void *data)
{
	struct module *m = data;
	const uint8_t *header = NULL;
	bool inside = false;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type == PT_LOAD && m->address - info->dlpi_addr - p->p_vaddr < p->p_memsz)
			inside = true;
		else if (p->p_type == PT_GNU_EH_FRAME)
			header = (const uint8_t *)(info->dlpi_addr + p->p_vaddr);
	}
	if (inside)
		m->eh_frame_hdr = header;
	return inside;
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE
#pragma weak _dl_find_object
#endif

static const uint8_t *eh_frame_hdr_of(uintptr_t address)
{
	struct module m = {.address = address};

#ifdef DLFO_STRUCT_HAS_EH_DBASE
	/* Since glibc 2.35. Takes no locks, so it is safe in signal handlers. */
	struct dl_find_object object;
	if (_dl_find_object)
		return _dl_find_object((void *)address, &object) == 0 ? object.dlfo_eh_frame : NULL;
#endif
	dl_iterate_phdr(find_module, &m);
	return m.eh_frame_hdr;
}

/* The encoding that all linkers use for the table's entries: both numbers are relative to the header. */
enum { TableEncoding = DW_EH_PE_datarel | DW_EH_PE_sdata4 };
struct table_entry {
	int32_t start, fde;
};

static const uint8_t *find_fde(uintptr_t address)
{
	const uint8_t *header = eh_frame_hdr_of(address);

	if (!header || header[0] != 1 || header[2] != DW_EH_PE_udata4 || header[3] != TableEncoding)
		return NULL;
	struct reader r = {header + 4, header + 32};
	read_encoded(&r, header[1]);
	uint32_t count = (uint32_t)read_bytes(&r, 4);
	const struct table_entry *table = (const struct table_entry *)(const void *)r.at;
	int64_t wanted = (int64_t)(address - (uintptr_t)header);
	uint32_t low = 0, high = count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (table[middle].start <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? NULL : header + table[low - 1].fde;
}

/* ---- executing call frame instructions ---- */

struct state {
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct reader cfa_expression; /* valid if `at` is not NULL; replaces register and offset */
	uint8_t fp_kind;
	int64_t fp_offset;
	int64_t ra_offset; /* from the CFA */
	bool ra_saved, ra_undefined, ra_lost, fp_lost;
};

struct program {
	uint64_t code_align;
	int64_t data_align;
	uint8_t encoding; /* of pointers in the FDE */
	bool signal, augmented;
	struct state initial;
};

static void save_at_cfa(struct state *s, uint64_t reg, int64_t offset)
{
	if (reg == DwarfFp) {
		s->fp_kind = FpAtCfa;
		s->fp_offset = offset;
		s->fp_lost = false;
	} else if (reg == DwarfReturn) {
		s->ra_saved = true;
		s->ra_offset = offset;
		s->ra_lost = s->ra_undefined = false;
	}
}

static void restore(struct state *s, uint64_t reg, const struct state *initial)
{
	if (reg == DwarfFp) {
		s->fp_kind = initial->fp_kind;
		s->fp_offset = initial->fp_offset;
		s->fp_lost = initial->fp_lost;
	} else if (reg == DwarfReturn) {
		s->ra_saved = initial->ra_saved;
		s->ra_offset = initial->ra_offset;
		s->ra_lost = initial->ra_lost;
		s->ra_undefined = initial->ra_undefined;
	}
}

static void lose(struct state *s, uint64_t reg, bool undefined)
{
	if (reg == DwarfFp)
		s->fp_lost = true;
	else if (reg == DwarfReturn && undefined)
		s->ra_undefined = true;
	else if (reg == DwarfReturn)
		s->ra_lost = true;
}

/* Whether the expression computes `fp + offset`, followed by DW_OP_deref if `dereference`. Other expressions are not
 * evaluated. */
static bool fp_expression(struct reader expression, bool dereference, int64_t *offset)
{
	if (read_u8(&expression) != DW_OP_breg0 + DwarfFp)
		return false;
	*offset = read_sleb(&expression);
	return (!dereference || read_u8(&expression) == DW_OP_deref) && expression.at == expression.end;
}

static void save_by_expression(struct state *s, uint64_t reg, struct reader expression)
{
	lose(s, reg, false);
	if (reg == DwarfFp && fp_expression(expression, false, &s->fp_offset)) {
		s->fp_kind = FpAtFp;
		s->fp_lost = false;
	}
}

static struct reader read_block(struct reader *r)
{
	uint64_t length = read_uleb(r);
	struct reader block = {r->at, r->at};

	if (length > (uint64_t)(r->end - r->at))
		length = (uint64_t)(r->end - r->at);
	block.end = r->at += length;
	return block;
}

/* Executes call frame instructions until the row for `offset` (bytes from the start of the function) is complete.
 * Returns false at an unknown instruction. */
static bool run(struct reader r, const struct program *p, uint64_t offset, struct state *s)
{
	const struct state unsaved = {.fp_kind = FpSame};
	struct state stack[StateStack];
	unsigned depth = 0;
	uint64_t location = 0, reg;

	while (r.at < r.end) {
		uint8_t op = read_u8(&r), low = op & (uint8_t)~DW_CFA_primary;
		uint64_t advance = 0;
		switch (op & DW_CFA_primary ? op & DW_CFA_primary : op) {
		case DW_CFA_advance_loc:
			advance = low;
			break;
		case DW_CFA_offset:
			save_at_cfa(s, low, (int64_t)read_uleb(&r) * p->data_align);
			break;
		case DW_CFA_restore:
			restore(s, low, &p->initial);
			break;
		case DW_CFA_nop:
			break;
		case DW_CFA_advance_loc1:
			advance = read_bytes(&r, 1);
			break;
		case DW_CFA_advance_loc2:
			advance = read_bytes(&r, 2);
			break;
		case DW_CFA_advance_loc4:
			advance = read_bytes(&r, 4);
			break;
		case DW_CFA_offset_extended:
			reg = read_uleb(&r);
			save_at_cfa(s, reg, (int64_t)read_uleb(&r) * p->data_align);
			break;
		case DW_CFA_restore_extended:
			restore(s, read_uleb(&r), &p->initial);
			break;
		case DW_CFA_same_value:
			restore(s, read_uleb(&r), &unsaved);
			break;
		case DW_CFA_undefined:
			lose(s, read_uleb(&r), true);
			break;
		case DW_CFA_register:
			lose(s, read_uleb(&r), false);
			read_uleb(&r);
			break;
		case DW_CFA_remember_state:
			if (depth == StateStack)
				return false;
			stack[depth++] = *s;
			break;
		case DW_CFA_restore_state:
			if (depth == 0)
				return false;
			*s = stack[--depth];
			break;
		case DW_CFA_def_cfa:
			s->cfa_register = read_uleb(&r);
			s->cfa_offset = (int64_t)read_uleb(&r);
			s->cfa_expression.at = NULL;
			break;
		case DW_CFA_def_cfa_register:
			s->cfa_register = read_uleb(&r);
			s->cfa_expression.at = NULL;
			break;
		case DW_CFA_def_cfa_offset:
			s->cfa_offset = (int64_t)read_uleb(&r);
			break;
		case DW_CFA_def_cfa_expression:
			s->cfa_expression = read_block(&r);
			break;
		case DW_CFA_expression:
			reg = read_uleb(&r);
			save_by_expression(s, reg, read_block(&r));
			break;
		case DW_CFA_offset_extended_sf:
			reg = read_uleb(&r);
			save_at_cfa(s, reg, read_sleb(&r) * p->data_align);
			break;
		case DW_CFA_def_cfa_sf:
			s->cfa_register = read_uleb(&r);
			s->cfa_offset = read_sleb(&r) * p->data_align;
			s->cfa_expression.at = NULL;
			break;
		case DW_CFA_def_cfa_offset_sf:
			s->cfa_offset = read_sleb(&r) * p->data_align;
			break;
		case DW_CFA_val_expression:
			lose(s, read_uleb(&r), false);
			read_block(&r);
			break;
		case DW_CFA_GNU_args_size:
			read_uleb(&r);
			break;
		default:
			if (!machine_ignores(op))
				return false;
		}
		location += advance * p->code_align;
		if (location > offset)
			break;
	}
	return true;
}

static bool read_cie(const uint8_t *cie, struct program *p)
{
	uint32_t length;

	memcpy(&length, cie, 4);
	if (length == UINT32_MAX)
		return false;
	struct reader r = {cie + 8, cie + 4 + length};
	uint8_t version = read_u8(&r);
	const char *augmentation = (const char *)r.at;
	r.at += strlen(augmentation) + 1;
	p->code_align = read_uleb(&r);
	p->data_align = read_sleb(&r);
	uint64_t ra = version == 1 ? read_u8(&r) : read_uleb(&r);
	if (ra != DwarfReturn || (augmentation[0] != 0 && augmentation[0] != 'z'))
		return false;
	p->augmented = augmentation[0] == 'z';
	const uint8_t *program = r.at;
	if (p->augmented) {
		uint64_t bytes = read_uleb(&r);
		program = r.at + bytes;
		for (const char *a = augmentation + 1; *a; a++) {
			if (*a == 'R')
				p->encoding = read_u8(&r);
			else if (*a == 'L')
				read_u8(&r);
			else if (*a == 'P')
				read_encoded(&r, read_u8(&r));
			else if (*a == 'S')
				p->signal = true;
			else if (*a != 'B' && *a != 'G') /* arm64: which key signs return addresses; memory is tagged */
				return false;
		}
	}
	r.at = program;
	/* DW_CFA_restore returns a register to its rule in the CIE's initial row. */
	return run(r, p, 0, &p->initial);
}

/* Sets where the registers are saved, in words. Returns false if the rule cannot say it. */
static bool set_places(struct cfi_rule *rule, const struct state *s)
{
	int64_t fp = s->fp_offset / 8, ra = s->ra_saved ? s->ra_offset / 8 : 0;

	if (CallPushes && (!s->ra_saved || s->ra_offset != -8))
		return false;
	if (s->fp_kind == FpSame)
		fp = ra;
	if (s->fp_kind != FpAtFp)
		ra -= fp;
	if (CallPushes || !s->ra_saved)
		ra = 0;
	rule->fp_kind = s->fp_kind & 7;
	rule->ra_in_link = !s->ra_saved;
	rule->fp_words = (int16_t)fp;
	rule->ra_words = (int8_t)ra;
	return rule->fp_words == fp && rule->ra_words == ra && s->fp_offset % 8 == 0 && s->ra_offset % 8 == 0;
}

static struct cfi_rule make_rule(const struct state *s)
{
	struct cfi_rule rule = {.cfa_kind = CfaNone};
	int64_t offset = s->cfa_offset;

	if (s->ra_undefined)
		return (struct cfi_rule){.cfa_kind = CfaEnd};
	if (s->ra_lost || s->fp_lost || !set_places(&rule, s))
		return (struct cfi_rule){.cfa_kind = CfaNone};
	if (s->cfa_expression.at)
		rule.cfa_kind = fp_expression(s->cfa_expression, true, &offset) ? CfaAtFp : CfaNone;
	else
		rule.cfa_kind = s->cfa_register == DwarfSp ? CfaSp : s->cfa_register == DwarfFp ? CfaFp : CfaNone;
	rule.cfa_offset = (int32_t)offset;
	if (rule.cfa_offset != offset)
		rule.cfa_kind = CfaNone;
	return rule;
}

struct cfi_rule cfi_lookup(uintptr_t address)
{
	const struct cfi_rule none = {.cfa_kind = CfaNone};
	const uint8_t *fde = find_fde(address);
	struct program p = {.initial = {.ra_saved = CallPushes, .ra_offset = -8}};
	uint32_t length, cie;

	if (!fde)
		return none;
	memcpy(&length, fde, 4);
	memcpy(&cie, fde + 4, 4);
	if (length == UINT32_MAX || !read_cie(fde + 4 - cie, &p))
		return none;
	struct reader r = {fde + 8, fde + 4 + length};
	uintptr_t start = read_encoded(&r, p.encoding), size = read_encoded(&r, p.encoding & DW_EH_PE_format);
	if (address - start >= size)
		return none;
	if (p.signal)
		return (struct cfi_rule){.cfa_kind = CfaSignal};
	if (p.augmented)
		read_block(&r);
	struct state s = p.initial;
	return run(r, &p, address - start, &s) ? make_rule(&s) : none;
}
