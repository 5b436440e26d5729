/* Energies that read states, E(v, h; u), u made of the examples' earlier steps: one energy a step,
 * p(v) = product over t of p(v[t] | u).  All that is done at one example, conditionals, chains that
 * start at it, losses, takes u as it stands there.  Gradients go through u as well, back in time:
 *     contrastive divergence   d/dtheta of F(v; u) - F(v chain; u), the chain a constant
 * (Sutskever, Hinton & Taylor 2008; Boulanger-Lewandowski et al. 2012). */
#include "objective/flow.h"

void own_states(struct expansion *x, struct function *f)
{
	struct arena *a = x->cx->prog;
	const struct model *m = x->m;
	struct flow *fl = flow_new(x, f, f->name, POP_DATA, 1);
	for (int i = 0; i < m->def.n && model_reads_states(m); i++) {
		const struct definition *d = m->def.at[i];
		if (!d->state)
			continue;
		program_tensor(x->p, d->sym, SPACE_STATE, POP_DATA, NULL);
		assign(x, f, d->sym, m->batch, d->at, flow_at(fl, ex_at(a, d->sym, m->batch, d->at)));
	}
}

bool descend_states(struct expansion *x, struct function *f, struct node *loss,
                    const struct walkers *at)
{
	struct flow *fl = flow_new(x, f, "back", POP_DATA, 1);
	for (int i = 0; i < x->m->group.n; i++)
		fl->state[i] = at->state[i];
	fl->training = true;
	const struct sym *s = flow_assign(fl, "loss", NULL, 0, flow_at(fl, loss));
	return directed_descend(fl, ex_access(x->cx->prog, s, fl->batch, NULL));
}
