/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbols/elf_share.h"

#include <pthread.h>

/* Owners that have taken something; the last one is shared by all for whom there is none left. */
enum { ACCOUNTS = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under the lock: left[b] + the sum of all taken[b] is the budget b. */
static size_t left[ELF_BUDGETS] = {ELF_SHARE_SYMBOLS_MAX, ELF_SHARE_LINES_MAX};
static struct account {
	uid_t owner;
	size_t taken[ELF_BUDGETS];
} accounts[ACCOUNTS];

static bool is_free(const struct account *account)
{
	return !account->taken[ELF_BUDGET_SYMBOLS] && !account->taken[ELF_BUDGET_LINES];
}

/* The account of a share, or that which it would get. */
static unsigned account_of(const struct elf_share *share)
{
	unsigned free = ACCOUNTS - 1;

	if (share->account)
		return share->account - 1;
	for (unsigned i = ACCOUNTS; i-- > 0;) {
		if (is_free(&accounts[i]))
			free = i;
		else if (accounts[i].owner == share->owner)
			return i;
	}
	return free;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* What all files of the owner may still take together. */
static size_t room_of(const struct account *account, enum elf_budget budget)
{
	size_t taken = account->taken[budget], both = left[budget] + taken, most = both - both / 4;

	return most > taken ? least(most - taken, left[budget]) : 0;
}

void elf_share_allow(const struct elf_share *share, size_t most[ELF_BUDGETS])
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < ELF_BUDGETS; i++)
		most[i] = room_of(&accounts[account_of(share)], (enum elf_budget)i) / 2;
	pthread_mutex_unlock(&lock);
}

bool elf_share_claim(struct elf_share *share, enum elf_budget budget, size_t bytes, size_t *most)
{
	unsigned number;
	bool fits;

	pthread_mutex_lock(&lock);
	number = account_of(share);
	fits = bytes <= *most && bytes <= room_of(&accounts[number], budget);
	if (fits && bytes) {
		if (is_free(&accounts[number]))
			accounts[number].owner = share->owner;
		accounts[number].taken[budget] += bytes;
		left[budget] -= bytes;
		share->account = number + 1;
		share->taken[budget] += bytes;
		*most -= bytes;
	}
	pthread_mutex_unlock(&lock);
	return fits;
}

bool elf_share_take(struct elf_share *share, size_t bytes)
{
	size_t most[ELF_BUDGETS];

	elf_share_allow(share, most);
	return elf_share_claim(share, ELF_BUDGET_SYMBOLS, bytes, &most[ELF_BUDGET_SYMBOLS]);
}

void elf_share_end(struct elf_share *share)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < ELF_BUDGETS && share->account; i++) {
		accounts[share->account - 1].taken[i] -= share->taken[i];
		left[i] += share->taken[i];
	}
	pthread_mutex_unlock(&lock);
	*share = (struct elf_share){.owner = share->owner};
}
