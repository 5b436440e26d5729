/* value: the arguments of clauses, objectives, readers and steps: numbers (constants folded),
 * ramps, names, strings and calls, meaning still open. */
#include "sema/internal.h"

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
	case AST_NUM:
	case AST_NEG:
	case AST_BIN:
		break;
	case AST_FIELD:
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
