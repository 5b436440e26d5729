/* A model as generated code, its slots filled and read by name. */
#include "oracle.h"

#include <string.h>

static bool objective_named(struct expansion *x, const char *name, bool samples)
{
	struct objective_args args = {.samples = samples};
	return objective_find(name)->expand(x, &args);
}

bool expand_cd_means(struct expansion *x)
{
	return objective_named(x, "cd", false);
}

bool expand_cd_samples(struct expansion *x)
{
	return objective_named(x, "cd", true);
}

bool expand_sml_means(struct expansion *x)
{
	return objective_named(x, "sml", false);
}

bool expand_sml_samples(struct expansion *x)
{
	return objective_named(x, "sml", true);
}

bool expand_exact(struct expansion *x)
{
	return objective_named(x, "nll", false);
}

bool code_build(struct code *k, const struct oracle *o, expand_fn *const *expand,
                const int64_t *capacity)
{
	*k = (struct code){.o = o, .c = {.m = o->m, .x = expansion_new(&o->u->cx, o->m)}};
	for (; *expand; expand++)
		if (!(*expand)(k->c.x)) {
			diags_print(o->u->cx.diags, stderr);
			CU_FAIL("the model was refused");
			return false;
		}
	block_plan(o->u, &k->c);
	CU_ASSERT_FATAL(codegen_init() && block_jit(o->u, &k->c));
	k->store = dgm_store_new(k->c.mod, capacity);
	k->call = dgm_call_on(k->store, 5);
	code_params(k);
	return true;
}

void code_free(struct code *k)
{
	dgm_store_free(k->store);
	jit_free(k->c.jit);
}

int code_slot(const struct code *k, const char *name)
{
	int s = dgm_slot_find(k->c.mod, name);
	if (s < 0)
		BUG("oracle: no slot %s in %s", name, k->o->m->name);
	return s;
}

double code_get(const struct code *k, int slot, int64_t row, int64_t element)
{
	const struct dgm_slot *s = &k->c.mod->slot[slot];
	int64_t at = row * dgm_item_stride(s);
	if (s->repr == DGM_BITS)
		return (double)(((const uint64_t *)k->store->slot[slot])[at + element / 64] >>
		                    (element % 64) &
		                1);
	return (double)((const float *)k->store->slot[slot])[at + element];
}

void code_set(const struct code *k, int slot, int64_t row, int64_t element, double x)
{
	const struct dgm_slot *s = &k->c.mod->slot[slot];
	int64_t at = row * dgm_item_stride(s);
	if (s->repr == DGM_BITS) {
		uint64_t *w = &((uint64_t *)k->store->slot[slot])[at + element / 64],
		         bit = (uint64_t)1 << (element % 64);
		*w = x != 0 ? *w | bit : *w & ~bit;
	} else {
		((float *)k->store->slot[slot])[at + element] = (float)x;
	}
}

static void fill(struct code *k, const struct sym *s)
{
	const double *x = memory_get(&k->o->mem, s);
	int slot = dgm_slot_find(k->c.mod, s->name); /* a mean that nothing reads has none */
	for (int64_t i = 0; slot >= 0 && i < items_of(s); i++)
		code_set(k, slot, 0, i, x[i]);
}

void code_params(struct code *k)
{
	for (int i = 0; i < k->o->m->weight.n; i++)
		fill(k, k->o->m->weight.at[i]->sym);
	for (int i = 0; i < k->o->m->group.n; i++)
		if (k->o->m->group.at[i]->mean)
			fill(k, k->o->m->group.at[i]->mean);
	const struct dgm_function *f = dgm_function_find(k->c.mod, "prepare");
	if (f)
		dgm_run(f, &k->call);
}

void code_run(struct code *k, const char *function)
{
	const struct dgm_function *f = dgm_function_find(k->c.mod, function);
	if (f == NULL)
		BUG("oracle: no function %s in %s", function, k->o->m->name);
	dgm_run(f, &k->call);
	k->call.step++;
}

static int state_slot(const struct code *k, int group, const char *suffix)
{
	char name[256];
	snprintf(name, sizeof name, "%s%s", k->o->m->group.at[group]->name, suffix);
	return code_slot(k, name);
}

void code_state(const struct code *k, const char *suffix, int64_t row, uint32_t mask,
                uint32_t state)
{
	const struct oracle *o = k->o;
	for (int g = 0; g < o->m->group.n; g++) {
		if ((group_mask(o, g) & mask) == 0)
			continue;
		int slot = state_slot(k, g, suffix);
		for (int i = 0; i < o->count[g]; i++)
			code_set(k, slot, row, i, unit_value(o, o->first[g] + i, state));
	}
}

uint32_t code_state_of(const struct code *k, const char *suffix, int64_t row, uint32_t mask)
{
	const struct oracle *o = k->o;
	uint32_t state = 0;
	for (int g = 0; g < o->m->group.n; g++) {
		if ((group_mask(o, g) & mask) == 0)
			continue;
		int slot = state_slot(k, g, suffix);
		for (int i = 0; i < o->count[g]; i++)
			state |= (uint32_t)(code_get(k, slot, row, i) > 0) << (o->first[g] + i);
	}
	return state;
}

void code_scalar(struct code *k, const char *name, double x)
{
	for (int i = 0; i < k->c.mod->nscalar; i++)
		if (strcmp(k->c.mod->scalar_name[i], name) == 0)
			k->call.scalar[i] = (float)x;
}

const struct dgm_enumeration *code_enumeration(struct code *k)
{
	struct session s = {.u = k->o->u};
	return job_enumeration(&s, &k->c);
}
