/* Plans: the shape of the plans of known programs, and that plans of random programs compute what
 * the programs say. */
#include "plan_interp.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

static struct cx cx;
static struct program *prog;
static struct function *fun;
static int data, chains;

static void begin(void)
{
	cx = (struct cx){.perm = arena_new(), .prog = arena_new(), .tmp = arena_new()};
	prog = program_new(cx.prog, "test");
	data = program_pop(prog, "data");
	chains = program_pop(prog, "chains");
}

static void end(void)
{
	arena_free(cx.perm);
	arena_free(cx.prog);
	arena_free(cx.tmp);
}

#define DIMS(...) \
	(sizeof((int64_t[]){0, ##__VA_ARGS__}) / sizeof(int64_t) - 1), \
	    ((int64_t[]){0, ##__VA_ARGS__} + 1)

static const struct sym *tensor(const char *name, enum space space, int pop, enum values values,
                                const struct sym *param, size_t rank, const int64_t *dim)
{
	enum sym_kind kind = space == SPACE_PARAM    ? SYM_PARAM
	                     : space == SPACE_SCALAR ? SYM_SCALAR
	                                             : SYM_VAR;
	struct sym *s =
	    sym_new(cx.prog, intern(name), kind, values, pop >= 0, (int)rank, dim, (struct span){0});
	program_tensor(prog, s, space, pop, param);
	return s;
}

static const struct idx *ix(const char *name, int64_t size)
{
	return idx_new(cx.prog, intern(name), size);
}

static const struct idx *batch(const char *name, int pop)
{
	return idx_batch(cx.prog, intern(name), pop);
}

#define AT(s, b, ...) ex_at(cx.prog, s, b, (const struct idx *const[]){__VA_ARGS__})
#define SUM(body, ...) \
	ex_reduce(cx.prog, RED_SUM, (const struct idx *[]){__VA_ARGS__}, \
	          (int)(sizeof((const struct idx *[]){__VA_ARGS__}) / sizeof(struct idx *)), NULL, 0, \
	          body)
#define ASSIGN(d, b, acc, e, ...) \
	program_stmt( \
	    prog, fun, \
	    (struct stmt){.dst = d, .batch = b, .accumulate = acc, .rhs = e, .at = {__VA_ARGS__}})

static struct node *mul(struct node *x, struct node *y)
{
	return ex_mul(cx.prog, x, y);
}

static struct node *add(struct node *x, struct node *y)
{
	return ex_add(cx.prog, x, y);
}

static struct node *sigmoid(struct node *x)
{
	return ex_op1(cx.prog, OP_SIGMOID, x);
}

static struct node *bernoulli(struct node *p)
{
	return ex_op2(cx.prog, OP_LT, ex_draw(cx.prog, OP_UNIFORM, program_stream(prog)), p);
}

static const struct kernel *kernel(const struct plan *p, int f, int r, int k)
{
	CU_ASSERT_FATAL(f < p->function.n && r < p->function.at[f]->region.n &&
	                k < p->function.at[f]->region.at[r]->kernel.n);
	return p->function.at[f]->region.at[r]->kernel.at[k];
}

static int count(const struct plan *p, enum kernel_kind kind, enum matmul how)
{
	int n = 0;
	for (int f = 0; f < p->function.n; f++)
		for (int r = 0; r < p->function.at[f]->region.n; r++)
			for (int k = 0; k < p->function.at[f]->region.at[r]->kernel.n; k++)
				n += kernel(p, f, r, k)->kind == kind &&
				     (kind != KERNEL_MATMUL || kernel(p, f, r, k)->mm.how == how);
	return n;
}

/* ---- plans compute what programs say ----------------------------------------------------------
 */

static double random_unit(void)
{
	static uint64_t s = 88172645463325252u;
	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return (double)(s >> 11) / 9007199254740992.0;
}

static int pick(int n)
{
	return (int)(random_unit() * n);
}

static void fill(struct memory *m)
{
	for (int i = 0; i < prog->tensor.n; i++) {
		const struct tensor *t = &prog->tensor.at[i];
		if (t->space == SPACE_TEMP)
			continue;
		double *x = values_at(m, t->sym);
		for (int64_t k = 0; k < items_of(t->sym) * 16; k++)
			x[k] = t->sym->values == VALUES_BINARY ? pick(2) : random_unit() * 2 - 1;
	}
}

/* Runs the program and its plan on the same values and compares all but temporaries. */
static bool agrees(const struct plan *p)
{
	struct memory x = {.prog = prog, .pop_rows = {5, 3}}, y = {.prog = prog, .pop_rows = {5, 3}};
	bool same = true;
	fill(&x);
	for (int i = 0; i < x.n; i++)
		memcpy(values_at(&y, x.sym[i]), x.at[i],
		       (size_t)(items_of(x.sym[i]) * 16) * sizeof(double));
	run_program(&x, prog);
	run_plan(&y, p);
	for (int i = 0; i < prog->tensor.n; i++) {
		const struct tensor *t = &prog->tensor.at[i];
		if (t->space == SPACE_TEMP)
			continue;
		int64_t n = items_of(t->sym) * (t->pop >= 0 ? x.pop_rows[t->pop] : 1);
		const double *u = values_at(&x, t->sym), *v = values_at(&y, t->sym);
		for (int64_t k = 0; k < n; k++)
			if (!(fabs(u[k] - v[k]) <= 1e-9 * (1 + fabs(u[k])))) {
				if (same)
					fprintf(stderr, "%s element %d: program %g, plan %g\n", t->sym->name, (int)k,
					        u[k], v[k]);
				same = false;
			}
	}
	memory_free(&x);
	memory_free(&y);
	return same;
}

/* Has every kernel operands of the representation that its routine takes? */
static void check_kernel(const struct plan *p, const struct kernel *k)
{
	for (int s = 0; s < k->nstore; s++) {
		int dst = plan_slot(p, k->store[s].dst);
		CU_ASSERT_FATAL(dst >= 0);
		CU_ASSERT(p->slot.at[dst].repr == REPR_F32 || !k->store[s].accumulate);
	}
	if (k->kind != KERNEL_MATMUL)
		return;
	const struct slot *a = &p->slot.at[k->mm.a], *b = &p->slot.at[k->mm.b],
	                  *c = &p->slot.at[k->mm.c];
	bool a_bits = a->repr == REPR_BITS, b_bits = b->repr == REPR_BITS;
	CU_ASSERT_EQUAL(c->repr, REPR_F32);
	CU_ASSERT_EQUAL(a_bits, k->mm.how != MM_SGEMM);
	CU_ASSERT_EQUAL(b_bits, k->mm.how == MM_BITS_COUNT);
	CU_ASSERT_EQUAL(b->pack, k->mm.how == MM_BITS);
	CU_ASSERT(!a_bits || (k->mm.ta == (k->mm.how != MM_BITS) && !k->mm.tb));
}

static char *text(const struct plan *p)
{
	char *s;
	size_t n;
	FILE *f = open_memstream(&s, &n);
	plan_print(p, f);
	fclose(f);
	return s;
}

/* The plan of prog, checked: well formed, the same when made again, and right. */
static struct plan *plan(void)
{
	struct plan *p = plan_build(&cx, prog);
	char *first = text(p), *again = text(plan_build(&cx, prog));
	CU_ASSERT_STRING_EQUAL(first, again);
	free(first);
	free(again);
	for (int f = 0; f < p->function.n; f++)
		for (int r = 0; r < p->function.at[f]->region.n; r++)
			for (int k = 0; k < p->function.at[f]->region.at[r]->kernel.n; k++)
				check_kernel(p, kernel(p, f, r, k));
	if (getenv("PLAN_PRINT"))
		plan_print(p, stdout);
	bool ok = agrees(p);
	CU_ASSERT(ok);
	if (!ok) {
		program_print(prog, stderr);
		plan_print(p, stderr);
	}
	return p;
}

/* ---- known programs ---------------------------------------------------------------------------
 */

static void test_cd(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(12, 10));
	const struct sym *b = tensor("b", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(12));
	const struct sym *c = tensor("c", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(10));
	const struct sym *gc = tensor("gc", SPACE_GRAD, -1, VALUES_REAL, c, DIMS(10));
	const struct sym *gW = tensor("gW", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(12, 10));
	const struct sym *gb = tensor("gb", SPACE_GRAD, -1, VALUES_REAL, b, DIMS(12));
	const struct sym *v = tensor("v", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(12));
	const struct sym *h = tensor("h", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(10));
	const struct sym *ph = tensor("ph", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(10));
	const struct sym *vm = tensor("vm", SPACE_TEMP, data, VALUES_BINARY, NULL, DIMS(12));
	const struct sym *pm = tensor("pm", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(10));
	const struct idx *n = batch("n", data), *m = batch("m", data), *i = ix("i", 12),
	                 *j = ix("j", 10);

	fun = program_function(prog, "first");
	struct node *p = sigmoid(add(SUM(mul(AT(v, n, i), AT(W, NULL, i, j)), i), AT(c, NULL, j)));
	ASSIGN(h, n, false, bernoulli(p), j);
	ASSIGN(ph, n, false, p, j);
	fun = program_function(prog, "final");
	ASSIGN(vm, n, false,
	       bernoulli(sigmoid(add(SUM(mul(AT(h, n, j), AT(W, NULL, i, j)), j), AT(b, NULL, i)))), i);
	ASSIGN(pm, n, false, sigmoid(add(SUM(mul(AT(vm, n, i), AT(W, NULL, i, j)), i), AT(c, NULL, j))),
	       j);
	struct node *pos = SUM(mul(AT(v, n, i), AT(ph, n, j)), n),
	            *neg = SUM(mul(AT(vm, m, i), AT(pm, m, j)), m);
	ASSIGN(gW, NULL, false, add(ex_scale(cx.prog, -0.01, pos), ex_scale(cx.prog, 0.01, neg)), i, j);
	ASSIGN(gb, NULL, false,
	       add(ex_scale(cx.prog, -0.01, SUM(AT(v, n, i), n)),
	           ex_scale(cx.prog, 0.01, SUM(AT(vm, m, i), m))),
	       i);
	ASSIGN(gc, NULL, false,
	       add(ex_scale(cx.prog, -0.01, SUM(AT(ph, n, j), n)),
	           ex_scale(cx.prog, 0.01, SUM(AT(pm, m, j), m))),
	       j);
	struct plan *q = plan();

	CU_ASSERT_EQUAL_FATAL(q->function.n, 3);
	CU_ASSERT_EQUAL_FATAL(q->function.at[0]->region.n, 1);
	CU_ASSERT_EQUAL(q->function.at[0]->region.at[0]->kernel.n, 2);
	CU_ASSERT_EQUAL(q->function.at[0]->region.at[0]->grid, 0);
	CU_ASSERT_EQUAL(kernel(q, 0, 0, 0)->mm.how, MM_BITS);
	CU_ASSERT_EQUAL(kernel(q, 0, 0, 1)->nstore, 2);
	CU_ASSERT_EQUAL_FATAL(q->function.at[1]->region.n, 2);
	CU_ASSERT_EQUAL(q->function.at[1]->region.at[0]->kernel.n, 4);
	CU_ASSERT_EQUAL(q->function.at[1]->region.at[1]->kernel.n, 4);
	const struct kernel *first = kernel(q, 1, 1, 0), *second = kernel(q, 1, 1, 1);
	CU_ASSERT(first->mm.how == MM_BITS_T && !first->mm.accumulate && first->mm.alpha->num == -0.01);
	CU_ASSERT(second->mm.how == MM_BITS_T && second->mm.accumulate &&
	          second->mm.c == plan_slot(q, gW));
	CU_ASSERT_EQUAL(q->slot.at[plan_slot(q, vm)].repr, REPR_BITS);
	CU_ASSERT_EQUAL(q->slot.at[plan_slot(q, pm)].repr, REPR_F32);
	/* slots: gradients in the order of their parameters, packs last */
	CU_ASSERT(plan_slot(q, gW) == 3 && plan_slot(q, gb) == 4 && plan_slot(q, gc) == 5);
	CU_ASSERT_STRING_EQUAL(q->function.at[2]->name, "prepare");
	CU_ASSERT_EQUAL(count(q, KERNEL_PACK, MM_SGEMM), 2);
	end();
}

/* Both operands of a statistic are bits; the same sum in two statements is computed once. */
static void test_count(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9));
	const struct sym *g = tensor("g", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(8, 9));
	const struct sym *v = tensor("v", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(8));
	const struct sym *h = tensor("h", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(9));
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct sym *beta = tensor("beta", SPACE_SCALAR, -1, VALUES_REAL, NULL, DIMS());
	const struct idx *n = batch("n", data), *m = batch("m", data);
	const struct idx *i = ix("i", 8), *j = ix("j", 9), *a = ix("a", 8), *k = ix("k", 9);
	fun = program_function(prog, "f");
	ASSIGN(g, NULL, true, mul(AT(beta, NULL), SUM(mul(AT(v, n, i), AT(h, n, j)), n)), i, j);
	ASSIGN(x, n, false, sigmoid(SUM(mul(AT(v, n, i), AT(W, NULL, i, j)), i)), j);
	ASSIGN(y, m, false, ex_op1(cx.prog, OP_TANH, SUM(mul(AT(v, m, a), AT(W, NULL, a, k)), a)), k);
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_BITS_COUNT), 1);
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_BITS), 1);
	CU_ASSERT_EQUAL(count(p, KERNEL_LOOP, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(p->scalar.n, 1);
	end();
}

/* The product is written where dst wants it; bits on the right are read as floats. */
static void test_orientation(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9));
	const struct sym *g = tensor("g", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(8, 9));
	const struct sym *p = tensor("p", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(8));
	const struct sym *q = tensor("q", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(8));
	const struct sym *h = tensor("h", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(9));
	const struct idx *n = batch("n", data), *i = ix("i", 8), *j = ix("j", 9);
	fun = program_function(prog, "f");
	ASSIGN(g, NULL, false, SUM(mul(AT(p, n, i), AT(h, n, j)), n), i, j);
	struct plan *f = plan();
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(f->slot.at[plan_slot(f, h)].repr, REPR_F32);
	CU_ASSERT_EQUAL(f->function.at[0]->region.at[0]->grid, 8);
	CU_ASSERT_EQUAL(f->function.at[1]->region.n, 0);
	ASSIGN(q, n, false, SUM(mul(AT(h, n, j), AT(W, NULL, i, j)), j), i);
	f = plan();
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_BITS), 1);
	CU_ASSERT_EQUAL(count(f, KERNEL_LOOP, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(f->slot.at[plan_slot(f, h)].repr, REPR_BITS);
	end();
}

/* Weights and a nonlinear factor are materialised once; the expression may be known already. */
static void test_factors(void)
{
	begin();
	const struct sym *W = tensor("W", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9));
	const struct sym *c = tensor("c", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(9));
	const struct sym *g = tensor("g", SPACE_GRAD, -1, VALUES_REAL, W, DIMS(8, 9));
	const struct sym *w = tensor("w", SPACE_STATE, data, VALUES_REAL, NULL, DIMS());
	const struct sym *v = tensor("v", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(8));
	const struct sym *ph = tensor("ph", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct idx *n = batch("n", data), *i = ix("i", 8), *j = ix("j", 9), *k = ix("k", 8);
	struct node *p = sigmoid(add(SUM(mul(AT(v, n, k), AT(W, NULL, k, j)), k), AT(c, NULL, j)));
	fun = program_function(prog, "f");
	ASSIGN(ph, n, false, p, j);
	ASSIGN(g, NULL, false, SUM(mul(AT(v, n, i), p), n), i, j);
	struct plan *f = plan();
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_BITS), 1);
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_BITS_T), 1);
	CU_ASSERT_EQUAL(count(f, KERNEL_LOOP, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(kernel(f, 0, 1, 0)->mm.b, plan_slot(f, ph));
	ASSIGN(g, NULL, true, SUM(mul(mul(AT(w, n), AT(v, n, i)), AT(ph, n, j)), n), i, j);
	f = plan();
	CU_ASSERT_EQUAL(count(f, KERNEL_MATMUL, MM_BITS_T), 2);
	end();
}

/* A third-order sum is two products; what stands under a mask on the parameter is still a product.
 */
static void test_third_order_and_masks(void)
{
	begin();
	const struct sym *A = tensor("A", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 6));
	const struct sym *B = tensor("B", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(9, 6));
	const struct sym *T = tensor("T", SPACE_PARAM, -1, VALUES_REAL, NULL, DIMS(8, 9, 6));
	const struct sym *gT = tensor("gT", SPACE_GRAD, -1, VALUES_REAL, T, DIMS(8, 9, 6));
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(8));
	const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_BINARY, NULL, DIMS(9));
	const struct sym *z = tensor("z", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(6));
	const struct sym *u = tensor("u", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(9));
	const struct idx *n = batch("n", data), *i = ix("i", 8), *j = ix("j", 9), *f = ix("f", 6);
	fun = program_function(prog, "f");
	ASSIGN(u, n, false, SUM(mul(mul(AT(x, n, i), AT(A, NULL, i, f)), AT(B, NULL, j, f)), i, f), j);
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_BITS), 1);
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_SGEMM), 1);
	CU_ASSERT_EQUAL(count(p, KERNEL_LOOP, MM_SGEMM), 0);
	CU_ASSERT_EQUAL(p->function.at[0]->region.n, 1);

	fun->nstmt = 0;
	ASSIGN(gT, NULL, false, SUM(mul(mul(AT(x, n, i), AT(y, n, j)), AT(z, n, f)), n), i, j, f);
	p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_SGEMM) + count(p, KERNEL_MATMUL, MM_BITS_T), 1);

	fun->nstmt = 0;
	ASSIGN(z, n, false, SUM(mul(mul(AT(x, n, i), AT(y, n, j)), AT(T, NULL, i, j, f)), i, j), f);
	p = plan();
	CU_ASSERT(count(p, KERNEL_MATMUL, MM_BITS) == 1);

	fun->nstmt = 0;
	struct affine below = affine_add(cx.prog, affine_idx(cx.prog, f), affine_idx(cx.prog, i), -1);
	struct guard g = {false, affine_add(cx.prog, below, affine_const(1), -1)};
	struct node *body = mul(AT(x, n, i), AT(A, NULL, i, f));
	ASSIGN(z, n, false, sigmoid(ex_reduce(cx.prog, RED_SUM, &i, 1, &g, 1, body)), f);
	p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_MATMUL, MM_SGEMM), 1);
	end();
}

