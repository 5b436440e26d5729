/* Convolutions with strides and borders, their transposes and gradients, and products for each row
 * of a batch: as matrix products, in the plan's interpreter and in generated code. */
#include "generated.h"

struct shape {
	int64_t C, K, size, stride, pad, Y, X;
	bool whole; /* are all of them matrix products? */
};

static int64_t places(const struct shape *s, int64_t from)
{
	return (from + 2 * s->pad - s->size) / s->stride + 1;
}

/* stride*i + r - pad */
static struct affine place(const struct shape *s, const struct idx *i, const struct idx *r)
{
	struct affine e = affine_add(cx.prog, affine_const(-s->pad), affine_idx(cx.prog, i), s->stride);
	return affine_add(cx.prog, e, affine_idx(cx.prog, r), 1);
}

/* y - stride*i + pad */
static struct affine offset(const struct shape *s, const struct idx *i, const struct idx *y)
{
	struct affine e = affine_add(cx.prog, affine_const(s->pad), affine_idx(cx.prog, i), -s->stride);
	return affine_add(cx.prog, e, affine_idx(cx.prog, y), 1);
}

static struct guard *within(struct affine e, int64_t size, struct guard *g)
{
	g[0] = (struct guard){false, e};
	g[1] = (struct guard){false, affine_add(cx.prog, affine_const(size - 1), e, -1)};
	return g + 2;
}

static struct node *guarded_sum(const struct guard *g, struct node *body, const struct idx *a,
                                const struct idx *b, const struct idx *c)
{
	return ex_reduce(cx.prog, RED_SUM, (const struct idx *[]){a, b, c}, 3, g, 4, body);
}

static struct node *read(const struct sym *s, const struct idx *n, struct affine a, struct affine b,
                         struct affine c, struct affine d)
{
	return ex_access(cx.prog, s, n, (struct affine[]){a, b, c, d});
}

static int matmuls(const struct plan *p)
{
	return count(p, KERNEL_MATMUL, MM_SGEMM) + count(p, KERNEL_MATMUL, MM_PACKED);
}

static void convolution(const struct shape *s)
{
	const int64_t I = places(s, s->Y), J = places(s, s->X);
	struct guard g[4];
	begin();
	const struct sym *W =
	    tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(s->K, s->C, s->size, s->size));
	const struct sym *G =
	    tensor("G", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(s->K, s->C, s->size, s->size));
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(s->C, s->Y, s->X));
	const struct sym *dx =
	    tensor("dx", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(s->C, s->Y, s->X));
	const struct sym *o = tensor("o", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(s->K, I, J));
	const struct sym *up = tensor("up", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(s->K, I, J));
	const struct sym *back = tensor("back", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(s->K, I, J));
	const struct idx *n = batch("n", data), *k = ix("k", s->K), *c = ix("c", s->C), *i = ix("i", I),
	                 *j = ix("j", J), *r = ix("r", s->size), *t = ix("t", s->size),
	                 *y = ix("y", s->Y), *z = ix("z", s->X);
	struct affine ac = affine_idx(cx.prog, c), ak = affine_idx(cx.prog, k);
	within(place(s, j, t), s->X, within(place(s, i, r), s->Y, g));
	struct node *window =
	    ex_access(cx.prog, x, n, (struct affine[]){ac, place(s, i, r), place(s, j, t)});
	fun = program_function(prog, "f");
	ASSIGN(o, n, false, guarded_sum(g, mul(window, AT(W, NULL, k, c, r, t)), c, r, t), k, i, j);
	ASSIGN(G, NULL, false, guarded_sum(g, mul(window, AT(up, n, k, i, j)), n, i, j), k, c, r, t);
	within(offset(s, j, z), s->size, within(offset(s, i, y), s->size, g));
	struct node *w = read(W, NULL, ak, ac, offset(s, i, y), offset(s, j, z));
	ASSIGN(dx, n, false, guarded_sum(g, mul(w, AT(up, n, k, i, j)), k, i, j), c, y, z);
	ASSIGN(back, n, false, guarded_sum(g, mul(w, AT(dx, n, c, y, z)), c, y, z), k, i, j);
	struct plan *p = plan();
	if (s->whole)
		CU_ASSERT_EQUAL(matmuls(p), 4);
	CU_ASSERT(generated_agrees(p));
	end();
}

static void test_convolutions(void)
{
	static const struct shape shape[] = {
	    {3, 5, 4, 2, 1, 10, 12, true}, {4, 5, 3, 1, 1, 9, 7, true},  {8, 4, 3, 1, 0, 9, 8, true},
	    {4, 6, 3, 2, 0, 9, 11, true},  {1, 1, 3, 1, 0, 5, 6, false}, {2, 3, 5, 3, 2, 14, 8, false},
	};
	for (size_t s = 0; s < sizeof shape / sizeof *shape; s++)
		convolution(&shape[s]);
}

/* Layers of I inputs and J outputs along a further axis of T, and products of two tensors of a
 * batch. */
static void layers(int64_t T, int64_t I, int64_t J, bool accumulate)
{
	begin();
	const struct sym *U = tensor("U", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(I, J));
	const struct sym *G = tensor("G", SPACE_GRAD, -1, VALUES_REAL, U, DIMS(I, J));
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(T, I));
	const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(T, J));
	const struct sym *dy = tensor("dy", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(T, J));
	const struct sym *dx = tensor("dx", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(T, I));
	const struct sym *a = tensor("a", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(T, T));
	const struct sym *b = tensor("b", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(T, I));
	const struct sym *rate = tensor("rate", SPACE_SCALAR, -1, VALUES_REAL, NULL, DIMS());
	const struct idx *n = batch("n", data), *t = ix("t", T), *u = ix("u", T), *i = ix("i", I),
	                 *j = ix("j", J);
	fun = program_function(prog, "f");
	ASSIGN(y, n, false, SUM(mul(AT(x, n, t, i), AT(U, NULL, i, j)), i), t, j);
	ASSIGN(dx, n, false, SUM(mul(AT(dy, n, t, j), AT(U, NULL, i, j)), j), t, i);
	ASSIGN(G, NULL, accumulate,
	       mul(ex_at(cx.prog, rate, NULL, NULL), SUM(mul(AT(x, n, t, i), AT(dy, n, t, j)), n, t)),
	       i, j);
	ASSIGN(a, n, true, SUM(mul(AT(b, n, t, i), AT(x, n, u, i)), i), t, u);
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_PACKED), 2);
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_SGEMM), 2);
	CU_ASSERT(generated_agrees(p));
	end();
}

static void test_rows(void)
{
	layers(9, 11, 13, true);
	layers(8, 10, 14, true); /* rows end where the next begin: the products of all are one */
	layers(8, 10, 14, false);
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("convolve", NULL, NULL);
	CU_add_test(suite, "convolutions", test_convolutions);
	CU_add_test(suite, "a product for each row", test_rows);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
