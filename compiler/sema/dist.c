/* dist: distributions.  What a distribution is stands in the language itself, in the prelude or in
 * the user's file:
 *     dist x : real ~ normal(mean, sd) { let log_density = ...; let draw = ...; }
 * x ~ normal(...) reads its lets with x and the arguments put in, element by element: an argument
 * has the axes of x, or none of them; axes of its own (logits[a]) come last.  Of several
 * distributions of one name the one is meant that is of the domain of x and has these arguments. */
#include "sema/internal.h"

#include <string.h>

/* ---- which ---- */
static const char *signature(struct arena *a, const struct ast_net *n)
{
	struct buf b;
	buf_init(&b, a);
	buf_printf(&b, "%s(", n->name);
	for (int k = 0; k < n->nformal; k++)
		buf_printf(&b, "%s%s", k ? ", " : "", n->formal[k].name);
	buf_putc(&b, ')');
	return b.s;
}

/* The argument of each formal, by name or position; false: these are not its arguments. */
static bool arguments(const struct ast_net *n, const struct ast *e, const struct ast **out)
{
	if (e->nkid != n->nformal)
		return false;
	memset(out, 0, sizeof *out * (size_t)n->nformal);
	for (int k = 0, next = 0; k < e->nkid; k++) {
		int f = 0;
		if (e->key && e->key[k])
			while (f < n->nformal && strcmp(n->formal[f].name, e->key[k]))
				f++;
		else
			f = next++;
		if (f >= n->nformal || out[f])
			return false;
		out[f] = e->kid[k];
	}
	return true;
}

/* "binary in atmostone": no distribution is of a constrained domain. */
static const char *domain_of(struct sema *s, const struct variable *v)
{
	const char *name = domain_name(v->domain);
	return v->rule ? arena_printf(s->a, "%s in %s", name, rule_name(v->rule)) : name;
}

static bool describes(const struct entry *n, const char *domain)
{
	return !n->bad && (!domain || !strcmp(n->net->self.type->name, domain));
}

/* Of those with the name of n the one of this domain (NULL: of any) that has the arguments of e. */
static const struct ast_net *among(const struct entry *n, const char *domain, const struct ast *e,
                                   const struct ast **out)
{
	for (; n; n = n->other)
		if (describes(n, domain) && arguments(n->net, e, out))
			return n->net;
	return NULL;
}

static const struct entry *find(const struct scope *sc, const char *name)
{
	for (; sc; sc = sc->up)
		for (int k = 0; k < sc->entry.n; k++)
			if (sc->entry.at[k]->kind == ENTRY_DIST && !strcmp(sc->entry.at[k]->name, name))
				return sc->entry.at[k];
	return NULL;
}

static void wrong_arguments(struct sema *s, const struct entry *n, const char *domain,
                            const struct ast *e)
{
	struct buf known;
	buf_init(&known, s->cx->tmp);
	for (; n; n = n->other)
		if (describes(n, domain))
			buf_printf(&known, "%s%s", known.n ? " or " : "", signature(s->cx->tmp, n->net));
	diag(s->cx->diags, DIAG_SEMA_DIST_ARGUMENTS, e->span, e->name);
	sema_note(s, e->span, "write %s", known.s);
}

static bool has_density(const struct ast_net *n)
{
	for (int k = 0; k < n->ndecl; k++)
		if (n->decl[k].name && !strcmp(n->decl[k].name, "log_density"))
			return true;
	return false;
}

/* The names of the distributions of a domain. */
static void note_known(struct sema *s, struct span at, const char *domain)
{
	struct buf b;
	buf_init(&b, s->cx->tmp);
	for (const struct scope *sc = &s->top; sc; sc = sc->up)
		for (int k = 0; k < sc->entry.n; k++) {
			const struct entry *n = sc->entry.at[k];
			if (n->kind != ENTRY_DIST || find(&s->top, n->name) != n)
				continue;
			while (n && !(describes(n, domain) && has_density(n->net)))
				n = n->other;
			if (n)
				buf_printf(&b, "%s%s", b.n ? ", " : "", n->name);
		}
	if (b.n)
		sema_note(s, at, "distributions of %s: %s", domain, b.s);
	else
		sema_note(s, at, "there is no distribution of %s", domain);
}

