/* Autoregressive models: the likelihoods of all inputs of a small one add up to 1, whatever the
 * parameters; what reads an element that is not before it is refused. */
#include "directed.h"

struct likelihood_case {
	const char *name, *model;
};

static const struct likelihood_case cases[] = {
    {"logistic",
     "model m(D = 5) { visible x : binary[D]; param W : real[D,D] = 0; param b : real[D] = 0;\n"
     "x[d] ~ bernoulli(logits = b[d] + sum(i < d) W[d,i]*x[i]); }"},
    {"neural, hidden units of each output",
     "model m(D = 5, H = 3) { visible x : binary[D]; param W : real[D,H,D] = 0; param V : "
     "real[D,H] = 0; param U : real[D,D] = 0; param b : real[D] = 0;\n"
     "let h[d,j] = tanh(sum(i < d) W[d,j,i]*x[i]); x[d] ~ bernoulli(logits = b[d] + sum(i < d) "
     "U[d,i]*x[i] + sum(j) V[d,j]*h[d,j]); }"},
    {"nade",
     "model m(D = 5, H = 4) { visible x : binary[D]; param W : real[H,D] = 0; param V : real[D,H] "
     "= 0; param c : real[H] = 0;\n"
     "let g[d,j] = sigmoid(c[j] + sum(i < d) W[j,i]*x[i]); x[d] ~ bernoulli(logits = sum(j) "
     "V[d,j]*g[d,j]); }"},
    {"two axes",
     "model m { visible x : binary[2,3]; param W : real[2,3,2,3] = 0; x[y,z] ~ bernoulli(logits = "
     "sum(i, j, i < y) W[y,z,i,j]*x[i,j] + sum(j < z) W[y,z,y,j]*x[y,j]); }"},
    {"masks by indices",
     "model m(D = 5, H = 4) { visible x : binary[D]; param W : real[H,D] = 0; param V : real[D,H] "
     "= 0; let h[j] = tanh(sum(i, 4*i < 5*j) W[j,i]*x[i]);\n"
     "x[d] ~ bernoulli(logits = sum(j, 5*j <= 4*d) V[d,j]*h[j]); }"},
    {"masks by values",
     "model m(D = 5, H = 6) { visible x : binary[D]; param k : real[H] ~ uniform(0, 4); param W : "
     "real[H,D] = 0; param V : real[D,H] = 0; let h[j] = tanh(sum(i) (i <= 4*k[j])*W[j,i]*x[i]);\n"
     "x[d] ~ bernoulli(logits = sum(j) (4*k[j] < d)*V[d,j]*h[j]); }"},
    {"an order by values, two layers",
     "net made(x : real[D], H) { param o : real[D] ~ uniform(0, 1); param k : real[H] ~ uniform(0, "
     "1); param l : real[H] ~ uniform(0, 1);\n"
     "x |> masked_dense(o, k) |> tanh |> masked_dense(k, l) |> tanh |> masked_dense(l, o, strict = "
     "1) }\n"
     "model m(D = 5, H = 6) { visible x : binary[D]; x ~ bernoulli(logits = made(x, H)); }"},
};

/* The sum of p(x) over all binary x, INTERP_ROWS at a time. */
static double total(struct memory *m)
{
	double *x = values_at(m, block.m->group.at[0]->sym), sum = 0;
	const double *nll = named(m, "out.nll");
	int64_t units = items_of(block.m->group.at[0]->sym);
	for (int64_t first = 0; first < 1 << units; first += INTERP_ROWS) {
		for (int64_t r = 0; r < INTERP_ROWS; r++)
			for (int64_t d = 0; d < units; d++)
				x[r * units + d] = (double)((first + r) >> d & 1);
		run(m, "nll");
		for (int64_t r = 0; r < INTERP_ROWS && first + r < 1 << units; r++)
			sum += exp(-nll[r]);
	}
	return sum;
}

static bool read_model(const char *model)
{
	return expand(arena_printf(arena_new(),
	                           "%s\ndata d = csv(\"d.csv\");\ntrain m { x = d; objective nll(); "
	                           "monitor nll(d); }\n",
	                           model),
	              0);
}

static void test_sum(void)
{
	struct memory m;
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		CU_ASSERT_FATAL(read_model(cases[k].model));
		prepare(&m);
		double sum = total(&m);
		if (!(fabs(sum - 1) < 1e-12))
			fprintf(stderr, "%s: the likelihoods add up to %.15g\n", cases[k].name, sum);
		CU_ASSERT(fabs(sum - 1) < 1e-12);
		memory_free(&m);
		cx = unit.cx;
		fun = NULL;
		prog = block.x->p;
		CU_ASSERT(generated_agrees(plan()));
	}
}

