/* An evaluate block: figures on held-out data, each printed and recorded with its data key, seed
 * and the digest of the parameters it was computed with. */
#include "driver/driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int evaluation_record(struct evaluation *e, struct result r)
{
	r.model = e->c.m->name;
	r.data = e->data;
	r.key = e->key;
	r.per = e->per_name;
	r.n = e->n;
	r.digest = e->digest;
	r.data_digest = e->data_digest;
	return job_record(e->s, &r);
}

const int64_t *drawn_rows(struct session *s, int64_t n)
{
	int64_t *row = NEW_ARRAY(s->u->cx.prog, int64_t, n);
	dgm_permutation(row, n, (uint64_t)s->u->opt->seed, 0);
	return row;
}

static int evaluate_figure(struct evaluation *e, const struct figure_kind *k,
                           const struct clause *cl, double per)
{
	struct session *s = e->s;
	struct dgm_figure f;
	struct dgm_mean m, train;
	int status = job_figure(s, &e->c, k, &f);
	if (status != EXIT_DONE)
		return status;
	if (dgm_figure_mean(e->store, &f, (uint64_t)s->u->opt->seed, &m) != DGM_OK)
		return run_failed();
	double value = m.mean, error = m.stderr_;
	if (k->gap) {
		struct compiled as = e->c;
		struct binding_def bind = e->c.block->bind[0];
		struct block_def b = *e->c.block;
		bind.data = (struct data_def *)data_named(s->u, cl->arg[0].name);
		b.bind = &bind;
		as.block = &b;
		status = job_figure(s, &as, k, &f);
		if (status != EXIT_DONE)
			return status;
		f.limit = m.n;
		f.which = drawn_rows(s, f.input[0].data->n);
		if (dgm_figure_mean(e->store, &f, (uint64_t)s->u->opt->seed, &train) != DGM_OK)
			return run_failed();
		value = m.mean - train.mean;
		error = sqrt(m.stderr_ * m.stderr_ + train.stderr_ * train.stderr_);
	}
	struct result r = {.figure = k->name, .value = value / per, .error = error / per};
	r.method =
	    k->gap ? "mean over data minus mean over as many training examples" : "mean over data";
	return evaluation_record(e, r) == DGM_OK ? EXIT_DONE : run_failed();
}

/* ---- log Z ---- */
static const char *loglik_name(const struct evaluation *e)
{
	return e->c.posterior.given                   ? "log-likelihood bound (mean field)"
	       : e->c.m->prior && e->c.m->posterior.n ? "log-likelihood bound (posterior)"
	                                              : "log-likelihood";
}

struct log_z { /* what an estimator found */
	double value, stderr_;
	const char *method; /* for the reader */
	struct member detail[MEMBERS];
	const char *figure; /* what it makes of the log-likelihood; NULL: itself */
	const char *kind;
	bool each; /* examples have one each: then this is the log-likelihood */
	struct dgm_mean loglik;
};

/* Minus log p(v) + log Z of the examples, or its bound. */
static int free_energy(struct evaluation *e, struct dgm_figure *f)
{
	return e->c.posterior.given ? job_bound(e->s, &e->c, f)
	                            : job_figure(e->s, &e->c, figure_find("free_energy"), f);
}

static bool expand_exact(struct expansion *x)
{
	return model_normalised(x->m) ||
	       (objective_each(x->m) ? objective_states_nll(x) : objective_enumerate(x, false));
}

static int exact_each(struct evaluation *e, struct log_z *out)
{
	const struct figure_kind nll = {.name = "nll", .function = "nll"};
	struct dgm_figure f;
	int status = job_figure(e->s, &e->c, &nll, &f);
	*out = (struct log_z){.each = true, .method = "log Z of each exactly", .kind = "exact"};
	if (status != EXIT_DONE)
		return status;
	if (dgm_figure_mean(e->store, &f, (uint64_t)e->s->u->opt->seed, &out->loglik) != DGM_OK)
		return run_failed();
	out->loglik.mean = -out->loglik.mean;
	return EXIT_DONE;
}

