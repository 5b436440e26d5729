/* What the files of expr share. */
#ifndef DGM_EXPR_INTERNAL_H
#define DGM_EXPR_INTERNAL_H

#include "expr/expr.h"

typedef VEC(struct node *) node_vec;

/* index.c */
uint64_t hash_mix(uint64_t h, uint64_t x);
uint64_t affine_hash(struct affine x);
/* Smallest and largest value; false when a batch index is in it. */
bool affine_range(struct affine x, int64_t *lo, int64_t *hi);
struct affine affine_subst(struct arena *a, struct affine x, const struct idx *i, struct affine at);
/* 1 holds for all values of its indices, 0 for none, -1: depends. */
int guard_known(const struct guard *g);
bool guard_same(const struct guard *x, const struct guard *y);

/* build.c */
struct node *node_new(struct arena *a, enum node_kind k);
struct node *ex_add_n(struct arena *a, struct node *const *t, int n);
struct node *ex_mul_n(struct arena *a, struct node *const *f, int n);
/* x as c * rest: the leading constant and the remaining factors (NULL: none). */
double split_coef(struct arena *a, struct node *x, struct node **rest);

/* A reduction with indices of its own, so that nothing outside can be captured. */
void reduce_freshen(struct arena *a, const struct node *x, const struct idx **bound, struct guard *guard,
                    struct node **body);
/* Rebuilds an operator, reduction or mask with other operands. */
struct node *rebuild(struct arena *a, const struct node *x, struct node *const *kid);

/* special.c: values of op.def */
double op_lgamma(double x);
double op_digamma(double x);
double op_trigamma(double x);
double op_poisson(double u, double rate);
double op_binomial(double u, double p, double n);
double op_gamma_quantile(double u, double shape);
double op_unit_logz(double f);
double op_unit_mean(double f);
double op_unit_var(double f);
double op_unit_quantile(double u, double f);

#endif
