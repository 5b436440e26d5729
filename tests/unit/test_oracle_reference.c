/* The energy calculus in double against enumeration: every model of tests/oracle, random
 * parameters.  Errors are relative to the largest value of what is compared; 1e-6 is asked,
 * rounding allows about 1e-13, and 1e-9 for what is compared with finite differences. */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-6
enum { NDATA = 7 };

/* Units of a group are independent given the other groups, with the derived log-odds and mean. */
static void conditionals(struct oracle *o, int draw)
{
	struct error field = {0}, mean = {0}, joint = {0};
	(void)draw;
	for (int i = 0; i < o->m->group.n; i++) {
		const struct group *g = o->m->group.at[i];
		uint32_t mask = group_mask(o, i), rest = (o->nstate - 1) & ~mask;
		struct conditional c;
		if (g->role == GROUP_GIVEN)
			continue;
		CU_ASSERT_FATAL(model_conditional(&o->u->cx, o->m, &o->m->E, g, &c));
		CU_ASSERT(!ex_mentions(c.field, g->sym));
		for (uint32_t r = 0;; r = next_sub(r, rest)) {
			double odds[MAX_UNITS], total = exact_logsum(o, mask, r);
			uint32_t at = r | (oracle_random(o) & mask);
			for (int k = 0; k < o->count[i] && isfinite(total); k++) {
				struct binding b[MAX_RANK + 1];
				int nb = bind_element(g->sym, c.at, k, o->m->batch, at, b), unit = o->first[i] + k;
				double p, lo = unit_value(o, unit, 0);
				odds[k] = exact_logodds(o, unit, mask, r);
				p = 1 / (1 + exp(-odds[k]));
				if (block_units(g) == 1)
					error_add(&field, memory_eval(&o->mem, c.field, b, nb), odds[k]);
				error_add(&mean, memory_eval(&o->mem, c.mean, b, nb), lo + (1 - lo) * p);
			}
			for (uint32_t s = 0; isfinite(total) && block_units(g) == 1; s = next_sub(s, mask)) {
				double lp = 0;
				for (int k = 0; k < o->count[i]; k++)
					lp -= log1p(exp(s >> (o->first[i] + k) & 1 ? -odds[k] : odds[k]));
				error_add(&joint, lp, -o->E[r | s] - total);
				if (s == mask)
					break;
			}
			if (r == rest)
				break;
		}
	}
	error_check(o, "log-odds of a unit", &field, TOLERANCE);
	error_check(o, "conditional mean", &mean, TOLERANCE);
	error_check(o, "log p(group | rest) from its units", &joint, TOLERANCE);
}

/* A draw is the higher value just when u < p. */
static void draws(struct oracle *o, int draw)
{
	(void)draw;
	for (int i = 0; i < o->m->group.n; i++) {
		const struct group *g = o->m->group.at[i];
		if (g->role == GROUP_GIVEN || g->family->draw == NULL)
			continue;
		for (double f = -3; f <= 3; f += 0.75) {
			struct arena *a = o->u->cx.prog;
			double p = 1 / (1 + exp(-f)), lo = unit_value(o, o->first[i], 0);
			struct conditional c = {.group = g, .field = ex_num(a, f)};
			struct node *below = g->family->draw(a, &c, ex_num(a, p - 1e-9), NULL);
			struct node *above = g->family->draw(a, &c, ex_num(a, p + 1e-9), NULL);
			CU_ASSERT_EQUAL(memory_eval(&o->mem, below, NULL, 0), 1);
			CU_ASSERT_EQUAL(memory_eval(&o->mem, above, NULL, 0), lo);
		}
	}
}

/* The groups of a block are independent given the other blocks; every group but the given is in one
 * block. */
