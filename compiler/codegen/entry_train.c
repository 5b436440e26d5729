/* A training as functions of C:
 *
 *     size_t M_train_size(size_t rows)
 *     int M_train_begin(void *state, size_t size, size_t rows, const struct M_train_params *params,
 *                       const float *mean.., struct dgm_random *random)
 *     int M_train_step(void *state, size_t rows, size_t epoch, const struct M_train_params *params,
 *                      const float *in.., struct dgm_random *random)
 *
 * They hand on to the runtime (updates.h), with the training as a constant. */
#include "codegen/entry.h"
#include "codegen/image.h"

#include <string.h>

static bool among(const struct dgm_function *const *list, int n, const struct dgm_function *f)
{
	for (int k = 0; k < n; k++)
		if (list[k] == f)
			return true;
	return false;
}

/* What a training calls. */
static int functions_of(const struct dgm_train *t, const struct dgm_function **out)
{
	const struct dgm_function *all[] = {t->prepare,
	                                    t->begin,
	                                    t->first,
	                                    t->final,
	                                    t->often,
	                                    t->centre,
	                                    t->sweep.begin,
	                                    t->sweep.step,
	                                    t->sweep.end,
	                                    t->tempering.gap,
	                                    t->refine.pass,
	                                    t->exact ? t->exact->energy : NULL,
	                                    t->exact ? t->exact->grad : NULL};
	int n = 0;
	for (size_t k = 0; k < sizeof all / sizeof *all; k++)
		if (all[k] && !among(out, n, all[k]))
			out[n++] = all[k];
	return n;
}

/* ---- the module ---- */
struct making { /* of a training's constants */
	struct emit *e;
	const struct object_train *of;
	const char *name;
	LLVMValueRef functions; /* the table */
};

static const char *named(const struct making *m, const char *part)
{
	return arena_printf(m->e->a, "%s_train.%s", m->name, part);
}

static LLVMValueRef slots(const struct making *m)
{
	const struct dgm_module *mod = m->of->updates->module;
	struct image i = image_new(m->e, mod->slot, (size_t)mod->nslot * sizeof *mod->slot);
	for (int k = 0; k < mod->nslot; k++)
		image_point(&i, (size_t)k * sizeof *mod->slot + offsetof(struct dgm_slot, name),
		            image_text(m->e, mod->slot[k].name));
	return image_done(&i, named(m, "slots"));
}

static LLVMValueRef regions(const struct making *m, const struct plan_function *f)
{
	struct dgm_region *none = NEW_ARRAY(m->e->a, struct dgm_region, f->region.n + 1);
	struct image i = image_new(m->e, none, (size_t)(f->region.n + 1) * sizeof *none);
	for (int r = 0; r < f->region.n; r++)
		image_point(
		    &i, (size_t)r * sizeof *none + offsetof(struct dgm_region, run),
		    emit_inner_region(m->e, f->region.at[r], named(m, region_symbol(m->e->a, f, r))));
	return image_done(&i, named(m, "regions"));
}

/* Those that are not called have no regions. */
static LLVMValueRef functions(const struct making *m)
{
	const struct dgm_module *mod = m->of->updates->module;
	const struct dgm_function *used[32];
	int n = functions_of(&m->of->updates->train, used);
	struct image i = image_new(m->e, mod->function, (size_t)mod->nfunction * sizeof *mod->function);
	for (int k = 0; k < mod->nfunction; k++) {
		size_t at = (size_t)k * sizeof *mod->function;
		bool is_used = among(used, n, &mod->function[k]);
		image_point(&i, at + offsetof(struct dgm_function, name),
		            image_text(m->e, mod->function[k].name));
		image_point(&i, at + offsetof(struct dgm_function, region),
		            is_used ? regions(m, m->of->plan->function.at[k]) : NULL);
	}
	return image_done(&i, named(m, "functions"));
}