static const char products[] = "exactly, a product of conditionals";

static int estimate_exact(struct evaluation *e, const struct value *arg, struct log_z *out)
{
	struct session *s = e->s;
	struct arena *a = s->u->cx.prog;
	(void)arg;
	if (model_normalised(e->c.m)) {
		*out = (struct log_z){.method = products, .kind = "exact"};
		return EXIT_DONE;
	}
	if (objective_each(e->c.m))
		return exact_each(e, out);
	struct dgm_enumeration *en = job_enumeration(s, &e->c);
	if (dgm_enumerate(e->store, en, (uint64_t)s->u->opt->seed, false, &out->value) != DGM_OK)
		return run_failed();
	out->stderr_ = 0;
	out->kind = "exact";
	out->method = arena_printf(a, "log Z = %.6f exactly, by enumeration", out->value);
	out->detail[0] = (struct member){"log_z", out->value, NULL};
	return EXIT_DONE;
}

static int scalar_named(const struct dgm_module *m, const char *name)
{
	for (int i = 0; i < m->nscalar; i++)
		if (strcmp(m->scalar_name[i], name) == 0)
			return i;
	return -1;
}

/* The same where each example has a log Z of its own. */
static int ais_each(struct evaluation *e, const struct value *arg, struct log_z *out)
{
	struct session *s = e->s;
	struct arena *a = s->u->cx.prog;
	const struct dgm_module *m = e->c.mod;
	struct dgm_ais_each_result r;
	struct dgm_ais_each ais = {.store = e->store,
	                           .chains = (int64_t)arg[0].num,
	                           .betas = (int64_t)arg[1].num,
	                           .prepare = dgm_function_find(m, "prepare"),
	                           .base = dgm_function_find(m, "ais.base"),
	                           .start = dgm_function_find(m, "ais.start"),
	                           .step = dgm_function_find(m, "ais.step"),
	                           .out = dgm_slot_find(m, "out.ais.step"),
	                           .base_logz = dgm_slot_find(m, "out.ais.base"),
	                           .scalar_b0 = scalar_named(m, "b0"),
	                           .scalar_b1 = scalar_named(m, "b1"),
	                           .seed = (uint64_t)s->u->opt->seed,
	                           .quiet = s->u->opt->quiet};
	int status = free_energy(e, &ais.free_energy);
	if (status != EXIT_DONE)
		return status;
	if (dgm_ais_each_run(&ais, &r) != DGM_OK)
		return run_failed();
	*out = (struct log_z){.each = true, .loglik = r.loglik, .stderr_ = r.z_stderr};
	out->kind = "estimate, too high on average (AIS)";
	out->method =
	    arena_printf(a,
	                 "log Z of each by AIS, on average %.3f +- %.4f, %lld chains x %lld "
	                 "temperatures, effective sample size %.1f",
	                 r.log_z, r.z_stderr, (long long)ais.chains, (long long)ais.betas, r.ess);
	const struct member detail[MEMBERS] = {{"log_z", r.log_z, NULL},
	                                       {"log_z_stderr", r.z_stderr, NULL},
	                                       {"chains", (double)ais.chains, NULL},
	                                       {"betas", (double)ais.betas, NULL},
	                                       {"ess", r.ess, NULL}};
	memcpy(out->detail, detail, sizeof detail);
	return EXIT_DONE;
}

/* The base of annealing where the prior is an energy: means of the posterior's draws, as those of
 * data smoothed where they lie between bounds. */
