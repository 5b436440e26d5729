/* param: the initial value of a parameter, a node over the parameter's indices.
 *     ~ normal(mean, sd)    mean + sd*normal()         ~ uniform(lo, hi)    lo + (hi -
 * lo)*uniform() = expr                a number for all, or an array of the parameter's shape The
 * draws of a parameter have its number in the model as their stream. */
#include "sema/internal.h"

#include <string.h>

static const char *const distributions[] = {"normal", "uniform"};
static const char *const arguments[][2] = {{"mean", "sd"}, {"lo", "hi"}};

static int number_of(const struct model_def *m, const struct parameter *p)
{
	for (int k = 0; k < m->param.n; k++)
		if (m->param.at[k] == p)
			return k;
	BUG("parameter '%s' is not of its model", p->name);
}

/* x as an array of the parameter's shape (its axes become the parameter's indices) or a number. */
static struct node *over_param(struct term *t, const struct parameter *p, const struct rt *x,
                               struct span at)
{
	bool fits = !x->naxis || x->naxis == p->sym->rank;
	int64_t dim[2 * MAX_RANK];
	for (int k = 0; k < x->naxis; k++) {
		dim[k] = sema_ix(x->axis[k])->size;
		fits = fits && dim[k] == p->sym->dim[k];
	}
	if (!fits) {
		diag(t->s->cx->diags, DIAG_SEMA_INIT_SHAPE, at, p->name,
		     p->sym->rank ? sema_shape(t->a, p->sym->dim, p->sym->rank) : "a single number",
		     sema_shape(t->a, dim, x->naxis));
		t->bad = true;
		return NULL;
	}
	for (int k = 0; k < x->naxis; k++)
		sema_ix(x->axis[k])->now = affine_idx(t->a, p->at[k]);
	return sema_build(t, x);
}

/* One expression of the initialiser, resolved and built on its own. */
static struct node *initial(struct sema *s, const struct scope *sc, struct model_def *m,
                            const struct parameter *p, const struct ast *e)
{
	struct term t;
	sema_term_init(&t, s, sc, m, TERM_INIT);
	for (int k = 0; k < p->sym->rank; k++)
		vec_push(t.a, &t.name, p->at[k]->name);
	struct rt *x = sema_resolve(&t, e);
	sema_term_finish(&t);
	return x && !t.bad ? over_param(&t, p, x, e->span) : NULL;
}

/* The two arguments of the distribution, positional or by name; false: an error was given. */
static bool dist_arguments(struct sema *s, const struct ast *e, int dist, const struct ast *out[2])
{
	for (int k = 0; k < e->nkid; k++) {
		int at = 0;
		if (e->key && e->key[k]) {
			while (at < 2 && strcmp(arguments[dist][at], e->key[k]))
				at++;
			if (at == 2) {
				diag(s->cx->diags, DIAG_SEMA_KEY, e->kid[k]->span, e->name, e->key[k]);
				sema_note(s, e->span, "its arguments are %s and %s", arguments[dist][0],
				          arguments[dist][1]);
				return false;
			}
		} else {
			while (at < 2 && out[at])
				at++;
		}
		if (at < 2 && !out[at]) {
			out[at] = e->kid[k];
			continue;
		}
		diag(s->cx->diags, DIAG_SEMA_ARITY, e->span, e->name, 2, "s", e->nkid);
		return false;
	}
	if (out[0] && out[1])
		return true;
	diag(s->cx->diags, DIAG_SEMA_ARITY, e->span, e->name, 2, "s", e->nkid);
	sema_note(s, e->span, "write %s(%s, %s)", e->name, arguments[dist][0], arguments[dist][1]);
	return false;
}

static struct node *distribution(struct sema *s, const struct scope *sc, struct model_def *m,
                                 const struct parameter *p, const struct ast *e)
{
	const struct ast *arg[2] = {NULL, NULL};
	int dist = 0;
	if (e->kind == AST_BAD)
		return NULL;
	while (dist < 2 && (e->kind != AST_CALL || strcmp(e->name, distributions[dist])))
		dist++;
	if (dist == 2) {
		diag(s->cx->diags, DIAG_SEMA_INIT_DIST, e->span);
		sema_note(s, e->span, "initial distributions are normal(mean, sd) and uniform(lo, hi)");
		return NULL;
	}
	if (!dist_arguments(s, e, dist, arg))
		return NULL;
	struct node *x = initial(s, sc, m, p, arg[0]), *y = initial(s, sc, m, p, arg[1]);
	if (!x || !y)
		return NULL;
	struct node *draw = ex_draw(s->a, dist ? OP_UNIFORM : OP_NORMAL, number_of(m, p));
	return ex_add(s->a, x, ex_mul(s->a, dist ? ex_sub(s->a, y, x) : y, draw));
}

void sema_param_init(struct sema *s, const struct scope *sc, struct model_def *m,
                     struct parameter *p, const struct ast_decl *d)
{
	struct term names;
	sema_term_init(&names, s, sc, m, TERM_INIT);
	for (int k = 0; k < p->sym->rank; k++)
		p->at[k] = idx_new(s->a, sema_fresh_name(&names), p->sym->dim[k]);
	if (!d->rel) {
		diag(s->cx->diags, DIAG_SEMA_NO_INIT, d->name_span, d->name);
		sema_note(s, d->name_span, "write ~ normal(0, 0.01) or = 0 behind its type");
	} else if (d->rel == '~') {
		p->init = distribution(s, sc, m, p, d->value);
	} else {
		p->init = initial(s, sc, m, p, d->value);
	}
	if (p->init)
		p->init = ex_with_span(s->a, p->init, d->value->span);
}
