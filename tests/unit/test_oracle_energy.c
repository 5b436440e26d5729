/* The energies themselves: the terms that the front end makes of a file against the formula written
 * out in C, at random states.  Agreement is to rounding, 1e-12. */
#include "oracle.h"

#include <math.h>
#include <string.h>

static struct oracle *at; /* whose values X reads, in row `row` */
static uint32_t row;

/* Element [i, j, k] of a variable or parameter; what is behind its rank is 0. */
static double element(const char *name, int i, int j, int k)
{
	const struct sym *s = NULL;
	int64_t flat = 0, ix[] = {i, j, k};
	for (int g = 0; g < at->m->group.n; g++)
		if (strcmp(at->m->group.at[g]->name, name) == 0)
			s = at->m->group.at[g]->sym;
	for (int w = 0; w < at->m->weight.n; w++)
		if (strcmp(at->m->weight.at[w]->name, name) == 0)
			s = at->m->weight.at[w]->sym;
	if (s == NULL)
		BUG("oracle: no %s in %s", name, at->m->name);
	for (int d = 0; d < s->rank; d++)
		flat = flat * s->dim[d] + ix[d];
	return memory_get(&at->mem, s)[(s->batched ? row * items_of(s) : 0) + flat];
}
#define X0(n) element(#n, 0, 0, 0)
#define X1(n, i) element(#n, i, 0, 0)
#define X2(n, i, j) element(#n, i, j, 0)
#define X3(n, i, j, k) element(#n, i, j, k)
#define FOR(i, n) for (int i = 0; i < (n); i++)

static double softplus(double x)
{
	return log1p(exp(x));
}

static double rbm_energy(int D, int H)
{
	double E = 0;
	FOR(i, D) FOR(j, H) E -= X1(v, i) * X2(W, i, j) * X1(h, j);
	FOR(i, D) E -= X1(b, i) * X1(v, i);
	FOR(j, H) E -= X1(c, j) * X1(h, j);
	return E;
}

static double rbm(void)
{
	return rbm_energy(6, 5);
}

static double rbm16(void)
{
	return rbm_energy(9, 7);
}

static double axes(void)
{
	double E = 0;
	FOR(i, 3) FOR(k, 2) FOR(j, 4) E -= X2(v, i, k) * X3(W, i, k, j) * X1(h, j);
	FOR(i, 3) FOR(k, 2) E -= X1(b, k) * X2(v, i, k);
	FOR(j, 4) E -= X1(c, j) * X1(h, j);
	return E;
}

static double convolution(void)
{
	double E = 0;
	FOR(k, 2) FOR(y, 3) FOR(r, 3) E -= X1(v, y + r) * X2(W, k, r) * X2(h, k, y);
	FOR(k, 2) FOR(y, 3) E -= X1(c, k) * X2(h, k, y);
	FOR(i, 5) E -= X0(a) * X1(v, i);
	return E;
}

static double strided(void)
{
	double E = 0;
	FOR(k, 2) FOR(y, 3) FOR(r, 3) E -= X1(v, 2 * y + r) * X2(W, k, r) * X2(h, k, y);
	FOR(i, 8) E -= X1(b, i) * X1(v, i);
	return E;
}

static double third(void)
{
	double E = 0;
	FOR(i, 3) FOR(j, 2) FOR(k, 4) E -= X3(T, i, j, k) * X1(x, i) * X1(y, j) * X1(h, k);
	FOR(i, 3) E -= X1(a, i) * X1(x, i);
	FOR(j, 2) E -= X1(b, j) * X1(y, j);
	FOR(k, 4) E -= X1(c, k) * X1(h, k);
	return E;
}

static double factored(void)
{
	double E = 0;
	FOR(f, 3)
	{
		double fv = 0, fh = 0;
		FOR(i, 5) fv += X1(v, i) * X2(U, i, f);
		FOR(j, 4) fh += X1(h, j) * X2(P, j, f);
		E -= 1.25 * fv * fh;
	}
	FOR(i, 5) E -= (2 * X1(b, i) + 0.5) * X1(v, i);
	return E;
}

static double restricted(void)
{
	double E = 0;
	FOR(i, 5) FOR(j, 5)
	{
		double U = 0;
		if (i < j)
			E -= X1(v, i) * X2(W, i, j) * X1(h, j);
		FOR(k, j) U += X2(U, k, j);
		if (j < i)
			E -= U * X1(v, i) * X1(h, j);
	}
	FOR(i, 5) E -= X2(U, i, i) * X1(v, i) * X1(h, i);
	FOR(i, 5) E -= i != 2 ? X1(b, i) * X1(v, i) : 0;
	FOR(i, 4) E += X1(b, i + 1) * X1(v, i);
	return E;
}

