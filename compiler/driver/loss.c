/* What weights of few bits cost: the functions of two objects for this machine, one with floats and
 * one with few bits, called on the same rows with the same random numbers.
 *
 * Of a model with a density the difference of its log-probability, or of a bound, is averaged.  Of
 * an energy, with d = F' - F the change of the free energy (or of a bound on it),
 *
 *     log p - log p' = mean over the data of d + log(Z'/Z),   Z'/Z = E[exp(-d)] under p
 *
 * (Zwanzig 1954); the expectation is over samples of p, and d of a sample is that of the energy of
 * its state where the free energy has no closed form.
 *
 * The rows are the first of the data that the file's evaluate block binds to the model, else its
 * train block; else samples. */
#include "driver/driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 2000, SAMPLES = 2000, SWEEPS = 200, STEP = 100 };

struct side { /* an object linked into this process */
	struct object o;
	embed_list offers;
	struct object_jit *jit;
	void *block;
};
struct measure { /* what can be compared, the first that the model offers */
	const char *function, *what;
	int sign;    /* of the log-likelihood in it */
	bool energy; /* without log Z */
};
static const struct measure measures[] = {
    {"log_probability", "the log-likelihood", 1, false},
    {"log_probability_bound", "the importance-weighted bound on the log-likelihood", 1, false},
    {"elbo", "the evidence lower bound", 1, false},
    {"free_energy", "the log-likelihood", -1, true},
    {"free_energy_bound", "the bound on the log-likelihood, log Z of the energy aside,", -1, false},
    {"encode", "the mean-field bound on the log-likelihood", -1, true},
    {"pseudo_log_likelihood", "the pseudo-log-likelihood", 1, false},
};
enum { MEASURES = sizeof measures / sizeof *measures };

struct rows { /* of every group, NULL: none */
	float **x;
	int64_t n;
	const char *what;
};
struct loss {
	struct unit *u;
	struct model *m;
	struct side was, is;
	const struct measure *by;
};

/* ---- the objects ---- */
static const struct embed *offered(const struct side *s, const char *name)
{
	for (int k = 0; k < s->offers.n; k++)
		if (strcmp(s->offers.at[k]->name, name) == 0)
			return s->offers.at[k]->refused ? NULL : s->offers.at[k];
	return NULL;
}

static void *symbol(struct loss *l, const struct side *s, const char *name)
{
	return object_symbol(s->jit, arena_printf(l->u->cx.tmp, "%s_%s", s->o.name, name));
}

static bool open_side(struct loss *l, struct side *s, const char *quantize)
{
	static const char *const wanted[] = {"log_probability",
	                                     "log_probability_bound",
	                                     "elbo",
	                                     "free_energy",
	                                     "energy",
	                                     "free_energy_bound",
	                                     "encode",
	                                     "pseudo_log_likelihood",
	                                     "sample",
	                                     NULL};
	struct options opt = *l->u->opt;
	struct unit u = *l->u;
	u.opt = &opt;
	opt.quantize = quantize;
	opt.freestanding = false;
	if (!build_functions(&u, l->m, wanted, &s->o, &s->offers))
		return false;
	struct object_text text = object_build(&u.cx, &(object_list){&s->o, 1, 1}, NULL);
	s->jit = object_jit(&u.cx, &text);
	size_t size = ((size_t(*)(void))(uintptr_t)symbol(l, s, "size"))();
	s->block = malloc(size + 1);
	return s->block &&
	       ((int (*)(void *, size_t))(uintptr_t)symbol(l, s, "load"))(s->block, size) == 0;
}

static void close_side(struct side *s)
{
	if (s->jit)
		object_jit_free(s->jit);
	free(s->block);
}

/* All arguments are pointers or sizes: those behind a function's own are not looked at. */
typedef int call_fn(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                    uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                    uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);
enum { CALL_ARGS = 20 };

/* Behind the model, the rows and counts, and before the random numbers, the workspace and its size.
 */
static bool can_call(const struct embed *e)
{
	return e->phase.n + e->arg.n + 5 <= CALL_ARGS;
}