/* The denominator of a softmax is computed once a row; a loss is summed in two steps. */
static void test_hoist(void)
{
	begin();
	const struct sym *a = tensor("a", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(7));
	const struct sym *s = tensor("s", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(7));
	const struct sym *loss = tensor("loss", SPACE_STATE, -1, VALUES_REAL, NULL, DIMS());
	const struct idx *n = batch("n", data), *i = ix("i", 7), *k = ix("k", 7);
	fun = program_function(prog, "f");
	struct node *e = ex_op1(cx.prog, OP_EXP, AT(a, n, i)),
	            *t = ex_op1(cx.prog, OP_EXP, AT(a, n, k));
	ASSIGN(s, n, false, mul(e, ex_op2(cx.prog, OP_POW, SUM(t, k), ex_num(cx.prog, -1))), i);
	ASSIGN(loss, NULL, false, SUM(ex_op1(cx.prog, OP_LOG, AT(s, n, i)), n, i));
	struct plan *p = plan();
	CU_ASSERT_EQUAL(count(p, KERNEL_LOOP, MM_SGEMM), 4);
	CU_ASSERT_EQUAL(p->function.at[0]->region.n, 2);
	CU_ASSERT_EQUAL(kernel(p, 0, 1, 0)->rank, 0);
	end();
}

