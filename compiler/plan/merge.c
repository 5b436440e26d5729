/* merge: sums that share a factor become one,
 *     a*sum(B) f*x + b*sum(B) f*y  =  sum(B) f*(a*x + b*y),
 * B the indices that f has; indices of x or y alone are summed over inside.  A matrix product, or
 * an expensive f, is then computed once for all of them.  Beside a plain f, factors that are all
 * bits stay apart: products of bits are cheaper than one of their difference.
 *
 * requires, ensures: a right side in normal form, the same function. */
#include "plan/work.h"

enum { MAX_MERGE = 16 };

struct sum_of { /* scale * rest * sum(bound) of the product of f[0..n) */
	double scale;
	struct node *rest; /* NULL: 1 */
	const struct idx *bound[MAX_BOUND];
	int nbound;
	struct node *f[MAX_MERGE];
	int n;
};

static bool add_factors(struct sum_of *s, struct node *x)
{
	if (x->kind == N_OP && x->op == OP_MUL) {
		for (int i = 0; i < x->nkid; i++)
			if (!add_factors(s, x->kid[i]))
				return false;
		return true;
	}
	if (x->kind == N_CONST) {
		s->scale *= x->num;
		return true;
	}
	if (s->n == MAX_MERGE)
		return false;
	s->f[s->n++] = x;
	return true;
}

static bool plain_sum(const struct node *x)
{
	return x->kind == N_REDUCE && x->red == RED_SUM && !x->nguard;
}

static bool read_sum(struct work *w, struct node *x, struct sum_of *s)
{
	struct sum_of around = {.scale = 1};
	struct node *core = NULL;
	if (ex_has_draw(x) || !add_factors(&around, x))
		return false;
	*s = (struct sum_of){.scale = around.scale};
	for (int i = 0; i < around.n; i++) {
		if (plain_sum(around.f[i]) && !core)
			core = around.f[i];
		else
			s->rest = s->rest ? ex_mul(w->a, s->rest, around.f[i]) : around.f[i];
	}
	if (!core)
		return false;
	do {
		for (int i = 0; i < core->nbound; i++) {
			if (s->nbound == MAX_BOUND)
				return false;
			s->bound[s->nbound++] = core->bound[i];
		}
		core = core->kid[0];
	} while (plain_sum(core));
	return add_factors(s, core);
}

static void rename_bound(struct work *w, struct sum_of *s, int j, const struct idx *to)
{
	const struct idx *from = s->bound[j];
	for (int k = 0; k < s->n; k++)
		s->f[k] = to->pop >= 0 ? ex_rename_batch(w->a, s->f[k], from, to)
		                       : ex_subst_idx(w->a, s->f[k], from, affine_idx(w->a, to));
	s->bound[j] = to;
}

/* Gives y's bound indices the names of x's, as far as they have the same range; the others names of
 * their own, as a name of x's may be that of another one of y's. */
static void rename_bounds(struct work *w, const struct sum_of *x, struct sum_of *y)
{
	bool taken[MAX_BOUND] = {false};
	for (int j = 0; j < y->nbound; j++) {
		struct idx *own = idx_new(w->a, y->bound[j]->name, y->bound[j]->size);
		own->pop = y->bound[j]->pop;
		rename_bound(w, y, j, own);
	}
	for (int j = 0; j < y->nbound; j++)
		for (int i = 0; i < x->nbound; i++) {
			const struct idx *to = x->bound[i], *from = y->bound[j];
			if (taken[i] || to->pop != from->pop || to->size != from->size)
				continue;
			rename_bound(w, y, j, to);
			taken[i] = true;
			break;
		}
}

/* Takes the factors that both have out of them. */
static struct node *common(struct work *w, struct sum_of *x, struct sum_of *y)
{
	struct node *f = NULL;
	for (int i = 0; i < x->n; i++)
		for (int j = 0; j < y->n; j++) {
			if (x->f[i]->hash != y->f[j]->hash || !ex_same(x->f[i], y->f[j]))
				continue;
			f = f ? ex_mul(w->a, f, x->f[i]) : x->f[i];
			x->f[i--] = x->f[--x->n];
			y->f[j] = y->f[--y->n];
			break;
		}
	return f;
}

