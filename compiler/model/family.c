/* The families, one row a domain and constraint: what the field f of a unit (a Gaussian's with its
 * precision p, a Gamma unit's with the factor g of log x) means.
 *
 *   binary {0, 1}         mean sigmoid(f)             log-partition log(1 + e^f)
 *   spin {-1, +1}         tanh(f/2)                   log(e^(f/2) + e^(-f/2)) from 0, log(1 + e^f)
 * from -1 one of a block is 1   softmax(f)                  log sum_a e^f[a] at most one softmax of
 * f and a 0        log(1 + sum_a e^f[a]) real                  f/p                         f^2/(2p)
 * + log(2 pi/p)/2 positive              (1 + g)/(-f)                lgamma(1 + g) - (1 + g) log(-f)
 *   unit, on [0, 1]       1/(1 - e^-f) - 1/f          log((e^f - 1)/f)
 *   count, base 1/n!      e^f                         e^f                               (Poisson)
 *   with the total n      n softmax(f)                n log sum_a e^f[a] - log n! (multinomial) */
#include "model/family.h"

#include <math.h>
#include <string.h>

static struct node *num(struct arena *a, double x)
{
	return ex_num(a, x);
}

static struct node *power(struct arena *a, struct node *x, double e)
{
	return ex_op2(a, OP_POW, x, num(a, e));
}

/* ---- two values ---- */
static struct node *binary_mean(struct arena *a, const struct conditional *c)
{
	return ex_op1(a, OP_SIGMOID, c->field);
}

static struct node *binary_partition(struct arena *a, const struct conditional *c, double base)
{
	(void)base;
	return ex_op1(a, OP_SOFTPLUS, c->field);
}

static struct node *binary_draw(struct arena *a, const struct conditional *c, struct node *u,
                                struct node *z)
{
	(void)z;
	return ex_op2(a, OP_LT, u, ex_op1(a, OP_SIGMOID, c->field));
}

static struct node *binary_natural(struct arena *a, struct node *m, struct node *v, struct node **p)
{
	(void)v;
	(void)p;
	return ex_op1(a, OP_LOGIT, m);
}

static struct node *spin_mean(struct arena *a, const struct conditional *c)
{
	return ex_op1(a, OP_TANH, ex_scale(a, 0.5, c->field));
}

static struct node *spin_partition(struct arena *a, const struct conditional *c, double base)
{
	struct node *p = ex_op1(a, OP_SOFTPLUS, c->field);
	return base == 0 ? ex_sub(a, p, ex_scale(a, 0.5, c->field)) : p;
}

static struct node *spin_draw(struct arena *a, const struct conditional *c, struct node *u,
                              struct node *z)
{
	return ex_add(a, ex_scale(a, 2, binary_draw(a, c, u, z)), num(a, -1));
}

static struct node *spin_natural(struct arena *a, struct node *m, struct node *v, struct node **p)
{
	struct node *up = ex_scale(a, 0.5, ex_add(a, m, num(a, 1)));
	return ex_scale(a, 0.5, binary_natural(a, up, v, p));
}

/* ---- blocks: one of the units is 1, or at most one ---- */
/* log sum over the block's units of e^f */
static struct node *block_sum(struct arena *a, const struct conditional *c)
{
	return ex_reduce(a, RED_LOGSUMEXP, c->b.in, c->b.m, NULL, 0, c->inner);
}

static struct node *onehot_partition(struct arena *a, const struct conditional *c, double base)
{
	(void)base;
	struct node *s = block_sum(a, c);
	return c->group->family->empty ? ex_op1(a, OP_SOFTPLUS, s) : s;
}

static struct node *onehot_mean(struct arena *a, const struct conditional *c)
{
	return ex_op1(a, OP_EXP, ex_sub(a, c->inner, onehot_partition(a, c, 0)));
}

static struct node *log_natural(struct arena *a, struct node *m, struct node *v, struct node **p)
{
	(void)v;
	(void)p;
	return ex_op1(a, OP_LOG, m);
}

/* ---- Gaussian ---- */
static struct node *gauss_mean(struct arena *a, const struct conditional *c)
{
	return ex_mul(a, c->field, power(a, c->precision, -1));
}

static struct node *gauss_partition(struct arena *a, const struct conditional *c, double base)
{
	(void)base;
	struct node *square = ex_mul(a, power(a, c->field, 2), power(a, c->precision, -1));
	struct node *log_p = ex_op1(a, OP_LOG, c->precision);
	return ex_add(a, ex_scale(a, 0.5, ex_sub(a, square, log_p)), num(a, 0.5 * log(2 * M_PI)));
}

static struct node *gauss_draw(struct arena *a, const struct conditional *c, struct node *u,
                               struct node *z)
{
	(void)u;
	return ex_add(a, gauss_mean(a, c), ex_mul(a, z, power(a, c->precision, -0.5)));
}

static struct node *gauss_natural(struct arena *a, struct node *m, struct node *v, struct node **p)
{
	*p = power(a, v, -1);
	return ex_mul(a, m, *p);
}

/* ---- Poisson ---- */
static struct node *count_mean(struct arena *a, const struct conditional *c)
{
	return ex_op1(a, OP_EXP, c->field);
}