static LLVMValueRef module(const struct making *m)
{
	const struct dgm_module *mod = m->of->updates->module;
	struct image i = image_new(m->e, mod, sizeof *mod);
	image_point(&i, offsetof(struct dgm_module, model), image_text(m->e, mod->model));
	image_point(&i, offsetof(struct dgm_module, slot), slots(m));
	image_point(&i, offsetof(struct dgm_module, function), m->functions);
	image_point(&i, offsetof(struct dgm_module, pop_name), NULL);
	image_point(&i, offsetof(struct dgm_module, scalar_name), NULL);
	image_point(&i, offsetof(struct dgm_module, pop_most),
	            image_data(m->e, mod->pop_most, (size_t)mod->npop * sizeof *mod->pop_most,
	                       named(m, "most")));
	return image_done(&i, named(m, "module"));
}

/* ---- the training ---- */
static LLVMValueRef function_at(const struct making *m, const struct dgm_function *f)
{
	if (!f)
		return NULL;
	LLVMValueRef at = emit_int(m->e, (f - m->of->updates->module->function) * (int64_t)sizeof *f);
	return LLVMConstGEP2(m->e->i8, m->functions, &at, 1);
}

static LLVMValueRef enumeration(const struct making *m, const struct dgm_enumeration *x)
{
	if (!x)
		return NULL;
	size_t n = (size_t)x->nslot;
	struct image i = image_new(m->e, x, sizeof *x);
	image_point(&i, offsetof(struct dgm_enumeration, slot),
	            image_data(m->e, x->slot, n * sizeof *x->slot, named(m, "listed")));
	image_point(&i, offsetof(struct dgm_enumeration, lo),
	            image_data(m->e, x->lo, n * sizeof *x->lo, named(m, "low")));
	image_point(&i, offsetof(struct dgm_enumeration, hi),
	            image_data(m->e, x->hi, n * sizeof *x->hi, named(m, "high")));
	image_point(&i, offsetof(struct dgm_enumeration, energy), function_at(m, x->energy));
	image_point(&i, offsetof(struct dgm_enumeration, grad), function_at(m, x->grad));
	return image_done(&i, named(m, "states"));
}

/* A pointer of struct dgm_updates' train. */
#define TRAIN(field) (offsetof(struct dgm_updates, train) + offsetof(struct dgm_train, field))

static LLVMValueRef updates(const struct making *m)
{
	struct emit *e = m->e;
	const struct dgm_updates *u = m->of->updates;
	const struct dgm_train *t = &u->train;
	size_t n = (size_t)u->module->nslot;
	const struct {
		size_t at;
		LLVMValueRef to;
	} pointers[] = {
	    {TRAIN(model), image_text(e, t->model)},
	    {TRAIN(prepare), function_at(m, t->prepare)},
	    {TRAIN(begin), function_at(m, t->begin)},
	    {TRAIN(first), function_at(m, t->first)},
	    {TRAIN(final), function_at(m, t->final)},
	    {TRAIN(often), function_at(m, t->often)},
	    {TRAIN(centre), function_at(m, t->centre)},
	    {TRAIN(sweep.begin), function_at(m, t->sweep.begin)},
	    {TRAIN(sweep.step), function_at(m, t->sweep.step)},
	    {TRAIN(sweep.end), function_at(m, t->sweep.end)},
	    {TRAIN(tempering.gap), function_at(m, t->tempering.gap)},
	    {TRAIN(tempering.state),
	     image_data(e, t->tempering.nstate ? t->tempering.state : NULL,
	                (size_t)t->tempering.nstate * sizeof *t->tempering.state, named(m, "chains"))},
	    {TRAIN(refine.pass), function_at(m, t->refine.pass)},
	    {TRAIN(exact), enumeration(m, t->exact)},
	    {TRAIN(descent_of),
	     image_data(e, t->descent_of, n * sizeof *t->descent_of, named(m, "of"))},
	    {TRAIN(decays), image_data(e, t->decays, n * sizeof *t->decays, named(m, "decays"))},
	    {TRAIN(limit), image_data(e, t->nlimit ? t->limit : NULL,
	                              (size_t)t->nlimit * sizeof *t->limit, named(m, "limits"))},
	    {TRAIN(frozen), image_data(e, t->frozen, n * sizeof *t->frozen, named(m, "frozen"))},
	};
	struct image i = image_new(e, u, sizeof *u);
	for (size_t k = 0; k < sizeof pointers / sizeof *pointers; k++)
		image_point(&i, pointers[k].at, pointers[k].to);
	for (int k = 0; k < t->ndescent; k++)
		image_point(&i, offsetof(struct dgm_updates, optimizer) + (size_t)k * sizeof(char *),
		            image_text(e, u->optimizer[k]));
	image_point(&i, offsetof(struct dgm_updates, module), module(m));
	image_point(&i, offsetof(struct dgm_updates, input),
	            image_data(e, u->ninput ? u->input : NULL, (size_t)u->ninput * sizeof *u->input,
	                       named(m, "inputs")));
	image_point(&i, offsetof(struct dgm_updates, mean),
	            image_data(e, u->nmean ? u->mean : NULL, (size_t)u->nmean * sizeof *u->mean,
	                       named(m, "means")));
	return image_done(&i, named(m, "updates"));
}

