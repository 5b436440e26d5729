/* Files, parameters, the table of energies; evaluation of expressions and programs in double. */
#include "oracle.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory
 * ------------------------------------------------------------------------------------------ */
int64_t items_of(const struct sym *s)
{
	int64_t n = 1;
	for (int i = 0; i < s->rank; i++)
		n *= s->dim[i];
	return n;
}

double *memory_put(struct memory *m, const struct sym *s, int64_t rows)
{
	if (s->id >= m->n) {
		int n = s->id + 64;
		m->at = realloc(m->at, (size_t)n * sizeof *m->at);
		m->rows = realloc(m->rows, (size_t)n * sizeof *m->rows);
		for (; m->n < n; m->n++)
			m->at[m->n] = NULL;
	}
	free(m->at[s->id]);
	m->rows[s->id] = rows;
	return m->at[s->id] = calloc((size_t)(rows * items_of(s)), sizeof(double));
}

double *memory_get(const struct memory *m, const struct sym *s)
{
	return s->id < m->n ? m->at[s->id] : NULL;
}

void memory_free(struct memory *m)
{
	for (int i = 0; i < m->n; i++)
		free(m->at[i]);
	free(m->at);
	free(m->rows);
	*m = (struct memory){0};
}

static double load(void *arg, const struct sym *s, int64_t row, const int64_t *at)
{
	const struct memory *m = arg;
	const double *x = memory_get(m, s);
	int64_t k = 0;
	if (x == NULL)
		BUG("oracle: %s is read but has no value", s->name);
	for (int i = 0; i < s->rank; i++) {
		if (at[i] < 0 || at[i] >= s->dim[i])
			BUG("oracle: subscript %d of %s is %lld", i, s->name, (long long)at[i]);
		k = k * s->dim[i] + at[i];
	}
	if (!s->batched)
		return x[k];
	if (row < 0 || row >= m->rows[s->id])
		BUG("oracle: row %lld of %s", (long long)row, s->name);
	return x[row * items_of(s) + k];
}

static int64_t pop_size(void *arg, int pop)
{
	return ((const struct memory *)arg)->pop[pop];
}

double memory_eval(struct memory *m, const struct node *x, const struct binding *b, int nb)
{
	struct env env = {load, NULL, pop_size, m};
	return ex_eval(x, &env, b, nb);
}

int bind_element(const struct sym *s, const struct idx *const *ix, int64_t flat,
                 const struct idx *batch, int64_t row, struct binding *b)
{
	int n = 0;
	for (int i = s->rank - 1; i >= 0; i--) {
		b[n++] = (struct binding){ix[i], flat % s->dim[i]};
		flat /= s->dim[i];
	}
	if (batch)
		b[n++] = (struct binding){batch, row};
	return n;
}

void memory_run(struct memory *m, const struct program *p, const char *function)
{
	const struct function *f = NULL;
	for (int i = 0; i < p->function.n; i++)
		if (strcmp(p->function.at[i]->name, function) == 0)
			f = p->function.at[i];
	if (f == NULL)
		BUG("oracle: the program has no function %s", function);
	for (int i = 0; i < f->nstmt; i++) {
		const struct stmt *s = &f->stmt[i];
		int64_t rows = s->batch ? m->pop[s->batch->pop] : 1, items = items_of(s->dst);
		double *dst = memory_get(m, s->dst), *new = calloc((size_t)(rows * items), sizeof *new);
		for (int64_t r = 0; r < rows; r++)
			for (int64_t k = 0; k < items; k++) {
				struct binding b[MAX_RANK + 1];
				int nb = bind_element(s->dst, s->at, k, s->batch, r, b);
				new[r * items + k] = memory_eval(m, s->rhs, b, nb);
			}
		if (dst == NULL)
			dst = memory_put(m, s->dst, rows);
		for (int64_t k = 0; k < rows * items; k++)
			dst[k] = s->accumulate ? dst[k] + new[k] : new[k];
		free(new);
	}
}

/* ---- random numbers: splitmix64, Box-Muller
 * ----------------------------------------------------------------- */
uint32_t oracle_random(struct oracle *o)
{
	uint64_t z = o->rng += 0x9E3779B97F4A7C15u;
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return (uint32_t)(z >> 32);
}

