/* A model at small sizes and its object, linked into this process: with parameters that are given to
 * `load`, or with constants of few bits. */
#ifndef EMBED_MODEL_H
#define EMBED_MODEL_H
#include "plan_interp.h"

#include <CUnit/CUnit.h>

#include "driver/driver.h"
#include "objective/quantize.h"
#include "verify/shrink.h"

#include <unistd.h>

enum { ODD = 3 /* bytes off any alignment */ };

/* ---- random numbers of the test ---- */
static uint64_t state = 1;
static double uniform(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return ((double)(state >> 11) + 0.5) / 9007199254740992.0;
}

/* ---- a model and its object ---- */
static struct unit whole, small;
static struct object object;
static embed_list offers;
static struct object_jit *jit, *scalar; /* scalar: without vectors, of a bare object */
static float *param[64];
static char *model; /* its block */
static size_t model_size;

typedef size_t size_fn(size_t rows);
typedef int call_fn(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                    uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                    uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);

static void *function(const char *name)
{
	return object_symbol(jit, arena_printf(small.cx.tmp, "%s_%s", object.name, name));
}

static int call(const char *name, const uintptr_t *a)
{
	return ((call_fn *)(uintptr_t)function(name))(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7],
	                                              a[8], a[9], a[10], a[11], a[12], a[13], a[14],
	                                              a[15], a[16], a[17], a[18], a[19]);
}

static int load_model(void)
{
	uintptr_t a[20] = {(uintptr_t)model, model_size, (uintptr_t)param};
	return call("load", a);
}

static int64_t params_of(const struct model *m)
{
	int64_t n = 0;
	for (int k = 0; k < m->weight.n; k++)
		n += items_of(m->weight.at[k]->sym);
	return n;
}

/* The model at small sizes; as it is where that is small enough; false: neither. */
static bool small_model(const char *path, int number)
{
	const char *sizes, *why = "";
	if (verify_shrink(&whole, whole.checked->model.at[number], SHRINK_ANY, &small, &sizes, &why))
		return true;
	small = whole;
	small.model.at += number;
	if (params_of(small.model.at[0]) > 2000)
		printf("%s is left out: %s\n", path, why);
	return params_of(small.model.at[0]) <= 2000;
}

enum kind { HOSTED, BARE, INT8, BF16, KINDS };

/* Random parameters of the model as a file. */
static const char *write_params(void)
{
	static char path[] = "/tmp/test_embed.XXXXXX";
	const struct model *m = small.model.at[0];
	struct dgm_slot slot[64] = {0};
	const char *meta[] = {NULL};
	struct dgm_module mod = {.model = m->name, .nslot = m->weight.n, .slot = slot};
	for (int k = 0; k < m->weight.n; k++) {
		const struct sym *w = m->weight.at[k]->sym;
		slot[k] = (struct dgm_slot){
		    .name = m->weight.at[k]->name, .space = DGM_PARAM, .pop = -1, .param = -1};
		slot[k].rank = w->rank;
		memcpy(slot[k].dim, w->dim, sizeof w->dim);
	}
	struct dgm_store *s = dgm_store_new(&mod, NULL);
	for (int k = 0; k < m->weight.n; k++)
		for (int64_t i = 0; i < dgm_slot_items(&slot[k]); i++)
			((float *)s->slot[k])[i] = (float)(0.1 + 0.4 * uniform());
	strcpy(path + sizeof path - 7, "XXXXXX");
	close(mkstemp(path));
	CU_ASSERT_EQUAL_FATAL(dgm_params_save(s, path, meta), DGM_OK);
	dgm_store_free(s);
	return path;
}

