/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

int http_check(struct error *error)
{
	(void)error;
	return 0;
}

/* Keeps the beginning of an answer; the rest of a longer one is read and forgotten. */
static size_t take(char *bytes, size_t size, size_t count, void *context)
{
	struct http_answer *answer = context;
	size_t length = size * count, room = HTTP_ANSWER_MAX - answer->length;
	size_t kept = length < room ? length : room;

	answer->cut |= kept < length;
	answer->text = memory_resize(answer->text, answer->length + kept + 1, 1);
	memcpy(answer->text + answer->length, bytes, kept);
	answer->length += kept;
	answer->text[answer->length] = 0;
	return length;
}

static void set_options(CURL *curl, const struct http_request *request, struct http_answer *answer, char *why)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(request->timeout * 1e3));
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(request->timeout * 1e3));
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "escapement/" ESCAPEMENT_VERSION);
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->size);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	if (request->user || request->password) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(curl, CURLOPT_USERNAME, request->user ? request->user : "default");
		curl_easy_setopt(curl, CURLOPT_PASSWORD, request->password ? request->password : "");
	}
	if (request->token) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, request->token);
	}
	if (request->ca_file) { /* in place of the system's, which is also a directory */
		curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_file);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
}

static struct curl_slist *add(struct curl_slist *headers, const char *header)
{
	headers = curl_slist_append(headers, header);
	if (!headers)
		memory_out();
	return headers;
}

static struct curl_slist *headers_of(const struct http_request *request)
{
	/* no "Expect: 100-continue", for which some servers let a client wait; and bodies are no forms */
	struct curl_slist *headers = add(NULL, "Expect:");
	char *type = memory_format("Content-Type: %s", request->type ? request->type : "application/octet-stream");

	headers = add(headers, type);
	free(type);
	if (request->gzip)
		headers = add(headers, "Content-Encoding: gzip");
	for (const char *const *each = request->headers; each && *each; each++)
		headers = add(headers, *each);
	return headers;
}

int http_post(const struct http_request *request, struct http_answer *answer, struct error *error)
{
	static CURL *curl; /* kept, because it keeps the connection */
	char why[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = headers_of(request);
	curl_off_t wait = 0;
	CURLcode code;

	if (!curl)
		curl = curl_easy_init();
	if (!curl)
		memory_out();
	*answer = (struct http_answer){.text = memory_zeroed(1, 1)};
	curl_easy_reset(curl);
	set_options(curl, request, answer, why);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait);
	answer->wait = (double)wait;
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(headers);
	if (code == CURLE_OK)
		return 0;
	return error_set(error, STATUS_CANNOT_MEASURE, "%s", *why ? why : curl_easy_strerror(code));
}

char *http_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0), *copy;

	if (!escaped)
		memory_out();
	copy = memory_text(escaped);
	curl_free(escaped);
	return copy;
}
