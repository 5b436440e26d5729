/* prelude: what every file may use without declaring it (grammar/prelude.dgm, compiled into the
 * tool), and the files that a file imports, looked for beside it: their nets, layers,
 * distributions, functions and constants. */
#include "sema/internal.h"

#include <errno.h>
#include <string.h>

extern const char sema_prelude_text[];

static void declare_dist(struct sema *s, struct scope *sc, const struct ast_net *n)
{
	struct entry *e = NEW(s->a, struct entry), **end = NULL;
	*e = (struct entry){.kind = ENTRY_DIST, .name = n->name, .span = n->name_span, .net = n};
	e->bad = !n->self.type || !sema_is_domain(s, n->self.type);
	if (!n->self.type) {
		diag(s->cx->diags, DIAG_SEMA_DIST_OF, n->name_span, n->name, n->self.name);
		sema_note(s, n->self.span, "write  dist %s : real ~ %s(...), or another domain",
		          n->self.name, n->name);
	}
	for (int k = 0; k < sc->entry.n; k++)
		if (sc->entry.at[k]->kind == ENTRY_DIST && !strcmp(sc->entry.at[k]->name, n->name))
			for (end = &sc->entry.at[k]->other; *end;)
				end = &(*end)->other;
	if (end)
		*end = e;
	else
		vec_push(s->a, &sc->entry, e);
}

static void import(struct sema *s, struct scope *sc, const struct ast_file *from,
                   const struct ast_data *d)
{
	const struct source *here = source_get(from->src);
	const char *slash = strrchr(here->path, '/');
	int folder = slash ? (int)(slash - here->path) + 1 : 0;
	const char *path = arena_printf(s->a, "%.*s%s", d->value->name[0] == '/' ? 0 : folder,
	                                here->path, d->value->name);
	for (int k = 0; k < s->imported.n; k++)
		if (!strcmp(s->imported.at[k], path))
			return;
	vec_push(s->a, &s->imported, path);
	const struct source *src = source_read(path);
	if (!src) {
		diag(s->cx->diags, DIAG_SEMA_IMPORT, d->span, path, strerror(errno));
		return;
	}
	sema_import(s, sc, parse(s->cx, src));
}

void sema_import(struct sema *s, struct scope *sc, const struct ast_file *f)
{
	for (int k = 0; k < f->nitem; k++) {
		const struct ast_item *i = &f->item[k];
		struct entry *e;
		switch (i->kind) {
		case ITEM_NET:
		case ITEM_LAYER:
			e = sema_declare(s, sc, ENTRY_NET, i->net->name, i->net->name_span);
			if (e) {
				e->net = i->net;
				e->layer = i->kind == ITEM_LAYER;
			}
			break;
		case ITEM_DIST:
			declare_dist(s, sc, i->net);
			break;
		case ITEM_FN:
			e = sema_declare(s, sc, ENTRY_FN, i->fn->name, i->fn->name_span);
			if (e)
				e->fn = i->fn;
			break;
		case ITEM_CONST:
			sema_top_const(s, sc, i->data);
			break;
		case ITEM_IMPORT:
			import(s, sc, f, i->data);
			break;
		case ITEM_MODEL:
		case ITEM_DATA:
		case ITEM_BLOCK:
			break;
		}
	}
}

void sema_prelude(struct sema *s)
{
	const struct source *src =
	    source_text("prelude.dgm", sema_prelude_text, strlen(sema_prelude_text));
	sema_import(s, &s->prelude, parse(s->cx, src));
	struct entry *e = sema_declare(s, &s->prelude, ENTRY_DEF, intern("training"), (struct span){0});
	e->sym = s->training = sym_new(s->a, e->name, SYM_INPUT, VALUES_REAL, false, 0, NULL, e->span);
	e->type = "a number";
	s->top.up = &s->prelude;
}