static int prior_means(struct evaluation *e)
{
	const struct model *p = e->c.m->prior;
	struct arena *a = e->s->u->cx.prog;
	for (int i = 0; p && i < p->group.n; i++) {
		const struct group *g = p->group.at[i];
		const char *name = arena_printf(a, "posterior.%s", g->name);
		const struct figure_kind k = {.name = name, .function = name};
		struct dgm_figure f;
		struct dgm_mean m;
		if (!dgm_function_find(e->c.mod, name))
			continue;
		int status = job_figure(e->s, &e->c, &k, &f);
		if (status != EXIT_DONE)
			return status;
		int to = dgm_slot_find(e->c.mod, arena_printf(a, "mean.%s", g->name));
		int64_t items = dgm_slot_items(&e->c.mod->slot[to]);
		bool gauss = g->family->shape == SHAPE_GAUSS;
		double more = gauss || g->sym->values == VALUES_SPIN ? 0 : 1;
		f.sums = NEW_ARRAY(a, double, items);
		if (dgm_figure_mean(e->store, &f, (uint64_t)e->s->u->opt->seed, &m) != DGM_OK)
			return run_failed();
		float *mean = e->store->slot[to];
		for (int64_t u = 0; u < items; u++)
			mean[u] = (float)((f.sums[u] + more) / (double)(m.n + (gauss ? 0 : 2)));
	}
	return EXIT_DONE;
}

static int estimate_ais(struct evaluation *e, const struct value *arg, struct log_z *out)
{
	const double few = 2, share = 0.1; /* without a warning log Z rests on more chains than these */
	struct session *s = e->s;
	struct arena *a = s->u->cx.prog;
	const struct dgm_module *m = e->c.mod;
	struct dgm_ais_result r;
	struct dgm_ais ais = {.store = e->store,
	                      .pop = POP_AIS,
	                      .chains = (int64_t)arg[0].num,
	                      .prepare = dgm_function_find(m, "prepare"),
	                      .base = dgm_function_find(m, "ais.base"),
	                      .start = dgm_function_find(m, "ais.start"),
	                      .step =
	                          dgm_transition_find(m, "ais.step", POP_AIS, e->c.x->sampling.steps),
	                      .out = dgm_slot_find(m, "out.ais.step"),
	                      .base_logz = dgm_slot_find(m, "out.ais.base"),
	                      .scalar_b0 = scalar_named(m, "b0"),
	                      .scalar_b1 = scalar_named(m, "b1"),
	                      .betas = (int64_t)arg[1].num,
	                      .seed = (uint64_t)s->u->opt->seed,
	                      .quiet = s->u->opt->quiet};
	if (objective_each(e->c.m))
		return ais_each(e, arg, out);
	int status = prior_means(e);
	if (status != EXIT_DONE)
		return status;
	if (dgm_ais_run(&ais, &r) != DGM_OK)
		return run_failed();
	out->value = r.log_z;
	out->stderr_ = r.stderr_;
	out->kind = "estimate, too high on average (AIS)";
	out->method = arena_printf(
	    a,
	    "log Z = %s by AIS, %lld chains x %lld temperatures, effective sample size "
	    "%.1f",
	    figure_text(a, r.log_z, r.stderr_, 3), (long long)r.chains, (long long)ais.betas, r.ess);
	const bool moved = isfinite(r.acceptance);
	const struct member detail[MEMBERS] = {{"log_z", r.log_z, NULL},
	                                       {"log_z_stderr", r.stderr_, NULL},
	                                       {"log_z_base", r.log_z_base, NULL},
	                                       {"chains", (double)r.chains, NULL},
	                                       {"betas", (double)ais.betas, NULL},
	                                       {"ess", r.ess, NULL},
	                                       {moved ? "acceptance" : NULL, r.acceptance, NULL}};
	memcpy(out->detail, detail, sizeof detail);
	if (moved)
		out->method = arena_printf(a, "%s, acceptance %.3f", out->method, r.acceptance);
	if ((double)r.chains > few && r.ess < fmax(few, share * (double)r.chains))
		job_warn(s, e->c.m->name,
		         arena_printf(a,
		                      "log Z of %s rests on few of %lld chains (effective sample size "
		                      "%.1f), and may be far off: more betas, or an energy whose chains "
		                      "run away?",
		                      e->c.m->name, (long long)r.chains, r.ess));
	free(r.log_w);
	return EXIT_DONE;
}