static struct node *count_partition(struct arena *a, const struct conditional *c, double base)
{
	(void)base;
	return count_mean(a, c);
}

static struct node *count_draw(struct arena *a, const struct conditional *c, struct node *u,
                               struct node *z)
{
	(void)z;
	return ex_op2(a, OP_POISSON, u, count_mean(a, c));
}

static struct node *count_base(struct arena *a, struct node *x)
{
	return ex_op1(a, OP_LGAMMA, ex_add(a, x, num(a, 1)));
}

/* ---- counts with a total ---- */
static struct node *total_mean(struct arena *a, const struct conditional *c)
{
	return ex_mul(a, c->total, ex_op1(a, OP_EXP, ex_sub(a, c->inner, block_sum(a, c))));
}

static struct node *total_partition(struct arena *a, const struct conditional *c, double base)
{
	(void)base;
	return ex_sub(a, ex_mul(a, c->total, block_sum(a, c)), count_base(a, c->total));
}

/* ---- Gamma: density proportional to x^g e^(f x) ---- */
static struct node *gamma_shape(struct arena *a, const struct conditional *c)
{
	return ex_add(a, c->precision, num(a, 1));
}

/* 1/rate; of a rate below 0 it is not a number, which ends a training with an error. */
static struct node *gamma_scale(struct arena *a, const struct conditional *c)
{
	return ex_op1(a, OP_EXP, ex_neg(a, ex_op1(a, OP_LOG, ex_neg(a, c->field))));
}

static struct node *gamma_mean(struct arena *a, const struct conditional *c)
{
	return ex_mul(a, gamma_shape(a, c), gamma_scale(a, c));
}

static struct node *gamma_partition(struct arena *a, const struct conditional *c, double base)
{
	(void)base;
	struct node *s = gamma_shape(a, c), *log_rate = ex_op1(a, OP_LOG, ex_neg(a, c->field));
	return ex_sub(a, ex_op1(a, OP_LGAMMA, s), ex_mul(a, s, log_rate));
}

static struct node *gamma_draw(struct arena *a, const struct conditional *c, struct node *u,
                               struct node *z)
{
	(void)z;
	return ex_mul(a, ex_op2(a, OP_GAMMA_QUANTILE, u, gamma_shape(a, c)), gamma_scale(a, c));
}

static struct node *gamma_natural(struct arena *a, struct node *m, struct node *v, struct node **p)
{
	(void)v;
	(void)p;
	return ex_neg(a, power(a, m, -1));
}

/* ---- on [0, 1] ---- */
static struct node *unit_mean(struct arena *a, const struct conditional *c)
{
	return ex_op1(a, OP_UNIT_MEAN, c->field);
}

static struct node *unit_partition(struct arena *a, const struct conditional *c, double base)
{
	(void)base;
	return ex_op1(a, OP_UNIT_LOGZ, c->field);
}

static struct node *unit_draw(struct arena *a, const struct conditional *c, struct node *u,
                              struct node *z)
{
	(void)z;
	return ex_op2(a, OP_UNIT_QUANTILE, u, c->field);
}

/* Near the field whose mean is m, which has no closed form: bases and starts need no more. */
static struct node *unit_natural(struct arena *a, struct node *m, struct node *v, struct node **p)
{
	return ex_scale(a, 3, binary_natural(a, m, v, p));
}

static const struct family families[] = {
    {"binary", NULL, SHAPE_TWO, false, 0, 1, 0.5, binary_mean, binary_partition, binary_draw, NULL,
     binary_natural, false},
    {"spin", NULL, SHAPE_TWO, false, -1, 1, 0, spin_mean, spin_partition, spin_draw, NULL,
     spin_natural, false},
    {"categorical", NULL, SHAPE_ONEHOT, false, 0, 1, 1, onehot_mean, onehot_partition, NULL, NULL,
     log_natural, false},
    {"binary", "atmostone", SHAPE_ONEHOT, true, 0, 1, 0.5, onehot_mean, onehot_partition, NULL,
     NULL, binary_natural, false},
    {"real", NULL, SHAPE_GAUSS, false, -INFINITY, INFINITY, 0, gauss_mean, gauss_partition,
     gauss_draw, NULL, gauss_natural, true},
    {"positive", NULL, SHAPE_GAMMA, false, 0, INFINITY, 1, gamma_mean, gamma_partition, gamma_draw,
     NULL, gamma_natural, true},
    {"unit", NULL, SHAPE_EXPONENTIAL, false, 0, 1, 0.5, unit_mean, unit_partition, unit_draw, NULL,
     unit_natural, true},
    {"count", NULL, SHAPE_EXPONENTIAL, false, 0, INFINITY, 1, count_mean, count_partition,
     count_draw, count_base, log_natural, false},
    {"count", "total", SHAPE_TOTAL, false, 0, INFINITY, 1, total_mean, total_partition, NULL,
     count_base, log_natural, false},
};

static bool same_text(const char *x, const char *y)
{
	return x == y || (x && y && strcmp(x, y) == 0);
}

const struct family *family_find(const char *domain, const char *rule)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		if (strcmp(families[i].domain, domain) == 0 && same_text(families[i].rule, rule))
			return &families[i];
	BUG("domain %s has no family", domain);
}
