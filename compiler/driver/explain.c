/* explain: what was derived from each model's energy, as text or LaTeX; every formula with the
 * places of the terms it stems from; then, for each block, the estimator chosen and what an update
 * costs. */
#include "driver/driver.h"

#include <math.h>
#include <string.h>

struct writer {
	struct unit *u;
	bool latex;
	FILE *out;
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
	if (n == 0)
		return;
	fprintf(w->out, w->latex ? "%% from" : "      from");
	for (int i = 0; i < n; i++) {
		struct place p = source_place(s[i]);
		const struct source *src = source_get(s[i].src);
		if (src == NULL)
			continue;
		fprintf(w->out, "%s %s:%d:%d  %.*s", i ? (w->latex ? "\n%     " : "\n          ") : "",
		        src->path, p.line, p.col, (int)(s[i].end - s[i].beg), src->text + s[i].beg);
	}
	fprintf(w->out, "\n");
}

static void equation(struct writer *w, const char *left, const char *right)
{
	if (w->latex)
		fprintf(w->out, "\\[ %s = %s \\]\n", left, right);
	else
		fprintf(w->out, "    %s = %s\n", left, right);
}

static void heading(struct writer *w, const char *text)
{
	fprintf(w->out, w->latex ? "%% %s\n" : "  %s\n", text);
}

/* The terms of E that share a parameter with a formula, or hold `of`. */
static void places_of(struct writer *w, const struct model *m, const struct node *x,
                      const struct sym *of)
{
	struct span *s = NEW_ARRAY(w->u->cx.prog, struct span, m->E.n + 1);
	int n = 0;
	for (int t = 0; t < m->E.n; t++) {
		bool shares = of && ex_mentions(m->E.at[t].node, of), any = false;
		for (int i = 0; i < m->weight.n; i++) {
			bool in = ex_mentions(m->E.at[t].node, m->weight.at[i]->sym);
			any = any || in;
			shares = shares || (in && ex_mentions(x, m->weight.at[i]->sym));
		}
		for (int i = 0; !any && i < m->group.n; i++) /* a term without parameters: by its units */
			shares = shares || (ex_mentions(m->E.at[t].node, m->group.at[i]->sym) &&
			                    ex_mentions(x, m->group.at[i]->sym));
		if (shares)
			s[n++] = m->E.at[t].span;
	}
	places(w, s, n);
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

static void coupled(struct writer *w, const struct conditional *c)
{
	struct arena *a = w->u->cx.prog;
	const char *how = "in turn";
	struct colouring k;
	if (!c->coupled)
		return;
	if (model_colour(a, c, &k))
		how = arena_printf(a, "in %d classes, those with the same (%s) mod %d together", k.n,
		                   formula(w, ex_index(a, model_class(a, c, &k))), k.n);
	heading(w, arena_printf(a, "      (coupled with other units of its group: drawn %s)", how));
}

/* The conditional of an element as the reader of a paper would write it. */
static void conditional(struct writer *w, const struct model *m, const struct conditional *c)
{
	struct arena *a = w->u->cx.prog;
	const struct group *g = c->group;
	const char *x = element(w, g->sym, c->at);
	const char *given = w->latex ? "\\mid \\mathrm{rest}" : "| rest";
	const struct term *open;
	if (!model_closed(m, &m->E, g, &open)) {
		heading(w, arena_printf(a, "  p(%s | rest): no closed form", x));
		places(w, &open->span, 1);
		return;
	}
	switch (g->family->shape) {
	case SHAPE_TWO:
		equation(w, arena_printf(a, "p(%s = %g %s)", x, g->family->hi, given),
		         formula(w, ex_op1(a, OP_SIGMOID, c->field)));
		break;
	case SHAPE_ONEHOT:
		equation(w, arena_printf(a, "p(%s = 1 %s)", x, given),
		         arena_printf(
		             a, w->latex ? "\\operatorname{softmax}\\left(%s%s\\right)" : "softmax(%s%s)",
		             formula(w, c->field), g->family->empty ? ", 0" : ""));
		break;
	case SHAPE_GAUSS:
		equation(w, arena_printf(a, "p(%s %s)", x, given),
		         arena_printf(a,
		                      w->latex ? "\\mathcal{N}\\left(%s, \\; 1/(%s)\\right)"
		                               : "normal(mean %s, variance 1/(%s))",
		                      formula(w, c->mean), formula(w, c->precision)));
		break;
	case SHAPE_GAMMA:
		equation(w, arena_printf(a, "p(%s %s)", x, given),
		         arena_printf(a,
		                      w->latex ? "\\operatorname{Gamma}\\left(1 + %s, \\; %s\\right)"
		                               : "Gamma(shape 1 + %s, rate %s)",
		                      formula(w, c->precision), formula(w, ex_neg(a, c->field))));
		break;
	case SHAPE_TOTAL:
		equation(w, arena_printf(a, "p(%s %s)", x, given),
		         arena_printf(a,
		                      w->latex ? "\\operatorname{multinomial}\\left(%s, "
		                                 "\\operatorname{softmax}(%s)\\right)"
		                               : "multinomial(%s, softmax(%s))",
		                      formula(w, c->total), formula(w, c->field)));
		break;
	case SHAPE_EXPONENTIAL:
		equation(w, arena_printf(a, w->latex ? "E(%s %s)" : "mean of %s %s", x, given),
		         formula(w, c->mean));
		break;
	}
	coupled(w, c);
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
		fprintf(w->out, w->latex ? "%% block %d:" : "    block %d:", b + 1);
		for (int i = 0; i < blocks.at[b].group.n; i++)
			fprintf(w->out, "%s %s", i ? "," : "", blocks.at[b].group.at[i]->name);
		fprintf(w->out, "\n");
	}
	heading(w, "conditionals");
	for (int b = 0; b < blocks.n; b++)
		for (int i = 0; i < blocks.at[b].group.n; i++) {
			struct conditional c;
			model_field(m, &m->E, blocks.at[b].group.at[i], &c);
			conditional(w, m, &c);
		}
	return true;
}

