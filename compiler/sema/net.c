/* net: nets and layers called.  A call computes the net's lets and its value from its inputs.  The
 * parameters of a net are named after it, decoder.W, and are the same however often a model calls
 * it; a layer has parameters of its own at each use, decoder.dense1.W.  A name in the type of an
 * input that is nothing else is a size, read off the argument.  Calls with the same inputs are one.
 */
#include "sema/internal.h"

#include <string.h>

enum { DEPTH_MAX = 50 };

static const struct entry *net_of(const struct scope *sc, const struct ast *e)
{
	const struct entry *n = e->kind == AST_CALL ? sema_lookup(sc, e->name) : NULL;
	return n && n->kind == ENTRY_NET ? n : NULL;
}

bool sema_is_net_call(const struct scope *sc, const struct ast *e)
{
	return net_of(sc, e->kind == AST_PIPE ? e->kid[1] : e) != NULL ||
	       (e->kind == AST_PIPE && e->kid[1]->kind == AST_NAME &&
	        sema_lookup(sc, e->kid[1]->name) &&
	        sema_lookup(sc, e->kid[1]->name)->kind == ENTRY_NET);
}

struct ast *sema_pipe_call(struct sema *s, const struct ast *pipe)
{
	const struct ast *f = pipe->kid[1];
	struct ast *e = arena_copy(s->a, f, sizeof *f);
	e->kind = AST_CALL;
	e->span = pipe->span;
	e->nkid = (f->kind == AST_CALL ? f->nkid : 0) + 1;
	e->kid = NEW_ARRAY(s->a, struct ast *, e->nkid);
	e->key = NEW_ARRAY(s->a, const char *, e->nkid);
	e->kid[0] = pipe->kid[0];
	for (int k = 1; k < e->nkid; k++) {
		e->kid[k] = f->kid[k - 1];
		e->key[k] = f->key ? f->key[k - 1] : NULL;
	}
	return e;
}

struct ix *sema_lead(struct term *t, int k)
{
	const struct site *own = t->s->site;
	if (k >= t->aligned || k >= own->nlead)
		return NULL;
	if (!t->lead) {
		t->lead = NEW_ARRAY(t->a, struct ix *, own->nlead);
		for (int i = 0; i < own->nlead; i++) {
			t->lead[i] = own->step ? own->step : sema_ix_new(t, NULL, (struct span){0});
			t->lead[i]->size = own->lead[i];
		}
	}
	return t->lead[k];
}

/* ---- a call's arguments ---- */
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
	const struct sym *sym;
	int outer; /* its first axes are carried along by the net that calls */
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
		const char *got = arg->rank ? sema_shape(t->a, arg->dim, arg->rank) : "a single number";
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
static void name_arguments(struct term *t, const struct entry *n, const struct instance *in,
                           const char *path)
{
	for (int k = 0; k < n->net->nformal; k++) {
		const struct ast_formal *f = &n->net->formal[k];
		struct def *d = in->arg[k] && in->arg[k]->kind == SYM_TEMP ? in->arg[k]->info : NULL;
		if (d && !strcmp(d->sym->name, argument_name(t, n, f)))
			d->sym->name = arena_printf(t->a, "%s%s", path, f->name);
	}
}

/* The index of the steps, in the value of a state; not in the formula of a function there. */
static struct ix *step_in_force(const struct term *t)
{
	struct ix *step = t->s->site->step;
	return step && sema_active(t, step->name) == step ? step : NULL;
}

static bool steps_known(struct term *t, const struct ast *call)
{
	const struct site *at = t->s->site;
	if (!at->step || at->lead[0])
		return true;
	diag(t->s->cx->diags, DIAG_SEMA_STATE_RANGE, call->span, at->state, at->step->name,
	     at->step->name);
	return false;
}