static void wrong_domain(struct sema *s, const struct entry *n, const struct variable *v,
                         const struct ast *e)
{
	struct buf of;
	const char *domain = domain_of(s, v), *last = "";
	buf_init(&of, s->cx->tmp);
	for (; n; n = n->other) {
		if (strcmp(last, n->net->self.type->name))
			buf_printf(&of, "%s%s", of.n ? " or " : "", n->net->self.type->name);
		last = n->net->self.type->name;
	}
	diag(s->cx->diags, DIAG_SEMA_DIST_DOMAIN, e->span, v->name, domain, e->name, of.s);
	note_known(s, e->span, domain);
	sema_note(s, v->name_span, "or declare '%s' here as %s", v->name, of.s);
}

/* The distribution of v that e calls; v NULL: of a parameter, which begins at a draw, and draws of
 * every domain are numbers. */
static const struct ast_net *choose(struct sema *s, const struct variable *v, const struct ast *e,
                                    const struct ast **out)
{
	const struct entry *n = e->kind == AST_CALL ? find(&s->top, e->name) : NULL;
	const char *domain = v ? domain_of(s, v) : NULL;
	bool fits = !v;
	if (e->kind == AST_BAD)
		return NULL;
	if (!n) {
		diag(s->cx->diags, DIAG_SEMA_DIST, e->span);
		if (e->kind == AST_CALL)
			sema_suggest(s, &s->top, 1u << ENTRY_DIST, e->name, e->name_span);
		return NULL;
	}
	for (const struct entry *k = n; k; k = k->other) {
		if (k->bad)
			return NULL;
		fits = fits || describes(k, domain);
	}
	const struct ast_net *dist = v ? NULL : among(n, domain_name(DOMAIN_REAL), e, out);
	if (!dist)
		dist = among(n, domain, e, out);
	if (!fits)
		wrong_domain(s, n, v, e);
	else if (!dist)
		wrong_arguments(s, n, domain, e);
	return dist;
}

/* ---- x and its arguments ---- */
enum { MAX_OWN = 32 };
struct own_axis {
	const char *name;
	int64_t size;
};
struct element { /* of what is drawn */
	const struct idx *at[MAX_RANK];
	int rank, left, block; /* at: first those named on the left; the last `block` make one draw */
	const struct ast_decl *decl;
	enum term_mode mode;
	int stream;
	const char *name;
	struct own_axis own[MAX_OWN]; /* indices of the distribution: of its block, of arguments read */
	int nown;
};

/* The size of an index of the distribution; 0: no argument has told it yet. */
static int64_t own_size(const struct element *x, const char *name)
{
	for (int k = 0; k < x->nown; k++)
		if (!strcmp(x->own[k].name, name))
			return x->own[k].size;
	return 0;
}

static void own_add(struct element *x, const char *name, int64_t size)
{
	if (!own_size(x, name) && x->nown < MAX_OWN)
		x->own[x->nown++] = (struct own_axis){name, size};
}

/* The shape of an argument with the axes of x from `first` on before its own. */
static const char *wanted(struct arena *a, const struct element *x, const struct ast_formal *f,
                          int first)
{
	struct buf b;
	buf_init(&b, a);
	for (int k = first; k < x->rank - x->block; k++)
		buf_printf(&b, "%s%lld", b.n ? "," : "[", (long long)x->at[k]->size);
	for (int k = 0; k < f->nindex; k++) {
		int64_t size = own_size(x, f->index[k]);
		const char *text = size ? arena_printf(a, "%lld", (long long)size) : f->index[k];
		buf_printf(&b, "%s%s", b.n ? "," : "[", text);
	}
	return b.n ? arena_printf(a, "%s]", b.s) : "a single number";
}

static void note_shape(struct sema *s, struct span at, const struct element *x,
                       const struct ast_formal *f)
{
	const char *all = wanted(s->a, x, f, x->left), *one = wanted(s->a, x, f, x->rank - x->block);
	bool carries = x->rank - x->block > x->left;
	sema_note(s, at,
	          carries ? "its shape is %s or, the same for all that is drawn, %s"
	                  : "its shape is %s",
	          all, one);
}

