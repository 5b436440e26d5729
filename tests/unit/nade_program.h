/* A neural autoregressive distribution estimator (Larochelle, Murray 2011) as a program:
 *     a[n,d,j] = c[j] + sum(i < d) W[j,i]*x[n,i],  z[n,d] = b[d] + sum(j) V[d,j]*sigmoid(a[n,d,j])
 * L[n] = sum(d) softplus(z[n,d]) - x[n,d]*z[n,d], and its gradients in reverse mode. */
#ifndef NADE_PROGRAM_H
#define NADE_PROGRAM_H
#include "plan_case.h"

static struct node *running(const struct idx *i, const struct idx *d, bool down, bool own,
                            struct node *x)
{
	struct affine e = affine_add(cx.prog, affine_idx(cx.prog, down ? i : d),
	                             affine_idx(cx.prog, down ? d : i), -1);
	struct guard g = {false, affine_add(cx.prog, e, affine_const(own ? 0 : 1), -1)};
	return ex_reduce(cx.prog, RED_SUM, &i, 1, &g, 1, x);
}

static struct node *one_less(struct node *x)
{
	return ex_sub(cx.prog, ex_num(cx.prog, 1), x);
}

/* A neural autoregressive distribution: loss and gradients as written, with or without temporaries
 * for the hidden units, in both orders of the steps. */
static void nade_program(int64_t D, int64_t H, bool binary, bool temps, bool down, bool own)
{
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(H, D));
	const struct sym *V = tensor("V", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(D, H));
	const struct sym *b = tensor("b", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(D));
	const struct sym *c = tensor("c", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(H));
	const struct sym *gW = tensor("gW", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(H, D));
	const struct sym *gV = tensor("gV", SPACE_GRAD, -1, VALUES_REAL, V, DIMS(D, H));
	const struct sym *gb = tensor("gb", SPACE_GRAD, -1, VALUES_REAL, b, DIMS(D));
	const struct sym *gc = tensor("gc", SPACE_GRAD, -1, VALUES_REAL, c, DIMS(H));
	const struct sym *x = tensor("x", SPACE_STATE, data, binary ? VALUES_BINARY : VALUES_REAL, NULL,
	                             DIMS(D));
	const struct sym *L = tensor("L", SPACE_STATE, data, VALUES_REAL, NULL, DIMS());
	const struct sym *a = tensor("a", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D, H));
	const struct sym *g = tensor("g", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D, H));
	const struct sym *z = tensor("z", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D));
	const struct sym *dz = tensor("dz", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D));
	const struct sym *dg = tensor("dg", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D, H));
	const struct sym *da = tensor("da", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(D, H));
	const struct idx *n = batch("n", data), *d = ix("d", D), *i = ix("i", D), *j = ix("j", H);
	fun = program_function(prog, "f");
	struct node *A = add(AT(c, NULL, j), running(i, d, down, own, mul(AT(W, NULL, j, i), AT(x, n, i))));
	struct node *G = sigmoid(temps ? AT(a, n, d, j) : A), *g_at = temps ? AT(g, n, d, j) : G;
	struct node *DG = mul(AT(dz, n, d), AT(V, NULL, d, j));
	struct node *DA = mul(temps ? AT(dg, n, d, j) : DG, mul(g_at, one_less(g_at)));
	struct node *da_at = temps ? AT(da, n, d, j) : DA;
	if (temps) {
		ASSIGN(a, n, false, A, d, j);
		ASSIGN(g, n, false, G, d, j);
	}
	ASSIGN(z, n, false, add(AT(b, NULL, d), SUM(mul(AT(V, NULL, d, j), g_at), j)), d);
	struct node *softplus = ex_op1(cx.prog, OP_SOFTPLUS, AT(z, n, d));
	ASSIGN(L, n, false, SUM(ex_sub(cx.prog, softplus, mul(AT(x, n, d), AT(z, n, d))), d), );
	ASSIGN(dz, n, false, ex_sub(cx.prog, sigmoid(AT(z, n, d)), AT(x, n, d)), d);
	ASSIGN(gb, NULL, false, ex_scale(cx.prog, 0.2, SUM(AT(dz, n, d), n)), d);
	ASSIGN(gV, NULL, false, ex_scale(cx.prog, 0.2, SUM(mul(AT(dz, n, d), g_at), n)), d, j);
	if (temps) {
		ASSIGN(dg, n, false, DG, d, j);
		ASSIGN(da, n, false, DA, d, j);
	}
	ASSIGN(gc, NULL, true, ex_scale(cx.prog, 0.2, SUM(da_at, n, d)), j);
	struct affine e = affine_add(cx.prog, affine_idx(cx.prog, down ? i : d),
	                             affine_idx(cx.prog, down ? d : i), -1);
	struct guard later = {false, affine_add(cx.prog, e, affine_const(own ? 0 : 1), -1)};
	struct node *dW = ex_reduce(cx.prog, RED_SUM, (const struct idx *[]){n, d}, 2, &later, 1,
	                            mul(da_at, AT(x, n, i)));
	ASSIGN(gW, NULL, false, ex_scale(cx.prog, 0.2, dW), j, i);
}

#endif
