/* check: a parsed file as a checked program: overrides, constants, nets and functions, data sets,
 * models, then the blocks that refer to them. */
#include "sema/internal.h"

void sema_top_const(struct sema *s, struct scope *sc, const struct ast_data *d)
{
	const struct ast *value = sema_override_top(s, d->name);
	double x = 0;
	bool ok = sema_const(s, sc, value ? value : d->value, &x);
	struct entry *e = sema_declare(s, sc, ENTRY_CONST, d->name, d->name_span);
	if (!e)
		return;
	e->bad = !ok;
	e->num = x;
}

static void check_model(struct sema *s, const struct ast_model *m)
{
	struct entry *e = sema_declare(s, &s->top, ENTRY_MODEL, m->name, m->name_span);
	struct model_def *def = NEW(s->a, struct model_def);
	int before = diags_errors(s->cx->diags);
	sema_model(s, m, def);
	if (!e)
		return;
	e->model = def;
	e->bad = diags_errors(s->cx->diags) != before;
	vec_push(s->a, &s->out->model, def);
}

struct checked *sema_check(struct cx *cx, const struct ast_file *f, const struct override *set,
                           int nset)
{
	struct sema s = {.cx = cx, .a = cx->prog, .file = f, .set = set, .nset = nset};
	s.broken = diags_errors(cx->diags) > 0;
	s.out = NEW(cx->prog, struct checked);
	sema_override_check(&s);
	sema_prelude(&s);
	sema_import(&s, &s.top, f);
	for (int k = 0; k < f->nitem; k++)
		if (f->item[k].kind == ITEM_DATA)
			sema_data(&s, f->item[k].data);
	for (int k = 0; k < f->nitem; k++)
		if (f->item[k].kind == ITEM_MODEL)
			check_model(&s, f->item[k].model);
	for (int k = 0; k < f->nitem; k++)
		if (f->item[k].kind == ITEM_BLOCK)
			sema_block(&s, f->item[k].block);
	return s.out;
}
