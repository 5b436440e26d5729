/* Parts of models that are trained by themselves.
 *
 * pretrain v, h1: a variable is data where it has data, or where an earlier pretrain of the model
 * had it hidden and none of the data it was drawn from there is here; the rest is hidden.  The data
 * of h1 in a later pretrain h1, h2 are draws given v, by the part that h1 was hidden in, as its
 * training left it; so on upwards. */
#include "driver/driver.h"

#include <string.h>

/* ---- which part ---- */
static bool names(const struct block_def *b, const struct group *g)
{
	const struct clause *cl = b->kind == BLOCK_TRAIN ? block_clause(b, "pretrain") : NULL;
	for (int i = 0; cl && i < cl->narg; i++)
		if (strcmp(cl->arg[i].name, g->name) == 0)
			return true;
	return false;
}

static bool is_data(const struct unit *u, const struct block_def *b, const struct group *g);

/* The last block before b that pretrains g as hidden; NULL: none. */
static const struct block_def *reached_in(const struct unit *u, const struct block_def *b,
                                          const struct group *g)
{
	const struct block_def *last = NULL;
	for (int i = 0; i < u->checked->block.n && u->checked->block.at[i] != b; i++) {
		const struct block_def *p = u->checked->block.at[i];
		if (p->model == b->model && names(p, g) && !is_data(u, p, g))
			last = p;
	}
	return last;
}

static bool is_data(const struct unit *u, const struct block_def *b, const struct group *g)
{
	const struct model *m = unit_model(u, b->model);
	const struct block_def *p = g->role == GROUP_HIDDEN ? reached_in(u, b, g) : NULL;
	if (p == NULL)
		return g->role != GROUP_HIDDEN;
	for (int i = 0; i < m->group.n; i++)
		if (names(b, m->group.at[i]) && names(p, m->group.at[i]) && is_data(u, p, m->group.at[i]))
			return false;
	return true;
}

struct model *block_model(struct unit *u, const struct block_def *b)
{
	struct model *m = unit_model(u, b->model);
	const struct clause *cl = b->kind == BLOCK_TRAIN ? block_clause(b, "pretrain") : NULL;
	bool *keep = NEW_ARRAY(u->cx.tmp, bool, m->group.n), *data, any = false;
	if (cl == NULL)
		return m;
	data = NEW_ARRAY(u->cx.tmp, bool, m->group.n);
	for (int k = 0; k < cl->narg; k++) {
		int i = 0;
		while (i < m->group.n && strcmp(m->group.at[i]->name, cl->arg[k].name) != 0)
			i++;
		if (i == m->group.n) {
			diag(u->cx.diags, DIAG_PRETRAIN, cl->arg[k].span, cl->arg[k].name);
			return NULL;
		}
	}
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		keep[i] = g->role == GROUP_GIVEN || names(b, g);
		data[i] = keep[i] && is_data(u, b, g);
		any = any || (data[i] && g->role != GROUP_GIVEN);
	}
	if (!any) {
		diag(u->cx.diags, DIAG_PRETRAIN_DATA, cl->span);
		return NULL;
	}
	return model_part(&u->cx, m, keep, data, cl->span);
}

static bool learns(const struct model *m, const struct weight *w)
{
	for (int i = 0; i < m->E.n; i++)
		if (ex_mentions(m->E.at[i].node, w->sym))
			return true;
	return false;
}

bool pretrain_check(struct unit *u, const struct compiled *c)
{
	const struct clause *cl = block_clause(c->block, "objective");
	if (c->m == c->whole)
		return true;
	for (int i = 0; i < c->m->weight.n; i++)
		c->x->frozen[i] = c->x->frozen[i] || !learns(c->m, c->m->weight.at[i]);
	if (model_whole(c->m))
		return true;
	const struct value *sum = cl ? &cl->arg[0] : NULL;
	for (int i = 0; sum && i < sum->nterm; i++)
		if (strcmp(sum->term[i].call->name, "cd") != 0) {
			diag(u->cx.diags, DIAG_PRETRAIN_OBJECTIVE, sum->term[i].span);
			return false;
		}
	for (int i = 0; i < c->m->weight.n; i++) {
		const struct idx *at[MAX_RANK];
		bool means;
		energy F;
		if (!model_free_energy(&u->cx, c->m, &c->m->E, &F))
			return false;
		fresh_axes(u->cx.tmp, c->m->weight.at[i]->sym, at);
		model_gradient(c->m, &c->m->E, &F, model_role(c->m, GROUP_HIDDEN), c->m->weight.at[i], at,
		               &means);
		if (means)
			continue;
		diag(u->cx.diags, DIAG_PRETRAIN_MEANS, block_clause(c->block, "pretrain")->span);
		return false;
	}
	return true;
}

/* ---- the data of a part ---- */
struct dgm_data *block_data(struct session *s, const struct block_def *b, const struct group *g,
                            struct dgm_data *const *of, int *status)
{
	const struct model *m = unit_model(s->u, b->model);
	const struct block_def *p;
	struct model *part;
	struct dgm_data **own;
	int i = 0;
	while (m->group.at[i]->sym != g->sym)
		i++;
	*status = EXIT_DONE;
	if (m->group.at[i]->role != GROUP_HIDDEN)
		return of[i];
	p = reached_in(s->u, b, m->group.at[i]);
	part = NULL;
	for (int k = 0; k < s->part.n; k++)
		if (s->part.at[k].block == p)
			part = s->part.at[k].m;
	if (part == NULL) {
		part = block_model(s->u, p);
		vec_push(s->u->cx.perm, &s->part, ((struct part){p, part}));
	}
	own = NEW_ARRAY(s->u->cx.perm, struct dgm_data *, part->group.n);
	for (int k = 0; k < part->group.n; k++) {
		if (part->group.at[k]->role == GROUP_HIDDEN)
			continue;
		own[k] = block_data(s, p, part->group.at[k], of, status);
		if (own[k] == NULL)
			return NULL;
	}
	return drawn_from(s, part, part, &(struct making){0}, g, own, g->name, status);
}
