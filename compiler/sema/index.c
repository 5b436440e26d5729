/* index: the ranges of indices and the affine forms over them.
 *
 * An index runs over the axes at which it stands alone, and all must have one size; where they do
 * not, the size that most of them have is taken for meant and the odd one is reported.  An affine
 * subscript lo <= c + sum coef*i <= hi is checked over the box of the ranges, helped by the
 * conditions g >= 0 in force: e >= 0 holds where e - g >= 0 (or e - g - g') does over the box. */
#include "sema/internal.h"

#include <math.h>
#include <string.h>

struct ix *sema_ix(struct ix *i)
{
	while (i->same)
		i = i->same;
	return i;
}

struct ix *sema_ix_new(struct term *t, const char *name, struct span at)
{
	struct ix *i = NEW(t->a, struct ix);
	i->name = name;
	i->span = at;
	vec_push(t->a, &t->all, i);
	if (name)
		vec_push(t->a, &t->name, name);
	return i;
}

struct ix *sema_active(const struct term *t, const char *name)
{
	for (int k = t->active.n; k-- > 0;)
		if (!strcmp(t->active.at[k]->name, name))
			return t->active.at[k];
	return NULL;
}

void sema_use(struct term *t, struct ix *i, struct use u)
{
	i = sema_ix(i);
	vec_push(t->a, &i->use, u);
}

/* ---- affine forms ---- */
struct aff sema_aff_const(int64_t c)
{
	return (struct aff){.c = c};
}

struct aff sema_aff_ix(struct arena *a, struct ix *i)
{
	struct aff r = {.n = 1, .ix = NEW_ARRAY(a, struct ix *, 1), .coef = NEW_ARRAY(a, int64_t, 1)};
	r.ix[0] = i;
	r.coef[0] = 1;
	return r;
}

struct aff sema_aff_add(struct arena *a, struct aff x, struct aff y, int64_t scale)
{
	struct aff r = {.c = x.c + scale * y.c,
	                .ix = NEW_ARRAY(a, struct ix *, x.n + y.n),
	                .coef = NEW_ARRAY(a, int64_t, x.n + y.n)};
	for (int k = 0; k < x.n + y.n; k++) {
		struct ix *i = sema_ix(k < x.n ? x.ix[k] : y.ix[k - x.n]);
		int64_t c = k < x.n ? x.coef[k] : scale * y.coef[k - x.n];
		int at = 0;
		while (at < r.n && r.ix[at] != i)
			at++;
		if (at == r.n)
			r.ix[r.n++] = i;
		r.coef[at] += c;
	}
	int n = 0;
	for (int k = 0; k < r.n; k++) {
		if (!r.coef[k])
			continue;
		r.ix[n] = r.ix[k];
		r.coef[n++] = r.coef[k];
	}
	r.n = n;
	return r;
}

static bool whole(struct term *t, double x, struct span at, struct aff *out)
{
	if (x != floor(x) || fabs(x) > 1e15) {
		diag(t->s->cx->diags, DIAG_SEMA_SUBSCRIPT, at);
		t->bad = true;
		return false;
	}
	*out = sema_aff_const((int64_t)x);
	return true;
}

static bool affine_name(struct term *t, const struct ast *e, struct aff *out)
{
	struct ix *i = sema_active(t, e->name);
	if (i) {
		*out = sema_aff_ix(t->a, i);
		return true;
	}
	const struct entry *n = sema_lookup(t->scope, e->name);
	if (n && (n->kind == ENTRY_CONST || n->kind == ENTRY_SIZE)) {
		if (!n->bad)
			return whole(t, n->num, e->span, out);
		t->bad = true;
		return false;
	}
	t->bad = true;
	if (n && (n->kind == ENTRY_VARIABLE || n->kind == ENTRY_PARAM || n->kind == ENTRY_LET)) {
		diag(t->s->cx->diags, DIAG_SEMA_SUBSCRIPT, e->span);
		sema_note(t->s, n->span, "'%s' is a %s, declared here", n->name, sema_kind_word(n));
		return false;
	}
	diag(t->s->cx->diags, DIAG_SEMA_INDEX_UNBOUND, e->span, e->name);
	if (t->mode == TERM_UNITS)
		sema_note(t->s, e->span, "name it as a subscript of the variable");
	else
		sema_note(t->s, e->span, "write sum(%s) in front of the term%s", e->name,
		          t->mode == TERM_LET ? ", or name it on the left of the let" : "");
	i = sema_ix_new(t, e->name, e->span);
	i->poison = true;
	vec_push(t->a, &t->active, i);
	*out = sema_aff_ix(t->a, i);
	return true;
}