/* Temporaries of one kernel vanish, dead ones too; draws are kept. */
static void test_fusion(void)
{
	begin();
	const struct sym *x = tensor("x", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(6));
	const struct sym *y = tensor("y", SPACE_STATE, data, VALUES_REAL, NULL, DIMS(6));
	const struct sym *z = tensor("z", SPACE_STATE, chains, VALUES_REAL, NULL, DIMS(6));
	const struct sym *t = tensor("t", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(6));
	const struct sym *u = tensor("u", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(6));
	const struct sym *dead = tensor("dead", SPACE_TEMP, data, VALUES_REAL, NULL, DIMS(6));
	const struct idx *n = batch("n", data), *m = batch("m", chains), *i = ix("i", 6),
	                 *k = ix("k", 6);
	fun = program_function(prog, "f");
	ASSIGN(t, n, false, sigmoid(AT(x, n, i)), i);
	ASSIGN(z, m, false, sigmoid(AT(z, m, k)), k);
	ASSIGN(u, n, false, ex_draw(cx.prog, OP_UNIFORM, program_stream(prog)), k);
	ASSIGN(dead, n, false, mul(AT(t, n, k), AT(t, n, k)), k);
	ASSIGN(y, n, false, add(AT(t, n, k), mul(AT(u, n, k), AT(u, n, k))), k);
	ASSIGN(x, n, true, AT(t, n, i), i);
	struct plan *p = plan();
	CU_ASSERT_EQUAL_FATAL(p->function.at[0]->region.n, 1);
	CU_ASSERT_EQUAL_FATAL(p->function.at[0]->region.at[0]->kernel.n, 2);
	CU_ASSERT_EQUAL(kernel(p, 0, 0, 0)->nstore, 3);
	CU_ASSERT(plan_slot(p, t) < 0 && plan_slot(p, dead) < 0 && plan_slot(p, u) >= 0);
	/* a reversed read is no loop over own elements */
	struct affine back = affine_add(cx.prog, affine_const(5), affine_idx(cx.prog, k), -1);
	ASSIGN(y, n, true, ex_access(cx.prog, x, n, &back), k);
	p = plan();
	CU_ASSERT_EQUAL(p->function.at[0]->region.n, 1);
	CU_ASSERT_EQUAL(p->function.at[0]->region.at[0]->kernel.n, 3);
	end();
}

