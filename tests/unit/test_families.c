/* Every shape of conditional against sums and integrals over the energy itself: for a group of a
 * model with random parameters and random other units, each block's values are run through (one-hot
 * values, two values, counts up to where nothing is left, a fine grid of reals), which gives its
 * mean and log-partition. */
#include "driver/driver.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct table { /* values of symbols by id; one row */
	double *at[4096];
};

static double load(void *arg, const struct sym *s, int64_t row, const int64_t *at)
{
	const struct table *t = arg;
	int64_t i = 0;
	(void)row;
	for (int k = 0; k < s->rank; k++)
		i = i * s->dim[k] + at[k];
	return t->at[s->id][i];
}

static int64_t items(const struct sym *s)
{
	int64_t n = 1;
	for (int k = 0; k < s->rank; k++)
		n *= s->dim[k];
	return n;
}

static double uniform(void)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (double)(x >> 11) * 0x1p-53;
}

static double evaluate(struct table *t, const struct model *m, struct node *e,
                       const struct idx *const *at, const struct sym *s, int64_t flat)
{
	struct env env = {.load = load, .arg = t};
	struct binding b[MAX_RANK + 1] = {{m->batch, 0}};
	int n = 1;
	for (int k = s ? s->rank - 1 : -1; k >= 0; k--) {
		b[n++] = (struct binding){at[k], flat % s->dim[k]};
		flat /= s->dim[k];
	}
	return ex_eval(e, &env, b, n);
}

/* The flat places of the units of block number b; a block's units are side by side along its axes.
 */
static int block_units_at(const struct group *g, int64_t b, int64_t *place)
{
	int n = 0;
	for (int64_t i = 0; i < items(g->sym); i++) {
		int64_t rest = i, of = 0, scale = 1;
		for (int k = g->sym->rank - 1; k >= 0; k--) {
			of += rest % g->sym->dim[k] / g->block[k] * scale;
			scale *= g->sym->dim[k] / g->block[k];
			rest /= g->sym->dim[k];
		}
		if (of == b)
			place[n++] = i;
	}
	return n;
}

static bool in_blocks(const struct group *g)
{
	return g->family->shape == SHAPE_ONEHOT || g->family->shape == SHAPE_TOTAL;
}

enum { TOTAL = 4 }; /* of every block of counts */

static void random_group(struct table *t, const struct group *g)
{
	int64_t n = items(g->sym), place[64];
	double *x = t->at[g->sym->id];
	for (int64_t i = 0; i < n; i++)
		x[i] = g->family->shape == SHAPE_TWO     ? (uniform() < 0.5 ? g->family->lo : g->family->hi)
		       : g->family->shape == SHAPE_GAUSS ? 2 * uniform() - 1
		       : g->family->shape == SHAPE_GAMMA ? 0.2 + uniform()
		       : in_blocks(g)                    ? 0
		       : g->role == GROUP_GIVEN
		           ? TOTAL
		           : floor(3 * uniform()) * (isfinite(g->family->hi) ? 0.3 : 1);
	for (int64_t b = 0; in_blocks(g) && b < n / (int64_t)block_units(g); b++) {
		int q = block_units_at(g, b, place);
		for (int k = 0; k < (g->family->shape == SHAPE_TOTAL ? TOTAL : 1); k++) {
			int at = (int)(uniform() * (q + g->family->empty));
			if (at < q)
				x[place[at]]++;
		}
	}
}