double oracle_normal(struct oracle *o)
{
	double u = (oracle_random(o) + 0.5) * 0x1p-32, v = (oracle_random(o) + 0.5) * 0x1p-32;
	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* ---- the model
 * ---------------------------------------------------------------------------------------------------
 */
static void bounds(const struct group *g, double *lo, double *hi)
{
	*lo = strcmp(g->domain, "spin") == 0 ? -1 : 0;
	*hi = 1;
}

double unit_value(const struct oracle *o, int unit, uint32_t state)
{
	double lo = 0, hi = 1;
	for (int g = 0; g < o->m->group.n; g++)
		if (unit >= o->first[g] && unit < o->first[g] + o->count[g])
			bounds(o->m->group.at[g], &lo, &hi);
	return state >> unit & 1 ? hi : lo;
}

uint32_t group_mask(const struct oracle *o, int group)
{
	return ((1u << o->count[group]) - 1) << o->first[group];
}

bool hidden_joined(const struct oracle *o)
{
	for (int t = 0; t < o->m->E.n; t++) {
		int n = 0;
		for (int g = 0; g < o->m->group.n; g++)
			n += o->m->group.at[g]->role == GROUP_HIDDEN &&
			     ex_mentions(o->m->E.at[t].node, o->m->group.at[g]->sym);
		if (n > 1)
			return true;
	}
	return false;
}

static void states(struct oracle *o)
{
	for (int i = 0; i < o->m->group.n; i++) {
		const struct group *g = o->m->group.at[i];
		o->first[i] = o->nunit;
		o->count[i] = (int)items_of(g->sym);
		o->nunit += o->count[i];
		*(g->role == GROUP_VISIBLE  ? &o->visible
		  : g->role == GROUP_HIDDEN ? &o->hidden
		                            : &o->given) |= group_mask(o, i);
	}
	if (o->nunit > MAX_UNITS)
		BUG("oracle: model %s has %d units", o->m->name, o->nunit);
	o->nstate = 1u << o->nunit;
	o->E = calloc(o->nstate, sizeof *o->E);
	o->mem.pop[POP_DATA] = 1;
	for (int i = 0; i < o->m->group.n; i++) {
		double *x = memory_put(&o->mem, o->m->group.at[i]->sym, (int64_t)o->nstate + 1);
		for (uint32_t s = 0; s < o->nstate; s++)
			for (int k = 0; k < o->count[i]; k++)
				x[s * (uint32_t)o->count[i] + (uint32_t)k] = unit_value(o, o->first[i] + k, s);
	}
}

/* Parameters are float values of standard deviation sd, so that generated code has the same ones.
 */
static void parameters(struct oracle *o, double sd)
{
	for (int i = 0; i < o->m->weight.n; i++) {
		const struct sym *s = o->m->weight.at[i]->sym;
		double *x = memory_put(&o->mem, s, 1);
		for (int64_t k = 0; k < items_of(s); k++)
			x[k] = (double)(float)(sd * oracle_normal(o));
	}
	for (int i = 0; i < o->m->group.n; i++) {
		const struct group *g = o->m->group.at[i];
		double *x = g->mean ? memory_put(&o->mem, g->mean, 1) : NULL, lo, hi;
		bounds(g, &lo, &hi);
		for (int k = 0; x && k < o->count[i]; k++)
			x[k] = (double)(float)(lo + (hi - lo) * (0.2 + 0.6 * oracle_random(o) * 0x1p-32));
	}
}

static int64_t block_of(const struct group *g, int64_t element)
{
	int64_t of = 0, scale = 1;
	for (int r = g->sym->rank - 1; r >= 0; element /= g->sym->dim[r--]) {
		of += element % g->sym->dim[r] / g->block[r] * scale;
		scale *= g->sym->dim[r] / g->block[r];
	}
	return of;
}

uint32_t block_mask(const struct oracle *o, int unit)
{
	uint32_t mask = 0;
	for (int g = 0; g < o->m->group.n; g++)
		for (int k = 0; (group_mask(o, g) >> unit & 1) && k < o->count[g]; k++)
			if (block_of(o->m->group.at[g], k) == block_of(o->m->group.at[g], unit - o->first[g]))
				mask |= 1u << (o->first[g] + k);
	return mask;
}

/* Is more than one unit of some block 1? */
static bool forbidden(const struct oracle *o, uint32_t s)
{
	for (int k = 0; k < o->nunit; k++)
		if ((s >> k & 1) && (s & block_mask(o, k)) != 1u << k)
			return true;
	return false;
}

void oracle_energies(struct oracle *o)
{
	for (uint32_t s = 0; s < o->nstate; s++) {
		struct binding b = {o->m->batch, s};
		o->E[s] = forbidden(o, s) ? INFINITY : 0;
		for (int t = 0; t < o->m->E.n; t++)
			o->E[s] += memory_eval(&o->mem, o->m->E.at[t].node, &b, 1);
	}
}

bool oracle_open(struct unit *u, struct options *opt, const char *path)
{
	*opt = (struct options){.file = path, .seed = 1, .quiet = true};
	return unit_read(u, opt) == EXIT_DONE;
}

void oracle_close(struct unit *u)
{
	arena_free(u->cx.perm);
	arena_free(u->cx.prog);
	arena_free(u->cx.tmp);
}

static void each_model(const char *path, oracle_test *test, int draws)
{
	static const double sd[] = {0.5, 1.0, 0.2, 1.5};
	struct options opt;
	struct unit u;
	bool ok = oracle_open(&u, &opt, path);
	CU_ASSERT(ok);
	for (int i = 0; ok && i < u.model.n; i++)
		for (int d = 0, last = 0; !last; d++) {
			struct oracle o = {.u = &u, .m = u.model.at[i], .rng = (uint64_t)d * 1000003u};
			states(&o);
			last = o.last = d == draws - 1 || o.nunit > 12;
			parameters(&o, sd[d % 4]);
			oracle_energies(&o);
			test(&o, d);
			free(o.E);
			memory_free(&o.mem);
		}
	if (diags_errors(u.cx.diags))
		diags_print(u.cx.diags, stderr);
	CU_ASSERT_EQUAL(diags_errors(u.cx.diags), 0);
	oracle_close(&u);
}

static int is_model(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');
	return dot && strcmp(dot, ".dgm") == 0;
}

void oracle_each(oracle_test *test, int draws)
{
	struct dirent **file;
	int n = scandir(ORACLE_DIR, &file, is_model, alphasort);
	CU_ASSERT(n > 0);
	for (int i = 0; i < n; i++) {
		oracle_one(file[i]->d_name, test, draws);
		free(file[i]);
	}
	free(file);
}

void oracle_one(const char *file, oracle_test *test, int draws)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/%s", ORACLE_DIR, file);
	each_model(path, test, draws);
}

