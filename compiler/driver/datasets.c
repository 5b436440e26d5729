/* Data definitions as the runtime's specs; each set is read once, and checked against the variable
 * it is bound to. */
#include "driver/driver.h"

#include <math.h>
#include <string.h>

struct loaded {
	const struct data_def *def;
	struct dgm_data *data;
};
static VEC(struct loaded) cache;

const struct data_def *data_named(const struct unit *u, const char *name)
{
	for (int i = 0; i < u->checked->data.n; i++)
		if (strcmp(u->checked->data.at[i]->name, name) == 0)
			return u->checked->data.at[i];
	return NULL;
}

/* ---- specs ---- */
static const struct dgm_reader *reader_named(const char *name)
{
	for (int i = 0; dgm_readers[i]; i++)
		if (strcmp(dgm_readers[i]->name, name) == 0)
			return dgm_readers[i];
	return NULL;
}

static const char *reader_list(struct arena *a)
{
	struct buf b;
	buf_init(&b, a);
	for (int i = 0; dgm_readers[i]; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", dgm_readers[i]->name);
	return b.s;
}

static bool binarize_how(struct unit *u, const struct value *v, struct dgm_step *s)
{
	const char *how = v->kind == VAL_CALL ? v->call->name : v->kind == VAL_NAME ? v->name : "";
	if (strcmp(how, "fixed") == 0) {
		s->kind = DGM_STEP_BINARIZE_FIXED;
	} else if (strcmp(how, "resampled") == 0) {
		s->kind = DGM_STEP_BINARIZE_RESAMPLED;
	} else if (strcmp(how, "threshold") == 0) {
		struct value t[1] = {{.num = 0.5}};
		if (v->kind == VAL_CALL && !call_bind(&u->cx, v->call, "at:num=0.5", t, NULL))
			return false;
		s->kind = DGM_STEP_BINARIZE_THRESHOLD;
		s->value = t[0].num;
	} else {
		diag(u->cx.diags, DIAG_BINARIZE, v->span);
		return false;
	}
	return true;
}

static bool read_spec(struct unit *u, const struct data_def *def, struct dgm_data_spec *out);

/* like = NAME, a set defined before `def`; without a name there is none. */
static bool like_set(struct unit *u, const struct data_def *def, const struct value *v,
                     const struct dgm_data_spec **to)
{
	if (*v->name == 0)
		return true;
	const struct data_def *like = NULL;
	for (int i = 0; i < u->checked->data.n && u->checked->data.at[i] != def; i++)
		if (strcmp(u->checked->data.at[i]->name, v->name) == 0)
			like = u->checked->data.at[i];
	if (like == NULL) {
		diag(u->cx.diags, DIAG_SEMA_UNKNOWN_DATA, v->span, v->name);
		diag(u->cx.diags, DIAG_NOTE, v->span, "it has to be defined before this one");
		return false;
	}
	struct dgm_data_spec *spec = NEW(u->cx.prog, struct dgm_data_spec);
	*to = spec;
	return read_spec(u, like, spec);
}

/* Puts bound arguments where the row's places say. */
static bool place(struct unit *u, const struct data_def *def, const struct dgm_step_row *row,
                  const struct value *v, struct dgm_step *s)
{
	bool ok = true;
	for (int k = 0; row->places[k] && ok; k++) {
		char at = row->places[k];
		if (at == 'b')
			ok = binarize_how(u, &v[k], s);
		if (at == 'd')
			ok = like_set(u, def, &v[k], &s->like);
		if (at == 'v')
			s->value = v[k].num;
		if (at == 'l')
			s->lo = (int64_t)v[k].num;
		if (at == 'h')
			s->hi = (int64_t)v[k].num;
		if (at == 'm' || at == 'n')
			s->more[at - 'm'] = (int64_t)v[k].num;
		if (at == 's')
			s->seed = (uint64_t)v[k].num;
	}
	return ok;
}

static bool call_step(struct unit *u, const struct data_def *def, const struct call *c,
                      struct dgm_step *s)
{
	const char *names[DGM_STEP_COUNT];
	struct buf list;
	int n = 0;
	buf_init(&list, u->cx.prog);
	for (int i = 0; i < DGM_STEP_COUNT; i++) {
		const struct dgm_step_row *row = &dgm_step_table[i];
		struct value v[8] = {0};
		if (row->name == NULL)
			continue;
		if (strcmp(row->name, c->name) == 0) {
			s->kind = (enum dgm_step_kind)i;
			return call_bind(&u->cx, c, row->signature, v, NULL) && place(u, def, row, v, s);
		}
		buf_printf(&list, "%s%s", n ? ", " : "", row->name);
		names[n++] = row->name;
	}
	const char *near = nearest_word(c->name, names, n);
	diag(u->cx.diags, DIAG_DATA_STEP, c->name_span, c->name);
	diag(u->cx.diags, DIAG_NOTE, c->name_span,
	     near ? arena_printf(u->cx.prog, "did you mean '%s'?", near)
	          : arena_printf(u->cx.prog, "there are %s", list.s));
	return false;
}

static const char *folder_of(struct unit *u)
{
	const char *slash = strrchr(u->src->path, '/');
	return slash ? intern_n(u->src->path, (size_t)(slash - u->src->path)) : ".";
}

static bool read_spec(struct unit *u, const struct data_def *def, struct dgm_data_spec *out)
{
	const struct call *c = def->reader;
	const struct dgm_reader *r = reader_named(c->name);
	*out = (struct dgm_data_spec){.name = def->name, .base_dir = folder_of(u)};
	if (r == NULL) {
		diag(u->cx.diags, DIAG_READER, c->name_span, c->name, reader_list(u->cx.prog));
		return false;
	}
	out->reader = r->name;
	struct value v[8] = {0};
	if (!call_bind(&u->cx, c, r->signature, v, NULL))
		return false;
	int strings = 0, numbers = 0;
	for (int i = 0; i < 8; i++)
		if (v[i].kind == VAL_STR)
			*(strings++ ? &out->member : &out->path) = v[i].name;
		else if (numbers < r->nargs)
			out->arg[numbers++] = (int64_t)v[i].num;
	for (int i = 0; i < def->nstep; i++) {
		const struct data_step *d = &def->step[i];
		if (i == (int)(sizeof out->step / sizeof *out->step)) {
			diag(u->cx.diags, DIAG_DATA_STEPS, d->span, i);
			return false;
		}
		struct dgm_step *s = &out->step[out->nstep++];
		if (d->op == 0 && !call_step(u, def, d->call, s))
			return false;
		if (d->op == '*' || d->op == '/')
			*s = (struct dgm_step){.kind = DGM_STEP_MUL,
			                       .value = d->op == '*' ? d->num : 1 / d->num};
		if (d->op == '+' || d->op == '-')
			*s = (struct dgm_step){.kind = DGM_STEP_ADD, .value = d->op == '+' ? d->num : -d->num};
	}
	return true;
}

bool datasets_check(struct unit *u)
{
	bool ok = true;
	for (int i = 0; i < u->checked->data.n; i++) {
		struct dgm_data_spec spec;
		if (is_drawn(u->checked->data.at[i]))
			ok = drawn_check(u, u->checked->data.at[i]) && ok;
		else
			ok = read_spec(u, u->checked->data.at[i], &spec) && ok;
	}
	return ok;
}

/* ---- loading ---- */
struct dgm_data *dataset(struct unit *u, const struct data_def *def, bool gaps, int *status)
{
	struct loaded l = {.def = def};
	struct dgm_data_spec spec;
	for (int i = 0; i < cache.n; i++)
		if (cache.at[i].def == def && (gaps || cache.at[i].data->missing == NULL))
			return cache.at[i].data;
	if (is_drawn(def))
		return drawn_dataset(u, def, status);
	*status = EXIT_FILE;
	if (!read_spec(u, def, &spec))
		return NULL;
	*status = EXIT_RUN;
	spec.gaps = gaps;
	double t = dgm_now();
	int loaded = dgm_data_load(&spec, &l.data);
	u->data_ms += 1000 * (dgm_now() - t);
	if (loaded != DGM_OK) {
		diag(u->cx.diags, DIAG_DATA_LOAD, def->span, def->name, dgm_error());
		return NULL;
	}
	vec_push(u->cx.perm, &cache, l);
	*status = EXIT_DONE;
	return l.data;
}

static float value_at(const struct dgm_data *d, int64_t i)
{
	return d->f32 ? d->f32[i] : (float)d->u8[i] * d->scale;
}

static float missing_at(const struct dgm_data *d, int64_t i)
{
	return d->missing && d->missing[i];
}

/* ---- domains that not all numbers are in ---- */
static bool is_bit(float v)
{
	return v == 0 || v == 1;
}

static bool is_spin(float v)
{
	return v == -1 || v == 1;
}

static bool is_positive(float v)
{
	return v > 0;
}

static bool is_share(float v)
{
	return v >= 0 && v <= 1;
}

static bool is_count(float v)
{
	return v >= 0 && v == rintf(v);
}

/* The first known value that is not taken; -1: none. */
static int64_t first_not(const struct dgm_data *d, bool (*takes)(float v))
{
	for (int64_t i = 0; i < d->n * d->items; i++)
		if (!takes(value_at(d, i)) && missing_at(d, i) == 0)
			return i;
	return -1;
}

static bool holds_bits(struct unit *u, const struct dgm_data *d, const struct group *g)
{
	(void)u;
	(void)g;
	return d->domain == DGM_DATA_BINARY;
}

static bool holds_spins(struct unit *u, const struct dgm_data *d, const struct group *g)
{
	(void)u;
	(void)g;
	return !d->resampled && first_not(d, is_spin) < 0;
}

static bool holds_positive(struct unit *u, const struct dgm_data *d, const struct group *g)
{
	(void)u;
	(void)g;
	return !d->resampled && first_not(d, is_positive) < 0;
}

static int64_t units_of(const struct group *g)
{
	int64_t n = 1;
	for (int k = 0; k < g->sym->rank; k++)
		n *= g->sym->dim[k];
	return n;
}

/* The sums of the blocks of example e, row-major, of its values or its gaps; how many there are. */
static int64_t block_sums(const struct dgm_data *d, const struct group *g, int64_t e,
                          float (*of)(const struct dgm_data *d, int64_t i), double *sum)
{
	int64_t blocks = units_of(g) / (int64_t)block_units(g);
	memset(sum, 0, sizeof *sum * (size_t)blocks);
	for (int64_t i = 0; i < d->items; i++) {
		int64_t at = 0, stride = d->items;
		for (int k = 0; k < g->sym->rank; k++) {
			int64_t n = g->sym->dim[k];
			stride /= n;
			at = at * (n / g->block[k]) + i / stride % n / g->block[k];
		}
		sum[at] += (double)of(d, e * d->items + i);
	}
	return blocks;
}

/* The first example with a block whose sum is not lo..1, or of which only a part is missing; -1:
 * none. */
static int64_t off_block(struct unit *u, const struct dgm_data *d, const struct group *g, double lo)
{
	double *sum = NEW_ARRAY(u->cx.tmp, double, d->items);
	double *gaps = NEW_ARRAY(u->cx.tmp, double, d->items);
	for (int64_t e = 0; e < d->n; e++) {
		int64_t blocks = block_sums(d, g, e, value_at, sum);
		block_sums(d, g, e, missing_at, gaps);
		for (int64_t b = 0; b < blocks; b++)
			if (gaps[b] > 0 ? gaps[b] < block_units(g) : sum[b] < lo || sum[b] > 1)
				return e;
	}
	return -1;
}

/* One 1 in each block, or at most one. */
static bool holds_onehot(struct unit *u, const struct dgm_data *d, const struct group *g)
{
	return d->domain == DGM_DATA_BINARY && !d->resampled &&
	       off_block(u, d, g, g->family->empty ? 0 : 1) < 0;
}

static bool holds_counts(struct unit *u, const struct dgm_data *d, const struct group *g)
{
	(void)u;
	(void)g;
	return d->domain == DGM_DATA_BINARY || d->domain == DGM_DATA_COUNT;
}

static bool holds_unit(struct unit *u, const struct dgm_data *d, const struct group *g)
{
	(void)u;
	(void)g;
	return d->domain == DGM_DATA_UNIT || d->domain == DGM_DATA_BINARY;
}

static const struct {
	const char *domain, *rule;
	bool (*holds)(struct unit *u, const struct dgm_data *d, const struct group *g);
	bool (*takes)(float v); /* by itself */
	const char *mend;
} checks[] = {
    {"binary", NULL, holds_bits, is_bit,
     "make them 0 and 1 with  |> binarize(resampled), binarize(fixed) or binarize(threshold(0.5))"},
    {"spin", NULL, holds_spins, is_spin,
     "spins are -1 and +1: from 0 and 1 they come with  * 2 - 1"},
    {"categorical", NULL, holds_onehot, is_bit,
     "each row of the last axis holds a single 1, the rest 0: whole numbers 0..q-1 become such "
     "rows "
     "with  |> onehot(q)"},
    {"binary", "atmostone", holds_onehot, is_bit, "at most one unit of each block is 1"},
    {"positive", NULL, holds_positive, is_positive, "all values have to be above 0"},
    {"unit", NULL, holds_unit, is_share, "bring them into [0, 1], bytes with  / 255"},
    {"count", NULL, holds_counts, is_count, "counts are whole numbers from 0 on"},
    {"count", "total", holds_counts, is_count, "counts are whole numbers from 0 on"},
};
enum { NCHECK = sizeof checks / sizeof *checks };

static bool same_family(const char *domain, const char *rule, const struct family *f)
{
	return strcmp(domain, f->domain) == 0 &&
	       (rule == f->rule || (rule && f->rule && strcmp(rule, f->rule) == 0));
}

bool dataset_fits(struct unit *u, const struct dgm_data *d, const struct group *g, struct span at)
{
	static const char *const words[] = {"real numbers", "grey values in [0, 1]", "counts",
	                                    "0 and 1"};
	int64_t items = units_of(g);
	int check = 0;
	while (check < NCHECK && !same_family(checks[check].domain, checks[check].rule, g->family))
		check++;
	if (items != d->items) {
		diag(u->cx.diags, DIAG_DATA_SIZE, at, d->name, (long long)d->items, g->name,
		     (long long)items);
		diag(u->cx.diags, DIAG_NOTE, g->span,
		     arena_printf(u->cx.prog, "'%s' is declared here", g->name));
		return false;
	}
	bool same = d->drawn && strcmp(d->drawn->domain, g->domain) == 0;
	if (check == NCHECK || same || (!d->drawn && checks[check].holds(u, d, g)))
		return true;
	diag(u->cx.diags, DIAG_DATA_DOMAIN, at, d->name,
	     d->drawn       ? arena_printf(u->cx.prog, "draws of a %s variable", d->drawn->domain)
	     : d->resampled ? "draws of 0 and 1"
	                    : words[d->domain],
	     g->name,
	     g->family->rule ? arena_printf(u->cx.prog, "%s in %s", g->domain, g->family->rule)
	                     : g->domain);
	int64_t bad = d->resampled ? -1 : first_not(d, checks[check].takes);
	if (bad >= 0)
		diag(u->cx.diags, DIAG_NOTE, at,
		     arena_printf(u->cx.prog, "value %lld of example %lld (both from 0) is %g",
		                  (long long)(bad % items), (long long)(bad / items),
		                  (double)value_at(d, bad)));
	diag(u->cx.diags, DIAG_NOTE, at, checks[check].mend);
	if (g->family->empty && d->domain == DGM_DATA_BINARY && !d->resampled)
		diag(u->cx.diags, DIAG_NOTE, at,
		     arena_printf(u->cx.prog, "example %lld (from 0) has a block with more",
		                  (long long)off_block(u, d, g, 0)));
	return false;
}

/* ---- labels ---- */
int label_at(const float *x, int64_t items)
{
	int best = 0;
	for (int64_t i = 1; i < items; i++)
		best = x[i] > x[best] ? (int)i : best;
	return items == 1 ? (int)*x : best;
}

/* What the label of example e is instead of one; NULL: it is one. */
static const char *no_label(struct arena *a, const struct dgm_data *d, int64_t e)
{
	const float v = d->drawn ? 0 : value_at(d, e * d->items);
	double sum = 0;
	bool bits = true;
	if (d->drawn || d->resampled)
		return "drawn anew each time";
	if (d->items == 1)
		return v >= 0 && v < LABELS && v == rintf(v) ? NULL : arena_printf(a, "%g", (double)v);
	for (int64_t i = 0; i < d->items; i++) {
		sum += (double)value_at(d, e * d->items + i);
		bits = bits && is_bit(value_at(d, e * d->items + i));
	}
	if (d->items > LABELS)
		return arena_printf(a, "a row of %lld values", (long long)d->items);
	return bits && sum == 1
	           ? NULL
	           : arena_printf(a, bits ? "a row with %g ones" : "a row that adds up to %g", sum);
}

bool dataset_labels(struct unit *u, const struct dgm_data *d, const char *examples, int64_t n,
                    struct span at)
{
	const char *why = NULL;
	if (d->n != n) {
		diag(u->cx.diags, DIAG_LABELS_COUNT, at, d->name, (long long)d->n, examples, (long long)n);
		return false;
	}
	for (int64_t e = 0; e < n && why == NULL; e++) {
		why = no_label(u->cx.tmp, d, e);
		if (why)
			diag(u->cx.diags, DIAG_LABELS, at, d->name, (long long)e, why);
	}
	if (why)
		diag(u->cx.diags, DIAG_NOTE, at,
		     arena_printf(u->cx.prog,
		                  "a label is a whole number from 0 to %d, or a row with a single 1",
		                  LABELS - 1));
	return why == NULL;
}

bool dataset_totals(struct unit *u, const struct model *m, const struct dgm_data *const *of,
                    struct span at)
{
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		int k = 0;
		while (k < m->group.n && m->group.at[k]->sym != g->total)
			k++;
		if (k == m->group.n || !of[i] || !of[k] || of[i]->drawn || of[k]->drawn)
			continue;
		const struct dgm_data *d = of[i], *n = of[k];
		double *sum = NEW_ARRAY(u->cx.tmp, double, d->items);
		double *gaps = NEW_ARRAY(u->cx.tmp, double, d->items);
		for (int64_t e = 0; e < d->n && e < n->n; e++) {
			int64_t blocks = block_sums(d, g, e, value_at, sum);
			block_sums(d, g, e, missing_at, gaps);
			for (int64_t b = 0; b < blocks; b++) {
				double total = (double)value_at(n, e * n->items + b);
				if (gaps[b] > 0 ? gaps[b] == block_units(g) : sum[b] == total)
					continue;
				diag(u->cx.diags, DIAG_DATA_TOTAL, at, (long long)e, d->name, sum[b], n->name,
				     total);
				diag(u->cx.diags, DIAG_NOTE, at, "the totals of counts come with  |> total");
				return false;
			}
		}
	}
	return true;
}
