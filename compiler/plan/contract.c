/* contract: statements to kernels; inside every right side the sums that are matrix products become
 * MATMULs.
 *
 *     sum(K | guards) alpha * f1 * f2 * ...
 * Factors whose indices lie within another factor's join it; a guard joins a factor that has all
 * its indices, one that the sum stands under where the factor is defined there alone.  Then pairs
 * of factors are eliminated, the cheapest first: the indices that only these two have are summed
 * out by a matrix product, whose result takes their place (a sum over a third-order term is two
 * such steps).  Where the last pair shares no index of its own, three factors with a common index,
 * two of them are multiplied out first.  What is left stays a loop.
 *
 * In a sequential statement what reads dst is left where it stands.
 *
 * A statement that is a sum of products (dst = alpha A*B + beta C*D + rest) accumulates into dst
 * directly.
 *
 * requires: statements in normal form.  ensures: kernels in an order that is right, LOOPs with one
 * store each; no operand of a MATMUL is written between its computation and its use. */
#include "plan/work.h"

enum { MAX_FACTOR = 16 };

struct under { /* the guards that a node stands under */
	const struct guard *guard;
	int n;
};
struct seen { /* a node and what became of it in this statement */
	const struct node *x;
	struct under under;
	struct node *y;
};
struct contract {
	struct work *w;
	struct seq order;       /* the statement's own indices: preferred order of axes */
	const struct sym *turn; /* what a sequential statement writes, else NULL */
	VEC(struct seen) seen;
};
/* node, or alpha * the product (not computed yet), where the guard, if any, holds */
struct contracted {
	struct node *node;
	struct product *product;
	struct node *alpha;
	const struct guard *guard;
};
struct sum { /* one reduction while it is taken apart */
	struct factor f[MAX_FACTOR];
	int n;
	struct seq bound;
	struct node *alpha; /* NULL: 1 */
	bool guarded;
};

/* Does x change while the statement is executed? */
static bool in_turn(const struct contract *c, const struct node *x)
{
	return c->turn && ex_mentions(x, c->turn);
}

static bool is_scalar_access(const struct node *x, void *arg)
{
	(void)arg;
	return x->sym->kind == SYM_SCALAR;
}

/* Made of constants and call scalars? */
static bool is_alpha(const struct node *x)
{
	return plan_free(x).n == 0 && !ex_has_draw(x) && plan_each_access(x, is_scalar_access, NULL);
}

static struct node *times(struct arena *a, struct node *alpha, struct node *x)
{
	return alpha ? ex_mul(a, alpha, x) : x;
}

/* The factors of a product (itself when it is none). */
static int factors_of(struct node *x, struct node ***kid, struct node **self)
{
	*self = x;
	*kid = self;
	if (x->kind != N_OP || x->op != OP_MUL)
		return 1;
	*kid = x->kid;
	return x->nkid;
}

static void drop_factor(struct sum *s, int i)
{
	for (s->n--; i < s->n; i++)
		s->f[i] = s->f[i + 1];
}

static bool subset(const struct seq *x, const struct seq *y)
{
	for (int i = 0; i < x->n; i++)
		if (!seq_has(y, x->ix[i]))
			return false;
	return true;
}

/* f as an access if its value is already stored. */
static struct factor look_up(struct contract *c, struct node *e)
{
	struct factor f = plan_factor(e);
	struct node *known = f.plain || ex_has_draw(e) || in_turn(c, e) ? NULL : plan_known(c->w, e);
	return known ? plan_factor(known) : f;
}

/* Which of two factors should take in others: what must be computed anyhow, never bits, else the
 * smaller. */
static bool better_host(const struct factor *x, const struct factor *y)
{
	if (x->plain != y->plain)
		return !x->plain;
	bool bx = x->plain && x->e->sym->values == VALUES_BINARY;
	bool by = y->plain && y->e->sym->values == VALUES_BINARY;
	return bx != by ? by : seq_size(&x->ix) < seq_size(&y->ix);
}

static int find_host(const struct sum *s, const struct seq *ix, int except)
{
	int best = -1;
	for (int j = 0; j < s->n; j++)
		if (j != except && subset(ix, &s->f[j].ix) &&
		    (best < 0 || better_host(&s->f[j], &s->f[best])))
			best = j;
	return best;
}

static void join_factors(struct contract *c, struct sum *s)
{
	for (int i = 0; i < s->n; i++) {
		int j = find_host(s, &s->f[i].ix, i);
		if (j < 0)
			continue;
		s->f[j] = look_up(c, ex_mul(c->w->a, s->f[j].e, s->f[i].e));
		drop_factor(s, i);
		i = -1;
	}
}

