/* Sums over the table of energies. */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>

double exact_logsum(const struct oracle *o, uint32_t mask, uint32_t state)
{
	double top = INFINITY, sum = 0;
	state &= ~mask;
	for (uint32_t s = 0;; s = next_sub(s, mask)) {
		top = fmin(top, o->E[state | s]);
		if (s == mask)
			break;
	}
	if (isinf(top))
		return -INFINITY;
	for (uint32_t s = 0;; s = next_sub(s, mask)) {
		sum += exp(top - o->E[state | s]);
		if (s == mask)
			break;
	}
	return log(sum) - top;
}

double exact_logodds(const struct oracle *o, int unit, uint32_t mask, uint32_t state)
{
	uint32_t bit = 1u << unit;
	return exact_logsum(o, mask & ~bit, state | bit) - exact_logsum(o, mask & ~bit, state & ~bit);
}

double exact_score(const struct oracle *o, uint32_t state)
{
	double sum = 0;
	for (int k = 0; k < o->nunit; k++) {
		uint32_t block = block_mask(o, k);
		if ((o->visible >> k & 1) && (block & ((1u << k) - 1)) == 0) /* once a block */
			sum += exact_logsum(o, o->hidden, state) - exact_logsum(o, o->hidden | block, state);
	}
	return sum;
}

double exact_loglik(const struct oracle *o, const uint32_t *data, int n)
{
	double sum = 0, logz = 0;
	uint32_t of = ~0u;
	for (int i = 0; i < n; i++) {
		if ((data[i] & o->given) != of)
			logz = exact_logsum(o, o->visible | o->hidden, data[i]);
		of = data[i] & o->given;
		sum += exact_logsum(o, o->hidden, data[i]) - logz;
	}
	return sum / n;
}

/* The terms of E that mention weight w, at all states. */
static void terms_of(struct oracle *o, int w, double *E)
{
	for (uint32_t s = 0; s < o->nstate; s++) {
		E[s] = 0;
		for (int t = 0; t < o->m->E.n; t++)
			if (ex_mentions(o->m->E.at[t].node, o->m->weight.at[w]->sym))
				E[s] += eval_at(o, o->m->E.at[t].node, s);
	}
}

/* (8 (L(h) - L(-h)) - (L(2h) - L(-2h))) / 12h; with h = 1e-3 the rest is below 1e-10. */
double exact_slope(struct oracle *o, int w, int64_t element, const uint32_t *data, int n)
{
	double *x = &memory_get(&o->mem, o->m->weight.at[w]->sym)[element], at = *x, h = 1e-3, sum = 0;
	double *E = o->E, *was = calloc(o->nstate, sizeof *was), *now = calloc(o->nstate, sizeof *now);
	static const double step[] = {1, -1, 2, -2}, factor[] = {8, -8, -1, 1};
	terms_of(o, w, was);
	o->E = now;
	for (int k = 0; k < 4; k++) {
		*x = at + step[k] * h;
		terms_of(o, w, now);
		for (uint32_t s = 0; s < o->nstate; s++)
			now[s] += E[s] - was[s];
		sum += factor[k] * exact_loglik(o, data, n);
	}
	*x = at;
	o->E = E;
	free(was);
	free(now);
	return -sum / (12 * h);
}

struct node *slope_of_F(struct oracle *o, const energy *F, int w, int64_t element)
{
	struct arena *a = o->u->cx.prog;
	const struct sym *s = o->m->weight.at[w]->sym;
	struct affine k[MAX_RANK];
	for (int i = s->rank - 1; i >= 0; i--) {
		k[i] = affine_const(element % s->dim[i]);
		element /= s->dim[i];
	}
	return ex_diff(a, energy_node(a, F), s, k);
}

double eval_at(struct oracle *o, const struct node *x, uint32_t state)
{
	struct binding b = {o->m->batch, state};
	return memory_eval(&o->mem, x, &b, 1);
}

uint32_t random_state(struct oracle *o)
{
	uint32_t s;
	do
		s = oracle_random(o) & (o->nstate - 1);
	while (isinf(o->E[s]));
	return s;
}

void random_data(struct oracle *o, uint32_t *data, int n)
{
	for (int i = 0; i < n; i++)
		data[i] = random_state(o) & (o->visible | o->given);
}

void exact_transition(const struct oracle *o, uint32_t mask, double *P)
{
	uint32_t rest = (o->nstate - 1) & ~mask;
	for (uint32_t r = 0;; r = next_sub(r, rest)) {
		double total = 0;
		for (uint32_t s = 0;; s = next_sub(s, mask)) {
			total += P[r | s];
			if (s == mask)
				break;
		}
		if (total > 0) {
			double z = exact_logsum(o, mask, r);
			for (uint32_t s = 0;; s = next_sub(s, mask)) {
				P[r | s] = total * exp(-o->E[r | s] - z);
				if (s == mask)
					break;
			}
		}
		if (r == rest)
			break;
	}
}
