/* build: makes the nodes of the syntax tree.  Called by the grammar's actions alone.
 * Invariant: no expression is deeper than AST_DEPTH_MAX; what would be is AST_BAD. */
#include "syntax/parser.h"

#include <string.h>

/* ---- lists ---------------------------------------------------------------------------------- */
struct args *args_push(struct parser *p, struct args *to, const char *key, struct ast *e)
{
	if (!to)
		to = NEW(p->a, struct args);
	vec_push(p->a, &to->at, e);
	vec_push(p->a, &to->key, key);
	return to;
}

struct names *names_push(struct parser *p, struct names *to, const char *name, struct span span)
{
	if (!to)
		to = NEW(p->a, struct names);
	vec_push(p->a, &to->at, name);
	vec_push(p->a, &to->span, span);
	return to;
}

struct sizes *sizes_push(struct parser *p, struct sizes *to, struct ast_size size)
{
	if (!to)
		to = NEW(p->a, struct sizes);
	vec_push(p->a, &to->at, size);
	return to;
}

struct formals *formals_push(struct parser *p, struct formals *to, struct ast_formal f)
{
	if (!to)
		to = NEW(p->a, struct formals);
	vec_push(p->a, &to->at, f);
	return to;
}

/* NAME or NAME[a, b] as a formal; false: it is neither, with an error. */
static bool formal_of(struct parser *p, struct ast *e, struct ast_formal *out)
{
	bool indexed = e->kind == AST_INDEX && e->kid[0]->kind == AST_NAME;
	const struct ast *name = indexed ? e->kid[0] : e;
	if (e->kind == AST_BAD)
		return false;
	*out = (struct ast_formal){.name = name->name, .span = name->span};
	out->index = NEW_ARRAY(p->a, const char *, e->nkid);
	for (int k = 1; indexed && k < e->nkid; k++) {
		indexed = e->kid[k]->kind == AST_NAME;
		out->index[out->nindex++] = e->kid[k]->name;
	}
	if (indexed || e->kind == AST_NAME)
		return true;
	diag(p->cx->diags, DIAG_SYNTAX_LEFT, e->span);
	return false;
}

struct formals *formals_of(struct parser *p, struct args *list)
{
	struct formals *r = NULL;
	for (int k = 0; k < list->at.n; k++) {
		struct ast_formal f;
		if (formal_of(p, list->at.at[k], &f))
			r = formals_push(p, r, f);
	}
	return r;
}

struct net_body *net_body(struct parser *p, struct decls *decls, struct ast *value)
{
	struct net_body *b = NEW(p->a, struct net_body);
	*b = (struct net_body){decls, value};
	return b;
}

struct decls *decls_push(struct parser *p, struct decls *to, struct ast_decl *d)
{
	if (!to)
		to = NEW(p->a, struct decls);
	vec_push(p->a, &to->at, *d);
	return to;
}

struct settings *settings_push(struct parser *p, struct settings *to, struct ast_setting *s)
{
	if (!to)
		to = NEW(p->a, struct settings);
	vec_push(p->a, &to->at, *s);
	return to;
}

/* ---- expressions ------------------------------------------------------------------------------
 */
static struct ast *node(struct parser *p, enum ast_kind kind, struct span at)
{
	struct ast *e = NEW(p->a, struct ast);
	e->kind = kind;
	e->span = at;
	return e;
}

enum ast_chain ast_chain_of(const struct ast *e)
{
	if (e->kind != AST_BIN)
		return CHAIN_NONE;
	return e->op == '+' || e->op == '-'   ? CHAIN_SUM
	       : e->op == '*' || e->op == '/' ? CHAIN_PRODUCT
	                                      : CHAIN_NONE;
}

struct ast_spine ast_spine(struct arena *a, const struct ast *e, const char *ops)
{
	struct ast_spine s = {.first = e};
	for (; s.first->kind == AST_BIN && strchr(ops, s.first->op); s.first = s.first->kid[0])
		s.n++;
	s.node = NEW_ARRAY(a, const struct ast *, s.n);
	for (int k = s.n; k-- > 0; e = e->kid[0])
		s.node[k] = e;
	return s;
}

