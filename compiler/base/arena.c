/* arena: bump allocation out of chunks that grow, given back all at once; growable arrays and text
 * buffers that live in one.  The only place in compiler/ that calls malloc and free.
 *
 * Invariant: a chunk's bytes past `used` are zero, so arena_alloc need not clear. */
#include "base/base.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, CHUNK_MIN = 1 << 16, CHUNK_MAX = 1 << 24 };

struct chunk {
	struct chunk *next;
	size_t used, size; /* of the bytes behind this header */
};

struct arena {
	struct chunk *head; /* the chunk that is being filled */
	size_t next_size;
};

static size_t round_up(size_t n)
{
	return (n + (ALIGN - 1)) & ~(size_t)(ALIGN - 1);
}

static unsigned char *chunk_bytes(struct chunk *c)
{
	return (unsigned char *)c + round_up(sizeof *c);
}

static _Noreturn void out_of_memory(void)
{
	fputs("dgm: out of memory\n", stderr);
	exit(3);
}

static struct chunk *chunk_new(size_t size)
{
	struct chunk *c = calloc(1, round_up(sizeof *c) + size);
	if (!c)
		out_of_memory();
	c->size = size;
	return c;
}

struct arena *arena_new(void)
{
	struct arena *a = calloc(1, sizeof *a);
	if (!a)
		out_of_memory();
	a->next_size = CHUNK_MIN;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct chunk *c = a->head, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

void *arena_alloc(struct arena *a, size_t size)
{
	if (size > SIZE_MAX / 2)
		out_of_memory();
	size = round_up(size ? size : 1);
	struct chunk *c = a->head;
	if (!c || c->size - c->used < size) {
		bool large = size > a->next_size / 4;
		struct chunk *fresh = chunk_new(large ? size : a->next_size);
		if (large && c) { /* a chunk of its own, behind the one that is being filled */
			fresh->next = c->next;
			c->next = fresh;
		} else {
			fresh->next = c;
			a->head = fresh;
		}
		if (!large && a->next_size < CHUNK_MAX)
			a->next_size *= 2;
		c = fresh;
	}
	void *p = chunk_bytes(c) + c->used;
	c->used += size;
	return p;
}

void *arena_copy(struct arena *a, const void *p, size_t size)
{
	void *to = arena_alloc(a, size);
	if (size)
		memcpy(to, p, size);
	return to;
}

static char *vprint(struct arena *a, size_t *len, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		BUG("cannot format \"%s\"", fmt);
	char *s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	*len = (size_t)n;
	return s;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	size_t len;
	va_list ap;
	va_start(ap, fmt);
	char *s = vprint(a, &len, fmt, ap);
	va_end(ap);
	return s;
}

void *vec_grow(struct arena *a, void *at, int n, int *cap, size_t size)
{
	if (n < *cap)
		return at;
	if (*cap > INT_MAX / 2)
		out_of_memory();
	*cap = *cap ? *cap * 2 : 4;
	void *to = arena_alloc(a, (size_t)*cap * size);
	if (n)
		memcpy(to, at, (size_t)n * size);
	return to;
}

void buf_init(struct buf *b, struct arena *a)
{
	*b = (struct buf){.a = a};
}

static void buf_write(struct buf *b, const char *s, size_t n)
{
	if (b->cap - b->n < n + 1 || !b->s) {
		size_t cap = b->cap ? b->cap * 2 : 64;
		while (cap - b->n < n + 1)
			cap *= 2;
		char *to = arena_alloc(b->a, cap);
		if (b->n)
			memcpy(to, b->s, b->n);
		b->s = to;
		b->cap = cap;
	}
	if (n)
		memcpy(b->s + b->n, s, n);
	b->n += n;
	b->s[b->n] = '\0';
}

void buf_putc(struct buf *b, char c)
{
	buf_write(b, &c, 1);
}

void buf_puts(struct buf *b, const char *s)
{
	buf_write(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	char small[256];
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof small, fmt, ap);
	if (n >= 0 && (size_t)n < sizeof small) {
		buf_write(b, small, (size_t)n);
	} else {
		size_t len;
		char *s = vprint(b->a, &len, fmt, again);
		buf_write(b, s, len);
	}
	va_end(again);
	va_end(ap);
}
