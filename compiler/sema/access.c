/* access: names and subscripted names in an expression.  A name of rank r opens r axes, each of
 * which a subscript closes: W is W[i,j] with i and j open, W[i] leaves the second axis open. */
#include "sema/internal.h"

#include <string.h>

struct array { /* what can be subscripted: a symbol or a let */
	const char *name;
	int lead, to; /* its first axes are lead..to-1 of those that its net carries along */
	int rank;
	int64_t dim[MAX_RANK]; /* 0: not known (an index of a let that stands at no axis) */
	struct span decl;
	const char *decl_text;
	const struct sym *sym;
	const struct let *let;
};

static struct use use_of(const struct array *x, int k, int nlead, struct span at)
{
	return (struct use){x->dim[k], x->name, k - nlead + 1, at, x->decl, x->decl_text};
}

/* A state can be read at step -1 too. */
static void subscript(struct term *t, const struct array *x, int k, int nlead, struct aff e,
                      struct span at)
{
	struct use u = use_of(x, k, nlead, at);
	const struct def *d = x->sym && x->sym->kind == SYM_TEMP ? x->sym->info : NULL;
	bool plain = e.n == 1 && e.c == 0 && e.coef[0] == 1;
	if (d && d->state && k == 0 && !plain) {
		u.size += u.size > 0;
		sema_subscript_within(t, sema_aff_add(t->a, e, sema_aff_const(1), 1), u);
		return;
	}
	sema_subscript(t, e, u);
}

static bool too_many_subscripts(struct term *t, const struct ast *e, int rank, const char *name)
{
	int n = e->nkid - 1;
	if (n <= rank)
		return false;
	diag(t->s->cx->diags, DIAG_SEMA_SUBSCRIPTS, e->span, name, rank, rank == 1 ? "axis" : "axes",
	     n);
	t->bad = true;
	return true;
}

/* e: the AST_INDEX whose subscripts close the first axes; NULL: all stay open. */
static struct rt *access_array(struct term *t, const struct array *x, const struct ast *e,
                               struct span at)
{
	int nlead = 0; /* axes that are not written */
	while (nlead < x->to - x->lead && sema_lead(t, x->lead + nlead))
		nlead++;
	if (e && too_many_subscripts(t, e, x->rank - nlead, x->name)) {
		if (x->decl.src)
			sema_note(t->s, x->decl, "%s is declared %s here", x->name, x->decl_text);
		return NULL;
	}
	struct rt *r = sema_rt(t, x->let ? RT_AT : RT_ACCESS, NULL);
	r->sym = x->sym;
	r->map = NEW_ARRAY(t->a, struct aff, x->rank);
	r->axis = NEW_ARRAY(t->a, struct ix *, x->rank);
	bool ok = true;
	for (int k = 0; k < x->rank; k++) {
		if (k < nlead) {
			r->map[k] = sema_aff_ix(t->a, sema_lead(t, x->lead + k));
			continue;
		}
		if (e && k - nlead + 1 < e->nkid) {
			if (sema_affine(t, e->kid[k - nlead + 1], &r->map[k]))
				subscript(t, x, k, nlead, r->map[k], at);
			else
				ok = false;
			continue;
		}
		if (!x->dim[k]) {
			diag(t->s->cx->diags, DIAG_SEMA_INDEX_OPEN, at, x->let->axis[k]->name);
			sema_note(t->s, at, "write the indices of %s", x->name);
			t->bad = true;
			return NULL;
		}
		struct ix *i = sema_ix_new(t, NULL, at);
		i->size = x->dim[k];
		i->of = x->name;
		i->axis = k - nlead + 1;
		r->map[k] = sema_aff_ix(t->a, i);
		r->axis[r->naxis++] = i;
	}
	if (!ok)
		return sema_poison(t);
	if (x->let) {
		r->kid = NEW_ARRAY(t->a, struct rt *, 1);
		r->kid[r->nkid++] = x->let->body;
		r->bound = x->let->axis;
		r->nbound = x->rank;
		sema_check_again(t, x->let, r->map);
	}
	return r;
}

static bool allowed(struct term *t, const struct entry *n, struct span at)
{
	bool touches = n->kind != ENTRY_LET || n->let->touches;
	if (t->mode == TERM_INIT && touches) {
		diag(t->s->cx->diags, DIAG_SEMA_INIT_NAME, at, sema_kind_word(n), n->name);
		if (n->kind == ENTRY_VARIABLE)
			sema_note(t->s, at, "mean(%s) is its mean over the training data", n->name);
		t->bad = true;
		return false;
	}
	t->touches |= touches;
	return true;
}