static int evaluate_importance(struct evaluation *e, const struct value *arg, struct log_z *none)
{
	struct session *s = e->s;
	struct dgm_figure f;
	struct dgm_mean m;
	(void)none;
	double samples = arg[0].num;
	int status = job_importance(s, &e->c, (int64_t)samples / e->c.x->particles, &f);
	if (status != EXIT_DONE)
		return status;
	if (dgm_figure_mean(e->store, &f, (uint64_t)s->u->opt->seed, &m) != DGM_OK)
		return run_failed();
	const char *method =
	    arena_printf(s->u->cx.prog, "lower bound by %.0f importance samples", samples);
	struct result r = {.figure = "log-likelihood",
	                   .kind = "lower bound on average (importance sampling)",
	                   .value = (-m.mean - log(samples)) / e->per,
	                   .error = m.stderr_ / e->per,
	                   .method = method,
	                   .detail = {{"samples", samples, NULL}}};
	return evaluation_record(e, r) == DGM_OK ? EXIT_DONE : run_failed();
}

static int estimate_raise(struct evaluation *e, const struct value *arg, struct log_z *out)
{
	struct session *s = e->s;
	struct arena *a = s->u->cx.prog;
	const struct dgm_module *m = e->c.mod;
	const struct figure_kind none = {.name = "", .function = "prepare"};
	struct dgm_figure f;
	struct dgm_raise_result r;
	int status = job_figure(s, &e->c, &none, &f);
	if (status != EXIT_DONE)
		return status;
	struct dgm_input *in = NEW_ARRAY(a, struct dgm_input, f.ninput);
	struct dgm_raise raise = {.store = e->store,
	                          .pop = POP_AIS,
	                          .prepare = dgm_function_find(m, "prepare"),
	                          .base = dgm_function_find(m, "raise.base"),
	                          .step = dgm_function_find(m, "raise.step"),
	                          .out = dgm_slot_find(m, "out.raise.step"),
	                          .base_logz = dgm_slot_find(m, "out.raise.base"),
	                          .scalar_b0 = scalar_named(m, "b0"),
	                          .scalar_b1 = scalar_named(m, "b1"),
	                          .examples = (int64_t)arg[0].num,
	                          .chains = (int64_t)arg[1].num,
	                          .betas = (int64_t)arg[2].num,
	                          .input = in,
	                          .ninput = f.ninput,
	                          .seed = (uint64_t)s->u->opt->seed,
	                          .quiet = s->u->opt->quiet};
	for (int i = 0; i < f.ninput; i++)
		in[i] = (struct dgm_input){
		    dgm_slot_find(m, arena_printf(a, "%s.raise", m->slot[f.input[i].slot].name)),
		    f.input[i].data};
	if (dgm_raise_run(&raise, &r) != DGM_OK)
		return run_failed();
	free(r.log_z_each);
	out->value = r.log_z;
	out->stderr_ = r.stderr_;
	out->figure = "log-likelihood bound (RAISE)";
	out->kind = "lower bound on average (RAISE)";
	out->method = arena_printf(a,
	                           "log Z at most %.3f +- %.3f on average, by RAISE from %lld "
	                           "examples, %lld chains x %lld temperatures each",
	                           r.log_z, r.stderr_, (long long)r.examples, (long long)raise.chains,
	                           (long long)raise.betas);
	const struct member detail[MEMBERS] = {{"log_z", r.log_z, NULL},
	                                       {"log_z_stderr", r.stderr_, NULL},
	                                       {"log_z_base", r.log_z_base, NULL},
	                                       {"raise_examples", (double)r.examples, NULL},
	                                       {"chains", (double)raise.chains, NULL},
	                                       {"betas", (double)raise.betas, NULL}};
	memcpy(out->detail, detail, sizeof detail);
	return EXIT_DONE;
}

