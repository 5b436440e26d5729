/* What a directed model offers to programs that embed it, beside its log-probability and the bounds
 * on that: draws and means of the posterior, of the visible groups given the others, ancestral
 * samples. */
#include "objective/making.h"

/* A factor's draw and its means as outputs. */
static bool draw_output(struct making *k, struct flow *fl, const struct factor *f)
{
	struct expansion *x = k->x;
	struct arena *a = x->cx->prog;
	const struct group *g = f->group;
	if (!flow_draw(fl, f))
		return false;
	const struct sym *state = fl->state[group_number(x, g)];
	const struct sym *out = mean_sym(x, g, "out", POP_DATA);
	assign(x, fl->f, out, fl->batch, f->at, ex_at(a, state, fl->batch, f->at));
	embed_argument(k, g, out, EMBED_OUT, f->dist ? "a draw" : "");
	k->e->random = k->e->random || f->dist;
	if (!f->dist || !f->mean || model_reads(x->m, f->mean, g->sym))
		return true;
	const struct sym *mean = mean_sym(x, g, "mean", POP_DATA);
	assign(x, fl->f, mean, fl->batch, f->at, flow_at(fl, f->mean));
	embed_mean_output(k, g, mean, "its mean");
	return true;
}

bool make_encode(struct making *k)
{
	struct expansion *x = k->x;
	embed_examples(k);
	struct flow *fl = flow_new(x, embed_once(k, "encode"), "encode", POP_DATA, 1);
	for (int i = 0; i < x->m->posterior.n; i++)
		if (!draw_output(k, fl, x->m->posterior.at[i]))
			return false;
	return true;
}

bool make_decode(struct making *k)
{
	struct expansion *x = k->x;
	struct walkers w = walkers_new(x, "state", POP_DATA);
	struct flow *fl = flow_new(x, embed_once(k, "decode"), "decode", POP_DATA, 1);
	for (int i = 0; i < x->m->group.n; i++) {
		bool known = x->m->group.at[i]->role != GROUP_VISIBLE;
		fl->state[i] = known ? w.state[i] : NULL;
		if (known)
			embed_argument(k, x->m->group.at[i], w.state[i], EMBED_IN, "");
	}
	for (int i = 0; i < x->m->factor.n; i++)
		if (x->m->factor.at[i]->group->role == GROUP_VISIBLE &&
		    !draw_output(k, fl, x->m->factor.at[i]))
			return false;
	return true;
}

bool make_ancestral(struct making *k)
{
	struct expansion *x = k->x;
	if (!objective_sampler(x))
		return false;
	k->e->random = true;
	if (x->m->prior) { /* whose groups come from chains */
		embed_once(k, "sample.begin");
		struct embed_phase *p = embed_phase(k, "sweeps", 1);
		p->adapt = true;
		embed_transition_calls(k, p, "sample.sweep");
	} else {
		embed_once(k, "sample.sweep");
		embed_times(k, "sample.element", model_in_order(x->m));
	}
	for (int i = 0; i < x->m->group.n; i++) {
		const struct group *g = x->m->group.at[i];
		embed_argument(k, g, embed_named(k, g, "sample"),
		               g->role == GROUP_GIVEN ? EMBED_IN : EMBED_OUT, "");
	}
	for (int i = 0; i < x->m->group.n; i++)
		if (x->m->group.at[i]->role == GROUP_VISIBLE)
			embed_mean_output(k, x->m->group.at[i],
			                  embed_named(k, x->m->group.at[i], "sample.mean"),
			                  "its means, or the sample where they have no closed form");
	return true;
}
