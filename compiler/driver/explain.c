/* explain: what was derived from each model's energy, as text or LaTeX; every formula with the
 * places of the terms it stems from; then, for each block, the estimator chosen and what an update
 * costs. */
#include "driver/driver.h"

#include <string.h>

struct writer {
	struct unit *u;
	bool latex;
};

static const char *formula(struct writer *w, const struct node *x)
{
	struct buf b;
	buf_init(&b, w->u->cx.prog);
	buf_puts(&b, "");
	if (w->latex)
		ex_latex(x, &b);
	else
		ex_print(x, &b);
	return b.s;
}

/* name[i, j] of a symbol */
static const char *element(struct writer *w, const struct sym *s, const struct idx *const *at)
{
	struct node n = {.kind = N_ACCESS, .sym = s};
	struct affine map[MAX_RANK];
	for (int i = 0; i < s->rank; i++)
		map[i] = affine_idx(w->u->cx.prog, at[i]);
	n.map = map;
	return formula(w, &n);
}

static void places(struct writer *w, const struct span *s, int n)
{
	printf(w->latex ? "%% from" : "      from");
	for (int i = 0; i < n; i++) {
		struct place p = source_place(s[i]);
		const struct source *src = source_get(s[i].src);
		if (src == NULL)
			continue;
		printf("%s %s:%d:%d  %.*s", i ? (w->latex ? "\n%     " : "\n          ") : "", src->path,
		       p.line, p.col, (int)(s[i].end - s[i].beg), src->text + s[i].beg);
	}
	printf("\n");
}

static void equation(struct writer *w, const char *left, const char *right)
{
	if (w->latex)
		printf("\\[ %s = %s \\]\n", left, right);
	else
		printf("    %s = %s\n", left, right);
}

static void heading(struct writer *w, const char *text)
{
	printf(w->latex ? "%% %s\n" : "  %s\n", text);
}

/* ---- the model ---- */
static int terms_of(const energy *E, struct span *out)
{
	for (int i = 0; i < E->n; i++)
		out[i] = E->at[i].span;
	return E->n;
}

static void explain_energy(struct writer *w, const struct model *m)
{
	struct span *s = NEW_ARRAY(w->u->cx.prog, struct span, m->E.n + 1);
	heading(w, "energy, p(x) proportional to exp(-E(x))");
	equation(w, "E", formula(w, energy_node(w->u->cx.prog, &m->E)));
	places(w, s, terms_of(&m->E, s));
}

/* The conditional of an element as the reader of a paper would write it. */
static void conditional(struct writer *w, const struct conditional *c)
{
	struct arena *a = w->u->cx.prog;
	const struct group *g = c->group;
	const char *x = element(w, g->sym, c->at);
	const char *given = w->latex ? "\\mid \\mathrm{rest}" : "| rest";
	switch (g->family->shape) {
	case SHAPE_TWO:
		equation(w, arena_printf(a, "p(%s = %g %s)", x, g->family->hi, given),
		         formula(w, ex_op1(a, OP_SIGMOID, c->field)));
		break;
	case SHAPE_ONEHOT:
		equation(w, arena_printf(a, "p(%s = 1 %s)", x, given),
		         arena_printf(a,
		                      w->latex ? "\\operatorname{softmax}\\left(%s\\right)" : "softmax(%s)",
		                      formula(w, c->field)));
		break;
	case SHAPE_GAUSS:
		equation(w, arena_printf(a, "p(%s %s)", x, given),
		         arena_printf(a,
		                      w->latex ? "\\mathcal{N}\\left(%s, \\; 1/(%s)\\right)"
		                               : "normal(mean %s, variance 1/(%s))",
		                      formula(w, c->mean), formula(w, c->precision)));
		break;
	case SHAPE_EXPONENTIAL:
		equation(w, arena_printf(a, w->latex ? "E(%s %s)" : "mean of %s %s", x, given),
		         formula(w, c->mean));
		break;
	}
	if (c->coupled)
		heading(w, "      (coupled with other units of its group: drawn in turn)");
	places(w, c->term, c->nterm);
}

static bool explain_conditionals(struct writer *w, const struct model *m)
{
	block_vec blocks = {0};
	if (!model_blocks(&w->u->cx, m, &blocks))
		return false;
	heading(w, "blocks of Gibbs sampling, in the order of a sweep: the units of a block are drawn "
	           "together");
	for (int b = 0; b < blocks.n; b++) {
		printf(w->latex ? "%% block %d:" : "    block %d:", b + 1);
		for (int i = 0; i < blocks.at[b].group.n; i++)
			printf("%s %s", i ? "," : "", blocks.at[b].group.at[i]->name);
		printf("\n");
	}
	heading(w, "conditionals");
	for (int b = 0; b < blocks.n; b++)
		for (int i = 0; i < blocks.at[b].group.n; i++) {
			struct conditional c;
			if (!model_element(&w->u->cx, m, &m->E, blocks.at[b].group.at[i], &c))
				return false;
			conditional(w, &c);
		}
	return true;
}

static bool explain_free_energy(struct writer *w, const struct model *m, energy *F)
{
	struct arena *a = w->u->cx.prog;
	if (!model_free_energy(&w->u->cx, m, &m->E, F))
		return false;
	struct span *s = NEW_ARRAY(a, struct span, F->n + 1);
	heading(w, "free energy of the visible units, F = -log sum over the hidden of exp(-E)");
	equation(w, "F", formula(w, energy_node(a, F)));
	places(w, s, terms_of(F, s));
	return true;
}