/* ---- random programs --------------------------------------------------------------------------
 */

static const int64_t kind_size[] = {8, 6, 4};

struct scope { /* the indices a random expression may use: of each kind one or two, and one batch
	              index */
	const struct idx *ix[16];
	int nix;
	const struct idx *n;
	int depth;
};

static const struct idx *scope_idx(struct scope *s, int64_t size, struct scope *bound)
{
	for (int tries = 0; tries < 6 && s->nix; tries++) {
		const struct idx *x = s->ix[pick(s->nix)];
		if (x->size == size && pick(4))
			return x;
	}
	const struct idx *x = ix(size == 8 ? "p" : size == 6 ? "q" : "r", size);
	s->ix[s->nix++] = x;
	bound->ix[bound->nix++] = x;
	return x;
}

/* A random access; indices that nothing binds yet are added to both scopes. */
static struct node *random_access(const struct sym *skip, struct scope *s, struct scope *bound)
{
	const struct tensor *t;
	do
		t = &prog->tensor.at[pick(prog->tensor.n)];
	while (t->sym == skip || t->space == SPACE_GRAD || s->nix + t->sym->rank > 6 ||
	       (t->pop >= 0 && s->n && s->n->pop != t->pop));
	if (t->pop >= 0 && !s->n)
		s->n = bound->n = batch("m", t->pop);
	struct affine at[MAX_RANK];
	struct guard g[2 * MAX_RANK];
	int ng = 0;
	for (int i = 0; i < t->sym->rank; i++) {
		int64_t size = t->sym->dim[i];
		at[i] = affine_idx(cx.prog, scope_idx(s, size, bound));
		if (pick(12))
			continue;
		at[i] = affine_add(cx.prog, at[i], affine_const(1), 1);
		g[ng++] = (struct guard){false, affine_add(cx.prog, affine_const(size - 1), at[i], -1)};
	}
	return ex_mask(cx.prog, g, ng, ex_access(cx.prog, t->sym, t->pop >= 0 ? s->n : NULL, at));
}