static void blocks(struct oracle *o, int draw)
{
	block_vec blocks = {0};
	struct error e = {0};
	uint32_t seen = 0;
	(void)draw;
	CU_ASSERT_FATAL(model_blocks(&o->u->cx, o->m, &blocks));
	for (int b = 0; b < blocks.n; b++) {
		uint32_t mask = 0, part[32];
		int n = blocks.at[b].group.n;
		for (int i = 0; i < n; i++)
			for (int g = 0; g < o->m->group.n; g++)
				if (blocks.at[b].group.at[i] == o->m->group.at[g])
					mask |= part[i] = group_mask(o, g);
		CU_ASSERT_EQUAL(seen & mask, 0);
		seen |= mask;
		uint32_t rest = (o->nstate - 1) & ~mask;
		for (uint32_t r = 0;; r = next_sub(r, rest)) {
			uint32_t s = r | (oracle_random(o) & mask), t = r | (oracle_random(o) & mask);
			double joint = o->E[t] - o->E[s], apart = 0;
			for (int i = 0; i < n;
			     i++) /* one group moved from s to t, the others at s: no matter where they are */
				apart += o->E[(s & ~part[i]) | (t & part[i])] - o->E[s];
			if (isfinite(joint))
				error_add(&e, apart, joint);
			if (r == rest)
				break;
		}
	}
	CU_ASSERT_EQUAL(seen, o->visible | o->hidden);
	error_check(o, "groups of one block, joint against apart", &e, TOLERANCE);
}

static void sum_out(struct oracle *o, enum group_role role, uint32_t mask, const char *what)
{
	energy F;
	struct error e = {0};
	if (!model_sum_out(NULL, o->m, &o->m->E, model_role(o->m, role), &F))
		return;
	struct node *f = energy_node(o->u->cx.prog, &F);
	uint32_t rest = (o->nstate - 1) & ~mask;
	for (uint32_t r = 0;; r = next_sub(r, rest)) {
		struct binding b = {o->m->batch, r | (oracle_random(o) & mask)};
		if (isfinite(exact_logsum(o, mask, r)))
			error_add(&e, memory_eval(&o->mem, f, &b, 1), -exact_logsum(o, mask, r));
		if (r == rest)
			break;
	}
	error_check(o, what, &e, TOLERANCE);
}

static void free_energies(struct oracle *o, int draw)
{
	energy F;
	(void)draw;
	CU_ASSERT(model_free_energy(&o->u->cx, o->m, &o->m->E, &F));
	sum_out(o, GROUP_HIDDEN, o->hidden, "free energy");
	sum_out(o, GROUP_VISIBLE, o->visible, "energy with the visible units summed out");
}

/* ---- programs, run by the reference evaluator
 * ---------------------------------------------------------- */
/* The memory of a program: the oracle's parameters, rows of data. */
static void program_memory(const struct oracle *o, struct memory *p, const uint32_t *data, int n)
{
	for (int i = 0; i < o->m->weight.n; i++) {
		const struct sym *s = o->m->weight.at[i]->sym;
		memcpy(memory_put(p, s, 1), memory_get(&o->mem, s), sizeof(double) * (size_t)items_of(s));
	}
	for (int i = 0; i < o->m->group.n; i++) {
		const struct group *g = o->m->group.at[i];
		if (g->mean)
			memcpy(memory_put(p, g->mean, 1), memory_get(&o->mem, g->mean),
			       sizeof(double) * (size_t)o->count[i]);
		if (g->role == GROUP_HIDDEN)
			continue;
		double *x = memory_put(p, g->sym, n);
		for (int r = 0; r < n; r++)
			for (int k = 0; k < o->count[i]; k++)
				x[r * o->count[i] + k] = unit_value(o, o->first[i] + k, data[r]);
	}
	p->pop[POP_DATA] = n;
}

static const struct sym *tensor_named(const struct program *p, const char *name)
{
	for (int i = 0; i < p->tensor.n; i++)
		if (strcmp(p->tensor.at[i].sym->name, name) == 0)
			return p->tensor.at[i].sym;
	return NULL;
}

