/* Parts of models against the energies of the whole: with the groups left out at 0 the log-odds of
 * a unit are f(0) + n/k (f(others) - f(0)),     f = E(unit at lo) - E(unit at hi), n the groups
 * that f depends on, k those of them that are kept, f(0) what it is with these at 0 too.  Energies
 * are affine in each unit, so that a spin at 0 is the mean over its two values.  What f depends on
 * is found by changing states. */
#include "oracle.h"

#include <math.h>

static int checked, refused;

static bool two_valued(const struct oracle *o)
{
	for (int g = 0; g < o->m->group.n; g++) {
		const struct group *x = o->m->group.at[g];
		if (x->family->shape != SHAPE_TWO)
			return false;
		for (int t = 0; t < o->m->E.n && x->family->lo < 0; t++) {
			int degree = ex_degree(o->m->E.at[t].node, x->sym);
			if (degree < 0 || degree > 2)
				return false;
		}
	}
	return o->m->def.n == 0 && o->m->factor.n == 0;
}

/* E with the units of `zero` at 0. */
static double energy_at(const struct oracle *o, uint32_t zero, uint32_t state)
{
	uint32_t spins = 0;
	double sum = 0, n = 0;
	for (int g = 0; g < o->m->group.n; g++)
		if (o->m->group.at[g]->family->lo < 0)
			spins |= zero & group_mask(o, g);
	for (uint32_t s = 0;; s = next_sub(s, spins)) {
		sum += o->E[(state & ~zero) | s];
		n++;
		if (s == spins)
			return sum / n;
	}
}

static double odds(const struct oracle *o, int unit, uint32_t zero, uint32_t state)
{
	uint32_t bit = (uint32_t)1 << unit;
	return energy_at(o, zero, state & ~bit) - energy_at(o, zero, state | bit);
}

/* Do the log-odds of some unit of g depend on a unit of the other group? */
static bool depends(struct oracle *o, int g, int other)
{
	for (int t = 0; t < 200; t++) {
		uint32_t state = oracle_random(o) & (o->nstate - 1);
		uint32_t flipped = state ^ (group_mask(o, other) & oracle_random(o));
		for (int k = 0; k < o->count[g]; k++)
			if (fabs(odds(o, o->first[g] + k, 0, state) - odds(o, o->first[g] + k, 0, flipped)) >
			    1e-9)
				return true;
	}
	return false;
}

static void check_group(struct oracle *o, const struct model *part, const struct group *own, int g,
                        const bool *keep, double times)
{
	struct conditional c;
	uint32_t absent = 0, others = 0;
	for (int i = 0; i < o->m->group.n; i++) {
		absent |= keep[i] ? 0 : group_mask(o, i);
		others |= i != g && o->m->group.at[i]->role != GROUP_GIVEN ? group_mask(o, i) : 0;
	}
	model_field(part, &part->E, own, &c);
	for (int t = 0; t < 20; t++) {
		uint32_t state = oracle_random(o) & (o->nstate - 1);
		for (int k = 0; k < o->count[g]; k++) {
			struct binding b[MAX_RANK + 1];
			int nb = bind_element(own->sym, c.at, k, part->batch, state, b);
			double alone = odds(o, o->first[g] + k, others, state);
			double heard = odds(o, o->first[g] + k, absent, state);
			CU_ASSERT_DOUBLE_EQUAL(memory_eval(&o->mem, c.field, b, nb),
			                       alone + times * (heard - alone), 1e-9);
			checked++;
		}
	}
}

static void check_part(struct oracle *o, const bool *keep)
{
	const struct model *m = o->m;
	double times[32];
	bool whole = true;
	for (int g = 0; g < m->group.n; g++) {
		int n = 0, kept = 0;
		for (int i = 0; i < m->group.n; i++) {
			bool hears =
			    keep[g] && i != g && m->group.at[i]->role != GROUP_GIVEN && depends(o, g, i);
			n += hears;
			kept += hears && keep[i];
		}
		times[g] = kept ? (double)n / kept : 1;
		whole = whole && (n == 0 || kept);
	}
	struct cx cx = o->u->cx; /* its refusals are not the file's */
	cx.diags = diags_new(cx.prog);
	struct model *part = model_part(&cx, m, keep, keep, m->group.at[0]->span);
	CU_ASSERT_EQUAL(part != NULL, whole);
	refused += !whole;
	for (int g = 0, p = 0; part && g < m->group.n; g++)
		if (keep[g])
			check_group(o, part, part->group.at[p++], g, keep, times[g]);
}

static void parts(struct oracle *o, int draw)
{
	int n = o->m->group.n;
	(void)draw;
	if (!two_valued(o))
		return;
	for (int which = 1; which < 1 << n; which++) {
		bool keep[32], fits = true;
		for (int g = 0; g < n; g++) {
			keep[g] = which >> g & 1;
			fits = fits && (keep[g] || o->m->group.at[g]->role != GROUP_GIVEN);
		}
		if (fits)
			check_part(o, keep);
	}
}

static void test_parts(void)
{
	oracle_each(parts, 1);
	CU_ASSERT(checked > 1000);
	CU_ASSERT(refused > 10);
}

int main(void)
{
	unsigned failed;
	if (CU_initialize_registry())
		return 1;
	CU_pSuite s = CU_add_suite("part", NULL, NULL);
	CU_add_test(s, "log-odds of units of parts", test_parts);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed > 0;
}
