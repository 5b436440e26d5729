/* model: the declarations of a model, in the order names can depend on each other: sizes,
 * constants, variables and parameters, lets, then initial values and the energy.  The energy is
 * split at its top-level + and - into terms, each with its place in the file. */
#include "sema/internal.h"

#include <string.h>

static enum domain domain_by_name(const char *name)
{
	int d = 0;
	while (d < DOMAIN_COUNT && strcmp(domain_name((enum domain)d), name))
		d++;
	return (enum domain)d;
}

static bool check_type(struct sema *s, const struct ast_decl *d)
{
	const struct ast_type *y = &d->type;
	if (d->kind == DECL_PARAM) {
		if (!strcmp(y->name, "real"))
			return true;
		diag(s->cx->diags, DIAG_SEMA_PARAM_TYPE, y->span, d->name, y->name);
		return false;
	}
	if (domain_by_name(y->name) < DOMAIN_COUNT)
		return true;
	diag(s->cx->diags, DIAG_SEMA_DOMAIN, y->span, y->name);
	struct buf list;
	const char *names[DOMAIN_COUNT];
	buf_init(&list, s->cx->tmp);
	for (int k = 0; k < DOMAIN_COUNT; k++) {
		names[k] = domain_name((enum domain)k);
		buf_printf(&list, "%s%s", k ? ", " : "", names[k]);
	}
	sema_note(s, y->span, "the domains are %s", list.s);
	sema_suggest_word(s, y->name, names, DOMAIN_COUNT, y->span);
	return false;
}

/* The axes of a type; -1: an error was given. */
static int type_axes(struct sema *s, const struct scope *sc, const struct ast_decl *d, int64_t *dim)
{
	const struct ast_type *y = &d->type;
	bool ok = true;
	double elements = 1;
	if (y->ndim > MAX_RANK) {
		diag(s->cx->diags, DIAG_SEMA_RANK, y->span, arena_printf(s->a, "'%s'", d->name), y->ndim,
		     MAX_RANK);
		return -1;
	}
	for (int k = 0; k < y->ndim; k++) {
		const char *what = arena_printf(s->a, "axis %d of '%s'", k + 1, d->name);
		ok &= sema_size(s, sc, y->dim[k], what, &dim[k]);
		elements *= ok ? (double)dim[k] : 1;
	}
	if (ok && elements > 1e12) {
		diag(s->cx->diags, DIAG_SEMA_TOO_LARGE, y->span, d->name, elements);
		return -1;
	}
	return ok ? y->ndim : -1;
}

static void declare_variable(struct sema *s, struct model_def *m, struct entry *e,
                             const struct ast_decl *d, int rank, const int64_t *dim)
{
	struct variable *v = NEW(s->a, struct variable);
	v->name = d->name;
	v->role = d->kind == DECL_HIDDEN  ? ROLE_HIDDEN
	          : d->kind == DECL_GIVEN ? ROLE_GIVEN
	                                  : ROLE_VISIBLE;
	v->domain = domain_by_name(d->type.name);
	v->span = d->span;
	v->name_span = d->name_span;
	v->sym =
	    sym_new(s->a, d->name, SYM_VAR, domain_values(v->domain), true, rank, dim, d->name_span);
	v->sym->info = v;
	for (int k = 0; k < rank; k++)
		v->block[k] = v->domain == DOMAIN_CATEGORICAL && k == rank - 1 ? dim[k] : 1;
	vec_push(s->a, &m->var, v);
	e->var = v;
	e->sym = v->sym;
	if (d->rel) {
		diag(s->cx->diags, DIAG_SEMA_VARIABLE_VALUE, d->value->span, sema_kind_word(e), d->name);
		sema_note(s, d->value->span, "say how it is distributed in the energy");
	}
}

static void declare_param(struct sema *s, struct model_def *m, struct entry *e,
                          const struct ast_decl *d, int rank, const int64_t *dim)
{
	struct parameter *p = NEW(s->a, struct parameter);
	p->name = d->name;
	p->span = d->span;
	p->name_span = d->name_span;
	p->sym = sym_new(s->a, d->name, SYM_PARAM, VALUES_REAL, false, rank, dim, d->name_span);
	p->sym->info = p;
	vec_push(s->a, &m->param, p);
	e->sym = p->sym;
}

