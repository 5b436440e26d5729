/* A train block as a job of the runtime: data sets, schedules, optimiser and monitors by their
 * names. */
#include "driver/driver.h"

#include <string.h>

enum { STATE_ROWS = 4096 };

static const struct dgm_function *fn(const struct compiled *c, const char *name)
{
	return dgm_function_find(c->mod, name);
}

static int slot(const struct compiled *c, const char *name)
{
	return dgm_slot_find(c->mod, name);
}

static int scalar(const struct compiled *c, const char *name)
{
	for (int i = 0; i < c->mod->nscalar; i++)
		if (strcmp(c->mod->scalar_name[i], name) == 0)
			return i;
	return -1;
}

static double number(const struct block_def *b, const char *clause, double standard)
{
	const struct clause *c = block_clause(b, clause);
	return c ? c->arg[0].num : standard;
}

/* ---- data ---- */
static int group_of(const struct model *m, const struct variable *v)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->sym == v->sym)
			return i;
	BUG("variable %s", v->name);
}

/* The inputs of a part, from the data of the whole model's groups. */
static int part_inputs(struct session *s, const struct compiled *c, struct dgm_data *const *of,
                       struct dgm_input *in, int *n)
{
	for (int i = 0; i < c->m->group.n; i++) {
		const struct group *g = c->m->group.at[i];
		int status;
		if (g->role == GROUP_HIDDEN)
			continue;
		struct dgm_data *d = block_data(s, c->block, g, of, &status);
		if (d == NULL)
			return status;
		in[(*n)++] = (struct dgm_input){slot(c, g->sym->name), d};
	}
	return EXIT_DONE;
}

static int load_bound(struct session *s, const struct compiled *c, const struct dgm_input **out,
                      int *n)
{
	struct dgm_input *in =
	    NEW_ARRAY(s->u->cx.prog, struct dgm_input, c->block->nbind + c->m->group.n);
	struct dgm_data **of = NEW_ARRAY(s->u->cx.tmp, struct dgm_data *, c->whole->group.n);
	*out = in;
	*n = 0;
	for (int i = 0; i < c->block->nbind; i++) {
		const struct binding_def *b = &c->block->bind[i];
		int status;
		struct dgm_data *d = dataset(s->u, b->data, false, &status);
		if (d == NULL)
			return status;
		int g = group_of(c->whole, b->var);
		if (!dataset_fits(s->u, d, c->whole->group.at[g], b->span))
			return EXIT_FILE;
		of[g] = d;
		if (c->m == c->whole)
			in[(*n)++] = (struct dgm_input){slot(c, b->var->sym->name), d};
	}
	if (!dataset_totals(s->u, c->whole, (const struct dgm_data *const *)of, c->block->span))
		return EXIT_FILE;
	return c->m == c->whole ? EXIT_DONE : part_inputs(s, c, of, in, n);
}

static int load_figure(struct session *s, const struct compiled *c,
                       const struct data_def *const *def, int offset, const struct figure_kind *k,
                       struct dgm_figure *out)
{
	struct dgm_data **of = NEW_ARRAY(s->u->cx.tmp, struct dgm_data *, c->whole->group.n);
	struct dgm_input *in =
	    NEW_ARRAY(s->u->cx.prog, struct dgm_input, c->whole->group.n + c->m->group.n);
	*out = (struct dgm_figure){.fn = fn(c, k->function), .pop = POP_DATA, .input = in};
	out->out = slot(c, arena_printf(s->u->cx.prog, "out.%s", k->function));
	for (int i = 0; i < c->whole->group.n; i++) {
		const struct group *g = c->whole->group.at[i];
		int status;
		if (g->role == GROUP_HIDDEN)
			continue;
		struct dgm_data *d = dataset(s->u, def[offset++], false, &status);
		if (d == NULL)
			return status;
		of[i] = d;
		if (c->m == c->whole)
			in[out->ninput++] = (struct dgm_input){slot(c, g->sym->name), d};
	}
	return c->m == c->whole ? EXIT_DONE : part_inputs(s, c, of, in, &out->ninput);
}

double visible_units(const struct model *m)
{
	double n = 0;
	for (int i = 0; i < m->group.n; i++) {
		double items = 1;
		for (int k = 0; k < m->group.at[i]->sym->rank; k++)
			items *= (double)m->group.at[i]->sym->dim[k];
		n += m->group.at[i]->role == GROUP_VISIBLE ? items : 0;
	}
	return n;
}

