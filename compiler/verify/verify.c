/* dgm verify FILE: each model of the file at small sizes, trial by trial. */
#include "verify/verify.h"

#include <string.h>

enum { TRIALS = 2 };

/* What holds at any states, where they cannot be summed over. */
static void verify_at_states(const struct unit *u, const struct model_def *def, struct report *r,
                             uint64_t seed)
{
	struct unit small;
	const char *sizes, *why;
	struct code_cache cache = {.code = {0}};
	if (!verify_shrink(u, def, SHRINK_ANY, &small, &sizes, &why))
		return;
	for (uint64_t k = 0; k < TRIALS; k++) {
		struct trial *t = trial_drawn(&small, small.model.at[0], seed * TRIALS + k, r);
		t->cache = &cache;
		verify_drawn(t);
		trial_free(t);
	}
	code_cache_free(&cache);
	arena_free(small.cx.prog);
	arena_free(small.cx.tmp);
}

/* false: its states cannot be summed over. */
static bool verify_trials(struct unit *small, bool joint, struct report *r, uint64_t seed)
{
	const char *why;
	bool summed = true;
	struct code_cache cache = {.code = {0}};
	for (uint64_t k = 0; k < TRIALS; k++) {
		struct trial *t = trial_new(small, small->model.at[0], joint, seed * TRIALS + k, r, &why);
		if (t == NULL) {
			report_skip(r, small->model.at[0]->factor.n ? "the model" : "a draw of the parameters",
			            why);
			summed = false;
			continue;
		}
		t->cache = &cache;
		if (t->m->factor.n) {
			verify_directed(t);
		} else {
			verify_reference(t);
			verify_meanfield(t);
			verify_means(t);
			verify_guesses(t);
		}
		verify_figures(t);
		if (t->m->factor.n == 0)
			verify_chains(t);
		verify_objectives(t);
		trial_free(t);
	}
	code_cache_free(&cache);
	arena_free(small->cx.prog);
	arena_free(small->cx.tmp);
	return summed;
}

/* At sizes where all can be summed over; and, where they are larger, at those where the hidden
 * units can. */
static bool verify_model(const struct unit *u, const struct model_def *def, struct report *r,
                         uint64_t seed)
{
	struct unit small[2];
	const char *sizes[2], *why[2];
	bool there[2];
	for (int k = 0; k < 2; k++)
		there[k] =
		    verify_shrink(u, def, k ? SHRINK_HIDDEN : SHRINK_JOINT, &small[k], &sizes[k], &why[k]);
	bool second = there[1] && small[1].model.at[0]->factor.n == 0 &&
	              !(there[0] && strcmp(sizes[0], sizes[1]) == 0);
	report_model(r, def->name, there[0] ? sizes[0] : "", second ? sizes[1] : "");
	bool summed = there[0] && verify_trials(&small[0], true, r, seed);
	if (!there[0])
		report_skip(r, "sums over all states", why[0]);
	if (!summed && def->factor.n)
		verify_at_states(u, def, r, seed);
	if (second)
		verify_trials(&small[1], false, r, seed);
	if (!there[1])
		report_skip(r, "sums over the hidden states", why[1]);
	return report_print(r);
}

bool verify_unit(const struct unit *u, uint64_t seed, bool json)
{
	struct report *r = report_new(u->cx.perm, json);
	bool ok = true;
	for (int i = 0; i < u->checked->model.n; i++)
		ok = verify_model(u, u->checked->model.at[i], r, seed) && ok;
	return ok;
}

int call_verify(struct options *o)
{
	struct unit u;
	int status = unit_read(&u, o);
	if (status != EXIT_DONE)
		return status;
	for (int i = 0; i < u.checked->block.n; i++) { /* what is refused is no matter of this call */
		struct compiled c;
		block_expand(&u, u.checked->block.at[i], &c);
	}
	diags_print(u.cx.diags, stderr);
	if (diags_errors(u.cx.diags))
		return EXIT_FILE;
	if (!codegen_init()) {
		fprintf(stderr, "dgm: LLVM has no target for this machine\n");
		return EXIT_RUN;
	}
	dgm_threads(1);
	return verify_unit(&u, (uint64_t)o->seed, o->json) ? EXIT_DONE : EXIT_FILE;
}