static int depth_above(const struct ast *e, int k)
{
	const struct ast *kid = e->kid[k];
	bool chain = k == 0 && ast_chain_of(e) != CHAIN_NONE && ast_chain_of(kid) == ast_chain_of(e);
	return kid->depth + !chain;
}

/* Gives e its kids: `first` (may be NULL), then the list. */
static struct ast *with_kids(struct parser *p, struct ast *e, struct ast *first,
                             const struct args *list)
{
	int lead = first ? 1 : 0;
	e->nkid = lead + (list ? list->at.n : 0);
	e->kid = NEW_ARRAY(p->a, struct ast *, e->nkid);
	e->key = NEW_ARRAY(p->a, const char *, e->nkid);
	for (int k = 0; k < e->nkid; k++) {
		e->kid[k] = k < lead ? first : list->at.at[k - lead];
		e->key[k] = k < lead ? NULL : list->key.at[k - lead];
		if (depth_above(e, k) > e->depth)
			e->depth = depth_above(e, k);
	}
	if (e->depth < AST_DEPTH_MAX)
		return e;
	syntax_too_deep(p, e->span);
	return node_bad(p, e->span);
}

struct ast *node_bad(struct parser *p, struct span at)
{
	return node(p, AST_BAD, at);
}

struct ast *node_num(struct parser *p, double num, struct span at)
{
	struct ast *e = node(p, AST_NUM, at);
	e->num = num;
	e->name_span = at;
	return e;
}

struct ast *node_name(struct parser *p, enum ast_kind kind, const char *name, struct span at)
{
	struct ast *e = node(p, kind, at);
	e->name = name;
	e->name_span = at;
	return e;
}

struct ast *node_pair(struct parser *p, enum ast_kind kind, char op, struct ast *a, struct ast *b,
                      struct span at)
{
	struct args kids = {0};
	args_push(p, &kids, NULL, a);
	args_push(p, &kids, NULL, b);
	struct ast *e = node(p, kind, at);
	e->op = op;
	return with_kids(p, e, NULL, &kids);
}

struct ast *node_neg(struct parser *p, struct ast *a, struct span at)
{
	return with_kids(p, node(p, AST_NEG, at), a, NULL);
}

struct ast *node_field(struct parser *p, struct ast *a, const char *name, struct span name_at,
                       struct span at)
{
	struct ast *e = node(p, AST_FIELD, at);
	e->name = name;
	e->name_span = name_at;
	return with_kids(p, e, a, NULL);
}

struct ast *node_index(struct parser *p, struct ast *a, struct args *subscripts, struct span at)
{
	return with_kids(p, node(p, AST_INDEX, at), a, subscripts);
}

struct ast *node_call(struct parser *p, const char *name, struct span name_at, struct args *args,
                      struct span at)
{
	struct ast *e = node(p, AST_CALL, at);
	e->name = name;
	e->name_span = name_at;
	return with_kids(p, e, NULL, args);
}

struct ast *node_reduce(struct parser *p, const char *name, struct span name_at,
                        struct args *binders, struct ast *body, struct span at)
{
	for (int i = 0; binders && i < binders->at.n; i++) {
		struct ast *b = binders->at.at[i];
		bool compares = b->kind == AST_BIN && (b->op == '<' || b->op == '>' || b->op == 'l' ||
		                                       b->op == 'g' || b->op == '=' || b->op == '!');
		if (b->kind == AST_BAD)
			continue;
		if (binders->key.at[i] || (b->kind != AST_NAME && !compares)) {
			diag(p->cx->diags, DIAG_SYNTAX_BINDER, b->span, name);
			binders->at.at[i] = node_bad(p, b->span);
		}
	}
	struct ast *e = node(p, AST_REDUCE, at);
	e->name = name;
	e->name_span = name_at;
	return with_kids(p, e, body, binders);
}

struct ast *node_tuple(struct parser *p, struct args *args, struct span at)
{
	return with_kids(p, node(p, AST_TUPLE, at), NULL, args);
}

struct ast *node_given(struct parser *p, struct args *what, struct args *given, struct span at)
{
	struct args kids = {0};
	args_push(p, &kids, NULL, node_tuple(p, what, at));
	args_push(p, &kids, NULL, node_tuple(p, given, at));
	return with_kids(p, node(p, AST_GIVEN, at), NULL, &kids);
}