static void declare_sizes(struct sema *s, const struct ast_model *am, struct scope *sc,
                          struct model_def *m)
{
	m->size = NEW_ARRAY(s->a, struct size, am->nsize);
	for (int k = 0; k < am->nsize; k++) {
		const struct ast_size *z = &am->size[k];
		const struct ast *value = sema_override_size(s, am->name, z->name);
		const char *what = arena_printf(s->a, "size '%s'", z->name);
		int64_t n = 1;
		bool ok = sema_size(s, sc, value ? value : z->value, what, &n);
		struct entry *e = sema_declare(s, sc, ENTRY_SIZE, z->name, z->span);
		if (!e)
			continue;
		e->bad = !ok;
		e->num = (double)n;
		m->size[m->nsize++] = (struct size){z->name, n};
	}
}

static void declare_const(struct sema *s, struct scope *sc, const struct ast_decl *d)
{
	double x = 0;
	bool ok = sema_const(s, sc, d->value, &x);
	if (d->has_type && (d->type.ndim || strcmp(d->type.name, "real"))) {
		diag(s->cx->diags, DIAG_SEMA_CONST_TYPE, d->type.span, d->name);
		ok = false;
	}
	struct entry *e = sema_declare(s, sc, ENTRY_CONST, d->name, d->name_span);
	if (!e)
		return;
	e->bad = !ok;
	e->num = x;
}

static void declare_symbol(struct sema *s, struct scope *sc, struct model_def *m,
                           const struct ast_decl *d)
{
	int64_t dim[MAX_RANK];
	int rank = check_type(s, d) ? type_axes(s, sc, d, dim) : -1;
	enum entry_kind kind = d->kind == DECL_PARAM ? ENTRY_PARAM : ENTRY_VARIABLE;
	struct entry *e = sema_declare(s, sc, kind, d->name, d->name_span);
	if (!e)
		return;
	e->bad = rank < 0;
	if (rank < 0)
		return;
	e->type = arena_printf(s->a, "%s%s", d->type.name, sema_shape(s->a, dim, rank));
	if (kind == ENTRY_PARAM)
		declare_param(s, m, e, d, rank, dim);
	else
		declare_variable(s, m, e, d, rank, dim);
}

/* ---- lets ---- */
static void bind_left(struct term *t, const struct ast_decl *d, struct let *l)
{
	l->axis = NEW_ARRAY(t->a, struct ix *, d->nindex + 2 * MAX_RANK);
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
}

static void declare_let(struct sema *s, struct scope *sc, struct model_def *m,
                        const struct ast_decl *d)
{
	struct term t;
	struct let *l = NEW(s->a, struct let);
	sema_term_init(&t, s, sc, m, TERM_LET);
	bind_left(&t, d, l);
	l->body = sema_resolve(&t, d->value);
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
	l->check = NEW_ARRAY(s->a, struct subscript_check, t.check.n);
	for (int k = 0; k < t.check.n; k++)
		if (t.check.at[k].waits)
			l->check[l->ncheck++] = t.check.at[k];
	struct entry *e = sema_declare(s, sc, ENTRY_LET, d->name, d->name_span);
	if (!e)
		return;
	e->let = l;
	e->bad = t.bad;
}

/* ---- the energy ---- */
static void energy_term(struct sema *s, const struct scope *sc, struct model_def *m,
                        const struct ast *e, bool negative)
{
	struct term t;
	sema_term_init(&t, s, sc, m, TERM_ENERGY);
	struct rt *r = sema_resolve(&t, e);
	sema_term_finish(&t);
	if (!r || t.bad)
		return;
	if (r->naxis) {
		struct buf open;
		buf_init(&open, s->cx->tmp);
		for (int k = 0; k < r->naxis; k++) {
			const struct ix *i = sema_ix(r->axis[k]);
			buf_printf(&open, "%saxis %d of %s (%lld)", k ? ", " : "", i->axis, i->of,
			           (long long)i->size);
		}
		diag(s->cx->diags, DIAG_SEMA_OPEN_AXES, e->span, open.s);
		sema_note(s, e->span, "sum(...) around it adds up all its elements");
		return;
	}
	if (!t.touches)
		diag(s->cx->diags, DIAG_SEMA_CONSTANT_TERM, e->span);
	struct node *x = sema_build(&t, r);
	struct energy_term term = {ex_with_span(s->a, negative ? ex_neg(s->a, x) : x, e->span),
	                           e->span};
	vec_push(s->a, &m->term, term);
}

/* -v@W@h groups as (-v)@W@h.  The same without the sign that its text begins with; e itself where
 * there is none. */
