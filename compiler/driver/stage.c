/* A train block within a whole of several: what it leaves as it is, when it ends, and which part of
 * the whole it is. */
#include "driver/driver.h"

#include <string.h>

bool freeze_read(struct unit *u, struct compiled *c)
{
	const struct clause *cl = block_clause(c->block, "freeze");
	bool ok = true;
	for (int k = 0; cl && k < cl->narg; k++) {
		bool found = false;
		for (int i = 0; i < c->m->weight.n; i++)
			if (part_of(c->m->weight.at[i], cl->arg[k].name))
				found = c->x->frozen[i] = true;
		if (!found)
			diag(u->cx.diags, DIAG_FREEZE, cl->arg[k].span, cl->arg[k].name);
		ok = ok && found;
	}
	return ok;
}

/* Is there a training of the model before block b? */
static bool trained_before(const struct unit *u, const struct block_def *b, const char *model)
{
	for (int i = 0; i < u->checked->block.n && u->checked->block.at[i] != b; i++)
		if (u->checked->block.at[i]->kind == BLOCK_TRAIN &&
		    strcmp(u->checked->block.at[i]->model->name, model) == 0)
			return true;
	return false;
}

/* Do initial values of all the model's parameters come from other models? */
static bool handed_whole(const struct model *m)
{
	for (int i = 0; i < m->weight.n; i++) {
		bool from = false;
		for (int k = 0; k < m->from.n; k++)
			from = from || ex_mentions(m->weight.at[i]->init, m->from.at[k].sym);
		if (!from)
			return false;
	}
	return true;
}

/* Has a model that block b reads parameters by then? */
static bool settled_before(const struct unit *u, const struct block_def *b, const char *model)
{
	return (strcmp(u->opt->call, "run") == 0 && params_file(u, model)) ||
	       trained_before(u, b, model);
}

bool drawn_before(struct unit *u, const struct block_def *b, const struct data_def *def,
                  struct span at)
{
	const char *model = drawn_by(u, def);
	if (model == NULL || settled_before(u, b, model))
		return true;
	diag(u->cx.diags, DIAG_HANDED, at, model);
	return false;
}

bool params_check(struct unit *u, const struct compiled *c)
{
	bool train = c->block->kind == BLOCK_TRAIN;
	if (trained_before(u, c->block, c->block->model->name) ||
	    (params_file(u, c->whole->name) && !train))
		return true;
	if (!train && !handed_whole(c->whole)) {
		diag(u->cx.diags, DIAG_NOT_TRAINED, c->block->span, c->whole->name);
		return false;
	}
	for (int i = 0; i < c->m->from.n; i++) {
		const struct from *f = &c->m->from.at[i];
		if (settled_before(u, c->block, f->model))
			continue;
		diag(u->cx.diags, DIAG_HANDED, f->span, f->model);
		return false;
	}
	return true;
}

const struct dgm_store *session_params(const struct session *s, const char *model)
{
	for (int i = s->trained.n - 1; i >= 0; i--)
		if (strcmp(s->trained.at[i].m->name, model) == 0)
			return s->trained.at[i].store;
	return NULL;
}

void handed_fill(struct session *s, const struct compiled *c, struct dgm_store *store)
{
	for (int i = 0; i < c->m->from.n; i++) {
		const struct from *f = &c->m->from.at[i];
		const struct dgm_store *by = session_params(s, f->model);
		int to = dgm_slot_find(c->mod, f->sym->name);
		int from = by ? dgm_slot_find(by->mod, f->weight) : -1;
		if (from < 0)
			BUG("%s.%s is not there", f->model, f->weight);
		if (to >= 0)
			memcpy(store->slot[to], by->slot[from],
			       sizeof(float) * (size_t)dgm_slot_items(&c->mod->slot[to]));
	}
}

struct dgm_stop stop_read(struct unit *u, const struct block_def *b)
{
	const struct clause *cl = block_clause(b, "stop");
	struct dgm_stop stop = {.monitor = -1};
	struct value v[2] = {0};
	for (int i = 0, n = 0; cl && i < b->nclause; i++) {
		if (&b->clause[i] == cl)
			stop.monitor = n;
		if (monitors(&b->clause[i]))
			n += &b->clause[i] == cl ? 1 : b->clause[i].narg;
	}
	if (!cl)
		return stop;
	struct call call = {cl->name, cl->span, cl->name_span, cl->arg, cl->key, cl->narg};
	call_bind(&u->cx, &call, "figure:call patience:int=5", v, NULL);
	stop.patience = (int64_t)v[1].num;
	stop.higher = figure_find(v[0].call->name)->higher;
	return stop;
}

int64_t block_epochs(const struct block_def *b)
{
	const struct clause *cl = block_clause(b, "epochs");
	return cl ? (int64_t)cl->arg[0].num : 10;
}

void stage_course(const struct unit *u, const struct block_def *b, const struct clause *cl,
                  struct dgm_ramp *r)
{
	bool before = true;
	if (!cl || !cl->outside)
		return;
	for (int i = 0; i < u->checked->block.n; i++) {
		const struct block_def *s = u->checked->block.at[i];
		before = before && s != b;
		if (s->of != b->of)
			continue;
		r->whole += block_epochs(s);
		r->before += before ? block_epochs(s) : 0;
	}
}