static void put_scalar(const struct program *p, struct memory *mem, const char *name, double x)
{
	const struct sym *s = tensor_named(p, name);
	if (s)
		*memory_put(mem, s, 1) = x;
}

static void pseudo_likelihood(struct oracle *o, int draw)
{
	uint32_t data[NDATA];
	struct memory p = {0};
	struct error e = {0};
	struct expansion *x = expansion_new(&o->u->cx, o->m);
	(void)draw;
	random_data(o, data, NDATA);
	program_memory(o, &p, data, NDATA);
	CU_ASSERT_FATAL(objective_pseudo_likelihood(x));
	memory_run(&p, x->p, "pseudo_likelihood");
	for (int n = 0; n < NDATA; n++) {
		error_add(&e, memory_get(&p, tensor_named(x->p, "out.pseudo_likelihood"))[n],
		          exact_score(o, data[n]));
	}
	error_check(o, "pseudo-likelihood", &e, TOLERANCE);
	memory_free(&p);
}

/* sum over the states that objective_states chose, of the program's free energies */
static double program_logz(struct oracle *o, struct expansion *x, struct memory *p)
{
	struct states st;
	CU_ASSERT_FATAL(objective_states(&o->u->cx, o->m, &st));
	int64_t n = (int64_t)1 << st.units;
	uint32_t mask = 0, s = 0;
	for (int i = 0; i < o->m->group.n; i++)
		mask |= st.listed[i] ? group_mask(o, i) : 0;
	p->pop[POP_STATES] = n;
	for (int64_t r = 0; r < n; r++, s = next_sub(s, mask))
		for (int i = 0; i < o->m->group.n; i++) {
			const struct group *g = o->m->group.at[i];
			if (!st.listed[i])
				continue;
			const struct sym *t =
			    tensor_named(x->p, arena_printf(o->u->cx.prog, "%s.states", g->name));
			double *v = r ? memory_get(p, t) : memory_put(p, t, n);
			for (int k = 0; k < o->count[i]; k++)
				v[r * o->count[i] + k] = unit_value(o, o->first[i] + k, s);
		}
	memory_run(p, x->p, "enum.energy");
	const double *F = memory_get(p, tensor_named(x->p, "out.enum.energy"));
	double top = INFINITY, sum = 0;
	for (int64_t r = 0; r < n; r++)
		top = fmin(top, F[r]);
	for (int64_t r = 0; r < n; r++)
		sum += exp(top - F[r]);
	double log_z = log(sum) - top,
	       *weight = memory_put(p, tensor_named(x->p, "out.enum.weight"), n);
	for (int64_t r = 0; r < n; r++)
		weight[r] = exp(-F[r] - log_z);
	return log_z;
}

/* The exact likelihood's gradient: of the derived objective's program, and of the derivative of F,
 * against finite differences of the enumerated likelihood. */
static void gradients(struct oracle *o, int draw)
{
	(void)draw;
	uint32_t data[NDATA];
	struct error e = {0}, direct = {0}, z = {0};
	struct memory p = {0};
	struct expansion *x = expansion_new(&o->u->cx, o->m);
	energy F;
	random_data(o, data, NDATA);
	program_memory(o, &p, data, NDATA);
	bool whole = o->given == 0, large = o->nunit > 12;
	CU_ASSERT_FATAL(model_free_energy(&o->u->cx, o->m, &o->m->E, &F));
	if (whole) {
		CU_ASSERT_FATAL(expand_exact(x));
		put_scalar(x->p, &p, "inv_n", 1.0 / NDATA);
		memory_run(&p, x->p, "train.final");
		error_add(&z, program_logz(o, x, &p), exact_logsum(o, o->visible | o->hidden, 0));
		memory_run(&p, x->p, "enum.grad");
		error_check(o, "log Z", &z, TOLERANCE);
	}
	for (int w = 0; w < o->m->weight.n; w++) {
		int64_t items = items_of(o->m->weight.at[w]->sym), step = large ? items : (items + 7) / 8;
		for (int64_t k = oracle_random(o) % (uint32_t)step; k < items; k += step) {
			double want = exact_slope(o, w, k, data, NDATA), sum = 0;
			if (whole)
				error_add(&e, memory_get(&p, x->grad[w])[k], want);
			struct node *slope = slope_of_F(o, &F, w, k);
			for (int n = 0; !large && n < NDATA; n++)
				sum += eval_at(o, slope, data[n]);
			for (uint32_t v = 0; !large && whole; v = next_sub(v, o->visible)) {
				double P =
				    exp(exact_logsum(o, o->hidden, v) - exact_logsum(o, o->visible | o->hidden, 0));
				sum -= NDATA * P * eval_at(o, slope, v);
				if (v == o->visible)
					break;
			}
			if (!large && whole)
				error_add(&direct, sum / NDATA, want);
		}
	}
	error_check(o, "gradient of the likelihood", &e, TOLERANCE);
	error_check(o, "gradient by the derivative of F", &direct, TOLERANCE);
	memory_free(&p);
}