static const struct ast *without_sign(struct sema *s, const struct ast *e)
{
	const struct source *src = source_get(e->span.src);
	if (!src || e->span.beg >= src->len || src->text[e->span.beg] != '-')
		return e;
	if (e->kind == AST_NEG)
		return e->kid[0];
	if (e->kind != AST_BIN || (e->op != '*' && e->op != '/' && e->op != '@'))
		return e;
	struct ast_spine line = ast_spine(s->a, e, "*/@");
	const struct ast *left = without_sign(s, line.first);
	if (left == line.first)
		return e;
	for (int k = 0; k < line.n; k++) {
		struct ast *r = arena_copy(s->a, line.node[k], sizeof *r);
		r->kid = arena_copy(s->a, r->kid, sizeof *r->kid * (size_t)r->nkid);
		r->kid[0] = arena_copy(s->a, left, sizeof *left);
		r->span.beg = left->span.beg;
		left = r;
	}
	return left;
}

static void energy_terms(struct sema *s, const struct scope *sc, struct model_def *m,
                         const struct ast *e, bool negative)
{
	const struct ast *bare = without_sign(s, e);
	struct ast_spine line = ast_spine(s->a, e, "+-");
	if (bare != e) {
		energy_terms(s, sc, m, bare, !negative);
	} else if (e->kind == AST_NEG) {
		energy_terms(s, sc, m, e->kid[0], !negative);
	} else if (line.n) {
		energy_terms(s, sc, m, line.first, negative);
		for (int k = 0; k < line.n; k++)
			energy_terms(s, sc, m, line.node[k]->kid[1], negative != (line.node[k]->op == '-'));
	} else {
		energy_term(s, sc, m, e, negative);
	}
}

static void check_energy(struct sema *s, const struct scope *sc, struct model_def *m,
                         const struct ast_model *am)
{
	const struct ast_decl *energy = NULL;
	int errors = diags_errors(s->cx->diags);
	for (int k = 0; k < am->ndecl; k++) {
		const struct ast_decl *d = &am->decl[k];
		if (d->kind != DECL_ENERGY)
			continue;
		if (energy) {
			diag(s->cx->diags, DIAG_SEMA_TWO_ENERGIES, d->span, am->name);
			sema_note(s, energy->span, "the first is here: write one sum");
			continue;
		}
		energy = d;
		energy_terms(s, sc, m, d->value, false);
	}
	if (!energy && s->broken)
		return;
	if (!energy) {
		diag(s->cx->diags, DIAG_SEMA_NO_ENERGY, am->name_span, am->name);
		sema_note(s, am->name_span, "write it as on paper: energy = - v@W@h - b@v - c@h;");
		return;
	}
	for (int k = 0; k < sc->entry.n && errors == diags_errors(s->cx->diags); k++) {
		const struct entry *e = sc->entry.at[k];
		if ((e->kind == ENTRY_VARIABLE || e->kind == ENTRY_PARAM) && !e->used && !e->bad)
			diag(s->cx->diags, DIAG_SEMA_UNUSED, e->span, sema_kind_word(e), e->name);
	}
}

void sema_model(struct sema *s, const struct ast_model *am, struct model_def *m)
{
	struct scope *sc = NEW(s->a, struct scope);
	bool visible = false;
	sc->up = &s->top;
	m->name = am->name;
	m->span = am->span;
	m->batch = idx_batch(s->a, intern("n"), 0);
	declare_sizes(s, am, sc, m);
	for (int k = 0; k < am->ndecl; k++)
		if (am->decl[k].kind == DECL_CONST)
			declare_const(s, sc, &am->decl[k]);
	for (int k = 0; k < am->ndecl; k++) {
		const struct ast_decl *d = &am->decl[k];
		visible |= d->kind == DECL_VISIBLE;
		if (d->kind == DECL_VISIBLE || d->kind == DECL_HIDDEN || d->kind == DECL_GIVEN ||
		    d->kind == DECL_PARAM)
			declare_symbol(s, sc, m, d);
	}
	for (int k = 0; k < am->ndecl; k++) {
		struct entry *e = am->decl[k].rule ? sema_lookup(sc, am->decl[k].name) : NULL;
		if (e && !e->bad && e->span.beg == am->decl[k].name_span.beg)
			sema_constrain(s, sc, &am->decl[k], e);
	}
	for (int k = 0; k < am->ndecl; k++)
		if (am->decl[k].kind == DECL_LET)
			declare_let(s, sc, m, &am->decl[k]);
	for (int k = 0; k < am->ndecl; k++) {
		const struct ast_decl *d = &am->decl[k];
		for (int p = 0; p < m->param.n; p++)
			if (d->kind == DECL_PARAM && m->param.at[p]->name_span.beg == d->name_span.beg)
				sema_param_init(s, sc, m, m->param.at[p], d);
	}
	if (!visible) {
		diag(s->cx->diags, DIAG_SEMA_NO_VISIBLE, am->name_span, am->name);
		sema_note(s, am->name_span, "a visible variable is what the data are bound to");
	}
	check_energy(s, sc, m, am);
}
