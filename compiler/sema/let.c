/* let: a let of a model is a macro, its value over the indices on its left and the axes it leaves
 * open.  Where a factor or a net uses it, it is computed once instead (def.c).  A let whose value
 * is a net called stands for the net and all its lets. */
#include "sema/internal.h"

#include <string.h>

void sema_bind_left(struct term *t, const struct ast_decl *d, struct let *l)
{
	l->axis = NEW_ARRAY(t->a, struct ix *, d->nindex + 3 * MAX_RANK);
	for (int k = 0; k < d->nindex; k++) {
		const struct entry *n = sema_hidden_by_index(t->scope, d->index[k]);
		const struct ix *before = sema_active(t, d->index[k]);
		if (before) {
			diag(t->s->cx->diags, DIAG_SEMA_INDEX_TWICE, d->index_span[k], d->index[k]);
			sema_note(t->s, before->span, "it is bound here");
			t->bad = true;
		} else if (n) {
			diag(t->s->cx->diags, DIAG_SEMA_INDEX_SHADOWS, d->index_span[k], d->index[k],
			     sema_kind_word(n));
			sema_note(t->s, n->span, "'%s' is declared here", n->name);
			t->bad = true;
		}
		struct ix *i = sema_ix_new(t, d->index[k], d->index_span[k]);
		i->left = true;
		vec_push(t->a, &t->active, i);
		l->axis[l->naxis++] = i;
	}
	for (int k = 0; k < d->nindex; k++) {
		struct cond c;
		if (d->index_bound[k] && sema_condition(t, d->index_bound[k], &c)) {
			vec_push(t->a, &t->cond, c);
			sema_bounded(l->axis[k], &c, 1);
		}
	}
}

struct let *sema_let_of(struct term *t, struct rt *body, struct ix *const *axis, int naxis)
{
	struct let *l = NEW(t->a, struct let);
	l->body = body;
	l->axis = naxis ? arena_copy(t->a, axis, sizeof *axis * (size_t)naxis) : NULL;
	l->naxis = naxis;
	l->touches = t->mode != TERM_INIT;
	l->macro = true;
	return l;
}

static void let_instance(struct sema *s, struct scope *sc, struct model_def *m,
                         const struct ast_decl *d)
{
	struct term t;
	sema_term_init(&t, s, sc, m, TERM_DEF);
	const struct instance *i = sema_instance(&t, d->value);
	struct entry *e = sema_declare(s, sc, ENTRY_INSTANCE, d->name, d->name_span);
	if (!e)
		return;
	e->instance = i;
	e->bad = !i;
}

/* batch_mean(x, start), unless the file has a function of that name */
static bool is_batch_mean(const struct scope *sc, const struct ast *e)
{
	return e->kind == AST_CALL && !strcmp(e->name, "batch_mean") && e->nkid == 2 &&
	       !sema_lookup(sc, e->name);
}

void sema_let(struct sema *s, struct scope *sc, struct model_def *m, const struct ast_decl *d)
{
	struct term t;
	if (!d->nindex && sema_is_net_call(sc, d->value)) {
		let_instance(s, sc, m, d);
		return;
	}
	struct let *l = NEW(s->a, struct let);
	const struct ast *value = d->value, *start = NULL;
	double first = 0;
	if (is_batch_mean(sc, value)) {
		start = value->kid[1];
		value = value->kid[0];
	}
	sema_term_init(&t, s, sc, m, m->directed || s->in_dist ? TERM_DEF : TERM_LET);
	sema_bind_left(&t, d, l);
	l->body = sema_resolve(&t, value);
	l->lead = t.lead ? s->site->nlead : 0;
	if (l->lead) {
		memmove(l->axis + l->lead, l->axis, sizeof *l->axis * (size_t)l->naxis);
		memcpy(l->axis, t.lead, sizeof *l->axis * (size_t)l->lead);
		l->naxis += l->lead;
	}
	for (int k = 0; l->body && k < l->body->naxis; k++) {
		struct ix *i = sema_ix(l->body->axis[k]);
		i->closed = true; /* each use of the let names its own */
		l->axis[l->naxis++] = i;
	}
	if (l->naxis > MAX_RANK) {
		diag(s->cx->diags, DIAG_SEMA_RANK, d->name_span, arena_printf(s->a, "'%s'", d->name),
		     l->naxis, MAX_RANK);
		t.bad = true;
	}
	sema_term_finish(&t);
	l->touches = t.touches;
	l->macro = s->in_dist;
	l->check = NEW_ARRAY(s->a, struct subscript_check, t.check.n);
	for (int k = 0; k < t.check.n; k++)
		if (t.check.at[k].waits)
			l->check[l->ncheck++] = t.check.at[k];
	struct entry *e = sema_declare(s, sc, ENTRY_LET, d->name, d->name_span);
	if (!e)
		return;
	e->let = l;
	e->bad = t.bad;
	if (start && !t.bad && sema_const(s, sc, start, &first))
		sema_average(&t, m, e, first);
	else if (*s->site->path && !t.bad)
		sema_let_def(&t, e);
}