static const struct {
	struct estimator public;
	int (*run)(struct evaluation *e, const struct value *arg, struct log_z *out);
} estimators[] = {
#define ESTIMATOR(name, arguments, likelihood, expand, run, what, worth) \
	{{name, arguments, likelihood, expand, what, worth}, run},
#include "driver/estimator.def"
#undef ESTIMATOR
};
enum { NESTIMATOR = sizeof estimators / sizeof *estimators };

const struct estimator *estimator_find(const char *name)
{
	for (int i = 0; i < NESTIMATOR; i++)
		if (strcmp(estimators[i].public.name, name) == 0)
			return &estimators[i].public;
	return NULL;
}

const char *estimator_what(const struct estimator *e, const struct model *m)
{
	bool exact = e->expand == expand_exact;
	if (exact && model_normalised(m))
		return products;
	if (objective_each(m) && (exact || e->expand == objective_ais))
		return exact ? "log Z of each example, in closed form or by enumeration"
		             : "annealed importance sampling for each example, from its energy with hidden "
		               "units at 0, a sweep at each temperature";
	return e->what;
}

static int evaluate_loglik(struct evaluation *e, const struct clause *cl)
{
	struct session *s = e->s;
	const struct call *how = cl->arg[0].call;
	struct value arg[ESTIMATOR_ARGS];
	struct log_z z = {0};
	struct dgm_figure f;
	struct dgm_mean m;
	int k = 0;
	while (strcmp(estimators[k].public.name, how->name) != 0)
		k++;
	call_bind(&s->u->cx, how, estimators[k].public.signature, arg, NULL);
	if (estimators[k].public.likelihood)
		return estimators[k].run(e, arg, NULL);
	int status = free_energy(e, &f);
	if (status == EXIT_DONE)
		status = estimators[k].run(e, arg, &z);
	if (status != EXIT_DONE)
		return status;
	if (z.each)
		m = z.loglik;
	else if (dgm_figure_mean(e->store, &f, (uint64_t)s->u->opt->seed, &m) != DGM_OK)
		return run_failed();
	double value = z.each ? m.mean : -m.mean - z.value;
	double error = sqrt(m.stderr_ * m.stderr_ + z.stderr_ * z.stderr_);
	bool below = e->c.posterior.given || (e->c.m->prior && e->c.m->posterior.n);
	struct result r = {.figure = z.figure ? z.figure : loglik_name(e),
	                   .quantity = "log-likelihood",
	                   .kind = below ? arena_printf(s->u->cx.prog, "lower bound, log Z: %s", z.kind)
	                                 : z.kind,
	                   .value = value / e->per,
	                   .error = error / e->per,
	                   .method = z.method};
	memcpy(r.detail, z.detail, sizeof r.detail);
	return evaluation_record(e, r) == DGM_OK ? EXIT_DONE : run_failed();
}

static int describe_data(struct evaluation *e)
{
	struct buf name, key;
	struct dgm_figure f;
	const struct figure_kind none = {.name = "", .function = "prepare"};
	const struct clause *per = block_clause(e->c.block, "per");
	int status = job_figure(e->s, &e->c, &none, &f);
	if (status != EXIT_DONE)
		return status;
	buf_init(&name, e->s->u->cx.prog);
	buf_init(&key, e->s->u->cx.prog);
	for (int i = 0; i < f.ninput; i++) {
		buf_printf(&name, "%s%s", i ? " and " : "", f.input[i].data->name);
		buf_printf(&key, "%s%s", i ? " and " : "", f.input[i].data->key);
		e->n = f.input[i].data->n;
		e->data_digest = e->data_digest * 0x9E3779B97F4A7C15u + f.input[i].data->digest;
	}
	e->data = name.s;
	e->key = key.s;
	e->per = 1;
	if (!per)
		return EXIT_DONE;
	e->per_name = per->arg[0].name;
	const char *of = "";
	for (int i = 0; i < e->c.block->nbind; i++) {
		const struct binding_def *b = &e->c.block->bind[i];
		if (strcmp(b->var->name, per->arg[0].name) != 0)
			continue;
		const struct dgm_data *d = dataset(e->s->u, b->data, false, &status);
		float *mean = NEW_ARRAY(e->s->u->cx.prog, float, d->items);
		dgm_data_mean(d, false, mean);
		of = d->name;
		e->per = 0;
		for (int64_t k = 0; k < d->items; k++)
			e->per += mean[k];
	}
	if (e->per > 0)
		return EXIT_DONE;
	diag(e->s->u->cx.diags, DIAG_PER_TOTAL, per->span, e->per_name, of, e->per);
	diag(e->s->u->cx.diags, DIAG_NOTE, per->span,
	     "name a variable whose values add up to what counts, as a mask's do");
	return EXIT_FILE;
}

