/* source: the files that were read, kept whole for the life of the process, and the way back from a
 * byte offset to a line and column.  The line table of a source is built at its first use. */
#include "base/base.h"

#include <errno.h>
#include <string.h>

struct entry {
	struct source pub;  /* first: a struct source * of ours is a struct entry * */
	VEC(uint32_t) line; /* where each line begins */
};

static struct arena *perm;
static VEC(struct entry *) all; /* all.at[id - 1] */

static struct source *source_add(const char *path, const char *text, size_t len)
{
	struct entry *e = NEW(perm, struct entry);
	e->pub.path = intern(path);
	e->pub.text = text;
	e->pub.len = len;
	vec_push(perm, &all, e);
	e->pub.id = all.n;
	return &e->pub;
}

static void need_perm(void)
{
	if (!perm)
		perm = arena_new();
}

struct source *source_text(const char *path, const char *text, size_t len)
{
	need_perm();
	char *copy = arena_alloc(perm, len + 1);
	if (len)
		memcpy(copy, text, len);
	return source_add(path, copy, len);
}

struct source *source_read(const char *path)
{
	need_perm();
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	char *text = NULL;
	size_t len = 0, cap = 0;
	for (;;) {
		if (cap - len < 2) {
			size_t grown = cap ? cap * 2 : 1 << 14;
			char *to = arena_alloc(perm, grown);
			if (len)
				memcpy(to, text, len);
			text = to;
			cap = grown;
		}
		size_t got = fread(text + len, 1, cap - len - 1, f);
		len += got;
		if (!got)
			break;
		if (len > INT32_MAX / 2) { /* spans are 32 bits */
			fclose(f);
			errno = EFBIG;
			return NULL;
		}
	}
	int failed = ferror(f) ? errno : 0;
	fclose(f);
	if (failed) {
		errno = failed;
		return NULL;
	}
	text[len] = '\0';
	return source_add(path, text, len);
}

static struct entry *entry_get(int id)
{
	return id >= 1 && id <= all.n ? all.at[id - 1] : NULL;
}

const struct source *source_get(int id)
{
	struct entry *e = entry_get(id);
	return e ? &e->pub : NULL;
}

static void build_lines(struct entry *e)
{
	vec_push(perm, &e->line, 0);
	for (size_t i = 0; i < e->pub.len; i++)
		if (e->pub.text[i] == '\n')
			vec_push(perm, &e->line, (uint32_t)(i + 1));
}

struct place source_place(struct span s)
{
	struct entry *e = entry_get(s.src);
	if (!e)
		return (struct place){0, 0};
	if (!e->line.n)
		build_lines(e);
	uint32_t at = s.beg <= e->pub.len ? s.beg : (uint32_t)e->pub.len;
	int lo = 0, hi = e->line.n; /* line.at[lo] <= at < line.at[hi] */
	while (hi - lo > 1) {
		int mid = lo + (hi - lo) / 2;
		if (e->line.at[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	int col = 1;
	for (uint32_t i = e->line.at[lo]; i < at; i++)
		if (((unsigned char)e->pub.text[i] & 0xC0) != 0x80)
			col++;
	return (struct place){lo + 1, col};
}

struct span span_join(struct span a, struct span b)
{
	if (!a.src)
		return b;
	if (!b.src || a.src != b.src)
		return a;
	return (struct span){a.src, a.beg < b.beg ? a.beg : b.beg, a.end > b.end ? a.end : b.end};
}
