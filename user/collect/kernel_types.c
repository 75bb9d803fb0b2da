/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/kernel_types.h"

#include <stdbool.h>
#include <string.h>

#include <bpf/btf.h>

static uint32_t find(const struct btf *btf, const char *structure, const char *member)
{
	int id = btf__find_by_name_kind(btf, structure, BTF_KIND_STRUCT);
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (uint32_t i = 0; type && i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, btf_members(type)[i].name_off);

		if (name && strcmp(name, member) == 0)
			return btf_member_bit_offset(type, i) / 8;
	}
	return 0;
}

uint32_t kernel_ptrace_offset(void)
{
	static uint32_t offset;
	static bool known;
	struct btf *btf = known ? NULL : btf__load_vmlinux_btf();

	known = true;
	if (btf)
		offset = find(btf, "task_struct", "ptrace");
	btf__free(btf);
	return offset;
}
