/* SPDX-License-Identifier: BSD-2-Clause */
#include "fleet/delivery.h"

#include "fleet/clickhouse.h"
#include "fleet/otlp.h"
#include "fleet/pyroscope.h"

const struct delivery_kind delivery_kinds[AGENT_STORES] = {
	[AGENT_CLICKHOUSE] = {clickhouse_insert, false},
	[AGENT_PYROSCOPE] = {pyroscope_push, true},
	[AGENT_OTLP] = {otlp_export, true},
};

bool delivery_wants_profiles(const struct agent_config *config)
{
	for (int i = 0; i < AGENT_STORES; i++) {
		if (config->stores[i].url && delivery_kinds[i].profiles)
			return true;
	}
	return false;
}

bool delivery_any(const struct agent_config *config)
{
	for (int i = 0; i < AGENT_STORES; i++) {
		if (config->stores[i].url)
			return true;
	}
	return false;
}

void delivery_set_stores(struct spool *spool, const struct agent_config *config)
{
	const char *names[AGENT_STORES];
	size_t count = 0;

	for (int i = 0; i < AGENT_STORES; i++) {
		if (config->stores[i].url)
			names[count++] = agent_store_names[i];
	}
	spool_set_stores(spool, names, count);
}