static bool affine_op(struct term *t, const struct ast *e, struct aff x, struct aff y,
                      struct aff *out)
{
	if (e->op != '*') {
		*out = sema_aff_add(t->a, x, y, e->op == '+' ? 1 : -1);
		return true;
	}
	if (!x.n || !y.n) {
		*out = sema_aff_add(t->a, sema_aff_const(0), x.n ? x : y, x.n ? y.c : x.c);
		return true;
	}
	diag(t->s->cx->diags, DIAG_SEMA_SUBSCRIPT, e->span);
	t->bad = true;
	return false;
}

bool sema_affine(struct term *t, const struct ast *e, struct aff *out)
{
	struct aff y;
	double c;
	if (e->kind == AST_NAME)
		return affine_name(t, e, out);
	if (e->kind == AST_NEG) {
		if (!sema_affine(t, e->kid[0], &y))
			return false;
		*out = sema_aff_add(t->a, sema_aff_const(0), y, -1);
		return true;
	}
	struct ast_spine line = ast_spine(t->s->cx->tmp, e, "+-*");
	if (line.n) {
		bool ok = sema_affine(t, line.first, out);
		for (int k = 0; k < line.n; k++)
			ok = sema_affine(t, line.node[k]->kid[1], &y) && ok &&
			     affine_op(t, line.node[k], *out, y, out);
		return ok;
	}
	if (sema_const(t->s, t->scope, e, &c))
		return whole(t, c, e->span, out);
	t->bad = true;
	return false;
}

void sema_subscript(struct term *t, struct aff e, struct use u)
{
	bool alone = e.n == 1 && e.c == 0 && e.coef[0] == 1;
	const struct ix *i = alone ? sema_ix(e.ix[0]) : NULL;
	if (alone && !(i->left && i->size > u.size)) { /* not let a[i < 7] = x[i] of a shorter x */
		if (u.size)
			sema_use(t, e.ix[0], u);
		return;
	}
	sema_subscript_within(t, e, u);
}

void sema_subscript_within(struct term *t, struct aff e, struct use u)
{
	struct subscript_check c = {.e = e, .size = u.size, .use = u, .ncond = t->cond.n};
	c.cond = arena_copy(t->a, t->cond.at, sizeof *t->cond.at * (size_t)t->cond.n);
	if (u.size)
		vec_push(t->a, &t->check, c);
}

/* ---- ranges ---- */
static void note_decl(struct term *t, const struct use *u)
{
	if (u->decl.src)
		sema_note(t->s, u->decl, "%s is declared %s here", u->of, u->decl_text);
}

static void settle(struct term *t, struct ix *i)
{
	const struct use *meant = NULL;
	int most = 0;
	for (int k = 0; k < i->use.n; k++) {
		int n = 0;
		for (int l = 0; l < i->use.n; l++)
			n += i->use.at[l].size == i->use.at[k].size;
		if (n > most) {
			most = n;
			meant = &i->use.at[k];
		}
	}
	if (!meant)
		return;
	for (int k = 0; k < i->use.n; k++) {
		const struct use *odd = &i->use.at[k];
		if (odd->size == meant->size)
			continue;
		diag(t->s->cx->diags, DIAG_SEMA_INDEX_RANGE, odd->span, i->name, (long long)meant->size,
		     meant->of, meant->axis, (long long)odd->size, odd->of, odd->axis);
		note_decl(t, meant);
		t->bad = true;
		i->poison = true;
		break;
	}
	if (!i->left || !i->size || i->size > meant->size) /* let a[i < 2] = x[i]: the first two */
		i->size = meant->size;
}

void sema_bounded(struct ix *i, const struct cond *c, int n)
{
	for (int k = 0; k < n; k++) {
		const struct aff *e = &c[k].e;
		if (c[k].rel != COND_GE || e->n != 1 || sema_ix(e->ix[0]) != i || e->coef[0] != -1)
			continue;
		if (e->c >= 0 && (!i->size || i->size > e->c + 1))
			i->size = e->c + 1;
	}
}

static bool minimum(struct aff e, double *out)
{
	double m = (double)e.c;
	for (int k = 0; k < e.n; k++) {
		const struct ix *i = sema_ix(e.ix[k]);
		if (!i->size)
			return false;
		if (e.coef[k] < 0)
			m += (double)e.coef[k] * (double)(i->size - 1);
	}
	*out = m;
	return true;
}