struct call_on { /* rows first .. first + n */
	const struct embed *e;
	const struct rows *rows;
	float *out; /* the array of this name */
	int64_t first, n;
};
struct dgm_random {
	uint64_t seed, step;
};

static size_t count_of(const struct embed_phase *p)
{
	return strcmp(p->count, "sweeps") == 0 ? SWEEPS : strcmp(p->count, "iterations") == 0 ? 20 : 2;
}

static float *array(const struct loss *l, const struct call_on *c, const struct embed_arg *arg)
{
	for (int g = 0; arg->group && g < l->m->group.n; g++)
		if (strcmp(l->m->group.at[g]->name, arg->name) == 0)
			return c->rows->x[g] + c->first * sym_items(arg->sym);
	return strcmp(arg->name, "out") == 0 ? c->out + c->first : NULL;
}

/* false: a status that is not 0. */
static bool call_function(struct loss *l, const struct side *s, const struct call_on *c)
{
	struct arena *a = l->u->cx.tmp;
	struct dgm_random random = {(uint64_t)l->u->opt->seed, (uint64_t)c->first};
	size_t (*room)(size_t) =
	    (size_t(*)(size_t))(uintptr_t)symbol(l, s, arena_printf(a, "%s_work", c->e->name));
	size_t size = room((size_t)c->n);
	void *work = malloc(size);
	uintptr_t v[CALL_ARGS] = {(uintptr_t)s->block, (uintptr_t)c->n};
	int n = 2;
	for (int k = 0; k < c->e->phase.n; k++)
		if (c->e->phase.at[k].count)
			v[n++] = count_of(&c->e->phase.at[k]);
	for (int k = 0; k < c->e->arg.n; k++)
		v[n++] = (uintptr_t)array(l, c, &c->e->arg.at[k]);
	if (c->e->random)
		v[n++] = (uintptr_t)&random;
	v[n++] = (uintptr_t)work;
	v[n] = size;
	call_fn *f = (call_fn *)(uintptr_t)symbol(l, s, c->e->name);
	int status = work ? f(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11],
	                      v[12], v[13], v[14], v[15], v[16], v[17], v[18], v[19])
	                  : -1;
	free(work);
	return status == 0;
}

/* The function on all rows, some at a time; NULL where it fails. */
static float *values(struct loss *l, const struct side *s, const char *name, const struct rows *r)
{
	struct call_on c = {.e = offered(s, name), .rows = r};
	c.out = NEW_ARRAY(l->u->cx.prog, float, r->n);
	for (; c.first < r->n; c.first += STEP) {
		c.n = r->n - c.first < STEP ? r->n - c.first : STEP;
		if (!call_function(l, s, &c))
			return NULL;
	}
	return c.out;
}

/* ---- rows ---- */
static struct rows new_rows(struct loss *l, int64_t n)
{
	struct rows r = {.x = NEW_ARRAY(l->u->cx.prog, float *, l->m->group.n), .n = n};
	for (int g = 0; g < l->m->group.n; g++)
		r.x[g] = NEW_ARRAY(l->u->cx.prog, float, n *sym_items(l->m->group.at[g]->sym));
	return r;
}

/* Rows of a data set, close to one another. */
static bool fill(const struct dgm_data *d, const struct sym *s, int64_t n, float *to)
{
	struct dgm_slot slot = {.rank = s->rank, .pop = 0};
	memcpy(slot.dim, s->dim, sizeof s->dim[0] * (size_t)s->rank);
	int64_t stride = dgm_item_stride(&slot), items = sym_items(s);
	float *x = malloc((size_t)stride * sizeof *x + 64);
	bool ok = x != NULL;
	for (int64_t i = 0; i < n && ok; i++) {
		ok = dgm_data_batch(d, &i, 1, &slot, x, 1, 0) == DGM_OK;
		memcpy(to + i * items, x, (size_t)items * sizeof *x);
	}
	free(x);
	return ok;
}

static const struct data_def *bound(const struct block_def *b, const struct group *g)
{
	for (int k = 0; k < b->nbind; k++)
		if (b->bind[k].var->sym == g->sym)
			return b->bind[k].data;
	return NULL;
}