static void explain_free_energy(struct writer *w, const struct model *m, const energy *F)
{
	struct node *x = energy_node(w->u->cx.prog, F);
	heading(w, "free energy of the visible units, F = -log sum over the hidden of exp(-E)");
	equation(w, "F", formula(w, x));
	places_of(w, m, x, NULL);
}

/* Where the hidden units cannot be summed out: their fixed-point equations, if they have them. */
static void explain_meanfield(struct writer *w, const struct model *m)
{
	struct arena *a = w->u->cx.prog;
	heading(w, "the hidden units are not independent given the visible ones: no free energy in "
	           "closed form");
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->role == GROUP_HIDDEN && !model_closed(m, &m->E, m->group.at[i], NULL))
			return;
	if (!model_factorises(&w->u->cx, m, &m->E, model_role(m, GROUP_HIDDEN)))
		return;
	heading(w, "mean field, each group set to its mean at the others' means:");
	for (int i = 0; i < m->group.n; i++) {
		struct conditional c;
		if (m->group.at[i]->role != GROUP_HIDDEN ||
		    !model_element(&w->u->cx, m, &m->E, m->group.at[i], &c))
			continue;
		const char *x = element(w, m->group.at[i]->sym, c.at);
		equation(w, arena_printf(a, w->latex ? "\\mu(%s)" : "mean of %s", x), formula(w, c.mean));
		places(w, c.term, c.nterm);
	}
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
		model_axes(m, wt->sym, at);
		for (int r = 0; r < wt->sym->rank; r++)
			k[r] = affine_idx(a, at[r]);
		struct node *d = ex_num(a, 0);
		for (int t = 0; t < F->n; t++)
			d = ex_add(a, d, ex_diff(a, F->at[t].node, wt->sym, k));
		if (ex_is_num(d, 0))
			continue;
		const char *e = element(w, wt->sym, at);
		equation(w, arena_printf(a, w->latex ? "\\frac{\\partial F}{\\partial %s}" : "dF/d %s", e),
		         formula(w, d));
		places_of(w, m, d, wt->sym);
	}
}