/* A random product, summed over what it binds. */
static struct node *random_sum(const struct sym *skip, struct scope outer)
{
	struct scope s = outer, bound = {.nix = 0};
	struct node *x = ex_num(cx.prog, 0.3);
	s.depth++;
	for (int n = 1 + pick(4); n > 0; n--) {
		struct node *f = random_access(skip, &s, &bound);
		if (!pick(5))
			f = add(f, random_access(skip, &s, &bound));
		if (!pick(5))
			f = sigmoid(f);
		if (!pick(8) && s.depth < 2)
			f = sigmoid(random_sum(skip, s));
		x = mul(x, f);
	}
	const struct idx *b[MAX_BOUND];
	int nb = 0;
	struct guard g;
	for (int i = 0; i < bound.nix; i++)
		b[nb++] = bound.ix[i];
	if (bound.n)
		b[nb++] = bound.n;
	bool guarded = nb > 0 && s.nix > 1 && !pick(5);
	if (guarded) {
		struct affine d = affine_add(cx.prog, affine_idx(cx.prog, s.ix[pick(s.nix)]),
		                             affine_idx(cx.prog, s.ix[pick(s.nix)]), -1);
		g = (struct guard){!pick(4), affine_add(cx.prog, d, affine_const(pick(2)), 1)};
	}
	return ex_reduce(cx.prog, !guarded && !pick(12) && nb ? RED_MAX : RED_SUM, b, nb, &g, guarded,
	                 x);
}