/* An argument that is worth it is computed once for each element. */
static struct let *computed(struct sema *s, struct term *t, const struct element *x,
                            const struct ast_formal *f, struct rt *r, struct ix *const *own)
{
	const struct idx *at[MAX_RANK];
	int n = x->rank - x->block;
	if (n + f->nindex > MAX_RANK)
		return sema_let_of(t, r, own, f->nindex);
	for (int k = 0; k < n; k++)
		at[k] = x->at[k];
	for (int k = 0; k < f->nindex; k++) {
		at[n + k] = idx_new(s->a, f->index[k], sema_ix(own[k])->size);
		sema_ix(own[k])->now = affine_idx(s->a, at[n + k]);
	}
	t->at = at;
	t->nat = n + f->nindex;
	t->about = arena_printf(s->a, "%s.%s", x->name, f->name);
	struct def *d = sema_def_new(s, t->model, t->about, at, t->nat, sema_build(t, r), f->span);
	struct rt *value = sema_resolve_sym(t, d->sym, 0, 0, NULL, f->span);
	for (int k = 0; k < n; k++)
		value->axis[k]->now = affine_idx(s->a, x->at[k]);
	return sema_let_of(t, value, value->axis + n, f->nindex);
}

/* An argument as a let over its own axes, at the element. */
static struct let *argument(struct sema *s, const struct scope *sc, struct model_def *m,
                            struct element *x, const struct ast_formal *f, const struct ast *e)
{
	struct term t;
	struct let left = {0};
	int rest = x->rank - x->block - x->left;
	sema_term_init(&t, s, sc, m, x->mode);
	if (x->decl && x->left)
		sema_bind_left(&t, x->decl, &left);
	for (int k = 0; k < x->left; k++)
		left.axis[k]->size = x->at[k]->size;
	struct rt *r = sema_resolve(&t, e);
	for (int k = 0; r && k < r->naxis; k++)
		sema_ix(r->axis[k])->closed = true;
	sema_term_finish(&t);
	if (!r || t.bad)
		return NULL;
	bool over = r->naxis == rest + f->nindex, fits = over || r->naxis == f->nindex;
	for (int k = 0; over && k < rest; k++)
		fits = fits && sema_ix(r->axis[k])->size == x->at[x->left + k]->size;
	for (int k = 0; fits && k < f->nindex; k++) {
		int64_t size = sema_ix(r->axis[r->naxis - f->nindex + k])->size;
		own_add(x, f->index[k], size);
		fits = own_size(x, f->index[k]) == size;
	}
	if (!fits) {
		int64_t dim[2 * MAX_RANK];
		for (int k = 0; k < r->naxis; k++)
			dim[k] = sema_ix(r->axis[k])->size;
		diag(s->cx->diags, DIAG_SEMA_DIST_SHAPE, e->span, f->name,
		     r->naxis ? sema_shape(s->a, dim, r->naxis) : "a single number");
		note_shape(s, e->span, x, f);
		return NULL;
	}
	for (int k = 0; k < x->left; k++)
		sema_ix(left.axis[k])->now = affine_idx(s->a, x->at[k]);
	for (int k = 0; over && k < rest; k++)
		sema_ix(r->axis[k])->now = affine_idx(s->a, x->at[x->left + k]);
	struct ix **own = r->axis + (over ? rest : 0);
	if (x->mode == TERM_DEF && sema_reduces(r))
		return computed(s, &t, x, f, r, own);
	return sema_let_of(&t, r, own, f->nindex);
}

/* x itself, over the axes of its block. */
static struct let *self(struct sema *s, struct model_def *m, const struct element *x,
                        const struct sym *sym)
{
	struct term t;
	sema_term_init(&t, s, &s->top, m, x->mode);
	struct rt *r = sema_resolve_sym(&t, sym, 0, 0, NULL, sym->span);
	for (int k = 0; k < x->rank; k++)
		if (k < x->rank - x->block)
			r->axis[k]->now = affine_idx(s->a, x->at[k]);
	return sema_let_of(&t, r, r->axis + x->rank - x->block, x->block);
}

static void declare_own(struct sema *s, struct scope *sc, const char *name, struct span at,
                        struct let *l)
{
	struct entry *e = sema_declare(s, sc, ENTRY_LET, name, at);
	if (e)
		e->let = l;
}

