/* What is known before the first training starts: the data of all blocks are there, can be read,
 * and fit the variables that they are for. */
#include "driver/driver.h"

#include <string.h>

const struct dgm_data *dataset_outline(struct unit *u, const struct data_def *def, bool gaps,
                                       int *status)
{
	return is_drawn(def) ? drawn_outline(u, def, status) : dataset(u, def, gaps, status);
}

struct sets { /* of the groups of a model, one each; NULL: it has none */
	const struct dgm_data **of;
	struct span *at;
};

static struct sets no_sets(struct unit *u, const struct model *m)
{
	return (struct sets){NEW_ARRAY(u->cx.tmp, const struct dgm_data *, m->group.n),
	                     NEW_ARRAY(u->cx.tmp, struct span, m->group.n)};
}

/* Do they fit the groups, and each other? */
static int sets_fit(struct unit *u, const struct model *m, const struct sets *s)
{
	const struct dgm_data *first = NULL;
	struct span at = {0};
	for (int i = 0; i < m->group.n; i++) {
		const struct dgm_data *d = s->of[i];
		if (d == NULL)
			continue;
		if (!dataset_fits(u, d, m->group.at[i], s->at[i]))
			return EXIT_FILE;
		first = first ? first : d;
		at = s->at[i];
		if (d->n == first->n)
			continue;
		diag(u->cx.diags, DIAG_DATA_ROWS, at, first->name, (long long)first->n, d->name,
		     (long long)d->n);
		return EXIT_FILE;
	}
	return first == NULL || dataset_totals(u, m, s->of, at) ? EXIT_DONE : EXIT_FILE;
}

int drawn_sources(struct unit *u, const struct model *m, const struct data_def *const *def,
                  struct span at, int64_t *n)
{
	struct sets s = no_sets(u, m);
	int status = EXIT_DONE;
	for (int i = 0, k = 0; i < m->group.n; i++) {
		if (m->group.at[i]->role == GROUP_HIDDEN)
			continue;
		s.at[i] = at;
		s.of[i] = dataset_outline(u, def[k++], false, &status);
		if (s.of[i] == NULL)
			return status;
		*n = s.of[i]->n;
	}
	return sets_fit(u, m, &s);
}

int figure_ready(struct unit *u, const struct model *m, const struct figure_kind *k,
                 const struct value *v)
{
	const struct data_def *const *def = figure_data(u, m, k, v);
	int status = EXIT_DONE, next = 0;
	if (!def)
		return EXIT_FILE;
	for (int half = 0; half <= k->gap && status == EXIT_DONE; half++) {
		struct sets s = no_sets(u, m);
		for (int i = 0; i < m->group.n; i++) {
			if (m->group.at[i]->role == GROUP_HIDDEN)
				continue;
			s.at[i] = v->call->arg[next].span;
			s.of[i] = dataset_outline(u, def[next++], false, &status);
			if (s.of[i] == NULL)
				return status;
		}
		status = sets_fit(u, m, &s);
	}
	return status;
}

int data_ready(struct unit *u, const struct value *name, const struct group *g)
{
	int status;
	const struct dgm_data *d = dataset_outline(u, data_named(u, name->name), false, &status);
	if (d == NULL)
		return status;
	return dataset_fits(u, d, g, name->span) ? EXIT_DONE : EXIT_FILE;
}

static int bound_ready(struct unit *u, const struct block_def *b, const struct model *m)
{
	struct sets s = no_sets(u, m);
	const struct clause *batch = b->kind == BLOCK_TRAIN ? block_clause(b, "batch") : NULL;
	for (int k = 0; k < b->nbind; k++) {
		int i = 0, status;
		while (m->group.at[i]->sym != b->bind[k].var->sym)
			i++;
		bool gaps = b->kind == BLOCK_SAMPLE && m->group.at[i]->role != GROUP_GIVEN;
		s.at[i] = b->bind[k].span;
		s.of[i] = dataset_outline(u, b->bind[k].data, gaps, &status);
		if (s.of[i] == NULL)
			return status;
		if (batch && batch->arg[0].num > (double)s.of[i]->n) {
			diag(u->cx.diags, DIAG_BATCH_LARGE, batch->span, (long long)batch->arg[0].num,
			     s.of[i]->name, (long long)s.of[i]->n);
			return EXIT_FILE;
		}
	}
	return sets_fit(u, m, &s);
}

/* Of clauses of an evaluate block that name data besides those bound. */
static int evaluation_ready(struct unit *u, const struct clause *cl, const struct model *m)
{
	const struct figure_kind *k = figure_find(cl->name);
	int status = EXIT_DONE;
	if (k && k->gap)
		return data_ready(u, &cl->arg[0], first_visible(m));
	if (strcmp(cl->name, "loglik") != 0)
		return EXIT_DONE;
	const struct call *how = cl->arg[0].call;
	for (int i = 0; i < how->narg && status == EXIT_DONE; i++)
		if (how->arg[i].kind == VAL_NAME && data_named(u, how->arg[i].name))
			status = data_ready(u, &how->arg[i], first_visible(m));
	return status;
}

int block_ready(struct unit *u, const struct block_def *b)
{
	const struct model *m = unit_model(u, b->model);
	int status = bound_ready(u, b, m);
	for (int i = 0; i < b->nclause && status == EXIT_DONE; i++) {
		const struct clause *cl = &b->clause[i];
		int figures = !monitors(cl) ? 0 : strcmp(cl->name, "stop") == 0 ? 1 : cl->narg;
		for (int k = 0; k < figures && status == EXIT_DONE; k++)
			status = figure_ready(u, m, figure_find(cl->arg[k].call->name), &cl->arg[k]);
		if (b->kind == BLOCK_EVALUATE && status == EXIT_DONE)
			status = evaluation_ready(u, cl, m);
		for (int k = 0; k < cl->narg && strcmp(cl->name, "inspect") == 0 && status == EXIT_DONE;
		     k++)
			status = inspect_ready(u, m, &cl->arg[k]);
	}
	return status;
}