/* The number that few bits stand for, within half a step of x. */
static float dequantised(const struct object *few, int weight, int axis, int64_t i, float x)
{
	const struct entry_param *p = &few->param.at[weight];
	const struct sym *w = p->sym;
	int64_t behind = 1;
	if (w->values == VALUES_REAL)
		return x;
	if (w->values == VALUES_BF16) {
		CU_ASSERT(fabsf(p->values[i] - x) <= ldexpf(fabsf(x), -8));
		return p->values[i];
	}
	for (int k = axis + 1; k < w->rank; k++)
		behind *= w->dim[k];
	for (int k = 0; k < few->param.n; k++) {
		const struct entry_param *q = &few->param.at[k];
		if (strcmp(q->name, arena_printf(small.cx.tmp, "%s.scale", p->name)) != 0)
			continue;
		float s = q->values[i / behind % w->dim[axis]];
		CU_ASSERT(fabsf(s * p->values[i] - x) <= 0.5001f * s && fabsf(p->values[i]) <= 127);
		return s * p->values[i];
	}
	CU_FAIL("an int8 weight without scales");
	return x;
}

/* From here on object, offers and param are of the model with floats, those that few bits stand
 * for. */
static void open_floats(struct options *opt)
{
	const struct object few = object;
	opt->quantize = NULL;
	memset(&offers, 0, sizeof offers);
	CU_ASSERT_FATAL(build_object(&small, small.model.at[0], &object, &offers));
	for (int k = 0; k < object.param.n; k++) {
		const struct entry_param *p = &object.param.at[k];
		int axis = quantised_axis(&offers, p->sym);
		CU_ASSERT((axis < 0) == (few.param.at[k].sym->values == VALUES_REAL));
		for (int64_t i = 0; i < items_of(p->sym); i++)
			param[k][i] = dequantised(&few, k, axis, i, p->values[i]);
	}
	unlink(opt->params.at[0]);
}

static bool open_model(const char *folder, const char *path, int number, enum kind kind)
{
	const char *target = NULL;
	static struct options opt;
	char file[512];
	bool freestanding = kind != HOSTED;
	snprintf(file, sizeof file, "%s/%s", folder, path);
	opt = (struct options){.call = "build", .file = file, .seed = 1, .freestanding = freestanding};
	memset(&offers, 0, sizeof offers);
	state = 1; /* no model's numbers depend on other models */
	if (unit_read(&whole, &opt) != EXIT_DONE || number >= whole.checked->model.n)
		return false;
	if (!small_model(path, number))
		return false;
	if (kind >= INT8) {
		opt.quantize = kind == INT8 ? "int8" : "bf16";
		static const char *saved;
		saved = write_params();
		opt.params.at = &saved;
		opt.params.n = 1;
		opt.embed_params = true;
	}
	CU_ASSERT_FATAL(build_object(&small, small.model.at[0], &object, &offers));
	object_list list = {&object, 1, 1};
	object.scalar = false;
#ifdef __x86_64__ /* the least of these machines: no fused multiply-add, narrow vectors */
	target = freestanding ? "x86-64" : NULL;
#endif
	struct object_text text = object_build(&small.cx, &list, target);
	jit = object_jit(&small.cx, &text);
	if (kind == BARE) {
		object.scalar = true;
		text = object_build(&small.cx, &list, target);
		scalar = object_jit(&small.cx, &text);
	}
	for (int k = 0; k < object.param.n; k++) {
		int64_t n = items_of(object.param.at[k].sym);
		param[k] = malloc((size_t)n * sizeof(float));
		for (int64_t i = 0; i < n; i++)
			param[k][i] = (float)(0.1 + 0.4 * uniform());
	}
	if (kind >= INT8)
		open_floats(&opt);
	model_size = ((size_t(*)(void))(uintptr_t)function("size"))();
	model = (char *)malloc(model_size + ODD) + ODD;
	CU_ASSERT_EQUAL_FATAL(load_model(), 0);
	return true;
}

static void close_model(void)
{
	object_jit_free(jit);
	if (scalar)
		object_jit_free(scalar);
	scalar = NULL;
	free(model - ODD);
	for (int k = 0; k < object.param.n; k++)
		free(param[k]);
	arena_free(small.cx.prog);
	arena_free(small.cx.tmp);
}

#endif