/* ---- directed models ---- */
static void explain_factor(struct writer *w, const struct factor *f, const char *p)
{
	struct arena *a = w->u->cx.prog;
	const char *x = element(w, f->group->sym, f->at), *rest = w->latex ? "\\mid \\ldots" : "| ...";
	if (!f->dist)
		equation(w, x, formula(w, f->draw));
	else if (f->log_density)
		equation(w, arena_printf(a, "log %s(%s %s)", p, x, rest), formula(w, f->log_density));
	else
		heading(w, arena_printf(a, "  %s ~ %s, drawn", x, f->dist));
	places(w, &f->span, 1);
}

static void explain_factors(struct writer *w, const struct model *m)
{
	heading(w, "what is computed, each once, from the variables and what stands before it");
	for (int i = 0; i < m->def.n; i++) {
		const struct definition *d = m->def.at[i];
		const char *value = formula(w, d->rhs);
		if (d->rhs->kind != N_OP || !(op_flags(d->rhs->op) & OPF_DRAW))
			equation(w, element(w, d->sym, d->at),
			         d->average ? arena_printf(w->u->cx.prog, "batch mean of %s", value) : value);
	}
	heading(
	    w,
	    m->prior
	        ? "factors, in the order of drawing; p(x) is their product with the energy's law below"
	        : "factors, in the order of drawing; p(x) is their product");
	for (int i = 0; i < m->factor.n; i++)
		explain_factor(w, m->factor.at[i], "p");
	if (m->posterior.n)
		heading(w, "posteriors, in the order of drawing");
	for (int i = 0; i < m->posterior.n; i++)
		explain_factor(w, m->posterior.at[i], "q");
	for (int i = 0; i < m->posterior.n; i++) {
		const struct factor *q = m->posterior.at[i], *p = model_factor(m, q->group);
		if (!p)
			continue;
		struct node *gap = p->log_density ? objective_mean_gap(m, p, q) : NULL;
		const char *of = arena_printf(w->u->cx.prog, "E_q [log p(%s) - log q(%s)]", q->group->name,
		                              q->group->name);
		if (gap)
			equation(w, of, formula(w, gap));
		else
			heading(w, arena_printf(w->u->cx.prog, "  %s: no closed form, estimated by draws", of));
	}
}

/* ---- the blocks ---- */
/* What an access to a copy is a copy of. */
static struct node *copied(struct arena *a, const struct node *x, void *arg)
{
	const struct plan_function *f = arg;
	for (int r = 0; r < f->region.n; r++)
		for (int i = 0; i < f->region.at[r]->kernel.n; i++) {
			const struct kernel *k = f->region.at[r]->kernel.at[i];
			for (int s = 0; k->kind == KERNEL_LOOP && s < k->nstore; s++)
				if (k->store[s].dst == x->sym && k->store[s].rhs->kind == N_ACCESS)
					return ex_subst_at(a, k->store[s].rhs, k->at, x->map, k->rank);
		}
	return ex_access(a, x->sym, x->batch, x->map);
}

/* The term of a running sum in the symbols of the file where it can be. */
static struct node *running_term(struct arena *a, struct plan_function *f, const struct store *s)
{
	struct node *x = s->rhs;
	for (int r = 0; r < f->region.n; r++)
		for (int i = 0; i < f->region.at[r]->kernel.n; i++) {
			const struct kernel *k = f->region.at[r]->kernel.at[i];
			for (int t = 0; k->kind == KERNEL_LOOP && t < k->nstore; t++)
				if (k->store[t].rhs->kind == N_ACCESS && !k->batch)
					x = ex_subst(a, x,
					             &(struct subst){.from = k->store[t].dst, .fn = copied, .arg = f});
		}
	return x;
}