/* ---- declarations, settings, items --------------------------------------------------------------
 */
struct ast_type *node_type(struct parser *p, const char *name, struct args *dims, struct span at)
{
	struct ast_type *t = NEW(p->a, struct ast_type);
	t->name = name;
	t->span = at;
	if (dims) {
		t->dim = dims->at.at;
		t->ndim = dims->at.n;
	}
	return t;
}

struct ast_decl *node_decl(struct parser *p, enum decl_kind kind, const char *name,
                           struct span name_at, char rel, struct ast *value)
{
	struct ast_decl *d = NEW(p->a, struct ast_decl);
	d->kind = kind;
	d->name = name;
	d->name_span = name_at;
	d->rel = rel;
	d->value = value;
	return d;
}

struct ast_decl *node_value(struct ast_decl *d, char rel, struct ast *value)
{
	d->rel = rel;
	d->value = value;
	return d;
}

struct ast_decl *node_rule(struct ast_decl *d, struct ast *rule, const char *alias,
                           struct span alias_at)
{
	d->rule = rule;
	d->alias = alias;
	d->alias_span = alias_at;
	return d;
}

struct ast_decl *node_indexed(struct parser *p, enum decl_kind kind, const char *name,
                              struct span name_at, struct args *index, char rel, struct ast *value)
{
	struct ast_decl *d = node_decl(p, kind, name, name_at, rel, value);
	int n = index->at.n;
	d->index = NEW_ARRAY(p->a, const char *, n);
	d->index_span = NEW_ARRAY(p->a, struct span, n);
	d->index_bound = NEW_ARRAY(p->a, struct ast *, n);
	for (int k = 0; k < n; k++) {
		struct ast *e = index->at.at[k], *i = e;
		if (e->kind == AST_BIN && (e->op == '<' || e->op == 'l')) {
			d->index_bound[d->nindex] = e;
			i = e->kid[0];
		}
		if (i->kind == AST_BAD)
			continue;
		if (i->kind != AST_NAME) {
			diag(p->cx->diags, DIAG_SYNTAX_LEFT, e->span);
			continue;
		}
		d->index[d->nindex] = i->name;
		d->index_span[d->nindex++] = i->span;
	}
	return d;
}

/* Is e u[-1], u the name of the state? */
static bool is_start(const struct ast *e, const char *name)
{
	return e->kind == AST_INDEX && e->nkid == 2 && e->kid[0]->kind == AST_NAME &&
	       !strcmp(e->kid[0]->name, name) && e->kid[1]->kind == AST_NEG &&
	       e->kid[1]->kid[0]->kind == AST_NUM && e->kid[1]->kid[0]->num == 1;
}

struct ast_decl *node_state(struct parser *p, struct ast *left, struct ast_type *type,
                            struct ast *value, struct ast *first, struct ast *start)
{
	struct ast_decl *d = node_factor(p, DECL_STATE, left, value, NULL);
	if (d->nindex != 1 || !is_start(first, d->name)) {
		if (left->kind != AST_BAD && first->kind != AST_BAD)
			diag(p->cx->diags, DIAG_SYNTAX_STATE, span_join(left->span, start->span));
		d->value = node_bad(p, left->span);
	}
	d->rel = '=';
	d->has_type = true;
	d->type = *type;
	d->start = start;
	return d;
}

static struct ast_decl *drawn(struct parser *p, enum decl_kind kind, struct ast *left,
                              struct ast *dist)
{
	struct args index = {0};
	if (left->kind == AST_NAME)
		return node_decl(p, kind, left->name, left->span, '~', dist);
	if (left->kind != AST_INDEX || left->kid[0]->kind != AST_NAME) {
		if (left->kind != AST_BAD)
			diag(p->cx->diags, DIAG_SYNTAX_LEFT, left->span);
		return node_decl(p, kind, intern("?"), left->span, '~', node_bad(p, left->span));
	}
	for (int k = 1; k < left->nkid; k++)
		args_push(p, &index, NULL, left->kid[k]);
	return node_indexed(p, kind, left->kid[0]->name, left->kid[0]->span, &index, '~', dist);
}

