/* Sites and their values, one row a domain, and sums over the states that they span.
 *
 * The values of a site that takes infinitely many are found by looking: along the site, at states
 * that brute-force Gibbs sampling visits, wherever exp(-E) is not e^-40 below its largest value. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

/* ---- domains: what values a site takes ---- */
static bool list_binary(int width, int total, int k, double *x)
{
	(void)width;
	(void)total;
	*x = k;
	return k < 2;
}

static bool list_spin(int width, int total, int k, double *x)
{
	(void)width;
	(void)total;
	*x = 2 * k - 1;
	return k < 2;
}

static bool list_onehot(int width, int total, int k, double *x)
{
	(void)total;
	for (int i = 0; i < width; i++)
		x[i] = i == k;
	return k < width;
}

static bool list_atmostone(int width, int total, int k, double *x)
{
	list_onehot(width, total, k, x);
	return k <= width;
}

/* the k-th of the counts, in the order of numbers to the base total + 1, that add up to it */
static bool list_total(int width, int total, int k, double *x)
{
	for (int code = 0;; code++) {
		int rest = code, sum = 0;
		for (int i = 0; i < width; i++, rest /= total + 1)
			sum += (int)(x[i] = rest % (total + 1));
		if (rest)
			return false;
		if (sum == total && k-- == 0)
			return true;
	}
}

/* the line: x = sinh(s) */
static double map_real(double s, double *log_w)
{
	*log_w = log(cosh(s));
	return sinh(s);
}

/* above 0: x = exp(s - exp(-s)) */
static double map_positive(double s, double *log_w)
{
	double log_x = s - exp(-s);
	*log_w = log_x + log1p(exp(-s));
	return exp(log_x);
}

/* [0, 1]: x = 1/(1 + exp(-pi sinh(s))) */
static double map_unit(double s, double *log_w)
{
	double z = M_PI * sinh(s), tail = -fabs(z) - 2 * log1p(exp(-fabs(z)));
	*log_w = log(M_PI * cosh(s)) + tail;
	return 1 / (1 + exp(-z));
}

static double map_count(double s, double *log_w)
{
	*log_w = 0;
	return s;
}

static const struct domain_values {
	const char *domain, *rule;
	bool (*list)(int width, int total, int k,
	             double *x);                /* the k-th value; false: there are no more */
	double (*map)(double s, double *log_w); /* else the value at s, and the log of its weight */
	double first, last, step;               /* of s; the step of an integral may be a multiple */
	bool integral, open;                    /* open: nothing says that `first` is the end */
	bool counts;                            /* base measure 1/n! */
	int about;                              /* values, where they are found out */
} domains[] = {
    {.domain = "binary", .list = list_binary},
    {.domain = "binary", .rule = "atmostone", .list = list_atmostone},
    {.domain = "spin", .list = list_spin},
    {.domain = "categorical", .list = list_onehot},
    {"real", NULL, NULL, map_real, -30, 30, 0.0625, true, true, false, 30},
    {"positive", NULL, NULL, map_positive, -6.5, 40, 0.0625, true, true, false, 30},
    {"unit", NULL, NULL, map_unit, -3.5, 3.5, 0.0625, true, false, false, 16},
    {"count", NULL, NULL, map_count, 0, 400, 1, false, false, true, 20},
    {.domain = "count", .rule = "total", .list = list_total, .counts = true},
};

static const struct domain_values *domain_of(const struct group *g)
{
	for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
		const char *rule = domains[i].rule, *has = g->family->rule;
		if (strcmp(domains[i].domain, g->domain) == 0 &&
		    (rule == has || (rule && has && strcmp(rule, has) == 0)))
			return &domains[i];
	}
	BUG("verify: no values for domain %s", g->domain);
}

enum { MOST_TOTAL = 3 };

double nominal_states(const struct model *m, bool hidden_only)
{
	double n = 1, x[64];
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		const struct domain_values *d = domain_of(g);
		int width = (int)block_units(g), values = d->about;
		for (values = d->list ? 0 : values;
		     d->list && width <= 64 && d->list(width, MOST_TOTAL, values, x);)
			values++;
		if (g->role == GROUP_HIDDEN || (g->role == GROUP_VISIBLE && !hidden_only))
			n *= width > 64 ? INFINITY : pow(values, (double)sym_items(g->sym) / width);
	}
	return n;
}

/* The number of the block that a unit is in. */
static int64_t block_of(const struct group *g, int64_t unit)
{
	int64_t of = 0, scale = 1;
	for (int k = g->sym->rank - 1; k >= 0; unit /= g->sym->dim[k--]) {
		of += unit % g->sym->dim[k] / g->block[k] * scale;
		scale *= g->sym->dim[k] / g->block[k];
	}
	return of;
}