static void explain_running_sum(struct writer *w, struct plan_function *f, const struct kernel *k,
                                const struct store *s)
{
	const char *d = k->scan->name;
	double steps = (double)k->scan->size, kept = (double)s->at[0]->size;
	fprintf(w->out,
	        "%s   running sum found: of %s over what comes %s %s, kept along %s < %.0f for each ",
	        w->latex ? "%" : " ", formula(w, running_term(w->u->cx.prog, f, s)),
	        k->down ? "after" : "before", d, d, steps);
	for (int i = 0; i < k->nouter; i++) {
		fprintf(w->out, "%s < %.0f, ", k->outer[i]->name, (double)k->outer[i]->size);
		kept *= (double)k->outer[i]->size;
	}
	fprintf(w->out, "%s < %.0f: %.4g additions an example, not %.4g\n", s->at[0]->name,
	        (double)s->at[0]->size, steps * kept, steps * (steps - 1) / 2 * kept);
}

/* Does a kernel of steps read what its store t adds up? */
static bool is_running(const struct kernel *k, const struct store *t)
{
	bool read = false;
	for (int s = 0; s < k->nstore; s++)
		read = read || ex_mentions(k->store[s].rhs, t->dst);
	return t->accumulate && read;
}

/* The sums that are kept along an axis though the file states each element's on its own. */
static void explain_running_sums(struct writer *w, const struct plan *p)
{
	for (int i = 0; i < p->function.n; i++) {
		struct plan_function *f = p->function.at[i];
		VEC(struct node *) told = {0};
		for (int r = 0; strncmp(f->name, "train.", 6) == 0 && r < f->region.n; r++)
			for (int j = 0; j < f->region.at[r]->kernel.n; j++) {
				const struct kernel *k = f->region.at[r]->kernel.at[j];
				for (int s = 0; k->kind == KERNEL_STEPS && s < k->nstore; s++) {
					struct store *t = &k->store[s];
					bool seen = !is_running(k, t);
					for (int e = 0; e < told.n; e++)
						seen = seen || strcmp(ex_text(w->u->cx.prog, told.at[e]),
						                      ex_text(w->u->cx.prog, t->rhs)) == 0;
					if (seen)
						continue;
					vec_push(w->u->cx.prog, &told, t->rhs);
					explain_running_sum(w, f, k, t);
				}
			}
	}
}

/* What takes the gradients to those of a step in centred parameters, and the offsets along. */
static void explain_centred(struct writer *w, const struct compiled *c)
{
	const struct program *p = c->x->p;
	for (int i = 0; i < p->function.n; i++) {
		const struct function *f = p->function.at[i];
		if (strcmp(f->name, "train.centre") != 0)
			continue;
		heading(
		    w, "centered: a step in the parameters of E(x - offset), in those of E; in this order");
		for (int k = 0; k < f->nstmt; k++) {
			const struct stmt *s = &f->stmt[k];
			struct node *before = ex_at(w->u->cx.prog, s->dst, NULL, s->at);
			equation(w, element(w, s->dst, s->at),
			         formula(w, s->accumulate ? ex_add(w->u->cx.prog, before, s->rhs) : s->rhs));
		}
	}
}

static void explain_train(struct writer *w, struct compiled *c)
{
	const char *mark = w->latex ? "%" : " ";
	const struct clause *batch = block_clause(c->block, "batch");
	double rows = batch ? batch->arg[0].num : 100;
	for (int i = 0; i < c->goal.n; i++) {
		const struct goal *g = &c->goal.at[i];
		fprintf(w->out, "%s %s %s%s%s: ", mark, i ? "  and for" : "training of", c->m->name,
		        c->block->stage ? ", stage " : "", c->block->stage ? c->block->stage : "");
		if (g->scale != 1)
			fprintf(w->out, "%g times ", g->scale);
		fprintf(w->out, "%s\n", g->objective->what);
	}
	if (c->m != c->whole)
		explain_conditionals(w, c->m);
	explain_centred(w, c);
	block_plan(w->u, c);
	const double running =
	    plan_running(c->plan, "train.first", rows) + plan_running(c->plan, "train.final", rows);
	const double products =
	    plan_products(c->plan, "train.first", rows) + plan_products(c->plan, "train.final", rows);
	const double sweep = plan_products(c->plan, "train.sweep", rows);
	explain_running_sums(w, c->plan);
	if (!c->m->factor.n && (c->x->exact || objective_value(c, "k")))
		fprintf(w->out,
		        "%s   statistics: dE/d theta at the hidden units' conditional means where E is "
		        "affine in them, else dF/d theta\n",
		        mark);
	fprintf(w->out,
	        "%s   cost of an update at a batch of %g: %.3g multiply-adds in matrix products", mark,
	        rows, products);
	if (running > 0)
		fprintf(w->out, ", %.3g in running sums", running);
	if (sweep > 0)
		fprintf(w->out, ", and %.3g for each sweep beyond the first", sweep);
	fprintf(w->out, "\n");
}