/* One model whose masks leave out what is not before an element, and its neighbours. */
static void test_refused(void)
{
	static const struct {
		const char *input, *output;
		bool holds;
	} rule[] = {
	    {"i <= k[j]", "k[j] < d", true},      {"i < k[j]", "k[j] <= d", true},
	    {"i <= k[j]", "k[j] <= d", false},    {"i < k[j]", "d >= k[j]", true},
	    {"i < k[j]", "d > k[j] + 0.5", true}, {"i < k[j] + 0.5", "k[j] < d", false},
	    {"k[j] < i", "k[j] < d", false},      {"i < k[j]", "d < k[j]", false},
	};
	for (size_t r = 0; r < sizeof rule / sizeof *rule; r++)
		CU_ASSERT(
		    read_model(arena_printf(
		        arena_new(),
		        "model m(D = 4, H = 3) { visible x : binary[D]; param k : real[H] = 0; param W : "
		        "real[H,D] = 0;\n"
		        "x[d] ~ bernoulli(logits = sum(j) (%s)*tanh(sum(i) (%s)*W[j,i]*x[i])); }",
		        rule[r].output, rule[r].input)) == rule[r].holds);
}

/* ---- orders that are drawn ---- */
enum { UNITS = 3, PLACES = UNITS + 1, ORDERS = 6 };
static const int orders[ORDERS][UNITS] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
static const char any_order[] =
    "model m(D = 3, H = 2) { visible x : binary[D]; hidden o : real[D] ~ uniform(0, 1); param W : "
    "real[H,D] = 0; param R : real[H,D] = 0; param V : real[D,H] = 0; param c : real[H] = 0;\n"
    "posterior o ~ uniform(0, 1); let h[d,j] = tanh(c[j] + sum(i) (o[i] < o[d])*W[j,i]*x[i] + "
    "sum(i) (o[i] < o[d])*R[j,i]); x[d] ~ bernoulli(logits = sum(j) V[d,j]*h[d,j]); }";
static int drawn, place; /* the order; the number of units before the place, -1: none is drawn */

static double drawn_order(const struct memory *m, const struct node *draw)
{
	if (place >= 0 && (int)draw->num == first_stream)
		return (double)place / UNITS;
	const int *order = orders[(drawn + m->unit / UNITS) % ORDERS]; /* another for each particle */
	return (order[m->unit % UNITS] + 0.5) / UNITS;
}

/* The mean over all orders, and places in them, of the gradient of an objective. */
static struct memory mean_gradient(const char *objective, bool places, double *mean)
{
	struct memory m;
	CU_ASSERT_FATAL(expand(arena_printf(arena_new(),
	                                    "%s\ndata d = csv(\"d.csv\");\ntrain m { x = d; objective "
	                                    "%s; monitor elbo(d); }\n",
	                                    any_order, objective),
	                       0));
	state = 7;
	prepare(&m);
	m.draw = drawn_order;
	for (drawn = 0; drawn < ORDERS; drawn++)
		for (place = places ? 0 : -1; place < (places ? PLACES : 0); place++) {
			run(&m, "train.final");
			for (int i = 0, at = 0; i < block.m->weight.n; i++)
				for (int64_t k = 0; k < items_of(block.m->weight.at[i]->sym); k++)
					mean[at++] +=
					    values_at(&m, block.x->grad[i])[k] / (ORDERS * (places ? PLACES : 1));
		}
	return m;
}

static void test_orders(void)
{
	double whole[64] = {0}, estimate[64] = {0}, several[64] = {0}, size = 0;
	struct memory m = mean_gradient("order_agnostic()", true, estimate);
	memory_free(&m);
	m = mean_gradient("order_agnostic(samples = 2)", true, several);
	memory_free(&m);
	m = mean_gradient("elbo()", false, whole);
	for (int k = 0; k < 64; k++) {
		CU_ASSERT_DOUBLE_EQUAL(estimate[k], whole[k], 1e-12);
		CU_ASSERT_DOUBLE_EQUAL(several[k], whole[k], 1e-12);
		size += fabs(whole[k]);
	}
	CU_ASSERT(size > 0.1);
	for (drawn = 0; drawn < ORDERS; drawn++) { /* the likelihood in one order */
		double *x = values_at(&m, block.m->group.at[0]->sym), sum = 0;
		for (int v = 0; v < 1 << UNITS; v++) {
			for (int d = 0; d < UNITS; d++)
				x[d] = v >> d & 1;
			run(&m, "elbo");
			sum += exp(named(&m, "out.elbo")[0]);
		}
		CU_ASSERT_DOUBLE_EQUAL(sum, 1, 1e-12);
	}
	memory_free(&m);
	cx = unit.cx;
	fun = NULL;
	prog = block.x->p;
	CU_ASSERT(generated_agrees(plan()));
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("autoregressive", NULL, NULL);
	CU_add_test(suite, "likelihoods add up to 1", test_sum);
	CU_add_test(suite, "what is refused", test_refused);
	CU_add_test(suite, "orders that are drawn", test_orders);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