double base_of(const struct group *g, int64_t n, const double *x)
{
	double sum = 0;
	for (int64_t i = 0; domain_of(g)->counts && i < n; i++)
		sum += lgamma(x[i] + 1);
	return sum;
}

/* ---- random numbers: splitmix64, Box-Muller ---- */
double trial_uniform(struct trial *t)
{
	uint64_t z = t->rng += 0x9E3779B97F4A7C15u;
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

double trial_normal(struct trial *t)
{
	double r = sqrt(-2 * log(trial_uniform(t)));
	return r * cos(2 * M_PI * trial_uniform(t));
}

/* ---- the state ---- */
double *group_state(const struct trial *t, int g)
{
	return memory_get(&t->mem, t->m->group.at[g]->sym);
}

static void put_value(struct trial *t, const struct site *s, const double *x)
{
	double *state = group_state(t, s->group);
	for (int i = 0; i < s->width; i++)
		state[s->at[i]] = x[i];
}

void trial_set(struct trial *t, const struct site *s, int value)
{
	put_value(t, s, s->x + (int64_t)value * s->width);
}

double *trial_save(struct trial *t)
{
	int64_t n = 0;
	for (int g = 0; g < t->m->group.n; g++)
		n += sym_items(t->m->group.at[g]->sym);
	double *save = NEW_ARRAY(t->a, double, n), *to = save;
	for (int g = 0; g < t->m->group.n; to += sym_items(t->m->group.at[g++]->sym))
		memcpy(to, group_state(t, g), sizeof *to * (size_t)sym_items(t->m->group.at[g]->sym));
	return save;
}

void trial_load(struct trial *t, const double *state)
{
	for (int g = 0; g < t->m->group.n; state += sym_items(t->m->group.at[g++]->sym))
		memcpy(group_state(t, g), state, sizeof *state * (size_t)sym_items(t->m->group.at[g]->sym));
}

void trial_load_given(struct trial *t, const double *state)
{
	for (int g = 0; g < t->m->group.n; state += sym_items(t->m->group.at[g++]->sym))
		if (t->m->group.at[g]->role == GROUP_GIVEN)
			memcpy(group_state(t, g), state,
			       sizeof *state * (size_t)sym_items(t->m->group.at[g]->sym));
}

double trial_eval(struct trial *t, const struct node *x, const struct idx *const *at,
                  const struct sym *s, int64_t flat)
{
	struct binding b[MAX_RANK + 1] = {{t->m->batch, 0}};
	int n = s ? bind_element(s, at, flat, t->m->batch, 0, b) : 1;
	return memory_eval(&t->mem, x, b, n);
}

/* The tape of a term of the trial's own energy; NULL: it is another. */
static struct tape *tape_of(const struct trial *t, const struct node *x)
{
	for (int i = 0; i < t->E.n; i++)
		if (t->E.at[i].node == x)
			return t->term[i];
	return NULL;
}

double trial_energy_of(struct trial *t, const energy *E)
{
	double sum = 0;
	for (int i = 0; i < E->n; i++) {
		struct tape *tape = tape_of(t, E->at[i].node);
		sum += tape ? tape_eval(tape) : trial_eval(t, E->at[i].node, NULL, NULL, 0);
	}
	return sum;
}

double trial_energy(struct trial *t)
{
	return trial_energy_of(t, &t->E);
}

static int pick(struct trial *t, int n, const double *log_w)
{
	double top = -INFINITY, sum = 0;
	for (int k = 0; k < n; k++)
		top = fmax(top, log_w[k]);
	for (int k = 0; k < n; k++)
		sum += exp(log_w[k] - top);
	double u = sum * trial_uniform(t);
	for (int k = 0; k < n - 1; k++)
		if ((u -= exp(log_w[k] - top)) < 0)
			return k;
	return n - 1;
}

/* ---- where the values of a site lie ---- */
#define FARTHEST 1e3 /* a chain that gets there has no distribution to go to */
enum { MOST_STRIDE = 8 };

/* How far the rule's sum with this stride is from that of single steps, wherever it begins. */
static double stride_error(int64_t n, const double *log_w, double top, int64_t stride)
{
	double sum[2 * MOST_STRIDE] = {0}, all = 0, off = 0;
	for (int64_t k = 0; k < n; k++) {
		sum[k % stride] += exp(log_w[k] - top);
		all += exp(log_w[k] - top);
	}
	for (int64_t k = 0; k < stride; k++)
		off = fmax(off, fabs((double)stride * sum[k] / all - 1));
	return off;
}

/* The most steps that can be one, and twice as many for the estimate of the error. */
static int64_t stride_of(int64_t n, const double *log_w, double top)
{
	int64_t stride = MOST_STRIDE;
	while (stride > 1 && (stride_error(n, log_w, top, stride) > 1e-12 ||
	                      stride_error(n, log_w, top, 2 * stride) > 1e-6))
		stride /= 2;
	return stride;
}

/* Weights along the site; widens *e unless e is NULL; draws a value.  false: it has no end. */
static bool look(struct trial *t, const struct site *s, struct reach *e)
{
	const struct domain_values *d = domain_of(t->m->group.at[s->group]);
	int64_t n = (int64_t)((d->last - d->first) / d->step) + 1, lo = n, hi = -1;
	double *lw = NEW_ARRAY(t->a, double, n), top = -INFINITY;
	for (int64_t k = 0; k < n; k++) {
		double x = d->map(d->first + (double)k * d->step, &lw[k]);
		put_value(t, s, &x);
		lw[k] -= trial_energy(t) + base_of(t->m->group.at[s->group], 1, &x);
		if (isnan(lw[k]) || lw[k] == INFINITY)
			return false;
		top = fmax(top, lw[k]);
	}
	for (int64_t k = 0; k < n; k++)
		if (lw[k] > top - 40) {
			lo = k < lo ? k : lo;
			hi = k;
		}
	if (hi == n - 1 || (lo == 0 && d->open))
		return false;
	double log_w, x = d->map(d->first + pick(t, (int)n, lw) * d->step, &log_w);
	put_value(t, s, &x);
	if (fabs(x) > FARTHEST)
		return false;
	int64_t stride = d->integral ? stride_of(n, lw, top) : 1;
	if (e)
		*e = (struct reach){lo < e->lo ? lo : e->lo, hi > e->hi ? hi : e->hi,
		                    stride < e->stride ? stride : e->stride};
	return true;
}

/* Draws the site's value from its conditional; see look. */
static bool draw_site(struct trial *t, const struct site *s, struct reach *e)
{
	if (domain_of(t->m->group.at[s->group])->list == NULL)
		return look(t, s, e);
	double *log_w = NEW_ARRAY(t->a, double, s->n);
	trial_site(t, s, NULL, log_w);
	trial_set(t, s, pick(t, s->n, log_w));
	return true;
}

void trial_gibbs(struct trial *t, const bool *which)
{
	for (int i = 0; i < t->site.n; i++)
		if (which[t->site.at[i].group])
			draw_site(t, &t->site.at[i], NULL);
}

static const struct reach nowhere = {INT64_MAX, 0, INT64_MAX};

static void fill(struct trial *t, struct site *s)
{
	struct reach e = s->reach;
	const struct group *g = t->m->group.at[s->group];
	const struct domain_values *d = domain_of(g);
	int64_t lo = e.lo > e.stride ? e.lo - e.stride : 0;
	s->n = (int)((e.hi - lo) / e.stride + 2);
	s->x = NEW_ARRAY(t->a, double, s->n);
	s->log_w = NEW_ARRAY(t->a, double, s->n);
	s->halves = d->integral;
	s->ends = true;
	for (int k = 0; k < s->n; k++) {
		s->x[k] = d->map(d->first + (double)(lo + k * e.stride) * d->step, &s->log_w[k]);
		s->log_w[k] += d->integral ? log(d->step * (double)e.stride) : -base_of(g, 1, s->x + k);
	}
}

static void list(struct trial *t, struct site *s)
{
	const struct group *g = t->m->group.at[s->group];
	const struct domain_values *d = domain_of(g);
	double *x = NEW_ARRAY(t->a, double, s->width);
	while (d->list(s->width, t->total, s->n, x))
		s->n++;
	s->x = NEW_ARRAY(t->a, double, s->n * s->width);
	s->log_w = NEW_ARRAY(t->a, double, s->n);
	for (int k = 0; k < s->n; k++) {
		d->list(s->width, t->total, k, s->x + k * s->width);
		s->log_w[k] = -base_of(g, s->width, s->x + k * s->width);
	}
	trial_set(t, s, 0);
}

static bool is_total(const struct model *m, const struct sym *s)
{
	for (int g = 0; g < m->group.n; g++)
		if (m->group.at[g]->total == s)
			return true;
	return false;
}

void trial_values(struct trial *t, const struct group *g, double *state)
{
	const struct domain_values *d = domain_of(g);
	int width = (int)block_units(g), values = 0;
	double log_w;
	for (int64_t k = 0; k < sym_items(g->sym); k += width) {
		while (d->list && d->list(width, t->total, values, state + k))
			values++;
		if (d->list)
			d->list(width, t->total, (int)(values * trial_uniform(t)), state + k);
		else if (is_total(t->m, g->sym))
			state[k] = t->total;
		else
			state[k] = (double)(float)d->map(
			    d->integral ? 0.6 * trial_normal(t) : floor(3 * trial_uniform(t)), &log_w);
	}
}

void trial_given(struct trial *t)
{
	for (int g = 0; g < t->m->group.n; g++)
		if (t->m->group.at[g]->role == GROUP_GIVEN)
			trial_values(t, t->m->group.at[g], group_state(t, g));
}

double trial_element_sum(struct trial *t, const struct factor *f, const struct node *log_density,
                         int64_t flat, double *error)
{
	const struct domain_values *d = domain_of(f->group);
	double *x = memory_get(&t->mem, f->group->sym) + flat, sum = 0, half = 0, log_w = 0;
	int width = f->block ? (int)block_units(f->group) : 1;
	int n = d->list ? 0 : (int)((d->last - d->first) / d->step) + 1;
	for (int k = 0; d->list ? d->list(width, t->total, k, x) : k < n; k++) {
		if (!d->list)
			*x = d->map(d->first + k * d->step, &log_w);
		double p = exp(trial_eval(t, log_density, f->at, f->group->sym, flat) + log_w) *
		           (d->integral ? d->step : 1);
		sum += isnan(p) && isinf(log_w) ? 0 : p;
		half += k % 2 ? 0 : 2 * p;
	}
	*error = d->integral ? pow(sum - half, 2) : 0;
	return sum;
}

static void add_sites(struct trial *t, int group)
{
	const struct group *g = t->m->group.at[group];
	int width = (int)block_units(g);
	for (int64_t b = 0; b < sym_items(g->sym) / width; b++) {
		struct site s = {.group = group, .at = NEW_ARRAY(t->a, int64_t, width), .reach = nowhere};
		for (int64_t i = 0; i < sym_items(g->sym); i++)
			if (block_of(g, i) == b)
				s.at[s.width++] = i;
		if (domain_of(g)->list) {
			list(t, &s);
		} else {
			double log_w, x = domain_of(g)->map(0, &log_w);
			put_value(t, &s, &x);
		}
		vec_push(t->a, &t->site, s);
	}
}

bool trial_sites(struct trial *t)
{
	enum { SWEEPS = 24, BURN_IN = 4 };
	t->total = 1 + (int)(MOST_TOTAL * trial_uniform(t));
	for (int k = 0; k < ROWS; k++) {
		trial_given(t);
		t->row[k] = trial_save(t);
	}
	t->site.n = 0;
	for (int g = 0; g < t->m->group.n; g++)
		if (t->m->group.at[g]->role != GROUP_GIVEN)
			add_sites(t, g);
	for (int round = 0; round < 2 * SWEEPS;
	     round++) { /* later also where finite sites are unlikely to be */
		trial_load_given(t, t->row[round % ROWS]);
		for (int i = 0; i < t->site.n; i++)
			if (round >= SWEEPS && t->site.at[i].n)
				trial_set(t, &t->site.at[i], (int)(t->site.at[i].n * trial_uniform(t)));
			else if (!draw_site(t, &t->site.at[i], round < BURN_IN ? NULL : &t->site.at[i].reach))
				return false;
	}
	for (int i = 0; i < t->site.n; i++)
		if (t->site.at[i].n == 0)
			fill(t, &t->site.at[i]);
	return true;
}

void trial_widen(struct trial *t)
{
	for (int i = 0; i < t->site.n; i++) {
		struct site *s = &t->site.at[i];
		const struct domain_values *d = domain_of(t->m->group.at[s->group]);
		int64_t last = (int64_t)((d->last - d->first) / d->step), more = (last + 1) / 60;
		if (!s->ends)
			continue;
		s->reach.lo = s->reach.lo > more ? s->reach.lo - more : 0;
		s->reach.hi = s->reach.hi + more < last ? s->reach.hi + more : last;
		fill(t, s);
	}
}

bool trial_refine(struct trial *t, struct site *s)
{
	double was = group_state(t, s->group)[s->at[0]];
	if (domain_of(t->m->group.at[s->group])->list)
		return true;
	s->reach = nowhere;
	bool ok = look(t, s, &s->reach);
	group_state(t, s->group)[s->at[0]] = was;
	if (ok)
		fill(t, s);
	return ok;
}

double trial_base(struct trial *t, const bool *which)
{
	double sum = 0;
	for (int g = 0; g < t->m->group.n; g++)
		if (which[g])
			sum += base_of(t->m->group.at[g], sym_items(t->m->group.at[g]->sym), group_state(t, g));
	return sum;
}
