/* How far the numbers of a program in floats may be from those of the reference evaluator, in doubles: a bound that
 * goes through the program with the values, as in Higham, "Accuracy and Stability of Numerical Algorithms", 3.3
 * (running error analysis).
 *
 * An element has a value x, a bound e of its error, and, within an expression, a magnitude m: what x is when all terms
 * of its sums are taken without their signs.  With U half a unit in the last place of 1:
 *     a number that is no float            e = U |x|
 *     a sum of n terms, in any order       e = sum of e + n U sum of m, so that also factors may be multiplied out
 *     a product x y                        e = |x| e_y + |y| e_x + e_x e_y + U m_x m_y
 *     another operation f                  e = the most that f changes where its operands move by their errors, as f is
 *                                          monotone there, and what test_vmath holds its code to
 *     log sum exp of n terms               e = the most that it changes where the terms move by e + U |x|, and U times
 *                                          the largest x, 4 n for exponentials, their sum and what running sums are
 *                                          scaled by, 2 log sum, and what it gives
 * Sums and products of whole numbers below 1 / U, and products with 0, 1 and -1, are exact.  A comparison that the
 * errors may turn has the error 1; what is infinite is so in floats, too. */
#ifndef ROUNDING_H
#define ROUNDING_H
#include "op_bounds.h"
#include "plan_interp.h"

#define U 0x1p-24
#define UNDERFLOW_ERROR 0x1p-149

struct rounded {
	double x, e, m;
};
struct rounding { /* where an expression is evaluated */
	struct memory *values, *errors;
	const struct binding *b;
	int nb;
};
struct bound_index { /* values of bound indices, the innermost first */
	const struct bound_index *up;
	const struct idx *idx;
	int64_t value;
};

static int64_t rounding_index(const struct rounding *r, const struct bound_index *f, const struct idx *i)
{
	for (; f; f = f->up)
		if (f->idx == i)
			return f->value;
	for (int k = 0; k < r->nb; k++)
		if (r->b[k].idx == i)
			return r->b[k].value;
	abort();
}

static int64_t rounding_affine(const struct rounding *r, const struct bound_index *f, struct affine x)
{
	int64_t v = x.c;
	for (int k = 0; k < x.n; k++)
		v += x.coef[k] * rounding_index(r, f, x.ix[k]);
	return v;
}

static bool rounding_holds(const struct rounding *r, const struct bound_index *f, const struct node *x)
{
	for (int k = 0; k < x->nguard; k++) {
		int64_t v = rounding_affine(r, f, x->guard[k].e);
		if (x->guard[k].equal ? v != 0 : v < 0)
			return false;
	}
	return true;
}

static struct rounded exactly(double x)
{
	return (struct rounded){x, 0, fabs(x)};
}

static struct rounded settled(double x, double e, double m)
{
	return (struct rounded){x, isinf(x) ? 0 : isnan(e) ? INFINITY : e, m};
}

static bool is_whole(struct rounded v)
{
	return v.e == 0 && v.m == fabs(v.x) && v.x == floor(v.x) && v.m < 1 / U;
}

static struct rounded product(struct rounded x, struct rounded y)
{
	double m = x.m * y.m, e = fabs(x.x) * y.e + fabs(y.x) * x.e + x.e * y.e;
	bool times_x = is_whole(x) && fabs(x.x) <= 1, times_y = is_whole(y) && fabs(y.x) <= 1;
	if ((times_x && x.x == 0) || (times_y && y.x == 0))
		return exactly(0);
	if (!times_x && !times_y && !(is_whole(x) && is_whole(y) && m < 1 / U))
		e += U * m + UNDERFLOW_ERROR;
	return settled(x.x * y.x, e, m);
}

