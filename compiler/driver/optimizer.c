/* The optimisers of a train block: the parameters that each moves, its numbers, which may follow a
 * schedule, and what holds gradients and parameters within bounds. */
#include "driver/driver.h"

#include <string.h>

struct dgm_ramp optimizer_ramp(const struct value *v)
{
	bool ramp = v->kind == VAL_RAMP;
	return (struct dgm_ramp){.from = v->num, .to = ramp ? v->to : v->num, .ramp = ramp};
}

static const struct {
	const char *name, *signature; /* from, to, warmup, every */
	enum dgm_schedule how;
} schedules[] = {
    {"exponential", "from:num[0,) factor:num(0,1] warmup:num[0,)=0", DGM_EXPONENTIAL},
    {"cosine", "from:num[0,) to:num[0,)=0 warmup:num[0,)=0", DGM_COSINE},
    {"steps", "from:num[0,) factor:num(0,1] every:num[1,) warmup:num[0,)=0", DGM_STEPS},
    {"inverse", "from:num[0,) every:num(0,) warmup:num[0,)=0", DGM_INVERSE},
};
enum { NSCHEDULE = sizeof schedules / sizeof *schedules };

static void unknown(struct unit *u, enum diag_id what, const struct call *call,
                    const char *const *names, int n, const char *known)
{
	const char *near = nearest_word(call->name, names, n);
	diag(u->cx.diags, what, call->name_span, call->name);
	diag(u->cx.diags, DIAG_NOTE, call->name_span,
	     near ? arena_printf(u->cx.prog, "did you mean '%s'?", near) : known);
}

static bool schedule(struct unit *u, const struct call *call, struct dgm_ramp *out)
{
	const char *names[NSCHEDULE];
	struct value v[4] = {0};
	for (int k = 0; k < NSCHEDULE; k++) {
		names[k] = schedules[k].name;
		if (strcmp(call->name, names[k]) != 0)
			continue;
		if (!call_bind(&u->cx, call, schedules[k].signature, v, NULL))
			return false;
		enum dgm_schedule how = schedules[k].how;
		*out = (struct dgm_ramp){.from = v[0].num, .to = v[1].num, .ramp = true, .how = how};
		out->every = how == DGM_INVERSE ? v[1].num : v[2].num;
		out->warmup = how == DGM_STEPS ? v[3].num : v[2].num;
		return true;
	}
	unknown(u, DIAG_SCHEDULE_UNKNOWN, call, names, NSCHEDULE,
	        "there are a -> b, exponential, cosine, steps and inverse");
	return false;
}

static const struct dgm_optimizer *optimizer_named(struct unit *u, const struct call *call)
{
	const char *names[16];
	int n = 0;
	for (; dgm_optimizers[n] && n < 16; n++)
		names[n] = dgm_optimizers[n]->name;
	const struct dgm_optimizer *o = dgm_optimizer_find(call->name);
	if (o)
		return o;
	unknown(u, DIAG_OPTIMIZER_UNKNOWN, call, names, n,
	        "there are sgd, adam, adamw, rmsprop and adagrad");
	return NULL;
}

/* sgd(rate = 0.1, decay = 1e-4) */
static bool read_descent(struct unit *u, const struct call *call, struct dgm_descent *d)
{
	struct value v[DGM_MAX_HYPER + 3] = {0};
	struct buf sig;
	d->optimizer = optimizer_named(u, call);
	if (d->optimizer == NULL)
		return false;
	buf_init(&sig, u->cx.prog);
	int n = 0;
	for (; n < DGM_MAX_HYPER && d->optimizer->hyper[n].name; n++)
		buf_printf(&sig, "%s:ramp%s=%.9g ", d->optimizer->hyper[n].name,
		           d->optimizer->hyper[n].range, (double)d->optimizer->hyper[n].initial);
	buf_puts(&sig, "decay:num[0,)=0 clip:num[0,)=0 clip_norm:num[0,)=0");
	if (!call_bind(&u->cx, call, sig.s, v, NULL))
		return false;
	bool ok = true;
	for (int i = 0; i < n; i++) {
		d->hyper[i] = optimizer_ramp(&v[i]);
		ok = (v[i].kind != VAL_CALL || schedule(u, v[i].call, &d->hyper[i])) && ok;
	}
	d->decay = v[n].num;
	d->clip = v[n + 1].num;
	d->clip_norm = v[n + 2].num;
	return ok;
}

bool part_of(const struct weight *w, const char *name)
{
	size_t n = strlen(name);
	return strncmp(w->name, name, n) == 0 && (w->name[n] == '\0' || w->name[n] == '.');
}

/* The parameters that the k-th descent moves: those that the clause names, all others where it
 * names none. */