/* ---- the functions ---- */
static LLVMValueRef param(struct emit *e, unsigned k)
{
	return LLVMGetParam(e->fn, k);
}

/* Parameters 4 .. 4 + n of the function as a table. */
static LLVMValueRef arrays(struct emit *e, int n)
{
	LLVMValueRef table = LLVMBuildAlloca(e->b, LLVMArrayType2(e->ptr, (unsigned)n + 1), "");
	for (int k = 0; k < n; k++) {
		LLVMValueRef at = emit_int(e, k);
		LLVMBuildStore(e->b, param(e, 4 + (unsigned)k),
		               LLVMBuildGEP2(e->b, e->ptr, table, &at, 1, ""));
	}
	return table;
}

static void hand_on(struct emit *e, const char *to, LLVMValueRef of, int narray)
{
	LLVMValueRef args[] = {of,
	                       param(e, 0),
	                       param(e, 1),
	                       param(e, 2),
	                       param(e, 3),
	                       arrays(e, narray),
	                       param(e, 4 + (unsigned)narray)};
	LLVMBuildRet(e->b, emit_rt(e, to, args, 7));
}

void train_emit(struct emit *e, struct cx *cx, const struct object_train *t, const char *name)
{
	const int most = 5 + (t->ninput > t->nmean ? t->ninput : t->nmean);
	LLVMTypeRef size = entry_size_type(e), *type = NEW_ARRAY(e->a, LLVMTypeRef, most);
	struct making m = {.e = e, .of = t, .name = name};
	emit_plan(e, t->plan, emit_slots(cx, t->plan));
	e->whole = false; /* the runtime's threads share regions */
	m.functions = functions(&m);
	e->whole = true;
	LLVMValueRef of = updates(&m);
	for (int k = 0; k < most; k++)
		type[k] = k == 1 || k == 2 ? size : e->ptr;
	entry_begin(e, arena_printf(e->a, "%s_train_size", name), size, &size, 1);
	LLVMBuildRet(e->b, emit_rt(e, "dgm_updates_size", (LLVMValueRef[]){of, param(e, 0)}, 2));
	entry_begin(e, arena_printf(e->a, "%s_train_begin", name), e->i32, type, 5 + t->nmean);
	hand_on(e, "dgm_updates_begin", of, t->nmean);
	entry_begin(e, arena_printf(e->a, "%s_train_step", name), e->i32, type, 5 + t->ninput);
	hand_on(e, "dgm_updates_run", of, t->ninput);
}
