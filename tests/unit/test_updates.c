/* Updates of embedded trainings: the functions of objects, on the batches of a training in their
 * order, against that training: the same bits of all parameters.  And what is wrong in a call. */
#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#include "driver/driver.h"
#include "train_work.h"
#include "updates.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PARAMS = 32, MAX_INPUTS = 4, SEED = 7 };
enum {
#define S(name, value, what) STATUS_##name = value,
	DGM_EMBED_STATUS_LIST(S)
#undef S
};
struct dgm_random {
	uint64_t seed, step;
};

static struct unit u;
static struct session session;
static struct compiled c;
static struct dgm_train train;
static const struct dgm_data *data[MAX_INPUTS];
static const struct sym *input[MAX_INPUTS];
static struct dgm_input inputs[MAX_INPUTS];
static int ninput;
static float *param[MAX_PARAMS], *mean; /* mean: of the data; NULL: not asked for */
static int64_t count[MAX_PARAMS];
static int nparam;
static struct object object;
static struct object_jit *jit;

typedef size_t size_fn(size_t rows);
typedef int begin_fn(void *state, size_t size, size_t rows, float *const *params,
                     const void *mean_or_random, struct dgm_random *r);
typedef int step_fn(void *state, size_t rows, size_t epoch, float *const *params, const float *x,
                    struct dgm_random *r);

static void *function(const char *name)
{
	return object_symbol(jit, arena_printf(u.cx.tmp, "%s_%s", object.name, name));
}

/* ---- the training ---- */
static const struct block_def *block_of(const struct model *m)
{
	for (int k = 0; k < u.checked->block.n; k++)
		if (unit_model(&u, u.checked->block.at[k]->model) == m)
			return u.checked->block.at[k];
	return NULL;
}

static struct dgm_store *new_store(void)
{
	int64_t capacity[DGM_MAX_POP] = {0};
	train_capacity(&c, &train, capacity);
	struct dgm_store *s = dgm_store_new(c.mod, capacity);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL_FATAL(job_means(&session, &c, s, c.block), EXIT_DONE);
	return s;
}

/* The parameters as the training draws them. */
static void first_values(void)
{
	struct dgm_store *s = new_store();
	struct dgm_call call = dgm_call_on(s, SEED);
	dgm_run(train.init, &call);
	nparam = 0;
	for (int i = 0; i < c.mod->nslot; i++) {
		if (c.mod->slot[i].space != DGM_PARAM)
			continue;
		count[nparam] = dgm_slot_items(&c.mod->slot[i]);
		param[nparam] = malloc((size_t)count[nparam] * sizeof(float));
		memcpy(param[nparam], s->slot[i], (size_t)count[nparam] * sizeof(float));
		nparam++;
	}
	mean = NULL;
	for (int k = 0; k < object.train->nmean; k++) { /* of the one input */
		const struct dgm_slot *slot = &c.mod->slot[object.train->updates->mean[k]];
		CU_ASSERT_EQUAL_FATAL(object.train->nmean, 1);
		mean = malloc((size_t)dgm_slot_items(slot) * sizeof *mean);
		memcpy(mean, s->slot[object.train->updates->mean[k]],
		       (size_t)dgm_slot_items(slot) * sizeof *mean);
	}
	dgm_store_free(s);
}

static int begin(void *state, size_t size, size_t rows, float *const *params, struct dgm_random *r)
{
	begin_fn *f = (begin_fn *)(uintptr_t)function("train_begin");
	return mean ? f(state, size, rows, params, mean, r) : f(state, size, rows, params, r, NULL);
}

static void open_training(struct model *m)
{
	int status;
	CU_ASSERT_FATAL(block_expand(&u, block_of(m), &c));
	block_plan(&u, &c);
	CU_ASSERT_FATAL(block_jit(&u, &c));
	train = (struct dgm_train){.model = m->name, .seed = SEED, .quiet = true};
	train.batch = (int64_t)block_clause(c.block, "batch")->arg[0].num;
	CU_ASSERT_FATAL(train_settings(&session, &c, &train));
	train.input = inputs;
	ninput = 0;
	for (int k = 0; k < c.block->nbind; k++) {
		input[ninput] = c.block->bind[k].var->sym;
		data[ninput] = dataset(&u, c.block->bind[k].data, false, &status);
		CU_ASSERT_PTR_NOT_NULL_FATAL(data[ninput]);
		inputs[train.ninput++] =
		    (struct dgm_input){dgm_slot_find(c.mod, input[ninput]->name), data[ninput]};
		ninput++;
	}
}