static bool bound_in(const struct sum_of *s, const struct node *f)
{
	int n = 0;
	for (int i = 0; i < s->nbound; i++)
		n += ex_uses_idx(f, s->bound[i]);
	return n > 0;
}

static bool all_bits(const struct sum_of *s)
{
	for (int i = 0; i < s->n; i++)
		if (s->f[i]->kind != N_ACCESS || s->f[i]->sym->values != VALUES_BINARY)
			return false;
	return true;
}

/* What is left of s beside f, summed over the indices that f has not. */
static struct node *left(struct work *w, const struct sum_of *s, const struct node *f)
{
	struct node *x = ex_num(w->a, s->scale);
	const struct idx *inner[MAX_BOUND];
	int n = 0;
	for (int i = 0; i < s->n; i++)
		x = ex_mul(w->a, x, s->f[i]);
	for (int i = 0; i < s->nbound; i++)
		if (!ex_uses_idx(f, s->bound[i]))
			inner[n++] = s->bound[i];
	return n ? ex_reduce(w->a, RED_SUM, inner, n, NULL, 0, x) : x;
}

static struct node *merge_two(struct work *w, struct node *p, struct node *q)
{
	struct sum_of x, y;
	if (!read_sum(w, p, &x) || !read_sum(w, q, &y) || !x.rest != !y.rest ||
	    (x.rest && !ex_same(x.rest, y.rest)))
		return NULL;
	rename_bounds(w, &x, &y);
	struct node *f = common(w, &x, &y);
	if (!f || !bound_in(&x, f) || (!plan_heavy(f) && (all_bits(&x) || all_bits(&y))))
		return NULL;
	const struct idx *outer[MAX_BOUND];
	int n = 0;
	for (int i = 0; i < x.nbound; i++)
		if (ex_uses_idx(f, x.bound[i]))
			outer[n++] = x.bound[i];
	struct node *sum = plan_merge(w, ex_add(w->a, left(w, &x, f), left(w, &y, f)));
	sum = ex_reduce(w->a, RED_SUM, outer, n, NULL, 0, ex_mul(w->a, f, sum));
	return x.rest ? ex_mul(w->a, x.rest, sum) : sum;
}

/* factor * (a + b + ...) as a sum of products, when the sums in it may go different ways. */
static struct node *multiply_out(struct work *w, struct node *x)
{
	struct sum_of s = {.scale = 1};
	struct node *sum = NULL, *factor;
	if (x->kind != N_OP || x->op != OP_MUL || !add_factors(&s, x))
		return x;
	factor = ex_num(w->a, s.scale);
	for (int i = 0; i < s.n; i++) {
		if (s.f[i]->kind == N_OP && s.f[i]->op == OP_ADD && !sum)
			sum = s.f[i];
		else if (plan_free(s.f[i]).n || ex_has_draw(s.f[i]) || s.f[i]->kind != N_ACCESS)
			return x;
		else
			factor = ex_mul(w->a, factor, s.f[i]);
	}
	if (!sum)
		return x;
	struct node *out = NULL;
	for (int i = 0; i < sum->nkid; i++) {
		struct node *term = ex_mul(w->a, factor, sum->kid[i]);
		out = out ? ex_add(w->a, out, term) : term;
	}
	return out;
}

struct node *plan_merge(struct work *w, struct node *rhs)
{
	struct node **term, *x = multiply_out(w, rhs);
	int n = ex_terms(x, &term);
	struct node **part = arena_copy(w->a, term, (size_t)n * sizeof *part);
	bool changed = x != rhs;
	for (int i = 0; i < n; i++)
		for (int j = i + 1; j < n; j++) {
			struct node *both = merge_two(w, part[i], part[j]);
			if (!both)
				continue;
			part[i] = both;
			part[j] = part[--n];
			j = i;
			changed = true;
		}
	if (!changed)
		return rhs;
	for (int i = 1; i < n; i++)
		part[0] = ex_add(w->a, part[0], part[i]);
	return part[0];
}