static const struct block_def *block_with_data(const struct loss *l)
{
	const struct block_def *found = NULL;
	const struct checked *c = l->u->checked;
	for (int k = 0; k < c->block.n; k++) {
		const struct block_def *b = c->block.at[k];
		bool better = !found || (b->kind == BLOCK_EVALUATE && found->kind != BLOCK_EVALUATE);
		if (unit_model(l->u, b->model) == l->m && b->nbind && better)
			found = b;
	}
	return found;
}

/* The data of the block's groups; false: *why. */
static bool data_rows(struct loss *l, struct rows *r, const char **why)
{
	struct unit u = *l->u; /* what cannot be read is no error of the file */
	const struct block_def *b = block_with_data(l);
	const struct dgm_data **of = NEW_ARRAY(l->u->cx.prog, const struct dgm_data *, l->m->group.n);
	int status;
	*why = "the file has none";
	*r = (struct rows){.n = ROWS};
	u.cx.diags = diags_new(u.cx.prog);
	for (int g = 0; g < l->m->group.n; g++) {
		const struct group *gr = l->m->group.at[g];
		const struct data_def *def = b && gr->role != GROUP_HIDDEN ? bound(b, gr) : NULL;
		if (gr->role == GROUP_HIDDEN)
			continue;
		if (!def || is_drawn(def)) {
			*why = def ? "another model draws them" : *why;
			return false;
		}
		of[g] = dataset(&u, def, false, &status);
		if (!of[g] || !dataset_fits(&u, of[g], gr, b->span)) {
			*why = diags_error(u.cx.diags);
			return false;
		}
		r->n = of[g]->n < r->n ? of[g]->n : r->n;
		r->what = r->what ? arena_printf(u.cx.prog, "%s and %s", r->what, def->name) : def->name;
		r->what = arena_printf(u.cx.prog, "%s (data key %s)", r->what, of[g]->key);
	}
	if (!r->what)
		return false;
	const char *what = arena_printf(u.cx.prog, "%lld examples of %s", (long long)r->n, r->what);
	*r = new_rows(l, r->n);
	r->what = what;
	for (int g = 0; g < l->m->group.n; g++)
		if (of[g] && !fill(of[g], l->m->group.at[g]->sym, r->n, r->x[g])) {
			*why = dgm_error();
			return false;
		}
	return true;
}

/* Samples of all groups, given those of `given` that are. */
static bool sample_rows(struct loss *l, const struct rows *given, struct rows *r)
{
	const struct embed *sample = offered(&l->was, "sample");
	if (!sample || !can_call(sample))
		return false;
	*r = new_rows(l, given->what ? given->n : SAMPLES);
	for (int g = 0; g < l->m->group.n; g++) {
		if (l->m->group.at[g]->role != GROUP_GIVEN)
			continue;
		if (!given->what)
			return false;
		r->x[g] = given->x[g];
	}
	r->what = arena_printf(l->u->cx.prog, "%lld samples of the model", (long long)r->n);
	return values(l, &l->was, "sample", r) != NULL;
}

/* ---- the loss ---- */
struct mean {
	double mean, error; /* standard error */
};

static struct mean mean_of(const double *x, int64_t n)
{
	struct mean m = {0};
	double squares = 0;
	for (int64_t i = 0; i < n; i++)
		m.mean += x[i] / (double)n;
	for (int64_t i = 0; i < n; i++)
		squares += (x[i] - m.mean) * (x[i] - m.mean);
	m.error = n > 1 ? sqrt(squares / (double)(n - 1) / (double)n) : INFINITY;
	return m;
}

/* Of the function by few bits less that by floats; false: it cannot be had. */
static bool change(struct loss *l, const char *name, const struct rows *r, double *d, double *was)
{
	const float *x = values(l, &l->was, name, r), *y = values(l, &l->is, name, r);
	*was = 0;
	for (int64_t i = 0; i < r->n && x && y; i++) {
		d[i] = (double)y[i] - (double)x[i];
		*was += (double)x[i] / (double)r->n;
	}
	return x && y;
}

