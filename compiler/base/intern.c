/* intern: one copy of each distinct string, so that equal names are equal pointers.  An open
 * addressing table (linear probing, at most half full) keyed by FNV-1a; it lives for ever. */
#include "base/base.h"

#include <string.h>

struct entry {
	const char *s; /* NULL: free */
	size_t n;
	uint64_t hash;
};

static struct {
	struct arena *a;
	struct entry *at;
	size_t n, cap; /* cap is a power of two */
} table;

static uint64_t hash_bytes(const char *s, size_t n)
{
	uint64_t h = 14695981039346656037u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 1099511628211u;
	return h ^ (h >> 32);
}

static struct entry *slot(struct entry *at, size_t cap, const char *s, size_t n, uint64_t hash)
{
	for (size_t i = hash & (cap - 1);; i = (i + 1) & (cap - 1)) {
		struct entry *e = &at[i];
		if (!e->s || (e->hash == hash && e->n == n && !memcmp(e->s, s, n)))
			return e;
	}
}

static void grow(void)
{
	if (!table.a)
		table.a = arena_new();
	size_t cap = table.cap ? table.cap * 2 : 1024;
	struct entry *at = NEW_ARRAY(table.a, struct entry, cap);
	for (size_t i = 0; i < table.cap; i++) {
		struct entry *e = &table.at[i];
		if (e->s)
			*slot(at, cap, e->s, e->n, e->hash) = *e;
	}
	table.at = at;
	table.cap = cap;
}

const char *intern_n(const char *s, size_t n)
{
	if (table.n * 2 >= table.cap)
		grow();
	uint64_t hash = hash_bytes(s, n);
	struct entry *e = slot(table.at, table.cap, s, n, hash);
	if (!e->s) {
		char *copy = arena_alloc(table.a, n + 1); /* zeroed: ends in NUL */
		memcpy(copy, s, n);
		*e = (struct entry){copy, n, hash};
		table.n++;
	}
	return e->s;
}

const char *intern(const char *s)
{
	return intern_n(s, strlen(s));
}
