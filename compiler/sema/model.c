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

bool sema_is_domain(struct sema *s, const struct ast_type *y)
{
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

static bool check_type(struct sema *s, const struct ast_decl *d)
{
	const struct ast_type *y = &d->type;
	if (d->kind != DECL_PARAM)
		return sema_is_domain(s, y);
	if (!strcmp(y->name, "real"))
		return true;
	diag(s->cx->diags, DIAG_SEMA_PARAM_TYPE, y->span, d->name, y->name);
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
	if (d->rel && v->role == ROLE_GIVEN) {
		diag(s->cx->diags, DIAG_SEMA_VARIABLE_VALUE, d->value->span, sema_kind_word(e), d->name);
		sema_note(s, d->value->span, "its values are data");
	}
}

/* Where a net is called again, its parameters are there already. */
static bool same_param(struct sema *s, struct model_def *m, struct entry *e, const char *name,
                       const struct ast_decl *d, int rank, const int64_t *dim)
{
	for (int k = 0; k < m->param.n; k++) {
		const struct parameter *p = m->param.at[k];
		if (strcmp(p->name, name))
			continue;
		e->sym = p->sym;
		if (p->sym->rank == rank && !memcmp(p->sym->dim, dim, sizeof *dim * (size_t)rank))
			return true;
		diag(s->cx->diags, DIAG_SEMA_PARAM_SHAPE, d->span, name, sema_shape(s->a, dim, rank),
		     sema_shape(s->a, p->sym->dim, p->sym->rank));
		return true;
	}
	return false;
}

static void declare_param(struct sema *s, struct model_def *m, struct entry *e,
                          const struct ast_decl *d, int rank, const int64_t *dim)
{
	const char *name = intern(arena_printf(s->a, "%s%s", s->site->path, d->name));
	if (*s->site->path && same_param(s, m, e, name, d, rank, dim))
		return;
	struct parameter *p = NEW(s->a, struct parameter);
	p->name = name;
	p->span = d->span;
	p->name_span = d->name_span;
	p->sym = sym_new(s->a, name, SYM_PARAM, VALUES_REAL, false, rank, dim, d->name_span);
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

void sema_declare_const(struct sema *s, struct scope *sc, const struct ast_decl *d)
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

void sema_declare_param(struct sema *s, struct scope *sc, struct model_def *m,
                        const struct ast_decl *d)
{
	int before = m->param.n;
	declare_symbol(s, sc, m, d);
	if (m->param.n > before)
		sema_param_init(s, sc, m, m->param.at[before], d);
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
	if (!energy && !m->directed) {
		diag(s->cx->diags, DIAG_SEMA_NO_ENERGY, am->name_span, am->name);
		sema_note(s, am->name_span, "write it as on paper: energy = - v@W@h - b@v - c@h;");
		return;
	}
	for (int k = 0; k < sc->entry.n && errors == diags_errors(s->cx->diags); k++) {
		const struct entry *e = sc->entry.at[k];
		if ((e->kind == ENTRY_VARIABLE || e->kind == ENTRY_PARAM) && !e->used && !e->bad)
			diag(s->cx->diags, DIAG_SEMA_UNUSED, e->span, sema_kind_word(e), e->name,
			     energy ? "term of the energy" : "distribution");
	}
}

void sema_model(struct sema *s, const struct ast_model *am, struct model_def *m)
{
	struct scope *sc = NEW(s->a, struct scope);
	bool visible = false;
	sc->up = &s->top;
	m->name = am->name;
	m->span = am->span;
	m->training = s->training;
	m->batch = idx_batch(s->a, intern("n"), 0);
	struct site site = {.path = ""};
	s->site = &site;
	memset(&s->instance, 0, sizeof s->instance);
	declare_sizes(s, am, sc, m);
	for (int k = 0; k < am->ndecl; k++)
		if (am->decl[k].kind == DECL_CONST)
			sema_declare_const(s, sc, &am->decl[k]);
	for (int k = 0; k < am->ndecl; k++) {
		const struct ast_decl *d = &am->decl[k];
		visible |= d->kind == DECL_VISIBLE;
		m->directed |= d->kind == DECL_FACTOR || d->kind == DECL_POSTERIOR ||
		               (d->rel && (d->kind == DECL_VISIBLE || d->kind == DECL_HIDDEN));
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
			sema_let(s, sc, m, &am->decl[k]);
		else if (am->decl[k].kind == DECL_STATE)
			sema_state(s, sc, m, &am->decl[k]);
	for (int k = 0; k < am->ndecl; k++) {
		const struct ast_decl *d = &am->decl[k];
		for (int p = 0; p < m->param.n; p++)
			if (d->kind == DECL_PARAM && m->param.at[p]->name_span.beg == d->name_span.beg)
				sema_param_init(s, sc, m, m->param.at[p], d);
	}
	for (int k = 0; k < am->ndecl; k++) {
		const struct ast_decl *d = &am->decl[k];
		if (d->kind == DECL_FACTOR || d->kind == DECL_POSTERIOR ||
		    (d->rel && (d->kind == DECL_VISIBLE || d->kind == DECL_HIDDEN)))
			sema_factor(s, sc, m, d);
	}
	if (!visible) {
		diag(s->cx->diags, DIAG_SEMA_NO_VISIBLE, am->name_span, am->name);
		sema_note(s, am->name_span, "a visible variable is what the data are bound to");
	}
	check_energy(s, sc, m, am);
}