/* A guard on one factor no longer protects the others: all must then be defined everywhere. */
static bool place_guards(struct contract *c, struct sum *s, const struct node *x)
{
	for (int g = 0; g < x->nguard; g++) {
		struct seq ix = {.n = 0};
		for (int i = 0; i < x->guard[g].e.n; i++)
			seq_push(&ix, x->guard[g].e.ix[i]);
		int j = find_host(s, &ix, -1);
		if (j < 0)
			return false;
		s->f[j] = plan_factor(ex_mask(c->w->a, &x->guard[g], 1, s->f[j].e));
	}
	for (int i = 0; x->nguard && i < s->n; i++) {
		if (!plan_in_bounds(c->w, s->f[i].e))
			return false;
		s->f[i] = look_up(c, s->f[i].e);
	}
	return true;
}

/* Factors that are not defined everywhere become 0 where a guard does not hold that the sum stands
 * under. */
static void protect(struct contract *c, struct sum *s, const struct under *under)
{
	for (int i = 0; i < s->n; i++)
		for (int g = 0; g < under->n && !plan_in_bounds(c->w, s->f[i].e); g++) {
			bool has = true;
			for (int k = 0; k < under->guard[g].e.n; k++)
				has = has && seq_has(&s->f[i].ix, under->guard[g].e.ix[k]);
			if (has)
				s->f[i] = look_up(c, ex_mask(c->w->a, &under->guard[g], 1, s->f[i].e));
		}
}

static bool take_apart(struct contract *c, struct node *x, const struct under *under, struct sum *s)
{
	struct node **kid, *self;
	int n = factors_of(x->kid[0], &kid, &self);
	*s = (struct sum){.guarded = under->n || x->nguard > 0};
	for (int i = 0; i < x->nbound; i++)
		seq_push(&s->bound, x->bound[i]);
	for (int i = 0; i < n; i++) {
		if (is_alpha(kid[i]))
			s->alpha = times(c->w->a, s->alpha, kid[i]);
		else if (s->n == MAX_FACTOR)
			return false;
		else
			s->f[s->n++] = look_up(c, kid[i]);
	}
	join_factors(c, s);
	protect(c, s, under);
	return place_guards(c, s, x);
}

/* The bound indices that only factors i and j have. */
static struct seq shared_only(const struct sum *s, int i, int j)
{
	struct seq k = {.n = 0};
	for (int b = 0; b < s->bound.n; b++) {
		const struct idx *ix = s->bound.ix[b];
		bool other = false;
		for (int f = 0; f < s->n; f++)
			other = other || (f != i && f != j && seq_has(&s->f[f].ix, ix));
		if (!other && seq_has(&s->f[i].ix, ix) && seq_has(&s->f[j].ix, ix))
			seq_push(&k, ix);
	}
	return k;
}

static bool cheapest_pair(const struct contract *c, const struct sum *s, int *bi, int *bj,
                          struct product *best)
{
	bool found = false;
	for (int i = 0; i < s->n; i++)
		for (int j = i + 1; j < s->n; j++) {
			struct seq k = shared_only(s, i, j);
			struct product p;
			if (in_turn(c, s->f[i].e) || in_turn(c, s->f[j].e) ||
			    !plan_match(c->w, &s->f[i], &s->f[j], &k, &c->order, s->guarded, &p) ||
			    (found && p.cost >= best->cost))
				continue;
			found = true;
			*best = p;
			*bi = i;
			*bj = j;
		}
	return found;
}

/* Does x come in the order of y? */
static bool in_order(const struct seq *x, const struct seq *y)
{
	int k = 0;
	for (int i = 0; i < y->n && k < x->n; i++)
		k += x->ix[k] == y->ix[i];
	return k == x->n;
}

/* Three factors, no pair with an index of its own: multiplies two out if the result then pairs with
 * the third, the two that cost the fewest elements: of their product, and of the result where its
 * axes come in another order than the statement's. */
static bool multiply_out(struct contract *c, struct sum *s)
{
	double best = 0;
	int third = -1;
	struct factor joined = {0};
	for (int i = 0; i < s->n; i++)
		if (in_turn(c, s->f[i].e))
			return false;
	for (int t = 0; s->n == 3 && t < 3; t++) {
		int i = t == 0 ? 1 : 0, j = t == 2 ? 1 : 2;
		struct factor f = plan_factor(ex_mul(c->w->a, s->f[i].e, s->f[j].e));
		struct product p;
		if (!plan_match(c->w, &f, &s->f[t], &s->bound, &c->order, s->guarded, &p))
			continue;
		struct seq mn = plan_product_layout(&p);
		double cost = seq_size(&f.ix) + (in_order(&mn, &c->order) ? 0 : seq_size(&mn));
		if (third < 0 || cost < best) {
			best = cost;
			third = t;
			joined = f;
		}
	}
	if (third < 0)
		return false;
	s->f[0] = s->f[third];
	s->f[1] = look_up(c, joined.e);
	s->n = 2;
	return true;
}

