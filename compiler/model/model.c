/* A checked model becomes groups, weights and the terms of its energy; the model as text. */
#include "model/model.h"
#include "model/directed.h"
#include "model/family.h"
#include "sema/sema.h"

static enum group_role role_of(enum role r)
{
	switch (r) {
	case ROLE_VISIBLE:
		return GROUP_VISIBLE;
	case ROLE_HIDDEN:
		return GROUP_HIDDEN;
	case ROLE_GIVEN:
		return GROUP_GIVEN;
	}
	BUG("role %d", (int)r);
}

struct model *model_build(struct cx *cx, const struct model_def *def)
{
	struct arena *a = cx->prog;
	struct model *m = NEW(a, struct model);
	m->a = a;
	m->name = def->name;
	m->batch = def->batch;
	m->training = def->training;
	for (int i = 0; i < def->var.n; i++) {
		const struct variable *v = def->var.at[i];
		struct group *g = NEW(a, struct group);
		g->name = v->name;
		g->role = role_of(v->role);
		g->domain = domain_name(v->domain);
		g->family = family_find(g->domain, rule_name(v->rule));
		g->sym = v->sym;
		g->total = v->total ? v->total->sym : NULL;
		for (int k = 0; k < v->sym->rank; k++)
			g->block[k] = v->block[k];
		if (g->family->shape == SHAPE_GAMMA)
			g->log = sym_new(a, arena_printf(a, "log.%s", g->name), SYM_VAR, VALUES_REAL, true,
			                 v->sym->rank, v->sym->dim, v->span);
		g->span = v->span;
		for (int k = 0; k < def->mean.n; k++)
			if (def->mean.at[k].of == v)
				g->mean = def->mean.at[k].sym;
		if (g->mean == NULL && g->role == GROUP_VISIBLE)
			g->mean = sym_new(a, arena_printf(a, "mean.%s", g->name), SYM_INPUT, VALUES_REAL, false,
			                  v->sym->rank, v->sym->dim, v->span);
		if (g->role == GROUP_VISIBLE && g->family->shape == SHAPE_GAUSS)
			g->var = sym_new(a, arena_printf(a, "var.%s", g->name), SYM_INPUT, VALUES_REAL, false,
			                 v->sym->rank, v->sym->dim, v->span);
		vec_push(a, &m->group, g);
	}
	for (int i = 0; i < def->param.n; i++) {
		const struct parameter *p = def->param.at[i];
		struct weight *w = NEW(a, struct weight);
		w->name = p->name;
		w->sym = p->sym;
		w->init = p->init;
		w->orthonormal = p->orthonormal;
		w->span = p->span;
		for (int k = 0; k < p->sym->rank; k++)
			w->at[k] = p->at[k];
		vec_push(a, &m->weight, w);
	}
	for (int i = 0; i < def->handed.n; i++) {
		const struct handed *h = &def->handed.at[i];
		struct from from = {h->model->name, h->param->name, h->sym, h->span};
		vec_push(a, &m->from, from);
	}
	directed_build(cx, m, def);
	model_finite(cx, m);
	return m;
}

void energy_push(struct arena *a, energy *E, struct node *x, struct span s)
{
	if (ex_is_num(x, 0))
		return;
	if (x->span.src == 0)
		x = ex_with_span(a, x, s);
	vec_push(a, E, ((struct term){x, s}));
}

struct node *energy_node(struct arena *a, const energy *E)
{
	struct node *sum = ex_num(a, 0);
	for (int i = 0; i < E->n; i++)
		sum = ex_add(a, sum, E->at[i].node);
	return sum;
}

void fresh_axes(struct arena *a, const struct sym *s, const struct idx **at)
{
	static const char *const names[] = {"i", "j", "k", "l", "m", "n", "o", "p"};
	for (int i = 0; i < s->rank; i++)
		at[i] = idx_new(a, names[i], s->dim[i]);
}

/* The names under which x sees the axes of s, all different; false: it does not with plain indices.
 */
static bool seen_names(const struct node *x, const struct sym *s, const char **name)
{
	if (x->kind == N_ACCESS && x->sym == s) {
		for (int i = 0; i < s->rank; i++) {
			const struct idx *ix = affine_single(x->map[i]);
			if (ix == NULL)
				return false;
			name[i] = ix->name;
			for (int k = 0; k < i; k++)
				if (name[k] == name[i])
					return false;
		}
		return true;
	}
	for (int i = 0; i < x->nkid; i++)
		if (seen_names(x->kid[i], s, name))
			return true;
	return false;
}

void model_axes(const struct model *m, const struct sym *s, const struct idx **at)
{
	const char *name[MAX_RANK];
	fresh_axes(m->a, s, at);
	for (int t = 0; t < m->E.n; t++) {
		if (!seen_names(m->E.at[t].node, s, name))
			continue;
		for (int i = 0; i < s->rank; i++)
			at[i] = idx_new(m->a, name[i], s->dim[i]);
		return;
	}
}

static const char *dims_text(struct arena *a, const struct sym *s)
{
	struct buf b;
	buf_init(&b, a);
	buf_puts(&b, "");
	for (int i = 0; i < s->rank; i++)
		buf_printf(&b, "%s%lld", i ? "," : "[", (long long)s->dim[i]);
	buf_puts(&b, s->rank ? "]" : "");
	return b.s;
}

void model_print(struct cx *cx, const struct model *m, FILE *out)
{
	static const char *const roles[] = {"visible", "hidden", "given"};
	struct arena *a = cx->tmp;
	fprintf(out, "model %s\n", m->name);
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		fprintf(out, "  %s %s : %s%s\n", roles[g->role], g->name, g->domain, dims_text(a, g->sym));
	}
	for (int i = 0; i < m->weight.n; i++) {
		const struct weight *w = m->weight.at[i];
		fprintf(out, "  param %s : real%s = %s%s\n", w->name, dims_text(a, w->sym),
		        ex_text(a, w->init),
		        w->orthonormal ? arena_printf(a, ", orthonormal times %g", w->orthonormal) : "");
	}
	for (int i = 0; i < m->E.n; i++)
		fprintf(out, "  term %s\n", ex_text(a, m->E.at[i].node));
	energy F;
	block_vec blocks = {0};
	if (!model_blocks(cx, m, &blocks))
		return;
	for (int b = 0; b < blocks.n; b++) {
		fprintf(out, "  block");
		for (int i = 0; i < blocks.at[b].group.n; i++)
			fprintf(out, " %s", blocks.at[b].group.at[i]->name);
		fprintf(out, "\n");
		for (int i = 0; i < blocks.at[b].group.n; i++) {
			struct conditional c;
			if (!model_closed(m, &m->E, blocks.at[b].group.at[i], NULL)) {
				fprintf(out, "    %s: no closed conditional\n", blocks.at[b].group.at[i]->name);
				continue;
			}
			model_field(m, &m->E, blocks.at[b].group.at[i], &c);
			fprintf(out, "    field of %s: %s\n", c.group->name, ex_text(a, c.field));
			if (c.precision)
				fprintf(out, "    precision of %s: %s\n", c.group->name, ex_text(a, c.precision));
		}
	}
	bool closed = model_sum_out(NULL, m, &m->E, model_role(m, GROUP_HIDDEN), &F);
	fprintf(out, "  free energy %s\n",
	        closed ? ex_text(a, energy_node(a, &F)) : "in no closed form");
}