static bool bind_arguments(struct term *t, const struct ast *call, const struct entry *n,
                           struct instance *in)
{
	bool ok = check_arguments(t, call, n->net);
	struct input *input = NEW_ARRAY(t->a, struct input, n->net->nformal);
	struct ix *step = step_in_force(t);
	in->arg = NEW_ARRAY(t->a, const struct sym *, n->net->nformal);
	for (int k = 0; ok && k < n->net->nformal; k++) { /* computed in the caller's scope */
		const struct ast_formal *f = &n->net->formal[k];
		const struct ast *e = argument(t, call, n->net, k);
		if (f->type && e) {
			const char *name = argument_name(t, n, f);
			input[k].sym = in->arg[k] =
			    sema_computed(t->s, t->scope, t->model, e, name, step, &input[k].outer);
			ok = in->arg[k] != NULL;
			if (input[k].outer)
				in->outer = input[k].outer;
		} else if (!e && !f->value) {
			diag(t->s->cx->diags, DIAG_SEMA_NET_ARGUMENT, call->span, n->name, f->name);
			sema_note(t->s, f->span, "it is declared here");
			ok = false;
		}
	}
	in->nlead = in->outer;
	if (in->outer)
		memcpy(in->lead, t->s->site->lead, sizeof *in->lead * (size_t)in->outer);
	for (int k = 0; ok && k < n->net->nformal; k++) {
		const struct ast_formal *f = &n->net->formal[k];
		const struct ast *e = argument(t, call, n->net, k);
		double x;
		if (f->type)
			ok = bind_input(t, in, call, f, &input[k], e->span);
		else if ((ok = e ? sema_const(t->s, t->scope, e, &x)
		                 : sema_const(t->s, &in->scope, f->value, &x)))
			ok = declare_size(t, &in->scope, f->name, f->span, x) != NULL;
	}
	return ok;
}

/* ---- the body ---- */
static const char *path_of(struct term *t, const struct entry *n)
{
	struct site *at = t->s->site;
	int uses = 1;
	if (!n->layer)
		return arena_printf(t->a, "%s.", n->name);
	for (int k = 0; k < at->layer.n; k++)
		uses += !strcmp(at->layer.at[k], n->name);
	vec_push(t->a, &at->layer, n->name);
	return arena_printf(t->a, "%s%s%d.", at->path, n->name, uses);
}

static bool body(struct term *t, const struct ast_net *n, struct instance *in)
{
	struct sema *s = t->s;
	int before = diags_errors(s->cx->diags);
	for (int k = 0; k < n->ndecl; k++) {
		const struct ast_decl *d = &n->decl[k];
		switch (d->kind) {
		case DECL_CONST:
			sema_declare_const(s, &in->scope, d);
			break;
		case DECL_PARAM:
			sema_declare_param(s, &in->scope, t->model, d);
			break;
		case DECL_LET:
			sema_let(s, &in->scope, t->model, d);
			break;
		case DECL_VISIBLE:
		case DECL_HIDDEN:
		case DECL_GIVEN:
		case DECL_ENERGY:
		case DECL_STATE:
		case DECL_FACTOR:
		case DECL_POSTERIOR:
			diag(s->cx->diags, DIAG_SEMA_NET_DECL, d->span, n->name);
			break;
		}
	}
	if (n->value && diags_errors(s->cx->diags) == before) {
		const char *name = arena_printf(t->a, "%svalue", s->site->path);
		struct entry *e = NEW(t->a, struct entry);
		e->kind = ENTRY_DEF;
		e->name = n->name;
		e->span = n->value->span;
		e->sym = sema_computed(s, &in->scope, t->model, n->value, name, NULL, &e->to);
		e->bad = !e->sym;
		in->value = e;
		vec_push(t->a, &t->model->value, ((struct net_value){n->name, e->sym}));
	}
	return diags_errors(s->cx->diags) == before;
}

static struct instance *same_call(struct term *t, const struct instance *in)
{
	for (int k = 0; k < t->s->instance.n; k++) {
		struct instance *x = t->s->instance.at[k];
		bool same = x->net == in->net && x->outer == in->outer;
		for (int f = 0; same && f < in->net->nformal; f++)
			same = x->arg[f] == in->arg[f];
		for (int f = 0; same && f < in->scope.entry.n && f < x->scope.entry.n; f++)
			same = in->scope.entry.at[f]->kind != ENTRY_SIZE ||
			       in->scope.entry.at[f]->num == x->scope.entry.at[f]->num;
		if (same)
			return x;
	}
	return NULL;
}

const struct instance *sema_instance(struct term *t, const struct ast *e)
{
	struct sema *s = t->s;
	const struct ast *call = e->kind == AST_PIPE ? sema_pipe_call(s, e) : e;
	const struct entry *n = sema_lookup(t->scope, call->name);
	struct instance *in = NEW(t->a, struct instance), *before;
	if (s->depth >= DEPTH_MAX) {
		diag(s->cx->diags, DIAG_SEMA_NET_DEEP, call->span, call->name, DEPTH_MAX);
		return NULL;
	}
	in->net = n->net;
	in->scope.up = &s->top;
	if (!steps_known(t, call) || !bind_arguments(t, call, n, in))
		return NULL;
	if (!n->layer && (before = same_call(t, in)))
		return before;
	const char *path = path_of(t, n);
	name_arguments(t, n, in, path);
	struct site own = {.path = path, .nlead = in->nlead, .lead = in->lead}, *outer = s->site;
	s->site = &own;
	s->depth++;
	bool ok = body(t, n->net, in);
	s->depth--;
	s->site = outer;
	if (!ok)
		sema_note(s, call->span, "in '%s', called here", call->name);
	if (ok)
		vec_push(t->a, &s->instance, in);
	return ok ? in : NULL;
}