static int figures_of(const struct clause *cl)
{
	return !monitors(cl) ? 0 : strcmp(cl->name, "stop") == 0 ? 1 : cl->narg;
}

static int read_monitors(struct session *s, const struct compiled *c,
                         const struct dgm_monitor **out, int *n)
{
	struct unit *u = s->u;
	int all = 0;
	for (int i = 0; i < c->block->nclause; i++)
		all += figures_of(&c->block->clause[i]);
	struct dgm_monitor *monitor = NEW_ARRAY(u->cx.prog, struct dgm_monitor, all);
	*out = monitor;
	*n = 0;
	for (int i = 0; i < c->block->nclause; i++) {
		const struct clause *cl = &c->block->clause[i];
		for (int k = 0; k < figures_of(cl); k++) {
			const struct value *v = &cl->arg[k];
			const struct figure_kind *kind = figure_find(v->call->name);
			struct dgm_monitor *m = &monitor[(*n)++];
			struct buf name;
			const struct data_def *const *def = figure_data(u, c->whole, kind, v);
			buf_init(&name, u->cx.prog);
			buf_printf(&name, "%s(", kind->name);
			for (int d = 0; d < v->call->narg; d++)
				buf_printf(&name, "%s%s", d ? ", " : "", def[d]->name);
			buf_puts(&name, ")");
			*m = (struct dgm_monitor){.name = name.s, .every = cl->every};
			m->per = kind->per_unit ? visible_units(c->m) : 1;
			int half = kind->gap ? v->call->narg / 2 : 0;
			int status = load_figure(s, c, def, half, kind, &m->a);
			if (status == EXIT_DONE && kind->gap)
				status = load_figure(s, c, def, 0, kind, &m->b);
			if (status != EXIT_DONE)
				return status;
			if (kind->gap) {
				m->b.limit = m->a.input[0].data->n;
				m->b.which = drawn_rows(s, m->b.input[0].data->n);
			}
		}
	}
	return EXIT_DONE;
}

/* Means of 0/1 data and counts are smoothed to (sum + 1)/(n + 2), of spins to sum/(n + 2): finite
 * under logit and log. */
static void mean_slot(const struct compiled *c, const struct group *g, const struct dgm_data *d,
                      struct dgm_mean_slot *out, int *n)
{
	float lo = g->sym->values == VALUES_SPIN ? -1.0f / (float)(d->n + 2) : 0.0f;
	bool gauss = g->family->shape == SHAPE_GAUSS;
	if (g->mean && slot(c, g->mean->name) >= 0)
		out[(*n)++] = (struct dgm_mean_slot){.mean_slot = slot(c, g->mean->name),
		                                     .data = d,
		                                     .smoothed = !gauss,
		                                     .lo = lo,
		                                     .hi = lo + 1};
	if (g->var && slot(c, g->var->name) >= 0)
		out[(*n)++] =
		    (struct dgm_mean_slot){.mean_slot = slot(c, g->var->name), .data = d, .variance = true};
}

/* Room for the slots of all groups. */
static struct dgm_mean_slot *mean_room(struct session *s, const struct compiled *c)
{
	return NEW_ARRAY(s->u->cx.prog, struct dgm_mean_slot, 2 * (c->m->group.n + c->m->absent.n));
}

static int mean_slots(const struct compiled *c, const struct dgm_input *in, int nin,
                      struct dgm_mean_slot *out)
{
	int n = 0;
	for (int i = 0; i < c->m->group.n; i++)
		for (int k = 0; k < nin; k++)
			if (in[k].slot == slot(c, c->m->group.at[i]->sym->name))
				mean_slot(c, c->m->group.at[i], in[k].data, out, &n);
	return n;
}

/* Of groups that are not in the part: initial values may read them. */
static int absent_means(struct session *s, const struct compiled *c, struct dgm_mean_slot *out,
                        int *n)
{
	for (int i = 0; i < c->m->absent.n; i++)
		for (int k = 0; k < c->block->nbind; k++) {
			int status;
			if (c->block->bind[k].var->sym != c->m->absent.at[i]->sym)
				continue;
			const struct dgm_data *d = dataset(s->u, c->block->bind[k].data, false, &status);
			if (d == NULL)
				return status;
			mean_slot(c, c->m->absent.at[i], d, out, n);
		}
	return EXIT_DONE;
}

