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
	const struct instance *in = t->called;
	int nlead = in ? in->outer - in->nat : own->nlead;
	if (k >= t->aligned || (!in && k >= nlead))
		return NULL;
	if (k >= nlead)
		return in->at[k - nlead];
	if (!t->lead) {
		t->lead = NEW_ARRAY(t->a, struct ix *, own->nlead);
		for (int i = 0; i < own->nlead; i++) {
			t->lead[i] = sema_ix_new(t, NULL, (struct span){0});
			t->lead[i]->size = own->lead[i];
		}
	}
	return t->lead[k];
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
		e->sym = sema_computed(s, &in->scope, t->model, n->value, name, &e->to);
		e->bad = !e->sym;
		in->value = e;
		vec_push(t->a, &t->model->value, ((struct net_value){n->name, e->sym}));
	}
	return diags_errors(s->cx->diags) == before;
}

/* A call of the same net with the same inputs before, at the indices of this one; NULL: none. */
static struct instance *same_call(struct term *t, const struct instance *in)
{
	for (int k = 0; k < t->s->instance.n; k++) {
		struct instance *x = t->s->instance.at[k];
		bool same = x->net == in->net && x->outer == in->outer && x->nat == in->nat;
		for (int f = 0; same && f < in->net->nformal; f++)
			same = x->arg[f] == in->arg[f];
		for (int f = 0; same && f < in->scope.entry.n && f < x->scope.entry.n; f++)
			same = in->scope.entry.at[f]->kind != ENTRY_SIZE ||
			       in->scope.entry.at[f]->num == x->scope.entry.at[f]->num;
		if (!same)
			continue;
		x = arena_copy(t->a, x, sizeof *x);
		x->at = in->at;
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
	if (!sema_bind_arguments(t, call, n, in))
		return NULL;
	if (!n->layer && (before = same_call(t, in)))
		return before;
	const char *path = path_of(t, n);
	sema_name_arguments(t, n, in, path);
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
struct names { /* of which instance they are in a term */
	const struct instance *called;
	int aligned;
};

static struct names enter(struct term *t, const struct instance *in)
{
	struct names outer = {t->called, t->aligned};
	t->called = outer.called ? outer.called : in;
	t->aligned = in->outer < outer.aligned ? in->outer : outer.aligned;
	return outer;
}

static void leave(struct term *t, struct names outer)
{
	t->called = outer.called;
	t->aligned = outer.aligned;
}

struct rt *sema_resolve_instance(struct term *t, const struct instance *in, const struct ast *e,
                                 struct span at)
{
	if (!in || (in->value && in->value->bad))
		return sema_poison(t);
	if (in->value) {
		struct names outer = enter(t, in);
		struct rt *r = sema_resolve_sym(t, in->value->sym, 0, in->value->to, e, at);
		leave(t, outer);
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
	const struct scope *scope = t->scope;
	struct names outer = enter(t, in);
	t->scope = &in->scope;
	struct rt *r = sema_resolve_name(t, &name);
	t->scope = scope;
	leave(t, outer);
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