static void drop_bound(struct sum *s, const struct seq *k)
{
	int n = 0;
	for (int b = 0; b < s->bound.n; b++)
		if (!seq_has(k, s->bound.ix[b]))
			s->bound.ix[n++] = s->bound.ix[b];
	s->bound.n = n;
}

static struct node *put_together(struct contract *c, const struct sum *s)
{
	struct arena *a = c->w->a;
	struct node *body = s->alpha;
	for (int i = 0; i < s->n; i++)
		body = times(a, body, s->f[i].e);
	return s->bound.n ? ex_reduce(a, RED_SUM, s->bound.ix, s->bound.n, NULL, 0, body) : body;
}

/* x a sum whose body is contracted. */
static struct contracted contract_sum(struct contract *c, struct node *x, const struct under *under)
{
	struct sum s;
	x = plan_shift(c->w, x);
	struct node *spread =
	    in_turn(c, x) || under->n || x->kind != N_REDUCE ? NULL : plan_spread(c->w, x);
	if (spread)
		return (struct contracted){.node = spread};
	if (x->kind != N_REDUCE || x->red != RED_SUM || ex_has_draw(x) || !take_apart(c, x, under, &s))
		return (struct contracted){.node = x};
	bool changed = false;
	for (;;) {
		struct product p;
		int i, j;
		if (!cheapest_pair(c, &s, &i, &j, &p)) {
			if (multiply_out(c, &s))
				continue;
			break;
		}
		changed = true;
		struct seq gone = p.k;
		if (p.summed)
			seq_push(&gone, p.row);
		drop_bound(&s, &gone);
		if (s.n == 2 && s.bound.n == 0) {
			struct product *last = arena_copy(c->w->a, &p, sizeof p);
			return (struct contracted){.product = last, .alpha = s.alpha};
		}
		s.f[i] = plan_factor(plan_product(c->w, &p));
		drop_factor(&s, j);
		join_factors(c, &s);
	}
	return (struct contracted){.node = changed ? put_together(c, &s) : x};
}

static struct node *finish(struct contract *c, struct contracted r)
{
	if (!r.product)
		return r.node;
	struct node *x = times(c->w->a, r.alpha, plan_product(c->w, r.product));
	return r.guard ? ex_mask(c->w->a, r.guard, 1, x) : x;
}

static struct node *contract(struct contract *c, struct node *x, const struct under *under);

static struct under inside(struct arena *a, const struct under *under, const struct node *x)
{
	struct guard *g = NEW_ARRAY(a, struct guard, under->n + x->nguard + 1);
	for (int i = 0; i < under->n + x->nguard; i++)
		g[i] = i < under->n ? under->guard[i] : x->guard[i - under->n];
	return (struct under){g, under->n + x->nguard};
}

static bool same_guards(const struct under *x, const struct under *y)
{
	bool same = x->n == y->n;
	for (int i = 0; same && i < x->n; i++)
		same = x->guard[i].equal == y->guard[i].equal && affine_same(x->guard[i].e, y->guard[i].e);
	return same;
}

static struct node *contract_kids(struct contract *c, struct node *x, const struct under *under)
{
	struct node **kid = NEW_ARRAY(c->w->a, struct node *, x->nkid + 1);
	const struct under in = inside(c->w->a, under, x);
	for (int i = 0; i < x->nkid; i++)
		kid[i] = contract(c, x->kid[i], &in);
	return plan_rebuild(c->w, x, kid);
}

static struct node *contract(struct contract *c, struct node *x, const struct under *under)
{
	if (!x->nkid)
		return x;
	for (int i = 0; i < c->seen.n; i++)
		if (c->seen.at[i].x == x && same_guards(&c->seen.at[i].under, under))
			return c->seen.at[i].y;
	struct node *y = contract_kids(c, x, under);
	if (y->kind == N_REDUCE)
		y = finish(c, contract_sum(c, y, under));
	vec_push(c->w->a, &c->seen, ((struct seen){x, *under, y}));
	return y;
}

/* A term of the right side: alpha * sum ..., or that under one guard, is taken apart here, so that
 * it may go to dst directly. */