/* ---- the job ---- */
struct dgm_enumeration *job_enumeration(struct session *s, const struct compiled *c)
{
	struct dgm_enumeration *e = NEW(s->u->cx.prog, struct dgm_enumeration);
	struct states st;
	struct arena *a = s->u->cx.prog;
	const struct model *m = c->m->prior ? c->m->prior : c->m;
	objective_states(&s->u->cx, m, &st);
	int *of = NEW_ARRAY(a, int, m->group.n);
	float *lo = NEW_ARRAY(a, float, m->group.n), *hi = NEW_ARRAY(a, float, m->group.n);
	*e = (struct dgm_enumeration){.pop = POP_STATES,
	                              .slot = of,
	                              .lo = lo,
	                              .hi = hi,
	                              .energy = fn(c, "enum.energy"),
	                              .grad = fn(c, "enum.grad")};
	for (int i = 0; i < m->group.n; i++) {
		const struct group *g = m->group.at[i];
		if (!st.listed[i])
			continue;
		of[e->nslot] = slot(c, arena_printf(a, "%s.states", g->name));
		lo[e->nslot] = (float)g->family->lo;
		hi[e->nslot++] = (float)g->family->hi;
	}
	e->out = slot(c, "out.enum.energy");
	e->weight = slot(c, "out.enum.weight");
	return e;
}

struct dgm_positive job_positive(struct session *s, const struct compiled *c)
{
	struct arena *a = s->u->cx.prog;
	struct dgm_positive p = {.fn = fn(c, "proper"), .n = c->x->low.n};
	p.of = NEW_ARRAY(a, struct dgm_positive_number, p.n);
	for (int i = 0; i < p.n; i++) {
		const struct low *low = &c->x->low.at[i];
		struct place at = source_place(low->term);
		const char *path = source_get(low->term.src)->path;
		p.of[i] = (struct dgm_positive_number){
		    .slot = slot(c, low->sym->name),
		    .name = low->group->name,
		    .place = arena_printf(a, "%s:%d:%d", path, at.line, at.col)};
	}
	return p;
}

struct dgm_tempering job_tempering(const struct compiled *c, const char *suffix, int pop,
                                   int64_t chains)
{
	int *state = NEW_ARRAY(c->x->cx->prog, int, c->m->group.n);
	struct dgm_tempering t = {.chains = chains,
	                          .temperatures = c->x->sampling.temperatures,
	                          .pop = pop,
	                          .b = slot(c, "out.tempering.b"),
	                          .gap = fn(c, "tempering"),
	                          .out = slot(c, "out.tempering"),
	                          .state = state};
	for (int i = 0; t.temperatures > 1 && i < c->m->group.n; i++)
		if (c->m->group.at[i]->role != GROUP_GIVEN)
			state[t.nstate++] =
			    slot(c, arena_printf(c->x->cx->prog, "%s.%s", c->m->group.at[i]->name, suffix));
	return t;
}

struct dgm_refine job_refine(struct session *s, const struct compiled *c, const char *pass)
{
	return (struct dgm_refine){.pass = fn(c, pass),
	                           .change = slot(c, arena_printf(s->u->cx.prog, "out.%s", pass)),
	                           .pop = POP_DATA,
	                           .passes = c->posterior.iterations,
	                           .tolerance = c->posterior.tolerance};
}

int job_bound(struct session *s, const struct compiled *c, struct dgm_figure *out)
{
	const struct figure_kind bound = {.name = "bound", .function = "bound"};
	int status = job_figure(s, c, &bound, out);
	out->start = fn(c, "meanfield.start");
	out->refine = job_refine(s, c, "meanfield.pass");
	return status;
}

int job_importance(struct session *s, const struct compiled *c, int64_t passes,
                   struct dgm_figure *out)
{
	const struct figure_kind k = {.name = "importance", .function = "importance"};
	int status = job_figure(s, c, &k, out);
	out->refine.passes = passes;
	return status;
}

int job_figure(struct session *s, const struct compiled *c, const struct figure_kind *k,
               struct dgm_figure *out)
{
	const struct dgm_input *in;
	int n;
	int status = load_bound(s, c, &in, &n);
	if (status != EXIT_DONE)
		return status;
	struct arena *a = s->u->cx.prog;
	*out = (struct dgm_figure){.fn = fn(c, k->function), .pop = POP_DATA, .input = in, .ninput = n};
	out->start = fn(c, arena_printf(a, "%s.start", k->function));
	out->refine = job_refine(s, c, arena_printf(a, "%s.pass", k->function));
	out->out = slot(c, arena_printf(a, "out.%s", k->function));
	return EXIT_DONE;
}

