/* argument: what a net or a layer is called with.  Inputs are computed in the caller's scope, as
 * symbols.  Indices that are bound outside the call, in sum(i) f(x[i]) or in the value of u[t],
 * become axes of the inputs, which the net carries along: it is called for all their values at
 * once, and its value is read at theirs. */
#include "sema/internal.h"

#include <string.h>

static const struct ast *argument(struct term *t, const struct ast *call, const struct ast_net *n,
                                  int formal)
{
	int position = 0;
	for (int k = 0; k < call->nkid; k++) {
		if (call->key && call->key[k] ? !strcmp(call->key[k], n->formal[formal].name)
		                              : position++ == formal)
			return call->kid[k];
	}
	(void)t;
	return NULL;
}

static bool check_arguments(struct term *t, const struct ast *call, const struct ast_net *n)
{
	int position = 0;
	for (int k = 0; k < call->nkid; k++) {
		int f = 0;
		if (!call->key || !call->key[k]) {
			position++;
			continue;
		}
		while (f < n->nformal && strcmp(n->formal[f].name, call->key[k]))
			f++;
		if (f < n->nformal)
			continue;
		diag(t->s->cx->diags, DIAG_SEMA_KEY, call->kid[k]->span, call->name, call->key[k]);
		return false;
	}
	if (position <= n->nformal)
		return true;
	diag(t->s->cx->diags, DIAG_SEMA_ARITY, call->span, call->name, n->nformal,
	     n->nformal == 1 ? "" : "s", call->nkid);
	return false;
}

static struct entry *declare_size(struct term *t, struct scope *sc, const char *name,
                                  struct span at, double value)
{
	struct entry *e = sema_declare(t->s, sc, ENTRY_SIZE, name, at);
	if (e)
		e->num = value;
	return e;
}

struct input {
	struct term t; /* in which it is resolved */
	struct rt *r;
	const struct sym *sym; /* NULL: not there */
	int outer; /* its first axes are those of the net that calls, and of the indices of the call */
};

/* Further axes before those that a net declares are carried along: the net is of each element. */
static bool carry(struct instance *in, const int64_t *dim, int n)
{
	int own = in->nlead - in->outer;
	if (n && !own) {
		memcpy(in->lead + in->outer, dim, sizeof *dim * (size_t)n);
		in->nlead += n;
		return true;
	}
	return !n || (n == own && !memcmp(in->lead + in->outer, dim, sizeof *dim * (size_t)n));
}

/* The axes of an input against those of its argument; names that are nothing yet become sizes. */
static bool bind_input(struct term *t, struct instance *in, const struct ast *call,
                       const struct ast_formal *f, const struct input *x, struct span at)
{
	const struct ast_type *y = f->type;
	const struct sym *arg = x->sym;
	int64_t dim[MAX_RANK], lead = arg->rank - y->ndim;
	bool ok = lead >= x->outer && carry(in, arg->dim + x->outer, (int)lead - x->outer);
	for (int k = 0; ok && k < y->ndim; k++) {
		const struct ast *d = y->dim[k];
		if (d->kind == AST_NAME && !sema_lookup(&in->scope, d->name))
			declare_size(t, &in->scope, d->name, d->span, (double)arg->dim[lead + k]);
		const char *what = arena_printf(t->a, "axis %d of '%s'", k + 1, f->name);
		if (!sema_size(t->s, &in->scope, d, what, &dim[k]))
			return false;
		ok = dim[k] == arg->dim[lead + k];
	}
	if (!ok) {
		int rank = arg->rank - x->outer;
		const char *got = rank ? sema_shape(t->a, arg->dim + x->outer, rank) : "a single number";
		diag(t->s->cx->diags, DIAG_SEMA_NET_INPUT, at, call->name, f->name, got);
		sema_note(t->s, f->span, "it is declared here");
		return false;
	}
	struct entry *e = sema_declare(t->s, &in->scope, ENTRY_DEF, f->name, f->span);
	if (!e)
		return false;
	e->sym = arg;
	e->lead = x->outer ? 0 : in->outer;
	e->to = e->lead + (int)lead;
	e->type = arena_printf(t->a, "real%s", sema_shape(t->a, arg->dim + lead, y->ndim));
	return true;
}