/* What code of an operation adds to the error of its operands. */
static double op_error(const struct node *x, double a, double b, double value)
{
	for (size_t k = 0; k < sizeof bounds / sizeof *bounds; k++)
		if (bounds[k].op == x->op)
			return bounds[k].ulp * unit_in_last_place(value);
	if (x->op == OP_POW) /* or as many products, where the exponent is a whole number */
		return U * fabs(value) * (4 + fabs(b) + (a != 0 ? 4 * fabs(b * log(fabs(a))) : 0)) +
		       UNDERFLOW_ERROR;
	if (x->op == OP_GAMMA_QUANTILE)
		return GAMMA_QUANTILE_ERROR * fabs(value);
	if (x->op == OP_UNIT_QUANTILE)
		return UNIT_QUANTILE_ERROR;
	bool exact = x->op == OP_LT || x->op == OP_GATE || x->op == OP_MAX || x->op == OP_MIN ||
	             x->op == OP_FLOOR || x->op == OP_CEIL;
	return exact ? 0 : U * fabs(value);
}

/* The operation where its operands are off by their errors, the k-th by the k-th digit of `corner` to base 3. */
static double at_corner(const struct node *x, const struct rounded *v, int corner)
{
	double at[3] = {0};
	for (int k = 0; k < x->nkid; k++, corner /= 3)
		at[k] = v[k].x + (corner % 3 - 1) * v[k].e;
	return op_eval3(x->op, at[0], at[1], at[2]);
}

static struct rounded rounded_op(const struct node *x, const struct rounded *v)
{
	int corners = x->nkid == 1 ? 3 : x->nkid == 2 ? 9 : 27;
	double value = op_eval3(x->op, v[0].x, v[1].x, v[2].x), e = 0;
	bool exact = v[0].e == 0 && v[1].e == 0 && v[2].e == 0;
	for (int c = 0; c < corners && !exact; c++) {
		double there = at_corner(x, v, c), off = there == value ? 0 : fabs(there - value);
		e = off <= e ? e : isnan(off) ? INFINITY : off;
	}
	return settled(value, e + op_error(x, v[0].x, v[1].x, value), fabs(value));
}

static struct rounded rounded_eval(const struct rounding *r, const struct bound_index *f,
                                   const struct node *x);

struct log_sum {
	double most, exps; /* the largest; the sum of exp(x - the largest) */
};
struct rounded_fold {
	struct rounded all;            /* of a sum, a product; the largest or the least */
	struct log_sum sum, high, low; /* of the terms; of those with their errors added, and taken off */
	int64_t n;
	bool whole; /* all terms, and their sum in any order */
};

static double relative(double x, double most)
{
	return x == most ? 1 : exp(x - most);
}

static void log_sum_in(struct log_sum *s, double x, bool first)
{
	double most = first ? x : fmax(s->most, x);
	s->exps = (first ? 0 : s->exps * relative(s->most, most)) + relative(x, most);
	s->most = most;
}

static double log_sum(struct log_sum s)
{
	return s.most + log(s.exps);
}

/* The larger of two, or with sign -1 the less. */
static struct rounded extreme(struct rounded x, struct rounded y, double sign)
{
	double value = sign * fmax(sign * x.x, sign * y.x);
	double high = fmax(sign * x.x + x.e, sign * y.x + y.e),
	       low = fmax(sign * x.x - x.e, sign * y.x - y.e);
	return settled(value, fmax(high - sign * value, sign * value - low), fabs(value));
}

static void fold_in(enum reduce red, struct rounded_fold *s, struct rounded v)
{
	bool first = s->n++ == 0;
	double off = isfinite(v.x) ? v.e + U * fabs(v.x) : 0;
	switch (red) {
	case RED_SUM:
		s->all = (struct rounded){s->all.x + v.x, s->all.e + v.e, s->all.m + v.m};
		s->whole &= is_whole(v) && s->all.m < 1 / U;
		break;
	case RED_PROD:
		s->all = first ? v : product(s->all, v);
		break;
	case RED_MAX:
	case RED_MIN:
		s->all = first ? v : extreme(s->all, v, red == RED_MAX ? 1 : -1);
		break;
	case RED_LOGSUMEXP:
		log_sum_in(&s->sum, v.x, first);
		log_sum_in(&s->high, v.x + off, first);
		log_sum_in(&s->low, v.x - off, first);
		break;
	}
}

static struct rounded folded_log_sum(struct rounded_fold s)
{
	double x = log_sum(s.sum), off = fmax(log_sum(s.high) - x, x - log_sum(s.low));
	double e = fabs(s.sum.most) + 4 * (double)s.n + 2 * log(s.sum.exps) + fabs(x);
	return settled(x, off + U * e, fabs(x));
}