/* log(Z'/Z): of the mean of exp(-d) over samples, by the delta method; each example has a Z of its
 * own where variables are given: to second order then. */
static bool log_ratio(struct loss *l, const struct rows *r, struct mean *out)
{
	struct rows s;
	double was, scale = 0;
	bool given = false, free = strcmp(l->by->function, "free_energy") == 0;
	if (!sample_rows(l, r, &s))
		return false;
	double *d = NEW_ARRAY(l->u->cx.prog, double, s.n);
	if (!change(l, free ? "free_energy" : "energy", &s, d, &was))
		return false;
	for (int g = 0; g < l->m->group.n; g++)
		given = given || l->m->group.at[g]->role == GROUP_GIVEN;
	struct mean m = mean_of(d, s.n);
	*out = (struct mean){-m.mean, m.error};
	if (given)
		return true;
	for (int64_t i = 0; i < s.n; i++) {
		d[i] = exp(m.mean - d[i]);
		scale += d[i] / (double)s.n;
	}
	struct mean w = mean_of(d, s.n);
	*out = (struct mean){log(scale) - m.mean, w.error / scale};
	return true;
}

static const char *measured(struct loss *l)
{
	struct arena *a = l->u->cx.prog;
	struct rows none = {0}, r;
	const char *why, *aside = "";
	struct mean z = {0};
	double was;
	if (!can_call(offered(&l->is, l->by->function)))
		return arena_printf(a,
		                    "the cost was not measured: %s takes too many arguments, of a "
		                    "model of %d variables",
		                    l->by->function, l->m->group.n);
	bool data = data_rows(l, &r, &why);
	if (!data && !sample_rows(l, &none, &r))
		return arena_printf(a, "the cost was not measured: no data (%s), and no samples", why);
	double *d = NEW_ARRAY(a, double, r.n);
	if (!change(l, l->by->function, &r, d, &was))
		return arena_printf(a, "the cost was not measured: %s fails on %s", l->by->function,
		                    r.what);
	if (l->by->energy && !log_ratio(l, data ? &r : &none, &z)) {
		aside = ", log Z aside";
		z = (struct mean){0};
	}
	struct mean m = mean_of(d, r.n);
	double loss = (l->by->sign < 0 ? m.mean : -m.mean) + z.mean;
	const char *where = data ? r.what : arena_printf(a, "%s, for want of data: %s", r.what, why);
	return arena_printf(a, "%s%s is %s by %.4g nats (standard error %.2g), measured on %s",
	                    l->by->what, aside, loss < 0 ? "higher" : "lower", fabs(loss),
	                    sqrt(m.error * m.error + z.error * z.error), where);
}

static const char *kept_as(struct unit *u, const struct object *o)
{
	struct buf b;
	int n = 0;
	buf_init(&b, u->cx.prog);
	for (int k = 0; k < o->param.n; k++) {
		const struct entry_param *p = &o->param.at[k];
		if (p->sym->values == VALUES_INT8 || p->sym->values == VALUES_BF16)
			buf_printf(&b, "%s%s", n++ ? ", " : "", p->name);
	}
	return n ? arena_printf(u->cx.prog, "as %s: %s", u->opt->quantize, b.s) : NULL;
}

void measure_loss(struct unit *u, struct model *m, struct object *o)
{
	struct loss l = {.u = u, .m = m};
	const char *kept = kept_as(u, o), *cost = "no parameter is a weight: all are floats";
	bool open = kept && open_side(&l, &l.was, NULL) && open_side(&l, &l.is, u->opt->quantize);
	for (int k = 0; k < MEASURES && open && !l.by; k++)
		l.by = offered(&l.is, measures[k].function) ? &measures[k] : NULL;
	if (kept)
		cost = l.by ? measured(&l)
		            : "the cost was not measured: the model offers no likelihood, nor a "
		              "bound on it";
	o->loss = kept ? arena_printf(u->cx.prog, "%s; %s", kept, cost) : cost;
	printf("%s: %s\n", o->name, o->loss);
	close_side(&l.was);
	close_side(&l.is);
}