/* ---- uses ---- */
struct rt *sema_resolve_instance(struct term *t, const struct instance *in, const struct ast *e,
                                 struct span at)
{
	if (!in || (in->value && in->value->bad))
		return sema_poison(t);
	if (in->value) {
		int before = t->aligned;
		t->aligned = in->outer < before ? in->outer : before;
		struct rt *r = sema_resolve_sym(t, in->value->sym, 0, in->value->to, e, at);
		t->aligned = before;
		return r;
	}
	diag(t->s->cx->diags, DIAG_SEMA_NET_VALUE, at, in->net->name);
	return sema_poison(t);
}

struct rt *sema_resolve_net(struct term *t, const struct ast *call)
{
	return sema_resolve_instance(t, sema_instance(t, call), NULL, call->span);
}

static const struct instance *instance_of(struct term *t, const struct ast *e)
{
	const struct entry *n = e->kind == AST_NAME ? sema_lookup(t->scope, e->name) : NULL;
	if (n && n->kind == ENTRY_INSTANCE)
		return n->instance;
	if (sema_is_net_call(t->scope, e))
		return sema_instance(t, e);
	diag(t->s->cx->diags, DIAG_SEMA_FIELD, e->span);
	return NULL;
}

struct rt *sema_resolve_field(struct term *t, const struct ast *e)
{
	const struct instance *in = instance_of(t, e->kid[0]);
	if (!in)
		return sema_poison(t);
	const struct scope own = {.entry = {in->scope.entry.at, in->scope.entry.n, 0}};
	const struct entry *n = sema_lookup(&own, e->name);
	if (!n || (n->kind != ENTRY_LET && n->kind != ENTRY_DEF && n->kind != ENTRY_INSTANCE)) {
		diag(t->s->cx->diags, DIAG_SEMA_NO_FIELD, e->name_span, in->net->name, e->name);
		sema_suggest(t->s, &own, 1u << ENTRY_LET | 1u << ENTRY_INSTANCE, e->name, e->name_span);
		return sema_poison(t);
	}
	if (n->bad)
		return sema_poison(t);
	struct ast name = {
	    .kind = AST_NAME, .name = e->name, .span = e->span, .name_span = e->name_span};
	const struct scope *outer = t->scope;
	int before = t->aligned;
	t->scope = &in->scope;
	t->aligned = in->outer < before ? in->outer : before;
	struct rt *r = sema_resolve_name(t, &name);
	t->scope = outer;
	t->aligned = before;
	return r;
}

struct rt *sema_resolve_fn(struct term *t, const struct ast *call, const struct entry *fn)
{
	struct scope *sc = NEW(t->a, struct scope);
	const struct scope *outer = t->scope;
	struct term before;
	sc->up = &t->s->top;
	if (call->nkid != fn->fn->narg) {
		diag(t->s->cx->diags, DIAG_SEMA_ARITY, call->span, call->name, fn->fn->narg,
		     fn->fn->narg == 1 ? "" : "s", call->nkid);
		return sema_poison(t);
	}
	for (int k = 0; k < call->nkid; k++) {
		struct rt *x = sema_resolve(t, call->kid[k]);
		struct entry *e = sema_declare(t->s, sc, ENTRY_LET, fn->fn->arg[k], fn->fn->name_span);
		if (!x || !e)
			return sema_poison(t);
		for (int i = 0; i < x->naxis; i++)
			sema_ix(x->axis[i])->closed = true;
		e->let = sema_let_of(t, x, x->axis, x->naxis);
	}
	if (t->s->depth >= DEPTH_MAX) {
		diag(t->s->cx->diags, DIAG_SEMA_NET_DEEP, call->span, call->name, DEPTH_MAX);
		return sema_poison(t);
	}
	t->s->depth++;
	t->scope = sc;
	before = *t; /* the caller's indices are not the function's */
	memset(&t->active, 0, sizeof t->active);
	struct rt *r = sema_resolve(t, fn->fn->value);
	t->active.at = before.active.at;
	t->active.n = before.active.n;
	t->active.cap = before.active.cap;
	t->scope = outer;
	t->s->depth--;
	return r;
}