/* ---- refusals
 * ------------------------------------------------------------------------------------------------
 */
static int line_marked(const struct source *src)
{
	const char *mark = strstr(src->text, "# here");
	int line = 1;
	for (const char *c = src->text; c < mark; c++)
		line += *c == '\n';
	return line;
}

/* A model that is not handled is refused at the term in the way, marked "# here" in its file. */
static void refused(const char *path)
{
	struct options opt;
	struct unit u;
	energy F;
	char *text = NULL, place[1100];
	size_t size;
	bool ok = oracle_open(&u, &opt, path);
	CU_ASSERT_FATAL(ok && u.model.n == 1);
	struct model *m = u.model.at[0];
	for (int i = 0; ok && i < m->group.n; i++) {
		struct conditional c;
		ok = model_conditional(&u.cx, m, &m->E, m->group.at[i], &c);
	}
	ok = ok && model_free_energy(&u.cx, m, &m->E, &F);
	CU_ASSERT(!ok);
	FILE *f = open_memstream(&text, &size);
	diags_print(u.cx.diags, f);
	fclose(f);
	snprintf(place, sizeof place, "%s:%d:", path, line_marked(u.src));
	CU_ASSERT_EQUAL(strncmp(text, place, strlen(place)), 0);
	if (strncmp(text, place, strlen(place)) != 0)
		printf("\nexpected a refusal at %s not\n%s", place, text);
	free(text);
	oracle_close(&u);
}

static void suite_refused(void)
{
	static const char *const file[] = {"deep",           "gaussian", "lateral",
	                                   "lateral_hidden", "sine",     "square"};
	for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
		char path[1024];
		snprintf(path, sizeof path, "%s/refused/%s.dgm", ORACLE_DIR, file[i]);
		refused(path);
	}
}

static void suite_conditionals(void)
{
	oracle_each(conditionals, 3);
	oracle_each(draws, 1);
}

static void suite_blocks(void)
{
	oracle_each(blocks, 2);
}

static void suite_free_energy(void)
{
	oracle_each(free_energies, 3);
}

static void suite_pseudo(void)
{
	oracle_each(pseudo_likelihood, 3);
}

static void suite_gradients(void)
{
	oracle_each(gradients, 2);
}

int main(void)
{
	CU_pSuite s;
	unsigned failed;
	if (CU_initialize_registry())
		return 1;
	s = CU_add_suite("oracle.reference", NULL, NULL);
	CU_add_test(s, "conditionals are Bayes' rule", suite_conditionals);
	CU_add_test(s, "groups of a block are independent", suite_blocks);
	CU_add_test(s, "free energies are sums over states", suite_free_energy);
	CU_add_test(s, "pseudo-likelihood", suite_pseudo);
	CU_add_test(s, "log Z and the likelihood's gradient", suite_gradients);
	CU_add_test(s, "refused, naming the term", suite_refused);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	error_summary();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed > 0;
}