int job_means(struct session *s, const struct compiled *c, struct dgm_store *store,
              const struct block_def *b)
{
	const struct dgm_input *in;
	struct dgm_mean_slot *mean = mean_room(s, c);
	struct compiled as = *c;
	int n;
	as.block = b;
	for (int i = 0; i < s->u->checked->block.n; i++) { /* the data that the model was trained on */
		const struct block_def *t = s->u->checked->block.at[i];
		if (t->kind == BLOCK_TRAIN && t->model == b->model) {
			as.block = t;
			break;
		}
	}
	int status = load_bound(s, &as, &in, &n);
	if (status != EXIT_DONE)
		return status;
	n = mean_slots(c, in, n, mean);
	for (int i = 0; i < n; i++)
		if (dgm_mean_fill(&mean[i], store) != DGM_OK)
			return run_failed();
	return EXIT_DONE;
}

const char *train_name(struct unit *u, const struct block_def *b)
{
	int n = 0, nth = 0;
	for (int i = 0; i < u->checked->block.n; i++) {
		n += u->checked->block.at[i]->kind == BLOCK_TRAIN;
		nth = u->checked->block.at[i] == b ? n : nth;
	}
	if (b->stage)
		return arena_printf(u->cx.prog, "%s.%s", b->model->name, b->stage);
	return n == 1 ? "" : arena_printf(u->cx.prog, "train%d", nth);
}

const char *train_folder(const struct session *s, const struct block_def *b)
{
	const char *name = train_name(s->u, b);
	return *name ? arena_printf(s->u->cx.prog, "%s/%s", s->out_dir, name) : s->out_dir;
}

/* Where there are several trainings the last parameters of a model are beside their folders. */
static int save_last(struct session *s, const struct dgm_train *t)
{
	struct arena *a = s->u->cx.prog;
	const char *path = arena_printf(a, "%s/%s.safetensors", s->out_dir, t->model);
	const char *meta[] = {"model", t->model, "seed",
	                      arena_printf(a, "%llu", (unsigned long long)t->seed), NULL};
	if (strcmp(t->out_dir, s->out_dir) == 0 || dgm_params_save(t->store, path, meta) == DGM_OK)
		return EXIT_DONE;
	return run_failed();
}

/* Decay is for couplings: parameters whose derivative of E joins units. */
static const bool *decays(const struct compiled *c)
{
	bool *d = NEW_ARRAY(c->x->cx->prog, bool, c->mod->nslot);
	for (int i = 0; i < c->m->weight.n; i++)
		d[slot(c, c->m->weight.at[i]->name)] = model_coupling(c->m, c->m->weight.at[i]);
	return d;
}

static const int *descents(const struct compiled *c)
{
	int *of = NEW_ARRAY(c->x->cx->prog, int, c->mod->nslot);
	for (int i = 0; i < c->m->weight.n; i++)
		of[slot(c, c->m->weight.at[i]->name)] = c->descent_of[i];
	return of;
}

static const bool *frozen(const struct compiled *c)
{
	bool *f = NEW_ARRAY(c->x->cx->prog, bool, c->mod->nslot);
	for (int i = 0; i < c->m->weight.n; i++)
		f[slot(c, c->m->weight.at[i]->name)] = c->x->frozen[i];
	return f;
}

static const double *orthonormal(const struct compiled *c)
{
	double *norm = NEW_ARRAY(c->x->cx->prog, double, c->mod->nslot);
	for (int i = 0; i < c->m->weight.n; i++)
		norm[slot(c, c->m->weight.at[i]->name)] = c->m->weight.at[i]->orthonormal;
	return norm;
}

/* A second training of a model goes on from where the first one left its parameters. */
static void continue_from(struct session *s, const struct compiled *c, struct dgm_train *t)
{
	for (int i = s->trained.n - 1; i >= 0; i--)
		if (s->trained.at[i].m == c->whole) {
			memcpy(t->store->params, s->trained.at[i].store->params,
			       sizeof(float) * (size_t)t->store->nparam);
			t->init = NULL;
			return;
		}
}