static const char *argument_name(struct term *t, const struct entry *n, const struct ast_formal *f)
{
	return arena_printf(t->a, "%s%s.%s", t->s->site->path, n->name, f->name);
}

/* Arguments that were computed for this use of a layer are named after it: decoder.dense2.x. */
void sema_name_arguments(struct term *t, const struct entry *n, const struct instance *in,
                         const char *path)
{
	for (int k = 0; k < n->net->nformal; k++) {
		const struct ast_formal *f = &n->net->formal[k];
		struct def *d = in->arg[k] && in->arg[k]->kind == SYM_TEMP ? in->arg[k]->info : NULL;
		if (d && !strcmp(d->sym->name, argument_name(t, n, f)))
			d->sym->name = arena_printf(t->a, "%s%s", path, f->name);
	}
}

/* ---- indices that are bound outside the call ---- */
typedef VEC(struct ix *) ix_vec;

static bool among(struct ix *const *at, int n, struct ix *i)
{
	for (int k = 0; k < n; k++)
		if (sema_ix(at[k]) == sema_ix(i))
			return true;
	return false;
}

bool sema_made_of(const struct cond *c, struct ix *const *at, int nat)
{
	bool all = c->rel != COND_NE && c->e.n > 0;
	for (int k = 0; k < c->e.n; k++)
		all = all && among(at, nat, c->e.ix[k]);
	return all;
}

static void add_indices(struct term *t, ix_vec *to, struct ix *const *at, int n)
{
	for (int k = 0; k < n; k++)
		if (!among(to->at, to->n, at[k]))
			vec_push(t->a, to, sema_ix(at[k]));
}

/* The indices in r, and those that are bound in it. */
static void indices(struct term *t, const struct rt *r, ix_vec *used, ix_vec *bound)
{
	int nmap = r->kind == RT_ACCESS  ? r->sym->rank
	           : r->kind == RT_INDEX ? 1
	           : r->kind == RT_AT    ? r->nbound
	                                 : 0;
	for (int k = 0; k < nmap; k++)
		add_indices(t, used, r->map[k].ix, r->map[k].n);
	for (int k = 0; k < r->ncond; k++)
		add_indices(t, used, r->cond[k].e.ix, r->cond[k].e.n);
	if (r->kind == RT_REDUCE || r->kind == RT_AT)
		add_indices(t, bound, r->bound, r->nbound);
	for (int k = 0; k < r->nkid; k++)
		indices(t, r->kid[k], used, bound);
}

/* The indices of an input that are bound outside of it go to `to`; are there any? */
static bool outside(struct term *t, const struct input *x, ix_vec *to)
{
	ix_vec used = {0}, own = {0};
	bool any = false;
	indices(t, x->r, &used, &own);
	add_indices(t, &own, x->r->axis, x->r->naxis);
	if (x->t.lead)
		add_indices(t, &own, x->t.lead, t->s->site->nlead);
	for (int k = 0; k < used.n; k++) {
		if (among(own.at, own.n, used.at[k]))
			continue;
		add_indices(t, to, &used.at[k], 1);
		any = true;
	}
	return any;
}

/* The range of an index whose term is not finished: by where it stands so far. */
static bool range_known(struct term *t, struct ix *i, struct span at)
{
	if (!i->size && i->use.n)
		i->size = i->use.at[0].size;
	if (!i->size)
		sema_bounded(i, t->cond.at, t->cond.n);
	if (i->size || i->poison)
		return i->size > 0;
	diag(t->s->cx->diags, DIAG_SEMA_INDEX_OPEN, at, i->name);
	sema_note(t->s, at, "a net that is called at an index has to know its range: bound it, %s < 10",
	          i->name);
	i->poison = true;
	return false;
}

/* Subscripts are within their axes where the conditions hold that are of these indices alone. */
static void forget_conditions(const struct term *t, struct input *x, struct ix *const *at, int nat)
{
	for (int k = 0; k < x->t.check.n; k++) {
		struct subscript_check *c = &x->t.check.at[k];
		int n = 0;
		for (int l = 0; l < c->ncond; l++)
			if (l >= t->cond.n || sema_made_of(&c->cond[l], at, nat))
				c->cond[n++] = c->cond[l];
		c->ncond = n;
	}
}