/* ---- its lets ---- */
/* The attribute `name` of the distribution over the element, and over its block where it has one;
 * NULL: it has no such let. */
static struct node *attribute(struct sema *s, struct scope *sc, struct model_def *m,
                              const struct element *x, const char *about, const char *name)
{
	struct term t;
	const struct scope own = {.entry = {sc->entry.at, sc->entry.n, 0}};
	const struct entry *e = sema_lookup(&own, name);
	if (!e || e->bad || e->kind != ENTRY_LET)
		return NULL;
	struct let *l = e->let;
	sema_term_init(&t, s, sc, m, x->mode);
	t.at = x->at;
	t.nat = x->rank;
	t.block = x->block;
	t.about = about;
	t.stream = x->stream;
	for (int k = 0; k < l->naxis; k++)
		sema_ix(l->axis[k])->now = affine_idx(s->a, x->at[x->rank - x->block + k]);
	return sema_build(&t, l->body);
}

/* An argument at the element, over indices of its own. */
static struct node *at_own_axes(struct sema *s, const struct scope *sc, struct model_def *m,
                                const struct element *x, const struct let *l)
{
	struct term t;
	sema_term_init(&t, s, sc, m, x->mode);
	t.at = x->at;
	t.nat = x->rank;
	t.about = x->name;
	for (int k = 0; k < l->naxis; k++)
		sema_ix(l->axis[k])->now =
		    affine_idx(s->a, idx_new(s->a, sema_fresh_name(&t), sema_ix(l->axis[k])->size));
	return sema_build(&t, l->body);
}

static bool read_dist(struct sema *s, const struct scope *sc, struct model_def *m,
                      struct element *x, const struct sym *sym, const struct variable *v,
                      const struct ast *e, struct scope *out, const struct ast_net **dist,
                      struct factor_def *into)
{
	const struct ast **arg = NEW_ARRAY(s->a, const struct ast *, e->nkid + 1);
	const struct ast_net *n = *dist = choose(s, v, e, arg);
	bool ok = n != NULL;
	if (!ok)
		return false;
	x->block = n->self.nindex;
	if (x->left > x->rank - x->block) {
		diag(s->cx->diags, DIAG_SEMA_DIST_BLOCK, e->span, n->name, x->block);
		return false;
	}
	out->up = &s->top;
	x->nown = 0;
	for (int k = 0; k < x->block; k++)
		own_add(x, n->self.index[k], x->at[x->rank - x->block + k]->size);
	for (int k = 0; k < n->nformal; k++) {
		struct let *l = argument(s, sc, m, x, &n->formal[k], arg[k]);
		if (l)
			declare_own(s, out, n->formal[k].name, n->formal[k].span, l);
		if (l && into)
			vec_push(s->a, &into->argument, at_own_axes(s, sc, m, x, l));
		ok = ok && l;
	}
	if (!ok)
		return false;
	declare_own(s, out, n->self.name, n->self.span, self(s, m, x, sym));
	s->in_dist = true;
	for (int k = 0; k < n->ndecl; k++)
		sema_let(s, out, m, &n->decl[k]);
	s->in_dist = false;
	return true;
}

/* ---- factors ---- */
static struct variable *variable_of(struct sema *s, struct scope *sc, const struct ast_decl *d)
{
	struct entry *e = sema_lookup(sc, d->name);
	if (!e || e->kind != ENTRY_VARIABLE) {
		diag(s->cx->diags, DIAG_SEMA_FACTOR, d->name_span, d->name);
		sema_suggest(s, sc, 1u << ENTRY_VARIABLE, d->name, d->name_span);
		return NULL;
	}
	e->used = true;
	return e->bad ? NULL : e->var;
}

static bool once(struct sema *s, struct model_def *m, const struct ast_decl *d,
                 const struct variable *v)
{
	bool posterior = d->kind == DECL_POSTERIOR;
	for (int k = 0; k < (posterior ? m->posterior.n : m->factor.n); k++) {
		const struct factor_def *f = posterior ? m->posterior.at[k] : m->factor.at[k];
		if (f->var != v)
			continue;
		diag(s->cx->diags, DIAG_SEMA_FACTOR_TWICE, d->span, v->name);
		sema_note(s, f->span, "the first is here");
		return false;
	}
	return true;
}

