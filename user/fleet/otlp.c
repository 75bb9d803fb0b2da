/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/otlp.h"

#include <stdlib.h>
#include <string.h>

#include "base/gzip.h"
#include "base/memory.h"
#include "fleet/fleet_profiles.h"
#include "fleet/otlp.pb-c.h"
#include "fleet/otlp_request.h"
#include "profile/pprof.h"

enum { PPROF_MAX = 256 << 20, ANSWER_MAX = 4 << 20, WHY_MAX = 300 };

/* An answer that says that a part was not taken. */
static enum delivery judge_success(const struct http_answer *http, size_t sent, struct delivery_answer *answer)
{
	Otlp__ExportProfilesServiceResponse *response;
	enum delivery result = DELIVERY_DONE;

	if (!http->length || http->length > ANSWER_MAX)
		return DELIVERY_DONE;
	response = otlp__export_profiles_service_response__unpack(NULL, http->length, (const uint8_t *)http->text);
	if (response && response->partial_success && response->partial_success->rejected_profiles > 0) {
		const char *why = response->partial_success->error_message;
		int length = (int)strcspn(why, "\r\n");

		error_set(&answer->error, STATUS_CANNOT_MEASURE, "it rejects %lld of %zu profiles: %.*s",
			  (long long)response->partial_success->rejected_profiles, sent,
			  length < WHY_MAX ? length : WHY_MAX, why);
		result = DELIVERY_PARTIAL;
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
	struct http_request http = credentials_request(store, credentials->password, credentials->token);
	struct http_answer from;
	enum delivery result;

	http.url = url;
	http.type = "application/x-protobuf";
	http.gzip = true;
	http.body = packed;
	http.size = packed_size;
	result = http_post(&http, &from, &answer->error) ? DELIVERY_FAILED : delivery_of(&from, answer);
	if (result == DELIVERY_DONE)
		result = judge_success(&from, otlp_request_profiles(request), answer);
	free(from.text);
	free(url);
	free(packed);
	free(bytes);
	return result;
}

/* A window on its way. */
struct export
{
	const struct agent_store *store;
	const struct credentials *credentials;
	struct delivery_answer *answer;
	struct otlp_request *request; /* the one being filled */
	size_t bytes;		      /* of the profiles in it */
	struct delivery_sum sum;
};

/* Posts what there is, and begins anew. Returns whether to go on. */
static bool flush(struct export *export)
{
	bool goes_on = true;

	if (export->bytes)
		goes_on = delivery_add(&export->sum,
				       post(export->store, export->credentials, export->request, export->answer));
	otlp_request_free(export->request);
	export->request = otlp_request_new();
	export->bytes = 0;
	return goes_on;
}

static enum delivery add(struct export *export, const struct fleet_profile *of)
{
	struct error *error = &export->answer->error;
	size_t size;
	uint8_t *bytes = gzip_unpack(of->bytes, of->size, PPROF_MAX, &size);
	struct profile *profile = bytes ? pprof_parse(bytes, size, "of a window", error) : NULL;
	enum delivery result = profile ? DELIVERY_DONE : DELIVERY_MALFORMED;

	if (!bytes)
		error_set(error, STATUS_CANNOT_MEASURE, "a profile of it is not a gzip file");
	if (profile && export->bytes && export->bytes + size > DELIVERY_REQUEST_BYTES && !flush(export))
		result = DELIVERY_FAILED;
	if (result == DELIVERY_DONE) {
		otlp_request_add(export->request, of, profile);
		export->bytes += size;
	}
	profile_free(profile);
	free(bytes);
	return result;
}

enum delivery otlp_export(const struct agent_store *store, const struct credentials *credentials, const char *window,
			  size_t size, struct delivery_answer *answer)
{
	struct export export = {
		.store = store, .credentials = credentials, .answer = answer, .request = otlp_request_new()};
	enum delivery result = DELIVERY_DONE;
	struct fleet_profile profile;
	const char *at = window;
	char *row;
	int more;

	while (result == DELIVERY_DONE && (more = fleet_profile_next(&at, window + size, &profile, &row)) != 0) {
		result = more < 0 ? DELIVERY_MALFORMED : add(&export, &profile);
		free(row);
	}
	if (result == DELIVERY_DONE)
		result = flush(&export) ? delivery_whole(&export.sum) : DELIVERY_FAILED;
	otlp_request_free(export.request);
	return result;
}
