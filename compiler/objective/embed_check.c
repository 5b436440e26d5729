/* What the inputs of an embedded function hold together: one 1, or at most one, in each block of a
 * group, counts with a given sum.  With s the sum of a block's values and u the number of its
 * unknown ones, whose value stands as 0, it is wrong
 *
 *     one 1           s > 1, or s = 0 and u = 0
 *     at most one 1   s > 1
 *     total n         s != n where u = 0, else where less than all is unknown
 *
 * A known 1 makes its whole block known. */
#include "objective/making.h"

struct part { /* blocks of an input, all over b.block */
	struct blocks b;
	struct node *sum, *unknown;
};

static struct node *above(struct arena *a, struct node *x, double least)
{
	return ex_op2(a, OP_LT, ex_num(a, least), x);
}

static struct node *block_sum_of(struct arena *a, const struct blocks *b, struct node *x)
{
	return ex_reduce(a, RED_SUM, b->in, b->m, NULL, 0, x);
}

static struct node *wrong_block(struct arena *a, const struct group *g, const struct part *p,
                                struct node *total)
{
	struct node *some = above(a, p->unknown, 0.5), *none = ex_sub(a, ex_num(a, 1), some);
	if (!total && g->family->empty)
		return above(a, p->sum, 1.5);
	if (!total)
		return ex_add(a, above(a, p->sum, 1.5),
		              ex_mul(a, none, ex_op2(a, OP_LT, p->sum, ex_num(a, 0.5))));
	struct node *off = ex_op1(a, OP_ABS, ex_sub(a, p->sum, total));
	struct node *few = ex_op2(a, OP_LT, p->unknown, ex_num(a, block_units(g) - 0.5));
	return ex_add(a, ex_mul(a, none, above(a, off, 0.5)), ex_mul(a, some, few));
}

/* A temporary over the blocks. */
static struct node *kept(struct making *k, struct function *f, const struct group *g,
                         const char *suffix, const struct blocks *b, struct node *rhs)
{
	struct expansion *x = k->x;
	struct arena *a = x->cx->prog;
	int64_t dim[MAX_RANK];
	for (int i = 0; i < b->n; i++)
		dim[i] = b->block[i]->size;
	const struct sym *s = sym_new(a, arena_printf(a, "%s.%s", g->name, suffix), SYM_TEMP,
	                              VALUES_REAL, true, b->n, dim, g->sym->span);
	program_tensor(x->p, s, SPACE_TEMP, POP_DATA, NULL);
	assign(x, f, s, x->m->batch, b->block, rhs);
	return ex_at(a, s, x->m->batch, b->block);
}

/* known := 1 in blocks with a known 1 */
static void know_all(struct making *k, struct function *f, const struct embed_arg *arg,
                     const struct conditional *c, struct node *sum)
{
	struct arena *a = k->x->cx->prog;
	struct node *one = model_at_element(a, c, above(a, sum, 0.5));
	struct node *known = ex_at(a, arg->known, k->x->m->batch, c->at);
	assign(k->x, f, arg->known, k->x->m->batch, c->at, ex_op2(a, OP_MAX, known, one));
}

/* How many blocks of the argument are wrong. */
static struct node *wrong_blocks(struct making *k, struct function *f, const struct embed_arg *arg)
{
	struct arena *a = k->x->cx->prog;
	const struct idx *n = k->x->m->batch;
	const struct group *g = arg->group;
	struct conditional c = {.group = g};
	struct node *total = NULL;
	fresh_axes(a, g->sym, c.at);
	c.b = model_places(a, g, c.at);
	struct part p = {.b = c.b, .unknown = ex_num(a, 0)};
	p.sum = kept(k, f, g, "ones", &c.b, block_sum_of(a, &c.b, ex_access(a, arg->sym, n, c.b.k)));
	if (arg->known) {
		struct node *known = ex_access(a, arg->known, n, c.b.k);
		p.unknown = block_sum_of(a, &c.b, ex_sub(a, ex_num(a, 1), known));
		p.unknown = kept(k, f, g, "unknown", &c.b, p.unknown);
	}
	for (int i = 0; i < k->e->arg.n; i++)
		if (g->total && k->e->arg.at[i].group && k->e->arg.at[i].group->sym == g->total)
			total = ex_at(a, k->e->arg.at[i].sym, n, c.b.block);
	if (arg->known && !g->total)
		know_all(k, f, arg, &c, p.sum);
	return ex_reduce(a, RED_SUM, c.b.block, c.b.n, NULL, 0, wrong_block(a, g, &p, total));
}

static bool has_blocks(const struct embed_arg *arg)
{
	const struct group *g = arg->way == EMBED_OUT ? NULL : arg->group;
	return g && (g->total || g->family->shape == SHAPE_ONEHOT);
}

void embed_check(struct making *k)
{
	struct expansion *x = k->x;
	struct arena *a = x->cx->prog;
	struct function *f = NULL;
	struct node *wrong = ex_num(a, 0);
	for (int i = 0; i < k->e->arg.n; i++) {
		if (!has_blocks(&k->e->arg.at[i]))
			continue;
		if (!f)
			f = program_function(x->p, EMBED_BLOCKS);
		wrong = ex_add(a, wrong, wrong_blocks(k, f, &k->e->arg.at[i]));
	}
	if (!f)
		return;
	k->e->wrong = out_sym(x, "wrong", POP_DATA);
	assign(x, f, k->e->wrong, x->m->batch, NULL, wrong);
}
