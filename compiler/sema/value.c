/* value: the arguments of clauses, objectives, readers and steps: numbers (constants folded),
 * ramps, names, strings, calls, sums of calls with coefficients, and names given others; meaning
 * still open. */
#include "sema/internal.h"

#include <math.h>
#include <string.h>

static bool value_name(struct sema *s, const struct scope *sc, const struct ast *e,
                       struct value *out)
{
	const struct entry *n = sema_lookup(sc, e->name);
	(void)s;
	if (!n || (n->kind != ENTRY_CONST && n->kind != ENTRY_SIZE)) {
		out->kind = VAL_NAME;
		out->name = e->name;
		return true;
	}
	out->kind = VAL_NUM;
	out->num = n->num;
	return !n->bad;
}

/* ---- a + 0.1*b(k = 1): calls, each with its coefficient ---- */
static bool holds_call(const struct ast *e)
{
	enum op op;
	for (; e->kind == AST_BIN; e = e->kid[0])
		if (holds_call(e->kid[1]))
			return true;
	return e->kind == AST_NEG ? holds_call(e->kid[0])
	                          : e->kind == AST_CALL && !sema_op_by_name(e->name, e->nkid, &op);
}

static bool add_terms(struct sema *s, const struct scope *sc, const struct ast *e, double c,
                      struct value *sum);

/* The one factor with a call in it; the others are numbers. */
static bool add_product(struct sema *s, const struct scope *sc, const struct ast *e, double c,
                        struct value *sum)
{
	struct ast_spine line = ast_spine(s->a, e, "*/");
	const struct ast *what = holds_call(line.first) ? line.first : NULL;
	double x;
	if (!what && !sema_const(s, sc, line.first, &x))
		return false;
	c *= what ? 1 : x;
	for (int k = 0; k < line.n; k++) {
		const struct ast *right = line.node[k]->kid[1];
		bool over = line.node[k]->op == '/';
		if (!what && !over && holds_call(right)) {
			what = right;
			continue;
		}
		if (!sema_const(s, sc, right, &x))
			return false;
		c = over ? c / x : c * x;
	}
	return add_terms(s, sc, what, c, sum);
}

static bool add_terms(struct sema *s, const struct scope *sc, const struct ast *e, double c,
                      struct value *sum)
{
	struct value v;
	if (e->kind == AST_NEG)
		return add_terms(s, sc, e->kid[0], -c, sum);
	if (e->kind == AST_BIN && (e->op == '*' || e->op == '/') && holds_call(e))
		return add_product(s, sc, e, c, sum);
	if (e->kind == AST_BIN && (e->op == '+' || e->op == '-')) {
		struct ast_spine line = ast_spine(s->a, e, "+-");
		bool ok = add_terms(s, sc, line.first, c, sum);
		for (int k = 0; k < line.n; k++)
			ok &= add_terms(s, sc, line.node[k]->kid[1], line.node[k]->op == '-' ? -c : c, sum);
		return ok;
	}
	if (!sema_value(s, sc, e, &v))
		return false;
	v.num = c;
	if (isfinite(c) && (v.kind == VAL_CALL || v.kind == VAL_NAME)) {
		sum->term[sum->nterm++] = v;
		return true;
	}
	diag(s->cx->diags, isfinite(c) ? DIAG_SEMA_VALUE : DIAG_SEMA_NOT_FINITE, e->span);
	return false;
}

static int count_operands(const struct ast *e)
{
	int n = 1;
	for (; e->kind == AST_BIN; e = e->kid[0])
		n += count_operands(e->kid[1]);
	return e->kind == AST_NEG ? n + count_operands(e->kid[0]) : n;
}

const char *sema_dotted(struct sema *s, const struct ast *e)
{
	const char *left = e->kind == AST_NAME    ? e->name
	                   : e->kind == AST_FIELD ? sema_dotted(s, e->kid[0])
	                                          : NULL;
	return left && e->kind == AST_FIELD ? intern(arena_printf(s->a, "%s.%s", left, e->name)) : left;
}

bool sema_value(struct sema *s, const struct scope *sc, const struct ast *e, struct value *out)
{
	enum op op;
	*out = (struct value){.span = e->span};
	switch (e->kind) {
	case AST_BAD:
		return false;
	case AST_STR:
		out->kind = VAL_STR;
		out->name = e->name;
		return true;
	case AST_NAME:
		return value_name(s, sc, e, out);
	case AST_CALL:
		if (e->nkid && sema_op_by_name(e->name, e->nkid, &op)) /* sqrt(2): a number */
			break;
		out->kind = VAL_CALL;
		out->call = sema_call(s, sc, e);
		return out->call != NULL;
	case AST_RAMP:
		out->kind = VAL_RAMP;
		return sema_const(s, sc, e->kid[0], &out->num) && sema_const(s, sc, e->kid[1], &out->to);
	case AST_GIVEN:
		out->kind = VAL_GIVEN;
		out->call = sema_call(s, sc, e->kid[0]);
		out->given = sema_call(s, sc, e->kid[1]);
		return out->call && out->given;
	case AST_NEG:
	case AST_BIN:
		if (!holds_call(e))
			break;
		out->kind = VAL_SUM;
		out->term = NEW_ARRAY(s->a, struct value, count_operands(e));
		return add_terms(s, sc, e, 1, out);
	case AST_NUM:
		break;
	case AST_FIELD:
		out->kind = VAL_NAME;
		out->name = sema_dotted(s, e);
		if (out->name)
			return true;
		diag(s->cx->diags, DIAG_SEMA_VALUE, e->span);
		return false;
	case AST_INDEX:
	case AST_REDUCE:
	case AST_PIPE:
	case AST_RANGE:
	case AST_TUPLE:
		diag(s->cx->diags, DIAG_SEMA_VALUE, e->span);
		return false;
	}
	out->kind = VAL_NUM;
	return sema_const(s, sc, e, &out->num);
}

struct call *sema_call(struct sema *s, const struct scope *sc, const struct ast *e)
{
	struct call *c = NEW(s->a, struct call);
	bool ok = true;
	c->name = e->name;
	c->span = e->span;
	c->name_span = e->kind == AST_NAME ? e->span : e->name_span;
	if (e->kind == AST_NAME)
		return c;
	c->narg = e->nkid;
	c->arg = NEW_ARRAY(s->a, struct value, e->nkid);
	c->key = NEW_ARRAY(s->a, const char *, e->nkid);
	for (int k = 0; k < e->nkid; k++) {
		ok &= sema_value(s, sc, e->kid[k], &c->arg[k]);
		c->key[k] = e->key ? e->key[k] : NULL;
	}
	return ok ? c : NULL;
}
