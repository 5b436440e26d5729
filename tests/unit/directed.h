/* A block of a file as a program run in doubles, with noise that is the same in functions that draw alike;
 * gradients against central differences. */
#ifndef DGM_DIRECTED_H
#define DGM_DIRECTED_H
#include "generated.h"

#include "driver/driver.h"
#include "objective/flow.h"

static struct unit unit;
static struct compiled block;

/* ---- a model, one of its blocks as a program, and its numbers ---- */
static bool expand(const char *text, int number)
{
	static struct options opt;
	char path[] = "/tmp/test_directed_XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");
	fputs(text, f);
	fclose(f);
	opt = (struct options){.call = "check", .file = path, .seed = 1};
	bool ok = unit_read(&unit, &opt) == EXIT_DONE &&
	          block_expand(&unit, unit.checked->block.at[number], &block);
	if (!ok)
		diags_print(unit.cx.diags, stderr);
	remove(path);
	return ok;
}

static uint64_t state = 1;
static double next(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return ((double)(state >> 11) + 0.5) / 9007199254740992.0;
}

/* Noise by the order of the draws in a function, so that two functions that draw alike see the
 * same. */
static int first_stream;
static double noise(const struct memory *m, const struct node *draw)
{
	uint64_t x = ((uint64_t)((int)draw->num - first_stream) * 7919u + (uint64_t)m->row * 104729u +
	              (uint64_t)m->unit * 1299709u + 17u) *
	             0x9E3779B97F4A7C15u;
	x ^= x >> 29;
	x *= 0xBF58476D1CE4E5B9u;
	x ^= x >> 32;
	double u = ((double)(x >> 11) + 0.5) / 9007199254740992.0;
	return draw->op == OP_UNIFORM ? u : 3 * (u - 0.5);
}

static int least_stream(const struct node *x, int least)
{
	if (x->kind == N_OP && op_flags(x->op) & OPF_DRAW && (int)x->num < least)
		least = (int)x->num;
	for (int k = 0; k < x->nkid; k++)
		least = least_stream(x->kid[k], least);
	return least;
}

static const struct function *function(const char *name)
{
	for (int f = 0; f < block.x->p->function.n; f++)
		if (strcmp(block.x->p->function.at[f]->name, name) == 0)
			return block.x->p->function.at[f];
	fprintf(stderr, "no function %s\n", name);
	abort();
}

static void run(struct memory *m, const char *name)
{
	const struct function *f = function(name);
	first_stream = 1 << 20;
	for (int s = 0; s < f->nstmt; s++)
		first_stream = least_stream(f->stmt[s].rhs, first_stream);
	for (int s = 0; s < f->nstmt; s++)
		run_stmt(m, &f->stmt[s]);
}

static double *named(struct memory *m, const char *name)
{
	for (int i = 0; i < block.x->p->tensor.n; i++)
		if (strcmp(block.x->p->tensor.at[i].sym->name, name) == 0)
			return values_at(m, block.x->p->tensor.at[i].sym);
	fprintf(stderr, "no tensor %s\n", name);
	abort();
}

static double value_in(const char *domain)
{
	if (strcmp(domain, "binary") == 0)
		return next() < 0.5;
	if (strcmp(domain, "count") == 0)
		return floor(4 * next());
	if (strcmp(domain, "unit") == 0)
		return next();
	return 3 * next() - 1.5;
}

static void prepare(struct memory *m)
{
	*m = (struct memory){.prog = block.x->p, .draw = noise};
	for (int p = 0; p < 8; p++)
		m->pop_rows[p] = INTERP_ROWS;
	for (int i = 0; i < block.m->weight.n; i++) {
		double *w = values_at(m, block.m->weight.at[i]->sym);
		for (int64_t k = 0; k < items_of(block.m->weight.at[i]->sym); k++)
			w[k] = 1.4 * next() - (strstr(block.m->weight.at[i]->name, ".v.average") ? 0 : 0.7);
	}
	for (int i = 0; i < block.m->group.n; i++) {
		const struct group *g = block.m->group.at[i];
		int64_t n = items_of(g->sym),
		        q = g->family->shape == SHAPE_ONEHOT ? g->sym->dim[g->sym->rank - 1] : 1;
		double *x = values_at(m, g->sym);
		for (int64_t k = 0; g->role != GROUP_HIDDEN && k < n * INTERP_ROWS; k += q) {
			int64_t hot = (int64_t)(next() * (double)q);
			for (int64_t a = 0; a < q; a++)
				x[k + a] = q > 1 ? a == hot : value_in(g->domain);
		}
	}
	for (int i = 0; i < block.x->p->tensor.n; i++)
		if (strcmp(block.x->p->tensor.at[i].sym->name, "inv_n") == 0)
			*values_at(m, block.x->p->tensor.at[i].sym) = 1.0 / INTERP_ROWS;
}

/* The mean over the rows of a figure's number: of the last of the functions. */
static inline double loss(struct memory *m, const char *const *functions)
{
	const char *last = NULL;
	double sum = 0;
	for (int k = 0; functions[k]; k++)
		run(m, last = functions[k]);
	const double *out = named(m, arena_printf(unit.cx.tmp, "out.%s", last));
	for (int r = 0; r < INTERP_ROWS; r++)
		sum += out[r];
	return sum / INTERP_ROWS;
}

/* The gradients in memory against differences of sign times the loss. */
static inline void slopes_agree(struct memory *m, const char *name, const char *const *functions,
                         double sign)
{
	double worst = 0, largest = 0;
	for (int i = 0; i < block.m->weight.n; i++) {
		const struct weight *w = block.m->weight.at[i];
		double *x = values_at(m, w->sym);
		const double *g = values_at(m, block.x->grad[i]);
		for (int64_t k = 0; k < items_of(w->sym); k++) {
			double at = x[k], h = 1e-5;
			x[k] = at + h;
			double up = loss(m, functions);
			x[k] = at - h;
			double slope = sign * (up - loss(m, functions)) / (2 * h);
			x[k] = at;
			worst = fmax(worst, isnan(g[k]) ? INFINITY : fabs(slope - g[k]));
			largest = fmax(largest, fabs(slope));
		}
	}
	if (!(worst < 1e-7 * (1 + largest)) || largest == 0)
		fprintf(stderr, "%s: gradient off by %g of %g\n", name, worst, largest);
	CU_ASSERT(worst < 1e-7 * (1 + largest));
	CU_ASSERT(largest > 0);
}

#endif