struct ast_decl *node_factor(struct parser *p, enum decl_kind kind, struct ast *left,
                             struct ast *dist, struct ast *where)
{
	struct ast_decl *d = drawn(p, kind, left, dist);
	d->where = where;
	return d;
}

struct ast_setting *node_setting(struct parser *p, const char *name, struct span name_at,
                                 struct args *args, struct span at)
{
	struct ast_setting *s = NEW(p->a, struct ast_setting);
	s->name = name;
	s->name_span = name_at;
	s->span = at;
	if (args) {
		s->arg = args->at.at;
		s->key = args->key.at;
		s->narg = args->at.n;
	}
	return s;
}

struct ast_setting *node_stage(struct parser *p, const char *name, struct span name_at,
                               struct settings *settings, struct span at)
{
	struct ast_setting *s = node_setting(p, name, name_at, NULL, at);
	s->stage = true;
	if (settings) {
		s->setting = settings->at.at;
		s->nsetting = settings->at.n;
	}
	return s;
}

void item_model(struct parser *p, const char *name, struct span name_at, struct sizes *sizes,
                struct decls *decls, struct span at)
{
	struct ast_model *m = NEW(p->a, struct ast_model);
	m->name = name;
	m->name_span = name_at;
	m->span = at;
	if (sizes) {
		m->size = sizes->at.at;
		m->nsize = sizes->at.n;
	}
	if (decls) {
		m->decl = decls->at.at;
		m->ndecl = decls->at.n;
	}
	vec_push(p->a, &p->item, ((struct ast_item){ITEM_MODEL, {.model = m}}));
}

static struct ast_net *module(struct parser *p, const char *name, struct span name_at,
                              struct formals *formals, struct decls *decls, struct span at)
{
	struct ast_net *n = NEW(p->a, struct ast_net);
	n->name = name;
	n->name_span = name_at;
	n->span = at;
	if (formals) {
		n->formal = formals->at.at;
		n->nformal = formals->at.n;
	}
	if (decls) {
		n->decl = decls->at.at;
		n->ndecl = decls->at.n;
	}
	return n;
}

void item_net(struct parser *p, enum item_kind kind, const char *name, struct span name_at,
              struct formals *formals, struct net_body *body, struct span at)
{
	struct ast_net *n = module(p, name, name_at, formals, body->decls, at);
	n->value = body->value;
	vec_push(p->a, &p->item, ((struct ast_item){kind, {.net = n}}));
}

void item_dist(struct parser *p, struct ast *self, struct ast_type *of, const char *name,
               struct span name_at, struct formals *args, struct decls *decls, struct span at)
{
	struct ast_net *n = module(p, name, name_at, args, decls, at);
	if (!formal_of(p, self, &n->self))
		return;
	n->self.type = of;
	vec_push(p->a, &p->item, ((struct ast_item){ITEM_DIST, {.net = n}}));
}

void item_fn(struct parser *p, const char *name, struct span name_at, struct names *args,
             struct ast *value, struct span at)
{
	struct ast_fn *f = NEW(p->a, struct ast_fn);
	*f = (struct ast_fn){name, at, name_at, args->at.at, args->at.n, value};
	vec_push(p->a, &p->item, ((struct ast_item){ITEM_FN, {.fn = f}}));
}

void item_import(struct parser *p, struct ast *path, struct span at)
{
	item_data(p, ITEM_IMPORT, path->name, path->span, path, at);
}

void item_data(struct parser *p, enum item_kind kind, const char *name, struct span name_at,
               struct ast *value, struct span at)
{
	struct ast_data *d = NEW(p->a, struct ast_data);
	*d = (struct ast_data){name, at, name_at, value};
	vec_push(p->a, &p->item, ((struct ast_item){kind, {.data = d}}));
}

void item_block(struct parser *p, enum block_kind kind, const char *model, struct span model_at,
                struct settings *settings, struct span at)
{
	struct ast_block *b = NEW(p->a, struct ast_block);
	b->kind = kind;
	b->model = model;
	b->model_span = model_at;
	b->span = at;
	if (settings) {
		b->setting = settings->at.at;
		b->nsetting = settings->at.n;
	}
	vec_push(p->a, &p->item, ((struct ast_item){ITEM_BLOCK, {.block = b}}));
}
