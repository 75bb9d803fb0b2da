/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/pprof_write_samples.h"

#include <stdio.h>
#include <string.h>

#include "profile/pprof_format.h"
#include "profile/pprof_wire.h"
#include "profile/size_class.h"

enum {
	LABELS_MAX = 8,
	LABEL_BYTES_MAX = 5 + 3 * WIRE_VARINT_MAX,
	SAMPLE_FIXED_MAX = 3 * (1 + WIRE_VARINT_MAX) + VALUE_COUNT * WIRE_VARINT_MAX + LABELS_MAX * LABEL_BYTES_MAX,
};

void pprof_label_strings_init(struct pprof_label_strings *labels, struct pprof_strings *strings)
{
	labels->span_class = pprof_strings_index(strings, PPROF_LABEL_SPAN_CLASS);
	labels->size_class = pprof_strings_index(strings, PPROF_LABEL_SIZE_CLASS);
	labels->type = pprof_strings_index(strings, PPROF_LABEL_TYPE);
	labels->pid = pprof_strings_index(strings, PPROF_LABEL_PID);
	labels->comm = pprof_strings_index(strings, PPROF_LABEL_COMM);
	labels->rate = pprof_strings_index(strings, PPROF_LABEL_RATE);
	labels->burst = pprof_strings_index(strings, PPROF_LABEL_BURST);
	labels->stack = pprof_strings_index(strings, PPROF_LABEL_STACK);
	labels->bytes = pprof_strings_index(strings, "bytes");
	labels->truncated = pprof_strings_index(strings, "truncated");
}

static uint8_t *put_label(uint8_t *to, int64_t key, int64_t text, int64_t number, int64_t unit)
{
	uint8_t label[LABEL_BYTES_MAX], *end = label;

	end = wire_put_number(end, PPROF_LABEL_KEY, key);
	end = wire_put_number(end, PPROF_LABEL_STR, text);
	end = wire_put_number(end, PPROF_LABEL_NUM, number);
	end = wire_put_number(end, PPROF_LABEL_NUM_UNIT, unit);
	*to++ = WIRE_TAG(PPROF_SAMPLE_LABEL, WIRE_BYTES);
	to = wire_put_varint(to, (uint64_t)(end - label));
	return mempcpy(to, label, (size_t)(end - label));
}

static int64_t span_class_index(struct pprof_label_strings *labels, struct pprof_strings *strings, int span_class)
{
	int64_t *index = &labels->span_classes[span_class];
	char number[16];

	if (!*index) {
		snprintf(number, sizeof(number), "%d", span_class);
		*index = pprof_strings_index(strings, number);
	}
	return *index;
}

static uint8_t *put_labels(uint8_t *to, const struct profile_key *key, int group, struct pprof_label_strings *labels,
			   struct pprof_strings *strings)
{
	if (key->span_class != SPAN_CLASS_UNKNOWN) {
		int64_t size = size_class_bytes(span_class_size_class(key->span_class));

		to = put_label(to, labels->span_class, span_class_index(labels, strings, key->span_class), 0, 0);
		if (size)
			to = put_label(to, labels->size_class, 0, size, labels->bytes);
	}
	if (key->type)
		to = put_label(to, labels->type, pprof_strings_interned(strings, key->type), 0, 0);
	if (key->pid)
		to = put_label(to, labels->pid, 0, key->pid, 0);
	if (key->comm)
		to = put_label(to, labels->comm, pprof_strings_interned(strings, key->comm), 0, 0);
	if (key->rate)
		to = put_label(to, labels->rate, 0, key->rate, labels->bytes);
	if (group)
		to = put_label(to, labels->burst, 0, group, 0);
	if (key->stack->truncated)
		to = put_label(to, labels->stack, labels->truncated, 0, 0);
	return to;
}

static uint8_t *put_values(uint8_t *to, const struct profile *profile, const int64_t *values)
{
	uint8_t packed[VALUE_COUNT * WIRE_VARINT_MAX], *end = packed;

	for (int i = 0; i < VALUE_COUNT; i++) {
		if (profile_stores(profile, i))
			end = wire_put_varint(end, (uint64_t)values[i]);
	}
	*to++ = WIRE_TAG(PPROF_SAMPLE_VALUE, WIRE_BYTES);
	to = wire_put_varint(to, (uint64_t)(end - packed));
	return mempcpy(to, packed, (size_t)(end - packed));
}

static uint8_t *put_locations(uint8_t *to, const struct profile_stack *stack)
{
	size_t size = 0;

	if (!stack->depth)
		return to;
	for (uint32_t i = 0; i < stack->depth; i++)
		size += wire_varint_bytes(stack->ids[i]);
	*to++ = WIRE_TAG(PPROF_SAMPLE_LOCATION, WIRE_BYTES);
	to = wire_put_varint(to, size);
	for (uint32_t i = 0; i < stack->depth; i++)
		to = wire_put_varint(to, stack->ids[i]);
	return to;
}

size_t pprof_sample_bytes_max(const struct profile_sample *sample)
{
	return SAMPLE_FIXED_MAX + (size_t)sample->key.stack->depth * WIRE_VARINT_MAX;
}

size_t pprof_sample_put(uint8_t *to, const struct profile_sample *sample, int group, const struct profile *profile,
			struct pprof_label_strings *labels, struct pprof_strings *strings)
{
	const struct profile_group *part = group ? &sample->groups[group - 1] : NULL;
	const int64_t part_values[VALUE_COUNT] = {[VALUE_OBJECTS] = part ? part->objects : 0,
						  [VALUE_BYTES] = part ? part->bytes : 0,
						  [VALUE_SAMPLES] = part ? part->samples : 0};
	uint8_t header[1 + WIRE_VARINT_MAX];
	uint8_t *body = to + sizeof(header), *end; /* its length is known only then */
	size_t length, header_length;

	end = put_locations(body, sample->key.stack);
	end = put_values(end, profile, part ? part_values : sample->values);
	end = put_labels(end, &sample->key, group, labels, strings);
	length = (size_t)(end - body);
	header[0] = WIRE_TAG(PPROF_SAMPLE, WIRE_BYTES);
	header_length = (size_t)(wire_put_varint(header + 1, length) - header);
	memcpy(to, header, header_length);
	memmove(to + header_length, body, length);
	return header_length + length;
}
