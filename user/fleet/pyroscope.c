/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/pyroscope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "fleet/fleet_profiles.h"
#include "fleet/pyroscope.pb-c.h"

enum { LABELS = 8, UUID_TEXT = 37 };

/* A series, with all that its message points to. */
struct series {
	Push__RawProfileSeries message, *pointer;
	Push__LabelPair labels[LABELS], *label_pointers[LABELS];
	Push__RawSample sample, *sample_pointer;
	char uuid[UUID_TEXT];
	char *row;
};

static void add_label(struct series *series, const char *name, const char *value)
{
	Push__LabelPair *label = &series->labels[series->message.n_labels];
	char *repaired;

	if (!*value) /* the server has none that is empty */
		return;
	repaired = utf8_repair(value);
	push__label_pair__init(label);
	label->name = (char *)name;
	label->value = repaired ? repaired : memory_text(value);
	series->label_pointers[series->message.n_labels++] = label;
}

static void write_uuid(char text[UUID_TEXT], const uint8_t id[16])
{
	for (int i = 0; i < 16; i++)
		text += sprintf(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id[i]);
}

static void fill(struct series *series, const struct fleet_profile *profile)
{
	uint8_t id[16];

	push__raw_profile_series__init(&series->message);
	series->pointer = &series->message;
	series->message.labels = series->label_pointers;
	add_label(series, "__name__", "memory");
	/* what it counts is of this window, not since the process began */
	add_label(series, "__delta__", "false");
	add_label(series, "service_name", profile->service);
	add_label(series, "hostname", profile->host);
	add_label(series, "comm", profile->comm);
	add_label(series, "build_id", profile->build);
	add_label(series, "pyroscope_spy", "escapement");
	push__raw_sample__init(&series->sample);
	series->sample.raw_profile.data = (uint8_t *)profile->bytes;
	series->sample.raw_profile.len = profile->size;
	fleet_profile_id(profile, id);
	write_uuid(series->uuid, id);
	series->sample.id = series->uuid;
	series->sample_pointer = &series->sample;
	series->message.n_samples = 1;
	series->message.samples = &series->sample_pointer;
}

static void release(struct series *series)
{
	for (size_t i = 0; i < series->message.n_labels; i++)
		free(series->labels[i].value);
	free(series->row);
	free(series);
}

/* Releases the request's series. */
static void drop(Push__PushRequest *request)
{
	for (size_t i = 0; i < request->n_series; i++)
		release((struct series *)request->series[i]); /* whose first member it is */
	request->n_series = 0;
}

static enum delivery post(const struct agent_store *store, const struct credentials *credentials,
			  const Push__PushRequest *request, struct delivery_answer *answer)
{
	size_t size = push__push_request__get_packed_size(request);
	uint8_t *body = memory_allocate(size + 1);
	char *url = memory_format("%.*s/push.v1.PusherService/Push", http_base_length(store->url), store->url);
	char *tenant = store->tenant ? memory_format("X-Scope-OrgID: %s", store->tenant) : NULL;
	const char *headers[] = {"Connect-Protocol-Version: 1", tenant, NULL};
	struct http_request http = credentials_request(store, credentials->password, credentials->token);
	struct http_answer from;
	enum delivery result;

	http.url = url;
	http.type = "application/proto";
	http.headers = headers;
	http.body = body;
	http.size = push__push_request__pack(request, body);
	result = http_post(&http, &from, &answer->error) ? DELIVERY_FAILED : delivery_of(&from, answer);
	free(from.text);
	free(tenant);
	free(url);
	free(body);
	return result;
}

/* Posts the series, if there are any, and releases them. Returns whether to go on. */
static bool flush(Push__PushRequest *request, const struct agent_store *store, const struct credentials *credentials,
		  struct delivery_sum *sum, struct delivery_answer *answer)
{
	bool goes_on = !request->n_series || delivery_add(sum, post(store, credentials, request, answer));

	drop(request);
	return goes_on;
}

enum delivery pyroscope_push(const struct agent_store *store, const struct credentials *credentials, const char *window,
			     size_t size, struct delivery_answer *answer)
{
	Push__PushRequest request = PUSH__PUSH_REQUEST__INIT;
	enum delivery result = DELIVERY_DONE;
	struct delivery_sum sum = {0};
	struct fleet_profile profile;
	const char *at = window;
	size_t bytes = 0;
	char *row;
	int more;

	while (result == DELIVERY_DONE && (more = fleet_profile_next(&at, window + size, &profile, &row)) > 0) {
		struct series *series = memory_zeroed(1, sizeof(*series));

		if (bytes && bytes + profile.size > DELIVERY_REQUEST_BYTES) {
			result = flush(&request, store, credentials, &sum, answer) ? DELIVERY_DONE : DELIVERY_FAILED;
			bytes = 0;
		}
		series->row = row;
		fill(series, &profile);
		request.series = memory_resize(request.series, request.n_series + 1, sizeof(*request.series));
		request.series[request.n_series++] = series->pointer;
		bytes += profile.size;
	}
	if (result == DELIVERY_DONE && more < 0) {
		free(row);
		result = DELIVERY_MALFORMED;
	}
	if (result == DELIVERY_DONE)
		result = flush(&request, store, credentials, &sum, answer) ? delivery_whole(&sum) : DELIVERY_FAILED;
	drop(&request);
	free(request.series);
	return result;
}