static double nonaffine(void)
{
	double E = 0, z = X0(z);
	FOR(i, 4) E += pow(X1(v, i) - X1(b, i), 2) / (2 * exp(z) * exp(z));
	FOR(i, 4) FOR(j, 4) E -= X1(v, i) * tanh(X2(W, i, j)) * X1(h, j);
	FOR(j, 4) E -= softplus(X1(c, j)) * X1(h, j);
	FOR(k, 2) FOR(j, 4) E -= exp(0.5 * X1(s, k) * X2(J, k, j)) * X1(h, j);
	FOR(k, 2) E += sin(X1(s, k) + z) * X1(s, k);
	FOR(j, 4) E -= cos(X1(h, j) * X1(c, j));
	FOR(i, 4) E -= fmax(X1(v, i) * X1(b, i), 0.25 * z);
	return E;
}

static double biases(void)
{
	double E = 0;
	FOR(i, 5) FOR(j, 4) E -= X1(v, i) * (X2(W, i, j) + 0.5 * X2(V, j, i)) * X1(h, j);
	FOR(i, 5) E -= X1(b2, i) * X1(v, i);
	FOR(j, 4) E -= 1.5 * X1(c, j) * X1(h, j);
	return E;
}

static double triangle(void)
{
	double E = 0;
	FOR(i, 3) FOR(j, 3)
	{
		E -= X1(x, i) * X2(A, i, j) * X1(y, j) + X1(y, i) * X2(B, i, j) * X1(z, j);
		E -= X1(z, i) * X2(C, i, j) * X1(x, j);
	}
	return E;
}

static double single(void)
{
	double E = -X0(w) * X0(v) * X0(h) - X0(b) * (X0(v) + X0(s)) * X0(h);
	FOR(j, 3) E -= X0(s) * X1(u, j) * X1(t, j) + X0(v) * X1(t, j) * X0(w);
	return E;
}

static double shared(void)
{
	double E = 0;
	FOR(i, 3)
	{
		double lse = 0;
		FOR(j, 3) E -= X1(x, i) * X2(W, i, j) * X1(h, j) + X1(y, j) * X2(W, i, j) * X1(g, i);
		FOR(j, 3) E -= X2(W, i, j) / 3 * X1(h, j);
		FOR(j, 3) lse += exp(X2(W, i, j));
		E += log(lse) * X1(x, i) - X2(W, i, i) * X1(g, i);
	}
	return E;
}

static double conditional(void)
{
	double E = 0;
	FOR(i, 4) FOR(k, 2) FOR(j, 3) E -= X1(v, i) * X3(W, i, k, j) * X1(u, k) * X1(h, j);
	FOR(i, 4) E -= X1(b, i) * X1(v, i);
	FOR(k, 2) FOR(i, 4) E -= X1(u, k) * X2(A, k, i) * X1(v, i);
	FOR(j, 3) E -= X1(u, 0) * X1(u, 1) * X1(h, j);
	return E;
}

static const struct {
	const char *model;
	double (*energy)(void);
} table[] = {
    {"rbm", rbm},
    {"rbm16", rbm16},
    {"axes", axes},
    {"convolution", convolution},
    {"strided", strided},
    {"third", third},
    {"factored", factored},
    {"restricted", restricted},
    {"nonaffine", nonaffine},
    {"biases", biases},
    {"triangle", triangle},
    {"single", single},
    {"shared", shared},
    {"conditional", conditional},
};
enum { NTABLE = sizeof table / sizeof *table };
static bool met[NTABLE];

static void by_hand(struct oracle *o, int draw)
{
	struct error e = {0};
	(void)draw;
	at = o;
	for (int k = 0; k < NTABLE; k++)
		for (int n = 0; n < 500 && strcmp(table[k].model, o->m->name) == 0; n++) {
			met[k] = true;
			row = oracle_random(o) & (o->nstate - 1);
			error_add(&e, o->E[row], table[k].energy());
		}
	error_check(o, "energy against the formula in C", &e, 1e-12);
}

static void suite_by_hand(void)
{
	oracle_each(by_hand, 2);
	for (int k = 0; k < NTABLE; k++)
		CU_ASSERT(met[k]);
}

int main(void)
{
	CU_pSuite s;
	unsigned failed;
	if (CU_initialize_registry())
		return 1;
	s = CU_add_suite("oracle.energy", NULL, NULL);
	CU_add_test(s, "energies are the formulas of their files", suite_by_hand);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	error_summary();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed > 0;
}