static void run_training(void)
{
	static char folder[] = "/tmp/test_updates.XXXXXX";
	strcpy(folder + sizeof folder - 7, "XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	train.store = new_store();
	train.out_dir = folder;
	train.config = "";
	CU_ASSERT_EQUAL(dgm_train_run(&train), DGM_OK);
	char *remove = arena_printf(u.cx.tmp, "rm -r %s", folder);
	CU_ASSERT_EQUAL(system(remove), 0);
}

/* ---- the object ---- */
static void fill_batch(const int64_t *index, int64_t n, int64_t update, float *x)
{
	struct dgm_slot slot = {.rank = input[0]->rank};
	memcpy(slot.dim, input[0]->dim, sizeof input[0]->dim);
	int64_t stride = dgm_item_stride(&slot), items = dgm_slot_items(&slot);
	float *rows = calloc((size_t)(n * stride) + 16, sizeof *rows);
	dgm_data_batch(data[0], index, n, &slot, rows, SEED, (uint32_t)update);
	for (int64_t r = 0; r < n; r++)
		memcpy(x + r * items, rows + r * stride, (size_t)items * sizeof *x);
	free(rows);
}

static void run_object(void)
{
	enum { ODD = 5 };
	step_fn *step = (step_fn *)(uintptr_t)function("train_step");
	size_t rows = (size_t)train.batch, size = ((size_fn *)(uintptr_t)function("train_size"))(rows);
	char *state = (char *)malloc(size + ODD) + ODD;
	int64_t n = data[0]->n, update = 0, *order = calloc((size_t)n, sizeof *order);
	float *x = malloc(rows * (size_t)data[0]->items * sizeof *x);
	struct dgm_random random = {SEED, 0};
	memset(state, 0x55, size);
	CU_ASSERT_EQUAL(begin(state, size, rows, param, &random), STATUS_OK);
	for (int64_t epoch = 0; epoch < train.epochs; epoch++) {
		dgm_permutation(order, n, SEED, (uint32_t)epoch);
		for (int64_t first = 0; first < n; first += train.batch) {
			int64_t some = n - first < train.batch ? n - first : train.batch;
			fill_batch(order + first, some, ++update, x);
			CU_ASSERT_EQUAL(step(state, (size_t)some, (size_t)epoch, param, x, &random), STATUS_OK);
		}
	}
	free(state - ODD);
	free(order);
	free(x);
}

static bool same_parameters(void)
{
	bool same = true;
	for (int i = 0, k = 0; i < c.mod->nslot; i++)
		if (c.mod->slot[i].space == DGM_PARAM) {
			same = same &&
			       memcmp(param[k], train.store->slot[i], (size_t)count[k] * sizeof(float)) == 0;
			k++;
		}
	return same;
}

/* ---- what is wrong in a call ---- */
static void test_errors(void)
{
	step_fn *step = (step_fn *)(uintptr_t)function("train_step");
	size_fn *size_of = (size_fn *)(uintptr_t)function("train_size");
	size_t size = size_of(2);
	void *state = calloc(1, size);
	float *x = calloc((size_t)(2 * data[0]->items), sizeof *x), was = param[0][0],
	      *first = param[0];
	struct dgm_random r = {SEED, 0};
	for (int64_t i = 0; i < 2 * data[0]->items; i++)
		x[i] = (float)object.train->input[0].hi;
	CU_ASSERT_EQUAL(size_of(0), 0);
	CU_ASSERT_EQUAL(size_of(SIZE_MAX), 0);
	CU_ASSERT_EQUAL(step(state, 2, 0, param, x, &r), STATUS_MODEL);
	CU_ASSERT_EQUAL(begin(NULL, size, 2, param, &r), STATUS_NULL);
	CU_ASSERT_EQUAL(begin(state, size, 2, NULL, &r), STATUS_NULL);
	CU_ASSERT_EQUAL(begin(state, size, 2, param, NULL), STATUS_NULL);
	CU_ASSERT_EQUAL(begin(state, size, 0, param, &r), STATUS_ROWS);
	CU_ASSERT_EQUAL(begin(state, size - 1, 2, param, &r), STATUS_WORK);
	param[0][0] = NAN;
	CU_ASSERT_EQUAL(begin(state, size, 2, param, &r), STATUS_VALUE);
	CU_ASSERT_EQUAL(step(state, 2, 0, param, x, &r), STATUS_MODEL);
	param[0][0] = was;
	CU_ASSERT_EQUAL(begin(state, size, 2, param, &r), STATUS_OK);
	CU_ASSERT_EQUAL(step(NULL, 2, 0, param, x, &r), STATUS_NULL);
	CU_ASSERT_EQUAL(step(state, 2, 0, NULL, x, &r), STATUS_NULL);
	CU_ASSERT_EQUAL(step(state, 2, 0, param, NULL, &r), STATUS_NULL);
	CU_ASSERT_EQUAL(step(state, 2, 0, param, x, NULL), STATUS_NULL);
	CU_ASSERT_EQUAL(step(state, 0, 0, param, x, &r), STATUS_ROWS);
	CU_ASSERT_EQUAL(step(state, 3, 0, param, x, &r), STATUS_ROWS);
	CU_ASSERT_EQUAL(step(state, 2, SIZE_MAX, param, x, &r), STATUS_ROWS);
	param[0] = NULL;
	CU_ASSERT_EQUAL(step(state, 2, 0, param, x, &r), STATUS_NULL);
	param[0] = first;
	param[0][0] = INFINITY;
	CU_ASSERT_EQUAL(step(state, 2, 0, param, x, &r), STATUS_VALUE);
	param[0][0] = was;
	if (object.train->updates->input[0].block[0]) /* all units are 1 */
		CU_ASSERT_EQUAL(step(state, 2, 0, param, x, &r), STATUS_BLOCK);
	x[1] = NAN;
	CU_ASSERT_EQUAL(step(state, 2, 0, param, x, &r), STATUS_VALUE);
	CU_ASSERT(param[0][0] == was);
	free(state);
	free(x);
	if (mean) {
		float kept = mean[0];
		mean[0] = NAN;
		CU_ASSERT_EQUAL(begin(state = calloc(1, size), size, 2, param, &r), STATUS_VALUE);
		mean[0] = kept;
		free(state);
	}
}

/* A step that ends in what is no number leaves the parameters as they were. */
static void test_result(void)
{
	size_t size = ((size_fn *)(uintptr_t)function("train_size"))(1);
	void *state = calloc(1, size);
	float *x = calloc((size_t)data[0]->items, sizeof *x), was = param[0][0];
	struct dgm_random r = {SEED, 0};
	for (int64_t i = 0; i < data[0]->items; i++)
		x[i] = (float)object.train->input[0].hi;
	param[0][0] = 3e38f;
	CU_ASSERT_EQUAL(begin(state, size, 1, param, &r), STATUS_OK);
	CU_ASSERT_EQUAL(((step_fn *)(uintptr_t)function("train_step"))(state, 1, 0, param, x, &r),
	                STATUS_RESULT);
	CU_ASSERT(param[0][0] == 3e38f);
	param[0][0] = was;
	free(state);
	free(x);
}

static void test_model(struct model *m)
{
	embed_list offers = {0};
	CU_ASSERT_FATAL(build_object(&u, m, &object, &offers));
	CU_ASSERT_EQUAL_FATAL(object.train->refused != NULL, block_of(m) == NULL);
	if (object.train->refused)
		return;
	struct object_text text = object_build(&u.cx, &(object_list){&object, 1, 1}, NULL);
	jit = object_jit(&u.cx, &text);
	open_training(m);
	first_values();
	test_errors();
	if (strcmp(m->name, "chains") == 0)
		test_result();
	run_object();
	run_training();
	if (!same_parameters()) {
		fprintf(stderr, "%s: an embedded training gives other parameters\n", m->name);
		CU_FAIL("parameters");
	}
	dgm_store_free(train.store);
	for (int k = 0; k < nparam; k++)
		free(param[k]);
	object_jit_free(jit);
	jit_free(c.jit);
	free(mean);
}

static void test_trainings(void)
{
	static struct options opt = {
	    .call = "build", .file = EXAMPLES "/train.dgm", .seed = SEED, .train = true};
	CU_ASSERT_FATAL(codegen_init());
	CU_ASSERT_EQUAL_FATAL(unit_read(&u, &opt), EXIT_DONE);
	session = (struct session){.u = &u};
	u.session = &session;
	for (int k = 0; k < u.model.n; k++)
		test_model(u.model.at[k]);
	CU_ASSERT(u.model.n == 10);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite s = CU_add_suite("updates", NULL, NULL);
	CU_add_test(s, "embedded trainings against trainings", test_trainings);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed ? 1 : 0;
}