static bool never_negative(struct term *t, struct aff e, const struct subscript_check *c)
{
	double m;
	if (minimum(e, &m) && m >= 0)
		return true;
	for (int k = 0; k < c->ncond; k++) {
		if (c->cond[k].rel == COND_NE)
			continue;
		for (int sign = -1; sign <= (c->cond[k].rel == COND_EQ); sign += 2) {
			struct aff less = sema_aff_add(t->a, e, c->cond[k].e, sign);
			if (minimum(less, &m) && m >= 0)
				return true;
			for (int l = 0; l < c->ncond; l++)
				if (l != k && c->cond[l].rel == COND_GE &&
				    minimum(sema_aff_add(t->a, less, c->cond[l].e, -1), &m) && m >= 0)
					return true;
		}
	}
	return false;
}

static void check_subscript(struct term *t, struct subscript_check *c)
{
	double lo, hi;
	if (c->over) {
		sema_check_range(t, c);
		return;
	}
	struct aff minus = sema_aff_add(t->a, sema_aff_const(0), c->e, -1);
	for (int k = 0; k < c->e.n; k++) {
		const struct ix *i = sema_ix(c->e.ix[k]);
		c->waits |= i->left && !i->size;
		if (i->poison)
			return;
	}
	if (c->waits || !minimum(c->e, &lo) || !minimum(minus, &hi))
		return;
	struct aff room = sema_aff_add(t->a, sema_aff_const(c->size - 1), c->e, -1);
	if (never_negative(t, c->e, c) && never_negative(t, room, c))
		return;
	t->bad = true;
	diag(t->s->cx->diags, DIAG_SEMA_OUT_OF_RANGE, c->use.span, lo, -hi, c->use.axis, c->use.of,
	     (long long)c->size);
	if (c->use.decl.src)
		note_decl(t, &c->use);
}

static struct aff replaced(struct arena *a, struct aff e, const struct let *l,
                           const struct aff *map)
{
	struct aff r = sema_aff_const(e.c);
	for (int k = 0; k < e.n; k++) {
		struct aff x = sema_aff_ix(a, e.ix[k]);
		for (int m = 0; m < l->naxis; m++)
			if (sema_ix(l->axis[m]) == sema_ix(e.ix[k]))
				x = map[m];
		r = sema_aff_add(a, r, x, e.coef[k]);
	}
	return r;
}

void sema_check_again(struct term *t, const struct let *l, const struct aff *map)
{
	for (int k = 0; k < l->ncheck; k++) {
		struct subscript_check c = l->check[k];
		struct cond *own = c.cond;
		int nown = c.ncond;
		c.waits = false;
		c.e = replaced(t->a, c.e, l, map);
		int nmask = c.over ? t->mask.n : 0;
		c.cond = NEW_ARRAY(t->a, struct cond, nown + t->cond.n + nmask);
		for (c.ncond = 0; c.ncond < nown; c.ncond++)
			c.cond[c.ncond] =
			    (struct cond){own[c.ncond].rel, replaced(t->a, own[c.ncond].e, l, map)};
		for (int m = 0; m < t->cond.n; m++)
			c.cond[c.ncond++] = t->cond.at[m];
		for (int m = 0; m < nmask; m++)
			c.cond[c.ncond++] = t->mask.at[m];
		vec_push(t->a, &t->check, c);
	}
}

/* ---- names of open axes ---- */
const char *sema_fresh_name(struct term *t)
{
	static const char letters[] = "ijklmnpqrs";
	for (int round = 0;; round++) {
		for (const char *l = letters; *l; l++) {
			const char *name =
			    round ? arena_printf(t->a, "%c%d", *l, round) : arena_printf(t->a, "%c", *l);
			bool taken = sema_lookup(t->scope, name) != NULL;
			for (int k = 0; k < t->name.n && !taken; k++)
				taken = !strcmp(t->name.at[k], name);
			if (taken)
				continue;
			name = intern(name);
			vec_push(t->a, &t->name, name);
			return name;
		}
	}
}

void sema_term_finish(struct term *t)
{
	for (int k = 0; k < t->all.n; k++) {
		struct ix *i = t->all.at[k];
		if (!i->same && i->name)
			settle(t, i);
	}
	for (int k = 0; k < t->all.n; k++) {
		struct ix *i = t->all.at[k];
		if (i->same || i->size || i->poison || i->left || t->bad)
			continue;
		diag(t->s->cx->diags, DIAG_SEMA_INDEX_OPEN, i->span, i->name);
		sema_note(t->s, i->span, "let it stand alone at an axis, as in x[%s], or bound it: %s < 10",
		          i->name, i->name);
		t->bad = true;
		i->poison = true;
	}
	for (int k = 0; k < t->check.n; k++)
		check_subscript(t, &t->check.at[k]);
	for (int k = 0; k < t->all.n; k++) {
		struct ix *i = t->all.at[k];
		if (!i->same && !i->name && !i->closed)
			i->name = sema_fresh_name(t);
	}
}