static struct rt *access_entry(struct term *t, struct entry *n, const struct ast *e, struct span at)
{
	if (n->bad || !allowed(t, n, at))
		return sema_poison(t);
	struct array x = {.name = n->name, .decl = n->span, .decl_text = n->type};
	x.lead = n->kind == ENTRY_DEF ? n->lead : 0;
	x.to = n->kind == ENTRY_DEF ? n->to : n->kind == ENTRY_LET ? n->let->lead : 0;
	if (n->pools)
		n->pools->used = true;
	struct def *d = n->kind == ENTRY_LET && t->mode == TERM_DEF ? sema_let_def(t, n) : NULL;
	if (d) {
		x.sym = d->sym;
		x.rank = d->sym->rank;
		memcpy(x.dim, d->sym->dim, sizeof x.dim);
	} else if (n->kind == ENTRY_LET) {
		struct buf text;
		buf_init(&text, t->a);
		buf_puts(&text, "with the axes ");
		x.let = n->let;
		x.rank = n->let->naxis;
		for (int k = 0; k < x.rank; k++)
			x.dim[k] = sema_ix(n->let->axis[k])->size;
		buf_puts(&text, x.rank ? sema_shape(t->a, x.dim, x.rank) : "none");
		x.decl_text = text.s;
	} else {
		n->used |= t->mode != TERM_INIT;
		x.sym = n->sym;
		x.rank = n->sym->rank;
		memcpy(x.dim, n->sym->dim, sizeof x.dim);
	}
	return access_array(t, &x, e, at);
}

struct rt *sema_resolve_sym(struct term *t, const struct sym *sym, int lead, int to,
                            const struct ast *e, struct span at)
{
	struct array x = {.name = sym->name, .lead = lead, .to = to, .rank = sym->rank, .sym = sym};
	memcpy(x.dim, sym->dim, sizeof x.dim);
	t->touches = true;
	return access_array(t, &x, e, at);
}

/* e: the name, or the subscripted name. */
static struct rt *named(struct term *t, const struct ast *name, const struct ast *e)
{
	struct entry *n = sema_lookup(t->scope, name->name);
	struct rt *r;
	if (!n) {
		diag(t->s->cx->diags, DIAG_SEMA_UNKNOWN_NAME, name->span, name->name);
		sema_suggest(t->s, t->scope,
		             1u << ENTRY_CONST | 1u << ENTRY_SIZE | 1u << ENTRY_VARIABLE |
		                 1u << ENTRY_PARAM | 1u << ENTRY_LET,
		             name->name, name->span);
		return sema_poison(t);
	}
	switch (n->kind) {
	case ENTRY_VARIABLE:
	case ENTRY_PARAM:
	case ENTRY_LET:
	case ENTRY_DEF:
		return access_entry(t, n, e, e ? e->span : name->span);
	case ENTRY_CONST:
	case ENTRY_SIZE:
		if (n->bad || (e && too_many_subscripts(t, e, 0, n->name)))
			return sema_poison(t);
		r = sema_rt(t, RT_NUM, NULL);
		r->num = n->num;
		return r;
	case ENTRY_INSTANCE:
		if (!n->bad)
			return sema_resolve_instance(t, n->instance, e, name->span);
		return sema_poison(t);
	case ENTRY_NET:
	case ENTRY_DIST:
	case ENTRY_FN:
	case ENTRY_DATA:
	case ENTRY_MODEL:
		break;
	}
	diag(t->s->cx->diags, DIAG_SEMA_NOT_A_NUMBER, name->span, sema_kind_word(n));
	return sema_poison(t);
}

struct rt *sema_resolve_name(struct term *t, const struct ast *e)
{
	struct ix *i = sema_active(t, e->name);
	if (!i)
		return named(t, e, NULL);
	struct rt *r = sema_rt(t, RT_INDEX, NULL);
	r->map = NEW_ARRAY(t->a, struct aff, 1);
	r->map[0] = sema_aff_ix(t->a, i);
	return r;
}

