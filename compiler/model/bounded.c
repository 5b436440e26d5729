/* Energies that have no finite sum: what constants and the domains tell before anything runs.
 *
 * A precision, rate or shape that other units enter is tried at states where each group is at one
 * end of its domain: one state at which it is not positive is one at which the integral is
 * infinite.  At the ends of a continuous domain, which have no weight, it may be 0. */
#include "model/family.h"
#include "model/model.h"

#include <math.h>

#define FAR 1e6 /* a value of a domain without an end */
enum { MAX_TRIED = 10 };

struct ends { /* a state: groups at their upper end, as bits */
	const struct model *m;
	unsigned high;
};

static const struct group *group_of(const struct model *m, const struct sym *s)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->sym == s)
			return m->group.at[i];
	return NULL;
}

/* Of a block the first unit is 1, or the last; where it may be empty, the last or none. */
static double onehot_at(const struct group *g, bool high, const int64_t *at)
{
	for (int i = 0; i < g->sym->rank; i++)
		if (at[i] % g->block[i] != (high ? g->block[i] - 1 : 0))
			return 0;
	return high || !g->family->empty;
}

static double value_at(void *arg, const struct sym *s, int64_t row, const int64_t *at)
{
	const struct ends *e = arg;
	const struct group *g = group_of(e->m, s);
	(void)row;
	for (int i = 0; i < e->m->group.n; i++)
		if (e->m->group.at[i] == g) {
			bool high = e->high >> i & 1;
			double x = high ? g->family->hi : g->family->lo;
			if (g->family->shape == SHAPE_ONEHOT)
				return onehot_at(g, high, at);
			return isfinite(x) ? x : copysign(FAR, x);
		}
	BUG("%s is no group", s->name);
}

/* Does it consist of constants and of units of other groups that can be at an end by themselves? */
static bool tells(const struct model *m, const struct node *x, const struct group *but)
{
	const struct group *g = x->kind == N_ACCESS ? group_of(m, x->sym) : NULL;
	if (ex_has_draw(x) || (x->kind == N_ACCESS &&
	                       (g == NULL || g == but || g->role == GROUP_GIVEN || g->total != NULL)))
		return false;
	for (int i = 0; i < x->nkid; i++)
		if (!tells(m, x->kid[i], but))
			return false;
	return true;
}

static double evaluate(const struct model *m, const struct node *x, unsigned high, bool last)
{
	const struct idx *open[2 * MAX_BOUND];
	struct binding b[2 * MAX_BOUND];
	struct ends e = {m, high};
	struct env env = {.load = value_at, .arg = &e};
	int n = ex_free(x, open, 2 * MAX_BOUND);
	for (int i = 0; i < n; i++)
		b[i] = (struct binding){open[i], last && open[i]->pop < 0 ? open[i]->size - 1 : 0};
	return ex_eval(x, &env, b, n);
}

static const char *state_text(const struct model *m, unsigned high, const bool *in)
{
	struct buf b;
	buf_init(&b, m->a);
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		const char *join = b.n ? " and " : " where ";
		double x = high >> i & 1 ? g->family->hi : g->family->lo;
		if (in[i] && g->family->shape == SHAPE_ONEHOT)
			buf_printf(&b, "%s'%s' has its %s value", join, g->name,
			           high >> i & 1 ? "last" : "first");
		else if (in[i] && isinf(x))
			buf_printf(&b, "%s'%s' is far %s 0", join, g->name, x > 0 ? "above" : "below");
		else if (in[i])
			buf_printf(&b, "%s'%s' is %g", join, g->name, x);
	}
	return b.n ? b.s : "";
}

bool positive_everywhere(const struct model *m, const struct node *x, const struct group *but,
                         struct worst *out)
{
	bool *in = NEW_ARRAY(m->a, bool, m->group.n + 1), ends = false;
	unsigned mask = 0;
	int n = 0;
	*out = (struct worst){.value = INFINITY, .where = ""};
	if (!tells(m, x, but) || m->group.n > 31)
		return true;
	for (int i = 0; i < m->group.n; i++) {
		in[i] = ex_mentions(x, m->group.at[i]->sym);
		ends = ends || (in[i] && m->group.at[i]->family->continuous);
		mask |= (unsigned)in[i] << i;
		n += in[i];
	}
	for (unsigned high = mask; n <= MAX_TRIED; high = (high - 1) & mask) {
		for (int last = 0; last < 2; last++) {
			double value = evaluate(m, x, high, last);
			if (value < out->value)
				*out = (struct worst){value, state_text(m, high, in)};
		}
		if (high == 0)
			break;
	}
	return ends ? !(out->value < 0) : !(out->value <= 0);
}

/* ---- numbers that are none ---- */
/* Does x read units with finitely many values, no others? */
static bool discrete(const struct model *m, const struct node *x)
{
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (ex_mentions(x, g->sym) && (g->family->continuous || isinf(g->family->hi)))
			return false;
	}
	return tells(m, x, NULL);
}

/* The first part of x that is infinite or no number, as a constant or at a state with groups at the
 * ends of their domains; NULL: none is found. */