struct rt *sema_resolve_argument(const struct term *t, const struct ast *e, struct term *own)
{
	sema_term_init(own, t->s, t->scope, t->model, TERM_DEF);
	for (int k = 0; k < t->active.n; k++)
		vec_push(t->a, &own->active, t->active.at[k]);
	for (int k = 0; k < t->cond.n; k++)
		vec_push(t->a, &own->cond, t->cond.at[k]);
	for (int k = 0; k < t->name.n; k++)
		vec_push(t->a, &own->name, t->name.at[k]);
	return sema_resolve(own, e);
}

/* ---- all of them ---- */
/* Inputs as symbols: over the axes of the net that calls, where one of them has these, and over the
 * indices of the call, then their own. */
static bool compute_inputs(struct term *t, const struct ast *call, const struct entry *n,
                           struct instance *in, struct input *input)
{
	const struct site *site = t->s->site;
	struct ix *lead[2 * MAX_RANK];
	ix_vec at = {0};
	bool deep = false, ok = true;
	for (int k = 0; k < n->net->nformal; k++) {
		struct input *x = &input[k];
		if (!x->r)
			continue;
		x->outer = outside(t, x, &at) || x->t.lead;
		deep = deep || x->t.lead;
	}
	in->at = at.at;
	in->nat = at.n;
	in->outer = (deep ? site->nlead : 0) + at.n;
	for (int k = 0; k < at.n && ok; k++)
		ok = range_known(t, at.at[k], call->span);
	if (in->outer > MAX_RANK) {
		diag(t->s->cx->diags, DIAG_SEMA_RANK, call->span, arena_printf(t->a, "'%s'", call->name),
		     in->outer, MAX_RANK);
		ok = false;
	}
	for (int k = 0; k < n->net->nformal && ok; k++) {
		struct input *x = &input[k];
		if (!x->r)
			continue;
		x->outer = x->outer ? in->outer : 0;
		for (int l = 0; l < x->outer - at.n; l++)
			lead[l] = sema_lead(&x->t, l);
		for (int l = 0; l < at.n && x->outer; l++)
			lead[x->outer - at.n + l] = at.at[l];
		forget_conditions(t, x, at.at, at.n);
		sema_term_finish(&x->t);
		x->sym = in->arg[k] =
		    sema_compute(&x->t, x->r, lead, x->outer, argument_name(t, n, &n->net->formal[k]),
		                 argument(t, call, n->net, k)->span);
		ok = x->sym != NULL;
	}
	for (int k = 0; k < in->outer && ok; k++)
		in->lead[k] = k < in->outer - at.n ? site->lead[k] : at.at[k - (in->outer - at.n)]->size;
	in->nlead = in->outer;
	return ok;
}

bool sema_bind_arguments(struct term *t, const struct ast *call, const struct entry *n,
                         struct instance *in)
{
	bool ok = check_arguments(t, call, n->net);
	struct input *input = NEW_ARRAY(t->a, struct input, n->net->nformal);
	in->arg = NEW_ARRAY(t->a, const struct sym *, n->net->nformal);
	for (int k = 0; ok && k < n->net->nformal; k++) { /* computed in the caller's scope */
		const struct ast_formal *f = &n->net->formal[k];
		const struct ast *e = argument(t, call, n->net, k);
		if (f->type && e) {
			input[k].r = sema_resolve_argument(t, e, &input[k].t);
			ok = input[k].r && !input[k].t.bad;
		} else if (!e && !f->value) {
			diag(t->s->cx->diags, DIAG_SEMA_NET_ARGUMENT, call->span, n->name, f->name);
			sema_note(t->s, f->span, "it is declared here");
			ok = false;
		}
	}
	ok = ok && compute_inputs(t, call, n, in, input);
	for (int pass = 0; pass < 3;
	     pass++) /* sizes that are given, inputs that may use them, defaults */
		for (int k = 0; ok && k < n->net->nformal; k++) {
			const struct ast_formal *f = &n->net->formal[k];
			const struct ast *e = argument(t, call, n->net, k);
			double x;
			if (pass != (f->type ? 1 : e ? 0 : 2))
				continue;
			if (f->type)
				ok = bind_input(t, in, call, f, &input[k], e->span);
			else if ((ok = e ? sema_const(t->s, t->scope, e, &x)
			                 : sema_const(t->s, &in->scope, f->value, &x)))
				ok = declare_size(t, &in->scope, f->name, f->span, x) != NULL;
		}
	return ok;
}