/* The rows of a population that fit in ROOM bytes, LEAST at least and `most` at most: figures go
 * through the examples in blocks, whose size changes none of them. */
static int64_t rows_within(const struct dgm_module *m, int pop, int64_t most)
{
	enum { LEAST = 16, ROOM = 1 << 28 };
	int64_t row = 1;
	for (int i = 0; i < m->nslot; i++)
		if (m->slot[i].pop == pop)
			row += dgm_item_stride(&m->slot[i]) * (m->slot[i].repr == DGM_BITS ? 8 : 4);
	int64_t rows = ROOM / row > LEAST ? ROOM / row : LEAST;
	return rows < most ? rows : most;
}

int job_evaluate(struct session *s, const struct block_def *b)
{
	struct evaluation e = {.s = s};
	const struct clause *batch = block_clause(b, "batch");
	int64_t capacity[DGM_MAX_POP] = {batch ? (int64_t)batch->arg[0].num : EVAL_ROWS, 1, 4096, 1,
	                                 256};
	if (!block_expand(s->u, b, &e.c))
		return EXIT_FILE;
	for (int i = 0; i < b->nclause; i++) { /* the most chains that an estimator wants */
		if (strcmp(b->clause[i].name, "loglik") != 0)
			continue;
		const struct call *how = b->clause[i].arg[0].call;
		const struct estimator *es = estimator_find(how->name);
		struct value v[ESTIMATOR_ARGS];
		call_bind(&s->u->cx, how, es->signature, v, NULL);
		int64_t rows = strncmp(es->signature, "chains:", 7) == 0 ? (int64_t)v[0].num
		               : strncmp(es->signature, "examples:", 9) == 0
		                   ? (int64_t)(v[0].num * v[1].num)
		                   : 1;
		capacity[POP_AIS] = rows > capacity[POP_AIS] ? rows : capacity[POP_AIS];
	}
	block_plan(s->u, &e.c);
	int status = EXIT_RUN;
	if (!block_jit(s->u, &e.c))
		return status;
	capacity[POP_DATA] = rows_within(e.c.mod, POP_DATA, capacity[POP_DATA]);
	if ((e.store = job_store(s, &e.c, capacity, &status)) == NULL)
		return status;
	status = job_means(s, &e.c, e.store, b);
	if (status == EXIT_DONE)
		status = describe_data(&e);
	e.digest = dgm_params_digest(e.store);
	for (int i = 0; i < b->nclause && status == EXIT_DONE; i++) {
		const struct clause *cl = &b->clause[i];
		const struct figure_kind *k = figure_find(cl->name);
		const struct figure_kind error = {.name = "error", .function = "error"};
		if (k)
			status = evaluate_figure(&e, k, cl, k->per_unit ? visible_units(e.c.m) : e.per);
		else if (strcmp(cl->name, "error") == 0)
			status = evaluate_figure(&e, &error, cl, 1);
		else if (strcmp(cl->name, "loglik") == 0)
			status = evaluate_loglik(&e, cl);
	}
	dgm_store_free(e.store);
	jit_free(e.c.jit);
	return status;
}