static void random_stmt(void)
{
	const struct tensor *t;
	do
		t = &prog->tensor.at[pick(prog->tensor.n)];
	while (t->space == SPACE_SCALAR);
	struct scope s = {.nix = 0};
	struct stmt st = {.dst = t->sym,
	                  .accumulate =
	                      t->space != SPACE_TEMP && t->sym->values == VALUES_REAL && !pick(3)};
	for (int i = 0; i < t->sym->rank; i++)
		st.at[i] = s.ix[s.nix++] = ix(i == 0 ? "i" : i == 1 ? "j" : "k", t->sym->dim[i]);
	st.batch = s.n = t->pop >= 0 ? batch("n", t->pop) : NULL;
	struct node *x = random_sum(t->sym, s);
	for (int n = pick(3); n > 0; n--)
		x = add(x, ex_scale(cx.prog, 1 + pick(3), random_sum(t->sym, s)));
	if (t->space != SPACE_TEMP && !pick(4) && t->sym->values == VALUES_REAL)
		x = add(x, ex_scale(cx.prog, 0.5, ex_at(cx.prog, t->sym, st.batch, st.at)));
	if (pick(2) || t->space != SPACE_GRAD)
		x = ex_op1(cx.prog, OP_TANH, ex_scale(cx.prog, 0.1, x));
	if (t->sym->values == VALUES_BINARY)
		x = bernoulli(sigmoid(x));
	st.rhs = x;
	program_stmt(prog, fun, st);
}

