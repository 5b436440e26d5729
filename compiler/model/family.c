/* The families: what a two-valued unit's field f = log p(hi)/p(lo) means.
 *   binary {0, 1}:  mean sigmoid(f),        log-partition log(1 + e^f)
 *   spin {-1, +1}:  mean tanh(f/2),         log-partition, relative to 0, log(e^(f/2) + e^(-f/2)),
 *                                           relative to lo, log(1 + e^f) */
#include "model/family.h"

#include <string.h>

static struct node *binary_mean(struct arena *a, struct node *f)
{
	return ex_op1(a, OP_SIGMOID, f);
}

static struct node *binary_draw(struct arena *a, struct node *f, struct node *u)
{
	return ex_op2(a, OP_LT, u, ex_op1(a, OP_SIGMOID, f));
}

static struct node *binary_partition(struct arena *a, struct node *f, bool affine)
{
	(void)affine;
	return ex_op1(a, OP_SOFTPLUS, f);
}

static struct node *binary_field(struct arena *a, struct node *m)
{
	return ex_op1(a, OP_LOGIT, m);
}

static struct node *spin_mean(struct arena *a, struct node *f)
{
	return ex_op1(a, OP_TANH, ex_scale(a, 0.5, f));
}

static struct node *spin_draw(struct arena *a, struct node *f, struct node *u)
{
	return ex_add(a, ex_scale(a, 2, binary_draw(a, f, u)), ex_num(a, -1));
}

static struct node *spin_partition(struct arena *a, struct node *f, bool affine)
{
	struct node *p = ex_op1(a, OP_SOFTPLUS, f);
	return affine ? ex_sub(a, p, ex_scale(a, 0.5, f)) : p;
}

static struct node *spin_field(struct arena *a, struct node *m)
{
	return ex_op1(a, OP_LOGIT, ex_scale(a, 0.5, ex_add(a, m, ex_num(a, 1))));
}

static const struct family families[] = {
    {"binary", 0, 1, binary_mean, binary_draw, binary_partition, binary_field},
    {"spin", -1, 1, spin_mean, spin_draw, spin_partition, spin_field},
};

const struct family *family_find(const char *domain)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		if (strcmp(families[i].domain, domain) == 0)
			return &families[i];
	return NULL;
}

const char *family_names(struct arena *a)
{
	struct buf b;
	buf_init(&b, a);
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		buf_printf(&b, "%s%s", i ? " and " : "", families[i].domain);
	return b.s;
}
