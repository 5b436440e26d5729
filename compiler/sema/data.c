/* data: idx("f.gz") / 255 |> binarize(resampled) as a reader and its steps in order.  A set that
 * starts from an earlier one has that one's reader and steps, then its own.  What readers and steps
 * mean is the runtime's. */
#include "sema/internal.h"

#include <string.h>

struct chain {
	struct call *reader;
	VEC(struct data_step) step;
};

static void push(struct sema *s, struct chain *c, char op, double num, struct call *call,
                 struct span at)
{
	struct data_step x = {.op = op, .num = num, .call = call, .span = at};
	vec_push(s->a, &c->step, x);
}

static bool holds_data(const struct sema *s, const struct ast *e)
{
	enum op op;
	const struct entry *n;
	switch (e->kind) {
	case AST_NAME:
		n = sema_lookup(&s->top, e->name);
		return !n || n->kind == ENTRY_DATA;
	case AST_CALL:
		return !e->nkid || !sema_op_by_name(e->name, e->nkid, &op);
	case AST_PIPE:
		return true;
	case AST_NEG:
		return holds_data(s, e->kid[0]);
	case AST_BIN:
		for (; e->kind == AST_BIN; e = e->kid[0])
			if (holds_data(s, e->kid[1]))
				return true;
		return holds_data(s, e);
	case AST_BAD:
	case AST_NUM:
	case AST_STR:
	case AST_INDEX:
	case AST_FIELD:
	case AST_REDUCE:
	case AST_RAMP:
	case AST_RANGE:
	case AST_TUPLE:
	case AST_GIVEN:
		return false;
	}
	return false;
}

static bool not_data(struct sema *s, const struct ast *e)
{
	if (e->kind == AST_BAD)
		return false;
	diag(s->cx->diags, DIAG_SEMA_DATA_FORM, e->span);
	sema_note(s, e->span, "as in idx(\"images.gz\") / 255 |> binarize(resampled)");
	return false;
}

static bool read_chain(struct sema *s, const struct ast *e, struct chain *c);

static bool from_earlier(struct sema *s, const struct ast *e, struct chain *c)
{
	const struct entry *n = sema_lookup(&s->top, e->name);
	if (!n) {
		diag(s->cx->diags, DIAG_SEMA_UNKNOWN_DATA, e->span, e->name);
		sema_suggest(s, &s->top, 1u << ENTRY_DATA, e->name, e->span);
		return false;
	}
	if (n->kind != ENTRY_DATA)
		return not_data(s, e);
	if (n->bad)
		return false;
	c->reader = n->data->reader;
	for (int k = 0; k < n->data->nstep; k++)
		vec_push(s->a, &c->step, n->data->step[k]);
	return true;
}

/* data / 255 - 1 or 2 * data: what comes before the data's name is one number. */
static bool arithmetic(struct sema *s, const struct ast *e, struct chain *c)
{
	struct ast_spine line = ast_spine(s->cx->tmp, e, "+-*/@^<>lg=!");
	int k = 0;
	double x;
	bool first = holds_data(s, line.first);
	while (!first && !holds_data(s, line.node[k]->kid[1]))
		k++;
	if (!read_chain(s, first ? line.first : line.node[k]->kid[1], c))
		return false;
	for (; k < line.n; k++, first = true) {
		const struct ast *at = line.node[k];
		if (!strchr("+-*/", at->op) || (!first && (at->op == '-' || at->op == '/')))
			return not_data(s, at);
		if (!sema_const(s, &s->top, at->kid[first ? 1 : 0], &x))
			return false;
		if (at->op == '/' && x == 0) {
			diag(s->cx->diags, DIAG_SEMA_NOT_FINITE, at->span);
			return false;
		}
		push(s, c, at->op, x, NULL, at->span);
	}
	return true;
}

static bool read_chain(struct sema *s, const struct ast *e, struct chain *c)
{
	struct call *step;
	if (!holds_data(s, e))
		return not_data(s, e);
	switch (e->kind) {
	case AST_NAME:
		return from_earlier(s, e, c);
	case AST_CALL:
		c->reader = sema_call(s, &s->top, e);
		return c->reader != NULL;
	case AST_PIPE:
		if (!read_chain(s, e->kid[0], c))
			return false;
		step = sema_call(s, &s->top, e->kid[1]);
		if (step)
			push(s, c, 0, 0, step, e->kid[1]->span);
		return step != NULL;
	case AST_NEG:
		if (!read_chain(s, e->kid[0], c))
			return false;
		push(s, c, '*', -1, NULL, e->span);
		return true;
	case AST_BIN:
		return arithmetic(s, e, c);
	case AST_BAD:
	case AST_NUM:
	case AST_STR:
	case AST_INDEX:
	case AST_FIELD:
	case AST_REDUCE:
	case AST_RAMP:
	case AST_RANGE:
	case AST_TUPLE:
	case AST_GIVEN:
		break;
	}
	return not_data(s, e);
}

void sema_data(struct sema *s, const struct ast_data *d)
{
	const struct ast *value = sema_override_top(s, d->name);
	struct chain c = {0};
	bool ok = read_chain(s, value ? value : d->value, &c);
	struct entry *e = sema_declare(s, &s->top, ENTRY_DATA, d->name, d->name_span);
	if (!e)
		return;
	e->bad = !ok;
	e->data = NEW(s->a, struct data_def);
	*e->data =
	    (struct data_def){d->name, value ? value->span : d->span, c.reader, c.step.at, c.step.n};
	if (ok)
		vec_push(s->a, &s->out->data, e->data);
}