/* The k-th value of a block of q units and the log of its weight; false: there are no more. */
static bool value(const struct family *f, int q, int k, double *block, double *log_weight)
{
	*log_weight = 0;
	if (f->shape == SHAPE_TWO) {
		*block = k ? f->hi : f->lo;
		return k < 2;
	}
	if (f->shape == SHAPE_ONEHOT) {
		for (int i = 0; i < q; i++)
			block[i] = i == k;
		return k < q + f->empty;
	}
	if (f->shape == SHAPE_TOTAL) { /* of all counts up to the total, those that add up to it */
		double sum = 0;
		int rest = k;
		for (int i = 0; i < q; i++, rest /= TOTAL + 1) {
			block[i] = rest % (TOTAL + 1);
			sum += block[i];
			*log_weight -= lgamma(block[i] + 1);
		}
		*log_weight = sum == TOTAL ? *log_weight : -INFINITY;
		return rest == 0;
	}
	if (f->shape == SHAPE_GAMMA) { /* over y = log x, the density of y being x times that of x */
		double step = 60. / 4000, y = k * step - 50;
		*block = exp(y);
		*log_weight = log(step) + y;
		return k <= 4000;
	}
	if (f->shape == SHAPE_EXPONENTIAL && isinf(f->hi)) {
		*block = k;
		*log_weight = -lgamma(k + 1.0);
		return k < 200;
	}
	double lo = isinf(f->lo) ? -40 : f->lo,
	       hi = isinf(f->hi) ? 40 : f->hi; /* the trapezoidal rule, Simpson's ends */
	int n = 8000;
	double step = (hi - lo) / n;
	*block = lo + k * step;
	*log_weight = log(step * (k == 0 || k == n ? 1 : k % 2 ? 4 : 2) / 3);
	return k <= n;
}

static void check_group(struct unit *u, struct model *m, struct table *t, const struct group *g,
                        double *worst)
{
	struct conditional c;
	energy rest;
	CU_ASSERT_FATAL(model_conditional(&u->cx, m, &m->E, g, &c));
	CU_ASSERT_FATAL(model_sum_out_group(m, &m->E, g, &rest));
	struct node *E = energy_node(m->a, &m->E);
	int64_t place[64], n = items(g->sym) / (int64_t)block_units(g);
	double *x = t->at[g->sym->id], total = 0, block[64], now[64];
	double before = evaluate(t, m, E, NULL, NULL, 0), log_weight;
	for (int64_t b = 0; b < n; b++) {
		double mean[64] = {0}, sum = 0;
		int q = block_units_at(g, b, place);
		for (int i = 0; i < q; i++)
			now[i] = x[place[i]];
		for (int k = 0; value(g->family, q, k, block, &log_weight); k++) {
			for (int i = 0; i < q; i++)
				x[place[i]] = block[i];
			double w = exp(before - evaluate(t, m, E, NULL, NULL, 0) + log_weight);
			sum += w;
			for (int i = 0; i < q; i++)
				mean[i] += w * block[i];
		}
		for (int i = 0; i < q; i++)
			x[place[i]] = now[i];
		total += log(sum);
		for (int i = 0; i < q; i++) {
			double d = fabs(mean[i] / sum - evaluate(t, m, c.mean, c.at, g->sym, place[i]));
			*worst = fmax(*worst, d / (1 + fabs(mean[i] / sum)));
		}
	}
	/* blocks are independent: -log sum exp(-E) = E(now) - sum over blocks of log sum exp(E(now) -
	 * E) */
	double d = fabs(before - total - evaluate(t, m, energy_node(m->a, &rest), NULL, NULL, 0));
	*worst = fmax(*worst, d / (1 + fabs(before - total)));
}

static void check_model(const char *text)
{
	struct unit u = {.cx = {arena_new(), arena_new(), arena_new(), NULL}};
	static struct table t;
	double worst = 0;
	u.cx.diags = diags_new(u.cx.prog);
	struct ast_file *f = parse(&u.cx, source_text("model", text, strlen(text)));
	u.checked = sema_check(&u.cx, f, NULL, 0);
	diags_print(u.cx.diags, stdout);
	CU_ASSERT_EQUAL_FATAL(diags_errors(u.cx.diags), 0);
	struct model *m = model_build(&u.cx, u.checked->model.at[0]);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < m->weight.n; i++) {
			const struct sym *s = m->weight.at[i]->sym;
			t.at[s->id] = NEW_ARRAY(u.cx.prog, double, items(s));
			for (int64_t k = 0; k < items(s); k++)
				t.at[s->id][k] = 1.2 * uniform() - 0.6;
		}
		for (int i = 0; i < m->group.n; i++) {
			const struct group *g = m->group.at[i];
			t.at[g->sym->id] = NEW_ARRAY(u.cx.prog, double, items(g->sym));
			random_group(&t, g);
		}
		for (int i = 0; i < m->group.n; i++)
			if (m->group.at[i]->role != GROUP_GIVEN)
				check_group(&u, m, &t, m->group.at[i], &worst);
	}
	printf("largest error %.2g ", worst);
	CU_ASSERT(worst < 1e-8);
	arena_free(u.cx.tmp);
	arena_free(u.cx.prog);
}

