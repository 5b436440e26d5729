/* Clauses that would change nothing, by the table use.def. */
#include "driver/driver.h"

#include <string.h>

static bool approximates(const struct compiled *c)
{
	for (int i = 0; i < c->goal.n; i++)
		if (c->goal.at[i].objective->chains)
			return true;
	return false;
}

static bool has_log_z(const struct clause *cl)
{
	return strcmp(cl->name, "loglik") == 0 && !estimator_find(cl->arg[0].call->name)->likelihood;
}

static bool bounds(const struct compiled *c)
{
	for (int i = 0; i < c->block->nclause; i++)
		if ((has_log_z(&c->block->clause[i]) || strcmp(c->block->clause[i].name, "error") == 0) &&
		    c->m->factor.n == 0)
			return true;
	return false;
}

static bool divides(const struct compiled *c)
{
	for (int i = 0; i < c->block->nclause; i++) {
		const struct figure_kind *k = figure_find(c->block->clause[i].name);
		if ((k && !k->per_unit) || strcmp(c->block->clause[i].name, "loglik") == 0)
			return true;
	}
	return false;
}

static bool sweeps(const struct compiled *c)
{
	return !model_normalised(c->m) || c->m->walk || block_clause(c->block, "average");
}

static const struct use {
	const char *clause, *blocks;
	bool (*used)(const struct compiled *c);
	const char *what;
} uses[] = {
#define USE(clause, blocks, used, what) {clause, blocks, used, what},
#include "driver/use.def"
#undef USE
};

bool clauses_used(struct unit *u, const struct compiled *c)
{
	static const char letter[] = {
	    [BLOCK_TRAIN] = 't', [BLOCK_EVALUATE] = 'e', [BLOCK_SAMPLE] = 's'};
	bool ok = true;
	for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
		const struct clause *cl = block_clause(c->block, uses[i].clause);
		if (!cl || !strchr(uses[i].blocks, letter[c->block->kind]) || uses[i].used(c))
			continue;
		diag(u->cx.diags, DIAG_CLAUSE_UNUSED, cl->span, cl->name, uses[i].what);
		ok = false;
	}
	return ok;
}

/* ---- batches ---- */
static int64_t least_batch(const struct compiled *c, const char **why)
{
	*why = "the mean over a batch of 1 is the example itself, and its variance 0 (batch_mean)";
	for (int i = 0; i < c->m->def.n; i++)
		if (c->m->def.at[i]->average)
			return 2;
	*why = "its unbiased estimate is over pairs of different rows";
	for (int i = 0; i < c->goal.n; i++)
		if (c->goal.at[i].args.unbiased)
			return 2;
	return 1;
}

bool batch_fits(struct unit *u, const struct compiled *c, int64_t batch, const struct dgm_data *d)
{
	const struct clause *cl = block_clause(c->block, "batch");
	const struct span at = cl ? cl->span : c->block->span;
	const char *why;
	int64_t least = least_batch(c, &why), rest = d ? d->n % batch : 0;
	if (batch < least)
		diag(u->cx.diags, DIAG_BATCH_SMALL, at, (long long)batch, why);
	else if (rest > 0 && rest < least)
		diag(u->cx.diags, DIAG_BATCH_REST, at, (long long)d->n, d->name, (long long)batch,
		     (long long)rest, why);
	else
		return true;
	diag(u->cx.diags, DIAG_NOTE, at,
	     arena_printf(u->cx.prog, "write  batch N;  of %lld or more%s", (long long)least,
	                  rest ? ", which leaves as many or none, or shorten the data, |> rows(0, n)"
	                       : ""));
	return false;
}