static void random_tensors(void)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "l", "o", "s", "t"};
	for (int i = 0; i < 12; i++) {
		int64_t dim[3];
		int rank = i < 5 ? 1 + pick(3) : i < 10 ? pick(8) > 0 ? 1 : pick(3) : pick(3);
		for (int k = 0; k < rank; k++)
			dim[k] = kind_size[pick(3)];
		if (i < 4) {
			const struct sym *p =
			    tensor(names[i], SPACE_PARAM, -1, VALUES_REAL, NULL, (size_t)rank, dim);
			tensor(arena_printf(cx.prog, "g%s", names[i]), SPACE_GRAD, -1, VALUES_REAL, p,
			       (size_t)rank, dim);
		} else
			tensor(names[i], SPACE_STATE,
			       i < 5         ? -1
			       : pick(4) > 0 ? data
			                     : chains,
			       pick(2) && i >= 5 ? VALUES_BINARY : VALUES_REAL, NULL, (size_t)rank, dim);
	}
	tensor("beta", SPACE_SCALAR, -1, VALUES_REAL, NULL, DIMS());
}

static void test_random(void)
{
	int matmuls = 0, loops = 0, stmts = 0,
	    cases = getenv("PLAN_CASES") ? atoi(getenv("PLAN_CASES")) : 300;
	for (int c = 0; c < cases; c++) {
		begin();
		random_tensors();
		for (int f = 0; f < 2; f++) {
			fun = program_function(prog, f ? "f1" : "f0");
			for (int n = 1 + pick(6); n > 0; n--, stmts++)
				random_stmt();
		}
		struct plan *p = plan();
		for (int how = MM_SGEMM; how <= MM_BITS_COUNT; how++)
			matmuls += count(p, KERNEL_MATMUL, (enum matmul)how);
		loops += count(p, KERNEL_LOOP, MM_SGEMM);
		end();
	}
	printf(" %d statements: %d matmuls, %d loops ... ", stmts, matmuls, loops);
	CU_ASSERT(matmuls > cases / 4);
}

int main(void)
{
	CU_pSuite suite;
	unsigned failed;

	CU_initialize_registry();
	suite = CU_add_suite("plan", NULL, NULL);
	CU_add_test(suite, "contrastive divergence", test_cd);
	CU_add_test(suite, "counts and sums computed once", test_count);
	CU_add_test(suite, "orientation and representation", test_orientation);
	CU_add_test(suite, "materialised factors", test_factors);
	CU_add_test(suite, "third order and masks", test_third_order_and_masks);
	CU_add_test(suite, "hoisted reductions", test_hoist);
	CU_add_test(suite, "fusion", test_fusion);
	CU_add_test(suite, "random programs", test_random);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