static bool read_parts(struct unit *u, const struct model *m, const struct clause *cl, int k,
                       int *of)
{
	bool ok = true;
	for (int i = 0; i < m->weight.n && cl->narg == 1; i++)
		of[i] = of[i] < 0 ? k : of[i];
	for (int a = 1; a < cl->narg; a++) {
		bool found = false;
		for (int i = 0; i < m->weight.n; i++) {
			if (!part_of(m->weight.at[i], cl->arg[a].name))
				continue;
			found = true;
			if (of[i] >= 0) {
				diag(u->cx.diags, DIAG_OPTIMIZER_TWICE, cl->arg[a].span, m->weight.at[i]->name);
				return false;
			}
			of[i] = k;
		}
		if (!found)
			diag(u->cx.diags, DIAG_OPTIMIZER_PART, cl->arg[a].span, cl->arg[a].name, m->name);
		ok = ok && found;
	}
	return ok;
}

/* The clauses in the order in which they are read: those that name parameters first. */
static int optimizer_clauses(const struct block_def *b, const struct clause **out)
{
	int n = 0;
	for (int rest = 0; rest < 2; rest++)
		for (int i = 0; i < b->nclause; i++)
			if (strcmp(b->clause[i].name, "optimizer") == 0 && (b->clause[i].narg == 1) == rest)
				out[n++] = &b->clause[i];
	return n;
}

bool optimizer_read(struct unit *u, struct compiled *c, struct dgm_train *t)
{
	const struct clause **cl = NEW_ARRAY(u->cx.tmp, const struct clause *, c->block->nclause + 1);
	int n = optimizer_clauses(c->block, cl), *of = NEW_ARRAY(u->cx.prog, int, c->m->weight.n + 1);
	const struct call plain = {.name = "sgd", .span = c->block->span};
	for (int i = 0; i < c->m->weight.n; i++)
		of[i] = n ? -1 : 0;
	if (n > DGM_MAX_DESCENT || (n > 1 && cl[n - 2]->narg == 1)) {
		const struct clause *extra = n > DGM_MAX_DESCENT ? cl[DGM_MAX_DESCENT] : cl[n - 1];
		diag(u->cx.diags, DIAG_OPTIMIZERS, extra->span, DGM_MAX_DESCENT);
		return false;
	}
	t->ndescent = n ? n : 1;
	bool ok = n || read_descent(u, &plain, &t->descent[0]);
	for (int k = 0; k < n; k++) {
		ok = read_descent(u, cl[k]->arg[0].call, &t->descent[k]) && ok;
		ok = read_parts(u, c->m, cl[k], k, of) && ok;
		t->descent[k].every = cl[k]->every;
		for (int i = 0; i < DGM_MAX_HYPER; i++)
			stage_course(u, c->block, cl[k], &t->descent[k].hyper[i]);
	}
	for (int i = 0; i < c->m->weight.n && ok; i++)
		if (of[i] < 0) {
			diag(u->cx.diags, DIAG_OPTIMIZER_REST, cl[0]->span, c->m->weight.at[i]->name);
			ok = false;
		}
	c->descent_of = of;
	return ok;
}

/* The parameter that a clause max_norm names, and which axis counts its units; NULL: it has none
 * such. */
static const struct sym *limited(struct unit *u, const struct model *m, const struct clause *cl,
                                 struct dgm_limit *out)
{
	struct call call = {cl->name, cl->span, cl->name_span, cl->arg, cl->key, cl->narg};
	struct value v[3] = {0};
	call_bind(&u->cx, &call, "param:name limit:num(0,) axis:int[-1,)=-1", v, NULL);
	out->norm = v[1].num;
	for (int i = 0; i < m->weight.n; i++) {
		const struct sym *s = m->weight.at[i]->sym;
		out->axis = v[2].num < 0 ? s->rank - 1 : (int)v[2].num;
		if (strcmp(m->weight.at[i]->name, v[0].name) == 0 && out->axis >= 0 && out->axis < s->rank)
			return s;
	}
	diag(u->cx.diags, DIAG_MAX_NORM, v[0].span, v[0].name);
	return NULL;
}

bool max_norm_read(struct unit *u, const struct compiled *c, struct dgm_train *t)
{
	struct dgm_limit *limit = NEW_ARRAY(u->cx.prog, struct dgm_limit, c->block->nclause + 1);
	bool ok = true;
	t->limit = limit;
	for (int i = 0; i < c->block->nclause; i++) {
		struct dgm_limit *l = &limit[t->nlimit];
		if (strcmp(c->block->clause[i].name, "max_norm") != 0)
			continue;
		const struct sym *s = limited(u, c->m, &c->block->clause[i], l);
		ok = ok && s;
		if (s && c->mod) {
			l->slot = dgm_slot_find(c->mod, s->name);
			t->nlimit++;
		}
	}
	return ok;
}