/* How the groups of a block's chains are sampled, and why so; nothing where there are no chains. */
static void explain_sampler(struct writer *w, const struct compiled *c)
{
	const struct sampling *how = &c->x->sampling;
	const char *mark = w->latex ? "%" : " ";
	const struct model *m = c->m->prior ? c->m->prior : c->m;
	bool chains = block_chains(c), any = false, drawn = false;
	for (int i = 0; chains && i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		const struct term *why;
		if (!sampler_moves(c->x, &m->E, g, &why)) {
			drawn = drawn || g->role != GROUP_GIVEN;
			continue;
		}
		any = true;
		const struct sampler *s = how->how ? how->how : sampler_find("hmc");
		fprintf(w->out, "%s   sampler of %s: %s, %lld step%s", mark, g->name, s->what,
		        (long long)how->steps, how->steps == 1 ? "" : "s");
		fprintf(w->out, s->adjusted ? " of size %g, adapted to acceptance %g" : " of size %g",
		        how->step, how->acceptance);
		fprintf(w->out, ": %s\n", why ? "its conditional has no closed form" : "asked for");
		if (why)
			places(w, &why->span, 1);
	}
	if (chains && how->temperatures > 1)
		fprintf(w->out,
		        "%s   %lld replicas of each chain, from the model to independent units, change "
		        "places\n",
		        mark, (long long)how->temperatures);
	if (drawn)
		fprintf(w->out, "%s   %s: block Gibbs sampling\n", mark,
		        any           ? "sampler of the other groups"
		        : c->m->prior ? "sampler of the energy's groups"
		                      : "sampler of all groups");
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
		fprintf(w->out, "%s samples of %s: %s\n", mark, c.m->name,
		        c.m->prior ? "sweeps in the order above, from independent units, then the factors "
		                     "drawn one after the other"
		        : c.m->factor.n ? "the factors drawn one after the other"
		                        : "sweeps in the order above, from independent units");
	for (int i = 0; b->kind == BLOCK_EVALUATE && i < b->nclause; i++) {
		if (strcmp(b->clause[i].name, "loglik") != 0)
			continue;
		fprintf(w->out, "%s log-likelihood of %s: %s\n", mark, c.m->name,
		        estimator_what(estimator_find(b->clause[i].arg[0].call->name), c.m));
	}
	explain_sampler(w, &c);
}

static void explain_model(struct writer *w, const struct model *m)
{
	energy F;
	fprintf(w->out, w->latex ? "%% model %s\n" : "model %s\n", m->name);
	if (m->factor.n)
		explain_factors(w, m);
	if (m->factor.n && !m->prior)
		return;
	if (m->prior)
		m = m->prior;
	explain_energy(w, m);
	if (!explain_conditionals(w, m))
		return;
	if (model_sum_out(NULL, m, &m->E, model_role(m, GROUP_HIDDEN), &F)) {
		explain_free_energy(w, m, &F);
		explain_gradients(w, m, &F);
	} else {
		explain_meanfield(w, m);
	}
}

void explain_unit(struct unit *u, bool latex, FILE *out)
{
	struct writer w = {u, latex, out};
	for (int i = 0; i < u->model.n; i++)
		explain_model(&w, u->model.at[i]);
	for (int i = 0; i < u->checked->block.n; i++)
		explain_block(&w, u->checked->block.at[i]);
}

int call_explain(struct options *o)
{
	struct unit u;
	int status = unit_read(&u, o);
	if (status != EXIT_DONE)
		return status;
	explain_unit(&u, o->latex, stdout);
	diags_print(u.cx.diags, stderr);
	unit_time(&u);
	return diags_errors(u.cx.diags) ? EXIT_FILE : EXIT_DONE;
}