static const struct node *no_number(const struct model *m, const struct node *x, const char **where,
                                    double *value)
{
	*where = "";
	*value = x->kind == N_CONST ? x->num : 0;
	if (!isfinite(*value))
		return x;
	for (int k = 0; k < x->nkid; k++) {
		const struct node *bad = no_number(m, x->kid[k], where, value);
		if (bad)
			return bad;
	}
	if (x->kind != N_OP || x->op == OP_ADD || x->op == OP_MUL || !discrete(m, x))
		return NULL;
	bool *in = NEW_ARRAY(m->a, bool, m->group.n + 1);
	unsigned mask = 0;
	for (int i = 0; i < m->group.n && i < MAX_TRIED; i++) {
		in[i] = ex_mentions(x, m->group.at[i]->sym);
		mask |= (unsigned)in[i] << i;
	}
	for (unsigned high = mask;; high = (high - 1) & mask) {
		*value = evaluate(m, x, high, false);
		*where = state_text(m, high, in);
		if (!isfinite(*value))
			return x;
		if (high == 0)
			return NULL;
	}
}

static bool check_part(struct cx *cx, const struct model *m, const struct node *x, struct span at,
                       const char *of)
{
	const char *where;
	double value;
	const struct node *bad = no_number(m, x, &where, &value);
	if (bad)
		diag(cx->diags, DIAG_NO_NUMBER, at, of, ex_text(m->a, bad),
		     isnan(value) ? "no number" : "infinite", where);
	return !bad;
}

bool model_finite(struct cx *cx, const struct model *m)
{
	bool ok = true;
	for (int i = 0; i < m->E.n && ok; i++)
		ok = check_part(cx, m, m->E.at[i].node, m->E.at[i].span, "in this term of the energy");
	for (int i = 0; i < m->factor.n + m->posterior.n && ok; i++) {
		const struct factor *f =
		    i < m->factor.n ? m->factor.at[i] : m->posterior.at[i - m->factor.n];
		ok = !f->log_density ||
		     check_part(cx, m, f->log_density, f->span, "in the log-density of this distribution");
	}
	return ok;
}

/* ---- powers and exponentials of a moved group ---- */
/* Grows more slowly than any exponential along each unit of s. */
static bool tame(const struct node *x, const struct sym *s)
{
	if (!ex_mentions(x, s))
		return true;
	if (x->kind == N_REDUCE && x->red == RED_PROD)
		return false;
	if (x->kind == N_OP && (x->op == OP_EXP || (x->op == OP_POW && ex_mentions(x->kid[1], s))))
		return false;
	for (int i = 0; i < x->nkid; i++)
		if (!tame(x->kid[i], s))
			return false;
	return true;
}

/* The one factor of x that mentions s, through sums; *c is multiplied by the others.  NULL: several
 * do. */
static const struct node *factor_with(struct arena *a, const struct node *x, const struct sym *s,
                                      struct node **c)
{
	const struct node *with = NULL;
	if (x->kind == N_REDUCE && x->red == RED_SUM)
		return factor_with(a, x->kid[0], s, c);
	if (x->kind != N_OP || x->op != OP_MUL)
		return x;
	for (int i = 0; i < x->nkid; i++)
		if (!ex_mentions(x->kid[i], s))
			*c = ex_mul(a, *c, x->kid[i]);
		else if (with)
			return NULL;
		else
			with = x->kid[i];
	return factor_with(a, with, s, c);
}

/* Is it c exp(a x + ..) or a sum of such, where c is below 0 at some state of the other groups? */
static bool falls(const struct model *m, const struct node *x, const struct group *g)
{
	struct node *c = ex_num(m->a, 1);
	const struct node *e = factor_with(m->a, x, g->sym, &c);
	struct worst w;
	return e && e->kind == N_OP && e->op == OP_EXP && ex_degree(e->kid[0], g->sym) == 1 &&
	       !positive_everywhere(m, c, g, &w) && w.value < 0;
}

static bool exponential(struct cx *cx, const struct model *m, const energy *E,
                        const struct group *g)
{
	const struct term *why = NULL;
	for (int i = 0; i < E->n; i++) {
		struct node **part;
		int n = ex_terms(E->at[i].node, &part);
		for (int k = 0; k < n; k++) {
			if (tame(part[k], g->sym))
				continue;
			if (!falls(m, part[k], g))
				return true;
			why = &E->at[i];
		}
	}
	if (why)
		diag(cx->diags, DIAG_UNBOUNDED_EXP, why->span, g->name);
	return why == NULL;
}

bool model_bounded(struct cx *cx, const struct model *m, const energy *E, const struct group *g)
{
	struct arena *a = m->a;
	const struct idx *at[MAX_RANK];
	struct affine k[MAX_RANK];
	struct node *top = energy_node(a, E);
	int degree = ex_degree(top, g->sym);
	if (g->family->shape != SHAPE_GAUSS || degree == 0)
		return true;
	if (degree < 0)
		return exponential(cx, m, E, g);
	fresh_axes(a, g->sym, at);
	for (int i = 0; i < g->sym->rank; i++)
		k[i] = affine_idx(a, at[i]);
	for (int d = 0; d < degree; d++)
		top = ex_diff(a, top, g->sym, k);
	bool odd = degree % 2 == 1 && !ex_is_num(top, 0);
	if (!odd && !(top->kind == N_CONST && top->num < 0))
		return true;
	for (int t = 0; t < E->n; t++)
		if (ex_degree(E->at[t].node, g->sym) == degree) {
			diag(cx->diags, DIAG_UNBOUNDED, E->at[t].span, g->name, degree,
			     odd ? "is odd" : "has a negative coefficient");
			break;
		}
	return false;
}