/* A value at the element, over all axes but those of its block; NULL: an error was given. */
static struct node *at_element(struct sema *s, struct scope *sc, struct model_def *m,
                               struct element *x, const char *name, const struct ast *e)
{
	struct ast_formal value = {.name = name};
	struct let *l = argument(s, sc, m, x, &value, e);
	struct term t;
	sema_term_init(&t, s, sc, m, x->mode);
	t.at = x->at;
	t.nat = x->rank;
	t.about = x->name;
	return l ? sema_build(&t, l->body) : NULL;
}

void sema_factor(struct sema *s, struct scope *sc, struct model_def *m, const struct ast_decl *d)
{
	struct variable *v = variable_of(s, sc, d);
	struct scope *own = NEW(s->a, struct scope);
	struct factor_def *f = NEW(s->a, struct factor_def);
	const struct ast_net *dist;
	struct element x = {.mode = TERM_DEF, .decl = d, .left = d->nindex, .name = d->name};
	struct term names;
	if (!v || !once(s, m, d, v))
		return;
	x.rank = v->sym->rank;
	if (d->nindex > x.rank) {
		diag(s->cx->diags, DIAG_SEMA_SUBSCRIPTS, d->span, v->name, x.rank,
		     x.rank == 1 ? "axis" : "axes", d->nindex);
		return;
	}
	sema_term_init(&names, s, sc, m, TERM_DEF);
	for (int k = 0; k < x.rank; k++)
		f->at[k] = x.at[k] =
		    idx_new(s->a, k < d->nindex ? d->index[k] : sema_fresh_name(&names), v->sym->dim[k]);
	f->var = v;
	f->span = d->span;
	if (d->rel == '=') {
		f->draw = at_element(s, sc, m, &x, v->name, d->value);
		if (f->draw)
			vec_push(s->a, &m->factor, f);
		return;
	}
	if (!read_dist(s, sc, m, &x, v->sym, v, d->value, own, &dist, f))
		return;
	f->dist = dist->name;
	f->block = x.block;
	f->log_density = attribute(s, own, m, &x, v->name, "log_density");
	f->draw = attribute(s, own, m, &x, v->name, "draw");
	f->mean = attribute(s, own, m, &x, v->name, "expectation");
	f->variance = attribute(s, own, m, &x, v->name, "variance");
	f->lowest = attribute(s, own, m, &x, v->name, "lowest");
	f->highest = attribute(s, own, m, &x, v->name, "highest");
	f->total = attribute(s, own, m, &x, v->name, "total");
	if (d->where && !(f->where = at_element(s, sc, m, &x, "where", d->where)))
		return;
	if (f->log_density)
		f->log_density = ex_with_span(s->a, f->log_density, d->span);
	if (d->kind == DECL_POSTERIOR)
		vec_push(s->a, &m->posterior, f);
	else
		vec_push(s->a, &m->factor, f);
}

struct node *sema_initial_draw(struct sema *s, const struct scope *sc, struct model_def *m,
                               struct parameter *p, int stream, const struct ast *e)
{
	struct scope *own = NEW(s->a, struct scope);
	struct element x = {.mode = TERM_INIT, .rank = p->sym->rank, .stream = stream, .name = p->name};
	const struct ast_net *dist;
	for (int k = 0; k < x.rank; k++)
		x.at[k] = p->at[k];
	if (!read_dist(s, sc, m, &x, p->sym, NULL, e, own, &dist, NULL))
		return NULL;
	struct node *draw = x.block ? NULL : attribute(s, own, m, &x, p->name, "draw");
	if (!draw)
		diag(s->cx->diags, DIAG_SEMA_INIT_DIST, e->span, dist->name);
	struct node *norm = attribute(s, own, m, &x, p->name, "orthonormal");
	if (norm && (norm->kind != N_CONST || !(norm->num > 0)))
		diag(s->cx->diags, DIAG_SEMA_INIT_NORM, e->span, p->name);
	else if (norm)
		p->orthonormal = norm->num;
	return draw;
}
