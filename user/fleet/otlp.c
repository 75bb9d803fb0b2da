/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/otlp.h"

#include <stdlib.h>

#include "base/gzip.h"
#include "base/memory.h"
#include "fleet/fleet_profiles.h"
#include "fleet/otlp.pb-c.h"
#include "fleet/otlp_request.h"
#include "profile/pprof.h"

enum { PPROF_MAX = 256 << 20, ANSWER_MAX = 4 << 20, WHY_MAX = 300 };

/* An answer that says that a part was not taken. */
static enum delivery judge_success(const struct http_answer *http, struct delivery_answer *answer)
{
	Otlp__ExportProfilesServiceResponse *response;
	enum delivery result = DELIVERY_DONE;

	if (!http->length || http->length > ANSWER_MAX)
		return DELIVERY_DONE;
	response = otlp__export_profiles_service_response__unpack(NULL, http->length, (const uint8_t *)http->text);
	if (response && response->partial_success && response->partial_success->rejected_profiles > 0) {
		error_set(&answer->error, STATUS_CANNOT_MEASURE, "it rejects %lld profiles: %.*s",
			  (long long)response->partial_success->rejected_profiles, WHY_MAX,
			  response->partial_success->error_message);
		result = DELIVERY_REFUSED;
	}
	if (response)
		otlp__export_profiles_service_response__free_unpacked(response, NULL);
	return result;
}

static enum delivery post(const struct agent_store *store, const struct credentials *credentials,
			  struct otlp_request *request, struct delivery_answer *answer)
{
	size_t size, packed_size;
	uint8_t *bytes = otlp_request_pack(request, &size), *packed = gzip_pack(bytes, size, &packed_size);
	char *url = memory_format("%.*s/v1development/profiles", http_base_length(store->url), store->url);
	struct http_request http = {.url = url,
				    .user = store->user,
				    .password = credentials->password,
				    .token = credentials->token,
				    .ca_file = store->ca_file,
				    .timeout = store->timeout,
				    .type = "application/x-protobuf",
				    .gzip = true,
				    .body = packed,
				    .size = packed_size};
	struct http_answer from;
	int failed = http_post(&http, &from, &answer->error);
	enum delivery result = failed ? DELIVERY_FAILED : delivery_of(&from, answer);

	if (result == DELIVERY_DONE)
		result = judge_success(&from, answer);
	free(from.text);
	free(url);
	free(packed);
	free(bytes);
	return result;
}

static int add(struct otlp_request *request, const struct fleet_profile *of, struct error *error)
{
	size_t size;
	uint8_t *bytes = gzip_unpack(of->bytes, of->size, PPROF_MAX, &size);
	struct profile *profile = bytes ? pprof_parse(bytes, size, "of a window", error) : NULL;

	if (!bytes)
		error_set(error, STATUS_CANNOT_MEASURE, "a profile of it is not a gzip file");
	if (profile)
		otlp_request_add(request, of, profile);
	profile_free(profile);
	free(bytes);
	return profile ? 0 : -1;
}

enum delivery otlp_export(const struct agent_store *store, const struct credentials *credentials, const char *window,
			  size_t size, struct delivery_answer *answer)
{
	struct otlp_request *request = otlp_request_new();
	enum delivery result = DELIVERY_DONE;
	struct fleet_profile profile;
	const char *at = window;
	size_t count = 0;
	char *row;
	int more;

	while ((more = fleet_profile_next(&at, window + size, &profile, &row)) > 0) {
		more = add(request, &profile, &answer->error);
		free(row);
		row = NULL;
		if (more < 0)
			break;
		count++;
	}
	free(row);
	if (more < 0)
		result = DELIVERY_MALFORMED;
	else if (count)
		result = post(store, credentials, request, answer);
	otlp_request_free(request);
	return result;
}
