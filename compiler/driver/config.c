/* The configuration of a training as text, which a checkpoint has to agree with. */
#include "driver/driver.h"

#include <string.h>

static void value_text(struct buf *b, const struct value *v)
{
	switch (v->kind) {
	case VAL_NUM:
		buf_printf(b, "%.17g", v->num);
		break;
	case VAL_RAMP:
		buf_printf(b, "%.17g -> %.17g", v->num, v->to);
		break;
	case VAL_NAME:
	case VAL_STR:
		buf_puts(b, v->name);
		break;
	case VAL_UNITS: /* of sample blocks */
		break;
	case VAL_CALL:
		buf_printf(b, "%s(", v->call->name);
		for (int i = 0; i < v->call->narg; i++) {
			buf_printf(b, "%s%s%s", i ? ", " : "", v->call->key[i] ? v->call->key[i] : "",
			           v->call->key[i] ? " = " : "");
			value_text(b, &v->call->arg[i]);
		}
		buf_putc(b, ')');
		break;
	case VAL_SUM:
		for (int i = 0; i < v->nterm; i++) {
			buf_printf(b, "%s%.17g*", i ? " + " : "", v->term[i].num);
			value_text(b, &v->term[i]);
		}
		break;
	case VAL_GIVEN:
		for (int i = 0; i < v->call->narg; i++)
			buf_printf(b, "%s%s", i ? ", " : "", v->call->arg[i].name);
		for (int i = 0; i < v->given->narg; i++)
			buf_printf(b, "%s%s", i ? ", " : " given ", v->given->arg[i].name);
		break;
	}
}

static void factors_text(struct buf *b, struct arena *a, const struct factor *const *f, int n)
{
	for (int i = 0; i < n; i++)
		buf_printf(b, "factor %s %s\n", f[i]->group->name,
		           ex_text(a, f[i]->log_density ? f[i]->log_density : f[i]->draw));
}

static void optimizer_text(struct buf *b, const struct clause *cl)
{
	if (strcmp(cl->name, "optimizer") != 0)
		return;
	buf_printf(b, "optimizer every %lld", (long long)cl->every);
	for (int i = 0; i < cl->narg; i++) {
		buf_putc(b, ' ');
		value_text(b, &cl->arg[i]);
	}
	buf_putc(b, '\n');
}

static void names_text(struct buf *b, const struct clause *cl)
{
	for (int i = 0; cl && i < cl->narg; i++)
		buf_printf(b, " %s", cl->arg[i].name);
	buf_putc(b, '\n');
}

/* What a checkpoint must agree with, a line each: the model, the data, the parameters that it began
 * with where they are those of an earlier training, and the clauses that change training. */
const char *job_config(struct session *s, const struct compiled *c, const struct dgm_train *t)
{
	static const char *const clauses[] = {"objective", "posterior", "sampler"};
	struct arena *a = s->u->cx.prog;
	struct buf b;
	buf_init(&b, a);
	buf_printf(&b, "model %s\nbatch %lld\nepochs %lld\n", c->m->name, (long long)t->batch,
	           (long long)t->epochs);
	if (c->block->stage)
		buf_printf(&b, "stage %s %lld of %lld\n", c->block->stage, (long long)t->k.before,
		           (long long)t->k.whole);
	for (int i = 0; c->block->stage && i < t->ndescent; i++)
		buf_printf(&b, "schedule %lld of %lld\n", (long long)t->descent[i].hyper[0].before,
		           (long long)t->descent[i].hyper[0].whole);
	for (size_t i = 0; i < sizeof clauses / sizeof *clauses; i++) {
		const struct clause *cl = block_clause(c->block, clauses[i]);
		buf_printf(&b, "%s ", clauses[i]);
		if (cl)
			value_text(&b, &cl->arg[0]);
		buf_putc(&b, '\n');
	}
	if (c->centered)
		buf_printf(&b, "centered %.17g\n", c->offset_rate);
	for (int i = 0; i < c->block->nclause; i++)
		optimizer_text(&b, &c->block->clause[i]);
	buf_puts(&b, "pretrain");
	names_text(&b, block_clause(c->block, "pretrain"));
	buf_puts(&b, "freeze");
	names_text(&b, block_clause(c->block, "freeze"));
	const struct dgm_monitor *stop = t->stop.patience ? &t->monitor[t->stop.monitor] : NULL;
	buf_printf(&b, "stop %s %lld every %lld\n", stop ? stop->name : "", (long long)t->stop.patience,
	           stop ? (long long)stop->every : 0);
	for (int i = 0; i < c->m->from.n; i++)
		buf_printf(
		    &b, "%s %016llx\n", c->m->from.at[i].sym->name,
		    (unsigned long long)dgm_params_digest(session_params(s, c->m->from.at[i].model)));
	if (t->init == NULL)
		buf_printf(&b, "from %016llx\n", (unsigned long long)dgm_params_digest(t->store));
	for (int i = 0; i < t->nlimit; i++)
		buf_printf(&b, "max_norm %d %d %.17g\n", t->limit[i].slot, t->limit[i].axis,
		           t->limit[i].norm);
	for (int i = 0; i < t->ninput; i++)
		buf_printf(&b, "data %s %016llx %s\n", t->input[i].data->name,
		           (unsigned long long)t->input[i].data->digest, t->input[i].data->key);
	for (int i = 0; i < c->m->group.n; i++)
		buf_printf(&b, "variable %s %s\n", c->m->group.at[i]->name, c->m->group.at[i]->domain);
	for (int i = 0; i < c->m->E.n; i++)
		buf_printf(&b, "term %s\n", ex_text(a, c->m->E.at[i].node));
	for (int i = 0; i < c->m->def.n; i++)
		buf_printf(&b, "let %s = %s\n", c->m->def.at[i]->sym->name,
		           ex_text(a, c->m->def.at[i]->rhs));
	factors_text(&b, a, (const struct factor *const *)c->m->factor.at, c->m->factor.n);
	factors_text(&b, a, (const struct factor *const *)c->m->posterior.at, c->m->posterior.n);
	for (int i = 0; i < c->m->weight.n; i++) {
		const struct weight *w = c->m->weight.at[i];
		buf_printf(&b, "param %s = %s\n", w->name, ex_text(a, w->init));
		if (w->orthonormal)
			buf_printf(&b, "orthonormal times %.17g\n", w->orthonormal);
	}
	return b.s;
}