static void explain_gradients(struct writer *w, const struct model *m, const energy *F)
{
	struct arena *a = w->u->cx.prog;
	heading(w, w->latex ? "gradient of F; the log-likelihood's is its mean under the model minus "
	                      "its mean over the data"
	                    : "gradient of the free energy; d log p(v) / d theta = <dF/d theta>_model "
	                      "- dF/d theta");
	for (int i = 0; i < m->weight.n; i++) {
		const struct weight *wt = m->weight.at[i];
		const struct idx *at[MAX_RANK];
		struct affine k[MAX_RANK];
		struct span *s = NEW_ARRAY(a, struct span, m->E.n + 1);
		int n = 0;
		fresh_axes(a, wt->sym, at);
		for (int r = 0; r < wt->sym->rank; r++)
			k[r] = affine_idx(a, at[r]);
		struct node *d = ex_num(a, 0);
		for (int t = 0; t < F->n; t++)
			d = ex_add(a, d, ex_diff(a, F->at[t].node, wt->sym, k));
		for (int t = 0; t < m->E.n; t++)
			if (ex_mentions(m->E.at[t].node, wt->sym))
				s[n++] = m->E.at[t].span;
		const char *e = element(w, wt->sym, at);
		equation(w, arena_printf(a, w->latex ? "\\frac{\\partial F}{\\partial %s}" : "dF/d %s", e),
		         formula(w, d));
		places(w, s, n);
	}
}

/* ---- the blocks ---- */
static double product_flops(const struct plan *p, const char *name, double rows)
{
	double sum = 0;
	for (int f = 0; f < p->function.n; f++) {
		if (strcmp(p->function.at[f]->name, name) != 0)
			continue;
		for (int r = 0; r < p->function.at[f]->region.n; r++)
			for (int k = 0; k < p->function.at[f]->region.at[r]->kernel.n; k++) {
				const struct kernel *kn = p->function.at[f]->region.at[r]->kernel.at[k];
				const struct extent *e[3] = {&kn->mm.m, &kn->mm.n, &kn->mm.k};
				double flops = 2;
				for (int i = 0; i < 3; i++)
					flops *= e[i]->pop >= 0 ? rows : (double)e[i]->size;
				sum += kn->kind == KERNEL_MATMUL ? flops : 0;
			}
	}
	return sum;
}

static void explain_train(struct writer *w, struct compiled *c)
{
	const char *mark = w->latex ? "%" : " ";
	const struct clause *batch = block_clause(c->block, "batch");
	double rows = batch ? batch->arg[0].num : 100;
	printf("%s training of %s: %s\n", mark, c->m->name, c->objective->what);
	block_plan(w->u, c);
	double update =
	    product_flops(c->plan, "train.first", rows) + product_flops(c->plan, "train.final", rows);
	double sweep = product_flops(c->plan, "train.sweep", rows);
	printf("%s   statistics: dE/d theta at the hidden units' conditional means where E is affine "
	       "in them, else dF/d theta\n",
	       mark);
	printf("%s   cost of an update at a batch of %g: %.1f million multiply-adds in matrix products",
	       mark, rows, update / 2e6);
	if (sweep > 0)
		printf(", and %.1f million for each sweep beyond the first", sweep / 2e6);
	printf("\n");
}

static void explain_block(struct writer *w, const struct block_def *b)
{
	struct compiled c;
	const char *mark = w->latex ? "%" : " ";
	if (!block_expand(w->u, b, &c))
		return;
	if (b->kind == BLOCK_TRAIN)
		explain_train(w, &c);
	if (b->kind == BLOCK_SAMPLE)
		printf("%s samples of %s: block Gibbs sampling, sweeps in the order above, from uniform "
		       "states\n",
		       mark, c.m->name);
	for (int i = 0; b->kind == BLOCK_EVALUATE && i < b->nclause; i++) {
		if (strcmp(b->clause[i].name, "loglik") != 0)
			continue;
		const char *how = b->clause[i].arg[0].call->name;
		struct states st;
		if (strcmp(how, "ais") == 0)
			printf("%s log-likelihood of %s: annealed importance sampling from independent visible "
			       "units at the data's mean, block Gibbs at each temperature\n",
			       mark, c.m->name);
		else if (objective_states(&w->u->cx, c.m, &st)) {
			printf("%s log-likelihood of %s: log Z by enumeration of the 2^%lld states of", mark,
			       c.m->name, (long long)st.units);
			for (int k = 0; k < c.m->group.n; k++)
				if (st.listed[k])
					printf(" %s", c.m->group.at[k]->name);
			printf(", the rest summed out\n");
		}
	}
}

int call_explain(struct options *o)
{
	struct unit u;
	int status = unit_read(&u, o);
	if (status != EXIT_DONE)
		return status;
	struct writer w = {&u, o->latex};
	for (int i = 0; i < u.model.n; i++) {
		const struct model *m = u.model.at[i];
		energy F;
		printf(w.latex ? "%% model %s\n" : "model %s\n", m->name);
		explain_energy(&w, m);
		if (explain_conditionals(&w, m) && explain_free_energy(&w, m, &F))
			explain_gradients(&w, m, &F);
	}
	for (int i = 0; i < u.checked->block.n; i++)
		explain_block(&w, u.checked->block.at[i]);
	diags_print(u.cx.diags, stderr);
	unit_time(&u);
	return diags_errors(u.cx.diags) ? EXIT_FILE : EXIT_DONE;
}
