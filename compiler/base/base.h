/* base: what every layer of the compiler stands on.
 *
 * Memory comes from three arenas by lifetime: perm (the whole process: interned strings, sources),
 * prog (one compilation) and tmp (one pass).  Nothing in compiler/ calls malloc or free outside
 * arena.c.  Strings are interned: two equal names are one pointer.  Places in a file are byte spans;
 * line and column are computed only when a message is printed. */
#ifndef DGM_BASE_H
#define DGM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- arenas ------------------------------------------------------------------------------- */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *a);
void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned to 16; never returns NULL */
void *arena_copy(struct arena *a, const void *p, size_t size);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define NEW_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (size_t)(n)))

/* ---- growable arrays: VEC(struct node *) v = {0};  vec_push(a, &v, x);  v.at[i], v.n -------- */
#define VEC(type)                                                                                  \
	struct {                                                                                       \
		type *at;                                                                                  \
		int n, cap;                                                                                \
	}
void *vec_grow(struct arena *a, void *at, int n, int *cap, size_t size);
#define vec_push(a, v, x)                                                                          \
	((v)->at = vec_grow((a), (v)->at, (v)->n, &(v)->cap, sizeof *(v)->at),                         \
	 (void)((v)->at[(v)->n++] = (x)))

/* ---- interned strings: equal text, equal pointer; they live for ever ------------------------- */
const char *intern(const char *s);
const char *intern_n(const char *s, size_t n);

/* ---- text buffers that grow in an arena -------------------------------------------------------- */
struct buf {
	struct arena *a;
	char *s; /* always NUL-terminated after the first write */
	size_t n, cap;
};
void buf_init(struct buf *b, struct arena *a);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- sources and spans -------------------------------------------------------------------------- */
struct source {
	const char *path; /* as given, for messages */
	const char *text; /* NUL-terminated, bytes as in the file */
	size_t len;
	int id;
};
struct span {
	int src;           /* source id; 0: no place */
	uint32_t beg, end; /* byte offsets, end exclusive */
};
struct place {
	int line, col; /* from 1; col counts characters (UTF-8 code points), a tab is one */
};
/* Reads a whole file; NULL and errno when it cannot (a directory gives EISDIR). */
struct source *source_read(const char *path);
struct source *source_text(const char *path, const char *text, size_t len);
const struct source *source_get(int id);
struct place source_place(struct span s);
struct span span_join(struct span a, struct span b);

/* ---- diagnostics ---------------------------------------------------------------------------------
 * One line a message in diag.def.  Each is printed as
 *     file:line:col: error: text
 *         7 |   the line, tabs kept
 *           |         ^~~~ the whole span
 * Notes follow the message they belong to.  Up to 20 errors a run, then one line says so. */
enum diag_id {
#define DIAG(id, severity, text) DIAG_##id,
#include "base/diag.def"
#undef DIAG
	DIAG_COUNT
};
enum severity { SEV_ERROR, SEV_WARNING, SEV_NOTE };

struct diags; /* collects; printed in the order they came */
struct diags *diags_new(struct arena *a);
/* The arguments are the printf arguments of the message's text in diag.def. */
void diag(struct diags *d, enum diag_id id, struct span at, ...);
int diags_errors(const struct diags *d);
void diags_print(const struct diags *d, FILE *out);
const char *diags_error(const struct diags *d); /* the text of the first error not settled; NULL: none */
const char *diags_error_placed(const struct diags *d); /* the same, with its line and what stands there */
void diags_print_all(const struct diags *d, FILE *out); /* those settled, too */
void diags_add(struct diags *to, const struct diags *from, bool notes); /* all of them; notes: as such, of the last message */
void diags_settle(struct diags *d); /* what is there has been printed, and is not said again */
/* The word among `words` (n of them) nearest to `name` in edit distance, NULL when none is near. */
const char *nearest_word(const char *name, const char *const *words, int n);

/* ---- one compilation ---------------------------------------------------------------------------- */
struct cx {
	struct arena *perm, *prog, *tmp;
	struct diags *diags;
};

/* An error of the compiler itself: prints pass and place, aborts. */
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
