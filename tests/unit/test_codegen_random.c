/* Random programs, planned and compiled: generated code computes what the plan's interpreter does.
 */
#include "random_program.h"

#include "generated.h"

static void test_generated(void)
{
	int stmts = 0, cases = getenv("PLAN_CASES") ? atoi(getenv("PLAN_CASES")) : 100;
	for (int c = 0; c < cases; c++) {
		begin();
		random_tensors();
		random_functions(&stmts);
		struct plan *p = plan_build(&cx, prog);
		bool ok = generated_agrees(p);
		CU_ASSERT(ok);
		if (!ok) {
			fprintf(stderr, "case %d\n", c);
			plan_print(p, stderr);
			return;
		}
		end();
	}
}

static struct node *less(struct node *x, struct node *y)
{
	return ex_op2(cx.prog, OP_LT, x, y);
}

static struct node *masked(struct affine e, struct node *x)
{
	struct guard g = {false, e};
	return ex_mask(cx.prog, &g, 1, x);
}

static struct affine minus(const struct idx *i, const struct idx *j, int64_t c)
{
	struct affine d = affine_idx(cx.prog, i);
	if (j)
		d = affine_add(cx.prog, d, affine_idx(cx.prog, j), -1);
	return affine_add(cx.prog, d, affine_const(c), 1);
}

static struct plan *check(const char *what)
{
	struct plan *p = plan();
	bool ok = generated_agrees(p);
	CU_ASSERT(ok);
	if (!ok || getenv("PLAN_PRINT")) {
		fprintf(stderr, "%s\n", what);
		plan_print(p, stderr);
	}
	return p;
}

/* A Boltzmann machine's hidden units, coupled to each other, are swept; with bits and with floats.
 */
static void test_sweep(void)
{
	for (int bits = 0; bits < 2; bits++) {
		enum { V = 19, H = 75 };
		begin();
		const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(V, H));
		const struct sym *J = tensor("J", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(H, H));
		const struct sym *v = tensor("v", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(V));
		const struct sym *h = tensor("h", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(H));
		const struct idx *n = batch("n", data), *i = ix("i", V), *j = ix("j", H), *k = ix("k", H);
		struct guard below = {false, minus(j, k, -1)}, above = {false, minus(k, j, -1)};
		struct node *x = SUM(mul(AT(v, n, i), AT(W, NULL, i, j)), i);
		x = add(x,
		        ex_reduce(cx.prog, RED_SUM, &k, 1, &below, 1, mul(AT(J, NULL, k, j), AT(h, n, k))));
		x = add(x,
		        ex_reduce(cx.prog, RED_SUM, &k, 1, &above, 1, mul(AT(J, NULL, j, k), AT(h, n, k))));
		fun = program_function(prog, "f");
		program_stmt(
		    prog, fun,
		    (struct stmt){
		        .dst = h, .batch = n, .at = {j}, .sequential = true, .rhs = bernoulli(sigmoid(x))});
		if (bits)
			ASSIGN(v, n, false, bernoulli(sigmoid(SUM(mul(AT(h, n, j), AT(W, NULL, i, j)), j))), i);
		struct plan *p = check("sweep");
		CU_ASSERT_EQUAL(p->slot.at[plan_slot(p, h)].repr == REPR_BITS, bits);
		CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_BITS), 1 + bits);
		end();
	}
}

/* A Potts model: units of Q states, one-hot, coupled; a unit is drawn at once from its softmax. */
static void test_one_hot_sweep(void)
{
	static const int64_t states[] = {3, 16, 21};
	for (int t = 0; t < 3; t++) {
		const int64_t L = 7, Q = states[t];
		begin();
		const struct sym *J = tensor("J", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(L, Q, L, Q));
		const struct sym *b = tensor("b", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(L, Q));
		const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(L, Q));
		const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(L, Q));
		const struct sym *u = tensor("u", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(L));
		const struct idx *n = batch("n", data), *i = ix("i", L), *j = ix("j", L), *a = ix("a", Q),
		                 *c = ix("c", Q), *d = ix("d", Q), *e = ix("e", Q);
		struct guard below = {false, minus(i, j, -1)}, above = {false, minus(j, i, -1)};
		struct node *field =
		    add(AT(b, NULL, i, a),
		        add(ex_reduce(cx.prog, RED_SUM, (const struct idx *[]){j, c}, 2, &below, 1,
		                      mul(AT(J, NULL, j, c, i, a), AT(x, n, j, c))),
		            ex_reduce(cx.prog, RED_SUM, (const struct idx *[]){j, c}, 2, &above, 1,
		                      mul(AT(J, NULL, i, a, j, c), AT(x, n, j, c)))));
		struct node *fd = ex_subst_idx(cx.prog, field, a, affine_idx(cx.prog, d)),
		            *fe = ex_subst_idx(cx.prog, field, a, affine_idx(cx.prog, e));
		struct node *z = ex_reduce(cx.prog, RED_LOGSUMEXP, &e, 1, NULL, 0, fe);
		struct guard upto = {false, minus(a, d, 0)};
		struct node *S = ex_reduce(cx.prog, RED_SUM, &d, 1, &upto, 1,
		                           ex_op1(cx.prog, OP_EXP, ex_sub(cx.prog, fd, z)));
		struct node *up =
		    masked(affine_add(cx.prog, affine_const(Q - 2), affine_idx(cx.prog, a), -1),
		           less(AT(u, n, i), S));
		struct node *last = masked(minus(a, NULL, 1 - Q), ex_num(cx.prog, 1));
		struct node *before = ex_subst_idx(cx.prog, S, a, minus(a, NULL, -1));
		struct node *down = masked(minus(a, NULL, -1), less(AT(u, n, i), before));
		fun = program_function(prog, "f");
		ASSIGN(u, n, false, ex_draw(cx.prog, OP_UNIFORM, program_stream(prog)), i);
		struct stmt s = {.dst = x, .batch = n, .at = {i, a}, .sequential = true, .inner = 1};
		s.rhs = ex_sub(cx.prog, add(up, last), down);
		program_stmt(prog, fun, s);
		s.dst = y; /* floats, from all elements of the step */
		s.rhs = sigmoid(add(field, SUM(mul(AT(y, n, i, d), AT(J, NULL, i, a, i, d)), d)));
		program_stmt(prog, fun, s);
		struct plan *p = check("one-hot sweep");
		for (int r = 0; r < p->function.at[0]->region.n; r++)
			for (int k = 0; k < p->function.at[0]->region.at[r]->kernel.n; k++)
				if (kernel(p, 0, r, k)->sequential)
					CU_ASSERT(kernel(p, 0, r, k)->nstore > 1);
		end();
	}
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("codegen_random", NULL, NULL);
	CU_add_test(suite, "random programs", test_generated);
	CU_add_test(suite, "a sweep over coupled units", test_sweep);
	CU_add_test(suite, "a sweep over coupled one-hot units", test_one_hot_sweep);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
