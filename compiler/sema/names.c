/* names: what is declared, where, and which declared name a misspelt one was meant to be. */
#include "sema/internal.h"

#include <stdarg.h>
#include <string.h>

const char *domain_name(enum domain d)
{
	static const char *const name[] = {
#define DOMAIN(id, name, values, note) name,
#include "sema/domain.def"
#undef DOMAIN
	};
	return name[d];
}

enum values domain_values(enum domain d)
{
	static const enum values values[] = {
#define DOMAIN(id, name, values, note) values,
#include "sema/domain.def"
#undef DOMAIN
	};
	return values[d];
}

struct entry *sema_lookup(const struct scope *sc, const char *name)
{
	for (; sc; sc = sc->up)
		for (int i = 0; i < sc->entry.n; i++)
			if (!strcmp(sc->entry.at[i]->name, name))
				return sc->entry.at[i];
	return NULL;
}

const struct entry *sema_hidden_by_index(const struct scope *sc, const char *name)
{
	const struct entry *e = sema_lookup(sc, name);
	return e && e->kind <= ENTRY_INSTANCE ? e : NULL;
}

struct entry *sema_declare(struct sema *s, struct scope *sc, enum entry_kind kind, const char *name,
                           struct span at)
{
	const struct scope own = {.up = NULL, .entry = {sc->entry.at, sc->entry.n, sc->entry.cap}};
	const struct entry *before = sema_lookup(&own, name);
	if (before) {
		diag(s->cx->diags, DIAG_SEMA_DUPLICATE, at, name);
		sema_note(s, before->span, "the first '%s' is here, a %s", name, sema_kind_word(before));
		return NULL;
	}
	struct entry *e = NEW(s->a, struct entry);
	e->kind = kind;
	e->name = name;
	e->span = at;
	vec_push(s->a, &sc->entry, e);
	return e;
}

const char *sema_kind_word(const struct entry *e)
{
	switch (e->kind) {
	case ENTRY_CONST:
		return "constant";
	case ENTRY_SIZE:
		return "size";
	case ENTRY_VARIABLE:
		if (e->var && e->var->role == ROLE_HIDDEN)
			return "hidden variable";
		if (e->var && e->var->role == ROLE_GIVEN)
			return "given variable";
		return e->var ? "visible variable" : "variable";
	case ENTRY_PARAM:
		return "parameter";
	case ENTRY_LET:
		return "let";
	case ENTRY_DEF:
		return e->type ? "input" : "value";
	case ENTRY_INSTANCE:
		return "net's value";
	case ENTRY_NET:
		return e->layer ? "layer" : "net";
	case ENTRY_DIST:
		return "distribution";
	case ENTRY_FN:
		return "function";
	case ENTRY_DATA:
		return "data set";
	case ENTRY_MODEL:
		return "model";
	}
	BUG("entry kind %d", (int)e->kind);
}

void sema_note(struct sema *s, struct span at, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	diag(s->cx->diags, DIAG_NOTE, at, text);
}

void sema_suggest_word(struct sema *s, const char *name, const char *const *words, int n,
                       struct span at)
{
	const char *near = nearest_word(name, words, n);
	if (near)
		sema_note(s, at, "did you mean '%s'?", near);
}

void sema_suggest(struct sema *s, const struct scope *sc, unsigned kinds, const char *name,
                  struct span at)
{
	VEC(const char *) words = {0};
	for (; sc; sc = sc->up)
		for (int i = 0; i < sc->entry.n; i++)
			if (kinds & 1u << sc->entry.at[i]->kind)
				vec_push(s->cx->tmp, &words, sc->entry.at[i]->name);
	sema_suggest_word(s, name, words.at, words.n, at);
}

const char *sema_shape(struct arena *a, const int64_t *dim, int rank)
{
	if (!rank)
		return "";
	struct buf b;
	buf_init(&b, a);
	for (int k = 0; k < rank; k++)
		buf_printf(&b, "%s%lld", k ? "," : "[", (long long)dim[k]);
	buf_putc(&b, ']');
	return b.s;
}