/* ---- errors
 * ----------------------------------------------------------------------------------------------------------
 */
static struct worst {
	char what[64], model[64];
	double error, tolerance;
	int n;
} worst[64];
static int nworst;

void error_add(struct error *e, double got, double want)
{
	double d = fabs(got - want);
	if (!(d <= e->diff)) /* a NaN stays */
		e->diff = d;
	if (fabs(want) > e->scale)
		e->scale = fabs(want);
}

void error_check(const struct oracle *o, const char *what, const struct error *e, double tolerance)
{
	double x = e->diff == 0 ? 0 : e->diff / (e->scale > 1e-3 ? e->scale : 1e-3);
	int k = 0;
	if (!(x <= tolerance))
		printf("\n%s: %s: error %.3g of %.3g, allowed %.3g", o->m->name, what, e->diff, e->scale,
		       tolerance);
	CU_ASSERT(x <= tolerance);
	while (k < nworst && strcmp(worst[k].what, what) != 0)
		k++;
	if (k == nworst && nworst < 64)
		snprintf(worst[nworst++].what, sizeof worst->what, "%s", what);
	worst[k].n++;
	if (!(x <= worst[k].error)) {
		worst[k].error = x;
		snprintf(worst[k].model, sizeof worst->model, "%s", o->m->name);
	}
	worst[k].tolerance = tolerance;
}

void error_summary(void)
{
	printf("\nlargest errors:\n");
	for (int k = 0; k < nworst; k++)
		printf("  %-44s %9.2e of %7.0e  (%d comparisons; %s)\n", worst[k].what, worst[k].error,
		       worst[k].tolerance, worst[k].n, worst[k].model);
}