static void test_gauss(void)
{
	check_model(
	    "model g(D = 3, H = 2) { visible v : real[D]; hidden h : binary[H]; param W : real[D,H] = "
	    "0; param b : "
	    "real[D] = 0; param z : real[D] = 0; energy = sum(i) (v[i]-b[i])^2/2*exp(-z[i]) - sum(i,j) "
	    "v[i]*exp(-z[i])*W[i,j]*h[j]; }");
	check_model("model ss(D = 3, N = 2) { visible v : real[D]; hidden h : spin[N]; hidden s : "
	            "real[N]; param W : real[D,N] = "
	            "0; param a : real[N] = 0; energy = - sum(i,j) v[i]*W[i,j]*s[j]*h[j] + sum(j) "
	            "exp(a[j])*s[j]^2 + v@v; }");
	check_model("model given1(D = 2, P = 3) { given p : real[P]; visible v : real[D]; param A : "
	            "real[D,P] = 0; energy = sum(i) "
	            "0.5*(v[i] - sum(k) A[i,k]*p[k])^2; }");
}

/* An axis of size 1 is no reason to take a unit for two. */
static void test_single(void)
{
	check_model("model one(D = 2, N = 1) { visible v : real[D]; hidden s : real[N]; hidden h : "
	            "binary[N]; param Q : "
	            "real[N,D] = 0; param b : real[N] = 0; energy = 0.5*v@v + 0.5*sum(j) s[j]^2 - "
	            "0.5*s@Q@v - b@h; }");
	check_model("model label(q = 3, H = 2) { visible y : categorical[1,q]; hidden h : binary[H]; "
	            "param U : real[q,H] = 0; "
	            "energy = - sum(a, j) y[0,a]*U[a,j]*h[j]; }");
}

static void test_onehot(void)
{
	check_model("model potts(L = 2, q = 3, H = 2) { visible v : categorical[L,q]; hidden h : "
	            "binary[H]; param W : "
	            "real[L,q,H] = 0; param b : real[L,q] = 0; energy = - sum(i,a,j) "
	            "v[i,a]*W[i,a,j]*h[j] - sum(i,a) "
	            "b[i,a]*v[i,a]; }");
	check_model(
	    "model label(q = 4, H = 2) { visible y : categorical[q]; hidden h : binary[H]; param W : "
	    "real[q,H] = 0; "
	    "param s : real[q] = 0; energy = - y@W@h + sum(a) s[a]*y[a]^2 + exp(sum(a) s[a]*y[a]); }");
}