struct rt *sema_resolve_index(struct term *t, const struct ast *e)
{
	if (e->kid[0]->kind == AST_NAME)
		return named(t, e->kid[0], e);
	struct rt *body = sema_resolve(t, e->kid[0]);
	int nsub = e->nkid - 1;
	struct aff *map = NEW_ARRAY(t->a, struct aff, nsub);
	bool ok = body && !too_many_subscripts(t, e, body->naxis, "the array");
	for (int k = 0; k < nsub; k++) {
		if (!sema_affine(t, e->kid[k + 1], &map[k])) {
			ok = false;
			continue;
		}
		if (!ok)
			continue;
		struct ix *axis = sema_ix(body->axis[k]);
		axis->closed = true;
		sema_subscript(
		    t, map[k],
		    (struct use){.size = axis->size, .of = axis->of, .axis = axis->axis, .span = e->span});
	}
	if (!ok)
		return sema_poison(t);
	struct rt *r = sema_rt(t, RT_AT, body);
	r->kid = NEW_ARRAY(t->a, struct rt *, 1);
	r->kid[r->nkid++] = body;
	r->bound = body->axis;
	r->nbound = nsub;
	r->map = map;
	r->axis = body->axis + nsub;
	r->naxis = body->naxis - nsub;
	return r;
}

struct rt *sema_resolve_data_mean(struct term *t, const struct ast *e)
{
	const struct ast *of = e->kid[0];
	const struct entry *n = sema_lookup(t->scope, of->name);
	if (n->bad)
		return sema_poison(t);
	struct variable *v = n->var;
	if (v->role == ROLE_HIDDEN) {
		diag(t->s->cx->diags, DIAG_SEMA_MEAN_HIDDEN, e->span, v->name);
		sema_note(t->s, v->name_span, "'%s' is declared hidden here", v->name);
		return sema_poison(t);
	}
	struct array x = {
	    .name = v->name, .rank = v->sym->rank, .decl = v->name_span, .decl_text = n->type};
	memcpy(x.dim, v->sym->dim, sizeof x.dim);
	for (int k = 0; k < t->model->mean.n; k++)
		if (t->model->mean.at[k].of == v)
			x.sym = t->model->mean.at[k].sym;
	if (!x.sym) {
		const char *name = intern(arena_printf(t->a, "mean.%s", v->name));
		struct data_mean m = {.of = v};
		m.sym = sym_new(t->a, name, SYM_INPUT, VALUES_REAL, false, x.rank, x.dim, v->name_span);
		m.sym->info = v;
		vec_push(t->a, &t->model->mean, m);
		x.sym = m.sym;
	}
	return access_array(t, &x, NULL, e->span);
}

const struct entry *sema_model_of(struct sema *s, const struct ast *field)
{
	const char *path = sema_dotted(s, field), *dot = path ? strchr(path, '.') : NULL;
	const struct entry *n = dot ? sema_lookup(&s->top, intern_n(path, (size_t)(dot - path))) : NULL;
	return n && n->kind == ENTRY_MODEL ? n : NULL;
}

struct rt *sema_resolve_handed(struct term *t, const struct ast *e)
{
	const char *path = sema_dotted(t->s, e), *dot = strchr(path, '.');
	const struct entry *n = sema_model_of(t->s, e);
	const struct parameter *p = NULL;
	VEC(const char *) words = {0};
	struct array x = {.name = path};
	if (n->bad)
		return sema_poison(t);
	if (n->model == NULL) {
		diag(t->s->cx->diags, DIAG_HANDED_LATER, e->span, n->name);
		return sema_poison(t);
	}
	for (int k = 0; k < n->model->param.n; k++) {
		vec_push(t->s->cx->tmp, &words, n->model->param.at[k]->name);
		if (!strcmp(n->model->param.at[k]->name, dot + 1))
			p = n->model->param.at[k];
	}
	if (!p) {
		diag(t->s->cx->diags, DIAG_SEMA_NO_PARAM, e->span, n->name, dot + 1);
		sema_suggest_word(t->s, dot + 1, words.at, words.n, e->span);
		return sema_poison(t);
	}
	x.rank = p->sym->rank;
	x.decl = p->name_span;
	x.decl_text = arena_printf(t->a, "real%s", sema_shape(t->a, p->sym->dim, x.rank));
	memcpy(x.dim, p->sym->dim, sizeof x.dim);
	for (int k = 0; k < t->model->handed.n; k++)
		if (t->model->handed.at[k].param == p)
			x.sym = t->model->handed.at[k].sym;
	if (!x.sym) {
		struct handed h = {n->model, p, NULL, e->span};
		h.sym = sym_new(t->a, intern(arena_printf(t->a, "from.%s", path)), SYM_INPUT, VALUES_REAL,
		                false, x.rank, x.dim, p->name_span);
		vec_push(t->a, &t->model->handed, h);
		x.sym = h.sym;
	}
	return access_array(t, &x, NULL, e->span);
}