bool train_settings(struct session *s, const struct compiled *c, struct dgm_train *t)
{
	struct unit *u = s->u;
	const struct block_def *b = c->block;
	const struct value *chains = objective_value(c, "chains"), *k = objective_value(c, "k");
	bool persistent = chains && chains->num > 0;
	if (!optimizer_read(u, (struct compiled *)c, t) || !max_norm_read(u, c, t))
		return false;
	t->epochs = block_epochs(b);
	t->data_pop = POP_DATA;
	t->chain_pop = persistent ? POP_CHAINS : -1;
	t->chains = persistent ? (int64_t)chains->num : t->batch;
	t->k = k ? optimizer_ramp(k) : (struct dgm_ramp){.from = 1};
	stage_course(u, b, block_clause(b, "objective"), &t->k);
	if (persistent)
		t->tempering = job_tempering(c, "chain", POP_CHAINS, t->chains);
	if (c->x->exact)
		t->exact = job_enumeration(s, c);
	t->init = fn(c, "init");
	t->orthonormal = orthonormal(c);
	t->prepare = fn(c, "prepare");
	t->positive = job_positive(s, c);
	t->begin = fn(c, "chains.begin");
	t->first = fn(c, "train.first");
	t->refine = job_refine(s, c, "train.pass");
	t->sweep = dgm_transition_find(c->mod, "train.sweep", persistent ? POP_CHAINS : POP_DATA,
	                               c->x->sampling.steps);
	t->final = fn(c, "train.final");
	t->often = fn(c, "train.often");
	t->centre = fn(c, "train.centre");
	t->scalar_inv_n = scalar(c, "inv_n");
	t->scalar_inv_m = scalar(c, "inv_m");
	t->decays = decays(c);
	t->descent_of = descents(c);
	t->frozen = frozen(c);
	return true;
}

void train_capacity(const struct compiled *c, const struct dgm_train *t, int64_t *capacity)
{
	capacity[POP_DATA] = t->batch;
	capacity[POP_CHAINS] = t->chains * c->x->sampling.temperatures;
	capacity[POP_STATES] = c->x->exact ? STATE_ROWS : 1;
	capacity[POP_AIS] = capacity[POP_SAMPLES] = 1;
}

int job_train(struct session *s, const struct block_def *b)
{
	struct unit *u = s->u;
	struct compiled *c = NEW(u->cx.perm, struct compiled);
	struct dgm_train t = {.model = b->model->name,
	                      .seed = (uint64_t)u->opt->seed,
	                      .stage = (uint32_t)s->ntrain++,
	                      .resume = u->opt->resume,
	                      .checkpoint_seconds =
	                          u->opt->checkpoint ? (double)u->opt->checkpoint : -1,
	                      .quiet = u->opt->quiet,
	                      .json = u->opt->json,
	                      .time = u->opt->time,
	                      .time0 = u->opt->time0};
	if (!block_expand(u, b, c))
		return EXIT_FILE;
	block_plan(u, c);
	if (!block_jit(u, c))
		return EXIT_RUN;
	int status = load_bound(s, c, &t.input, &t.ninput);
	if (status == EXIT_DONE)
		status = read_monitors(s, c, &t.monitor, &t.nmonitor);
	if (status != EXIT_DONE)
		return status;
	bool batch_given = block_clause(b, "batch") != NULL;
	t.batch = (int64_t)number(b, "batch", BATCH_ROWS);
	if (!batch_given && t.ninput && t.batch > t.input[0].data->n)
		t.batch = t.input[0].data->n;
	t.stop = stop_read(u, b);
	if (!batch_fits(u, c, t.batch, t.ninput ? t.input[0].data : NULL) || !train_settings(s, c, &t))
		return EXIT_FILE;
	struct dgm_mean_slot *mean = mean_room(s, c);
	t.mean = mean;
	t.nmean = mean_slots(c, t.input, t.ninput, mean);
	status = absent_means(s, c, mean, &t.nmean);
	if (status != EXIT_DONE)
		return status;
	t.out_dir = train_folder(s, b);
	int64_t capacity[DGM_MAX_POP] = {0};
	train_capacity(c, &t, capacity);
	if (t.nmonitor && capacity[POP_DATA] < EVAL_ROWS)
		capacity[POP_DATA] = EVAL_ROWS;
	unit_time(u);
	t.time0 += u->data_ms / 1000;
	t.store = dgm_store_new(c->mod, capacity);
	if (t.store == NULL)
		return run_failed();
	handed_fill(s, c, t.store);
	continue_from(s, c, &t);
	t.config = job_config(s, c, &t);
	if (b->stage && !t.quiet)
		fprintf(stderr, "%s: stage %s\n", t.model, b->stage);
	if (dgm_train_run(&t) != DGM_OK)
		return run_failed();
	status = save_last(s, &t);
	if (status != EXIT_DONE)
		return status;
	struct trained done = {c->whole, t.store};
	vec_push(u->cx.perm, &s->trained, done);
	return job_filters(s, c, t.store);
}