/* At most one unit of a block: pooled variables and filters that reach over several blocks. */
static void test_blocks(void)
{
	check_model("model one(D = 3, H = 6) { visible v : binary[D]; hidden h : binary[H] in "
	            "atmostone(3); param W : real[D,H] = 0; param c : real[H] = 0; energy = - v@W@h - "
	            "c@h; }");
	check_model("model crbm(N = 5, K = 2, R = 2) { visible v : binary[N,N]; "
	            "hidden h : binary[K,N-R+1,N-R+1] in atmostone(2,2) as p; "
	            "hidden g : binary[2]; param W : real[K,R,R] = 0; param b : real[K] = 0; "
	            "param U : real[K,2,2,2] = 0; param a : real[K,2,2] = 0; "
	            "energy = - sum(k,y,x,r,s) v[y+r,x+s]*W[k,r,s]*h[k,y,x] - sum(k,y,x) b[k]*h[k,y,x] "
	            "- sum(k,y,x,j) p[k,y,x]*U[k,y,x,j]*g[j] - sum(k,y,x) a[k,y,x]*p[k,y,x]; }");
	check_model("model deep(N = 8, K = 2, L = 2) { visible v : binary[N]; "
	            "hidden h : binary[K,N] in atmostone(2) as p; "
	            "hidden g : binary[L,N/2-1] in atmostone(3) as q; param W : real[K,N] = 0; "
	            "param U : real[L,K,2] = 0; param a : real[L] = 0; "
	            "energy = - sum(k,i) v[i]*W[k,i]*h[k,i] - sum(k,l,i,r) p[k,i+r]*U[l,k,r]*g[l,i] "
	            "- sum(l) a[l]*q[l,0]; }");
	check_model(
	    "model columns(A = 4, B = 2) { visible v : binary[A,B] in atmostone(4,1); hidden h "
	    ": binary[2]; param W : real[A,B,2] = 0; energy = - sum(a,b,j) v[a,b]*W[a,b,j]*h[j]; "
	    "}");
	check_model("model single(D = 4) { visible v : binary[D] in atmostone(1); hidden h : "
	            "binary[2]; param W : real[D,2] = 0; energy = - v@W@h; }");
}

static void test_total(void)
{
	check_model("model topics(K = 3, H = 2) { given n : count; visible v : count[K] in total(n); "
	            "hidden h : binary[H]; param W : real[K,H] = 0; param b : real[K] = 0; param c : "
	            "real[H] = 0; energy = - v@W@h - b@v - n*(c@h); }");
	check_model("model rows(L = 2, K = 2, H = 2) { visible v : count[L,K] in total(n); given n : "
	            "count[L]; hidden h : binary[H]; param W : real[K,H] = 0; param c : real[H] = 0; "
	            "energy = - sum(l,k,j) v[l,k]*W[k,j]*h[j] - sum(l,j) n[l]*c[j]*h[j]; }");
}

static void test_gamma(void)
{
	check_model("model scale(D = 2, H = 2) { visible x : positive[D]; hidden h : binary[H]; "
	            "param W : real[D,H] = 0; param V : real[D,H] = 0; "
	            "energy = 2*sum(x) - sum(i,j) x[i]*W[i,j]*h[j] - 0.5*sum(i) log(x[i]) "
	            "- sum(i,j) log(x[i])*V[i,j]*h[j]; }");
	check_model("model precise(D = 2) { visible v : real[D]; hidden w : positive[D]; param a : "
	            "real[D] = 0; param b : real = 0; energy = sum(i) exp(b)*w[i] - (1.2 + a)@log(w) + "
	            "0.5*sum(i) w[i]*v[i]^2; }");
}

static void test_exponential(void)
{
	check_model("model counts(K = 3, H = 2) { visible n : count[K]; hidden h : binary[H]; param W "
	            ": real[K,H] = 0; param b : "
	            "real[K] = 0; energy = - n@W@h - b@n; }");
	check_model("model grey(K = 3, H = 2) { visible x : unit[K]; hidden h : spin[H]; param W : "
	            "real[K,H] = 0; param b : "
	            "real[K] = 0; energy = - x@W@h - b@x; }");
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite s = CU_add_suite("families", NULL, NULL);
	CU_add_test(s, "Gaussian units", test_gauss);
	CU_add_test(s, "axes of size 1", test_single);
	CU_add_test(s, "one-hot units", test_onehot);
	CU_add_test(s, "at most one unit of a block", test_blocks);
	CU_add_test(s, "counts with a total", test_total);
	CU_add_test(s, "positive units", test_gamma);
	CU_add_test(s, "counts, and units on [0, 1]", test_exponential);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	int failed = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