static struct rounded folded(enum reduce red, struct rounded_fold s)
{
	static const double none[] = {
	    [RED_PROD] = 1, [RED_MAX] = -INFINITY, [RED_MIN] = INFINITY, [RED_LOGSUMEXP] = -INFINITY};
	if (s.n == 0)
		return exactly(red == RED_SUM ? 0 : none[red]);
	if (red == RED_LOGSUMEXP)
		return folded_log_sum(s);
	double rounding = red == RED_SUM && !s.whole ? (double)s.n * U * s.all.m : 0;
	return settled(s.all.x, s.all.e + rounding, red == RED_SUM ? s.all.m : fabs(s.all.x));
}

static void rounded_reduce(const struct rounding *r, const struct bound_index *f, const struct node *x,
                           int k, struct rounded_fold *s)
{
	if (k == x->nbound) {
		if (rounding_holds(r, f, x))
			fold_in(x->red, s, rounded_eval(r, f, x->kid[0]));
		return;
	}
	const struct idx *i = x->bound[k];
	int64_t n = i->pop >= 0 ? r->values->pop_rows[i->pop] : i->size;
	for (int64_t v = 0; v < n; v++) {
		struct bound_index in = {f, i, v};
		rounded_reduce(r, &in, x, k + 1, s);
	}
}

static struct rounded rounded_access(const struct rounding *r, const struct bound_index *f,
                                     const struct node *x)
{
	int64_t at[MAX_RANK], row = x->batch ? rounding_index(r, f, x->batch) : 0;
	for (int k = 0; k < x->sym->rank; k++)
		at[k] = rounding_affine(r, f, x->map[k]);
	double v = interp_load(r->values, x->sym, row, at);
	return (struct rounded){v, interp_load(r->errors, x->sym, row, at), fabs(v)};
}

static struct rounded rounded_eval(const struct rounding *r, const struct bound_index *f,
                                   const struct node *x)
{
	struct rounded v[3] = {{0}};
	struct rounded_fold s = {.whole = true};
	switch (x->kind) {
	case N_CONST:
		return (struct rounded){x->num, fabs(x->num - (double)(float)x->num), fabs(x->num)};
	case N_INDEX:
		return exactly((double)rounding_affine(r, f, x->index));
	case N_ACCESS:
		return rounded_access(r, f, x);
	case N_MASK:
		return rounding_holds(r, f, x) ? rounded_eval(r, f, x->kid[0]) : exactly(0);
	case N_REDUCE:
		rounded_reduce(r, f, x, 0, &s);
		return folded(x->red, s);
	case N_OP:
		break;
	}
	if (op_flags(x->op) & OPF_DRAW)
		return exactly(interp_draw(r->errors, x));
	if (x->op == OP_ADD || x->op == OP_MUL) {
		enum reduce red = x->op == OP_ADD ? RED_SUM : RED_PROD;
		for (int k = 0; k < x->nkid; k++)
			fold_in(red, &s, rounded_eval(r, f, x->kid[k]));
		return folded(red, s);
	}
	for (int k = 0; k < x->nkid; k++)
		v[k] = rounded_eval(r, f, x->kid[k]);
	return rounded_op(x, v);
}

/* The error of an element of a statement; a memory of errors has those of its `of`. */
static double error_eval(struct memory *errors, const struct node *rhs, const struct binding *b, int nb)
{
	struct rounding r = {errors->of, errors, b, nb};
	return rounded_eval(&r, NULL, rhs).e;
}

/* A statement in both: what is stored step by step is read from the steps before, all else as it was before. */
static void run_rounded(struct memory *values, struct memory *errors, const struct stmt *s)
{
	if (s->sequential)
		run_stmt(values, s);
	run_stmt(errors, s);
	if (!s->sequential)
		run_stmt(values, s);
	int64_t n = items_of(s->dst) * (s->batch ? values->pop_rows[s->batch->pop] : 1);
	for (int64_t i = 0; i < n && s->accumulate; i++)
		values_at(errors, s->dst)[i] += U * fabs(values_at(values, s->dst)[i]);
}

#endif