static struct contracted contract_term(struct contract *c, struct node *x)
{
	struct arena *a = c->w->a;
	struct node **kid, *self, *alpha = NULL, *core = NULL;
	const struct under none = {.n = 0};
	int n = factors_of(x, &kid, &self);
	for (int i = 0; i < n; i++) {
		if (is_alpha(kid[i]))
			alpha = times(a, alpha, kid[i]);
		else if (core)
			return (struct contracted){.node = contract(c, x, &none)};
		else
			core = kid[i];
	}
	const struct guard *guard =
	    core && core->kind == N_MASK && core->nguard == 1 ? core->guard : NULL;
	if (guard)
		core = core->kid[0];
	if (!core || core->kind != N_REDUCE)
		return (struct contracted){.node = contract(c, x, &none)};
	const struct under under = {guard, guard != NULL};
	struct node *y = contract_kids(c, core, &under);
	struct contracted r = {.node = y};
	if (y->kind == N_REDUCE)
		r = contract_sum(c, y, &under);
	if (!r.product) {
		r.node = times(a, alpha, r.node);
		return (struct contracted){.node = guard ? ex_mask(a, guard, 1, r.node) : r.node};
	}
	r.guard = guard;
	r.alpha = r.alpha ? times(a, alpha, r.alpha) : alpha;
	return r;
}

/* Kernels for dst (+)= sum of r[0..n). */
static void assign(struct contract *c, const struct stmt *s, struct contracted *r, int n)
{
	struct work *w = c->w;
	struct cut cut = {0};
	int direct = 0;
	for (int i = 0; i < n; i++) {
		if (r[i].product && !c->turn && !plan_product_known(w, r[i].product) &&
		    plan_product_fits(r[i].product, s->dst, &c->order) &&
		    (!r[i].guard ||
		     (n == 1 && !s->accumulate && plan_product_cut(r[i].product, r[i].guard, &cut))))
			direct++;
		else
			r[i] = (struct contracted){.node = finish(c, r[i])};
	}
	bool into = direct == n || (direct > 0 && !s->batch);
	struct node *rest = NULL;
	for (int i = 0; i < n; i++) {
		if (!into)
			r[i] = (struct contracted){.node = finish(c, r[i])};
		if (r[i].node)
			rest = rest ? ex_add(w->a, rest, r[i].node) : r[i].node;
	}
	bool accumulate = s->accumulate;
	if (c->turn) {
		plan_emit_turn(w, s, &c->order, rest);
		return;
	}
	if (rest) {
		plan_emit_loop(w, s->dst, &c->order, accumulate, rest);
		if (!into && !accumulate)
			plan_learn(w, s->dst, &c->order, rest);
		accumulate = true;
	}
	for (int i = 0; i < n; i++)
		if (r[i].product) {
			plan_product_into(w, r[i].product, s->dst, r[i].alpha, accumulate, cut);
			accumulate = true;
		}
}

/* Is the statement a copy of a whole tensor? */
static bool is_copy(const struct stmt *s, const struct seq *order)
{
	struct factor f = plan_factor(s->rhs);
	if (!f.plain || s->accumulate || s->sequential || f.ix.n != order->n ||
	    s->rhs->sym->values != s->dst->values || s->rhs->sym->batched != s->dst->batched)
		return false;
	for (int i = 0; i < order->n; i++)
		if (f.ix.ix[i] != order->ix[i])
			return false;
	return true;
}

/* The same, read where copies were copied from: a product of a tensor with its copy is one with
 * itself. */
static struct node *read_originals(struct work *w, struct node *x)
{
	for (int i = 0; i < w->copy.n; i++) {
		struct subst s = {.from = w->copy.at[i].to, .to = w->copy.at[i].of};
		x = ex_subst(w->a, x, &s);
	}
	return x;
}

static void contract_stmt(struct work *w, const struct stmt *s)
{
	struct contract c = {.w = w, .turn = s->sequential ? s->dst : NULL};
	if (s->batch)
		seq_push(&c.order, s->batch);
	for (int i = 0; i < s->dst->rank; i++)
		seq_push(&c.order, s->at[i]);
	if (s->sequential && plan_steps_turn(w, s))
		return;
	struct node **term, *rhs = s->rhs;
	if (!s->sequential)
		rhs = plan_expand(w, plan_merge(w, plan_scan(w, &c.order, read_originals(w, rhs))));
	int n = ex_terms(rhs, &term);
	struct contracted *r = NEW_ARRAY(w->a, struct contracted, n + 1);
	for (int i = 0; i < n; i++)
		r[i] = contract_term(&c, term[i]);
	assign(&c, s, r, n);
	if (is_copy(s, &c.order)) {
		const struct sym *of = read_originals(w, s->rhs)->sym;
		vec_push(w->a, &w->copy, ((struct known_copy){.of = of, .to = s->dst}));
	}
}

void plan_contract(struct work *w)
{
	for (int i = 0; i < w->prog->function.n; i++) {
		const struct function f = plan_unfold(w, w->prog->function.at[i]);
		w->f = NEW(w->a, struct work_function);
		w->f->name = f.name;
		w->value.n = w->product.n = w->rows.n = w->copy.n = 0;
		vec_push(w->a, &w->function, w->f);
		for (int j = 0; j < f.nstmt; j++)
			contract_stmt(w, &f.stmt[j]);
	}
}
