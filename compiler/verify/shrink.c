/* Small sizes for a model.  What can be changed is whole numbers of the file: the sizes of the
 * model, the constants that its axes are made of, and numbers written as axes (equal ones are one,
 * so that the ranges of indices go on agreeing).  What is computed from them follows.  An
 * assignment counts when the file checks and the states are few; among those the one of least cost
 * is taken: sizes of 2 and 3, different ones, so that no two axes are taken for one another, and 1
 * only where it must be. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

enum { MAX_KNOB = 12, MAX_TRIES = 4000, MAX_LARGE = 256 };
#define MAX_STATES 2e4 /* of all groups */
#define MAX_HIDDEN 4e3

struct knob { /* a number of the file */
	const char *name;
	int64_t was;
	VEC(struct ast **) place; /* where it is written */
};
struct search {
	const struct unit *u;
	const struct model_def *def;
	bool joint;
	struct ast_file file; /* with the one model and its blocks */
	struct ast_model *model;
	struct knob knob[MAX_KNOB];
	int nknob, tries;
	int64_t now[MAX_KNOB],
	    large[MAX_LARGE][MAX_KNOB]; /* large: assignments that leave too many states */
	int nlarge;
	double most, states; /* allowed; the fewest seen */
	const char *error;
	struct unit *out;
	struct arena *a;
};

/* ---- what can be changed ---- */
static void add_place(struct search *s, const char *name, struct ast **place)
{
	int64_t was = (int64_t)(*place)->num;
	if ((*place)->kind != AST_NUM || was < 2 || (double)was != (*place)->num)
		return;
	int k = 0;
	while (k < s->nknob && (strcmp(s->knob[k].name, name) != 0))
		k++;
	if (k == MAX_KNOB)
		return;
	if (k == s->nknob)
		s->knob[s->nknob++] = (struct knob){.name = name, .was = was};
	vec_push(s->a, &s->knob[k].place, place);
}

static bool names(const struct ast *e, const char *name)
{
	if (e->kind == AST_NAME && strcmp(e->name, name) == 0)
		return true;
	for (int i = 0; i < e->nkid; i++)
		if (names(e->kid[i], name))
			return true;
	return false;
}

/* Is the constant part of an axis or a size, by itself or through another constant? */
static bool sizes_anything(const struct search *s, const char *name, int depth)
{
	for (int i = 0; i < s->model->nsize; i++)
		if (names(s->model->size[i].value, name))
			return true;
	for (int i = 0; i < s->model->ndecl; i++) {
		const struct ast_decl *d = &s->model->decl[i];
		for (int k = 0; d->has_type && k < d->type.ndim; k++)
			if (names(d->type.dim[k], name))
				return true;
		if (d->kind == DECL_CONST && depth < MAX_KNOB && names(d->value, name) &&
		    sizes_anything(s, d->name, depth + 1))
			return true;
	}
	for (int i = 0; i < s->file.nitem; i++)
		if (s->file.item[i].kind == ITEM_CONST && depth < MAX_KNOB &&
		    names(s->file.item[i].data->value, name) &&
		    sizes_anything(s, s->file.item[i].data->name, depth + 1))
			return true;
	return false;
}

static bool set_by_user(const struct search *s, const char *name)
{
	for (int i = 0; i < s->u->opt->set.n; i++) {
		const char *key = s->u->opt->set.at[i], *dot = strchr(key, '.'), *eq = strchr(key, '=');
		if (dot && dot < eq)
			key = dot + 1;
		if (strncmp(key, name, strlen(name)) == 0 && key[strlen(name)] == '=')
			return true;
	}
	return false;
}

static struct ast *copy_tree(struct arena *a, const struct ast *e)
{
	struct ast *x = arena_copy(a, e, sizeof *e);
	if (e->nkid)
		x->kid = arena_copy(a, e->kid, sizeof *e->kid * (size_t)e->nkid);
	for (int i = 0; i < e->nkid; i++)
		x->kid[i] = copy_tree(a, e->kid[i]);
	return x;
}

/* Numbers as large as widths of layers that calls are given. */
static void find_widths(struct search *s, struct ast *e)
{
	enum { WIDTH = 16 };
	for (int i = 0; i < e->nkid; i++) {
		if (e->kind != AST_FIELD && e->kid[i]->kind == AST_NUM && e->kid[i]->num >= WIDTH)
			add_place(s, arena_printf(s->a, "the layers of %g", e->kid[i]->num), &e->kid[i]);
		find_widths(s, e->kid[i]);
	}
}

/* Sizes of nets that have defaults, and the widths of their layers. */
static void find_in_net(struct search *s, struct ast_net *n)
{
	n->formal = arena_copy(s->a, n->formal, sizeof *n->formal * (size_t)n->nformal);
	for (int k = 0; k < n->nformal; k++)
		if (n->formal[k].value)
			add_place(s, arena_printf(s->a, "%s.%s", n->name, n->formal[k].name),
			          &n->formal[k].value);
	n->decl = arena_copy(s->a, n->decl, sizeof *n->decl * (size_t)n->ndecl);
	for (int k = 0; k < n->ndecl; k++)
		if (n->decl[k].kind == DECL_LET && n->decl[k].value)
			find_widths(s, n->decl[k].value = copy_tree(s->a, n->decl[k].value));
	if (n->value)
		find_widths(s, n->value = copy_tree(s->a, n->value));
}

static void find_knobs(struct search *s, enum shrink_to to)
{
	for (int i = 0; i < s->file.nitem && to == SHRINK_ANY; i++)
		if (s->file.item[i].kind == ITEM_NET) {
			s->file.item[i].net =
			    arena_copy(s->a, s->file.item[i].net, sizeof *s->file.item[i].net);
			find_in_net(s, s->file.item[i].net);
		}
	for (int i = 0; i < s->model->nsize; i++)
		if (!set_by_user(s, s->model->size[i].name))
			add_place(s, s->model->size[i].name, &s->model->size[i].value);
	for (int i = 0; i < s->file.nitem; i++) {
		struct ast_item *item = &s->file.item[i];
		if (item->kind == ITEM_CONST && !set_by_user(s, item->data->name) &&
		    sizes_anything(s, item->data->name, 0))
			add_place(s, item->data->name, &item->data->value);
	}
	for (int i = 0; i < s->model->ndecl; i++) {
		struct ast_decl *d = &s->model->decl[i];
		if (d->kind == DECL_CONST && sizes_anything(s, d->name, 0))
			add_place(s, d->name, &d->value);
		for (int k = 0; d->has_type && k < d->type.ndim; k++)
			if (d->type.dim[k]->kind == AST_NUM)
				add_place(s, arena_printf(s->a, "the axes of %g", d->type.dim[k]->num),
				          &d->type.dim[k]);
	}
}

/* ---- one assignment ---- */
static void write_down(struct search *s)
{
	for (int k = 0; k < s->nknob; k++)
		for (int i = 0; i < s->knob[k].place.n; i++) {
			struct ast *n = arena_copy(s->a, *s->knob[k].place.at[i], sizeof *n);
			n->num = (double)s->now[k];
			*s->knob[k].place.at[i] = n;
		}
}

static bool checks(struct search *s)
{
	struct unit *o = s->out;
	write_down(s);
	*o = (struct unit){
	    .cx = {s->u->cx.perm, arena_new(), arena_new(), NULL}, .opt = s->u->opt, .src = s->u->src};
	o->cx.diags = diags_new(o->cx.prog);
	o->ast = &s->file;
	o->checked = sema_check(&o->cx, o->ast, s->u->set, s->u->opt->set.n);
	if (diags_errors(o->cx.diags) == 0) {
		vec_push(o->cx.prog, &o->model, model_build(&o->cx, o->checked->model.at[0]));
		double n = nominal_states(o->model.at[0], !s->joint);
		s->states = n < s->states ? n : s->states;
		if (n <= s->most)
			return true;
		if (s->nlarge < MAX_LARGE)
			memcpy(s->large[s->nlarge++], s->now, sizeof s->now);
	} else if (s->error == NULL) {
		s->error = arena_printf(s->a, "%s", diags_error(o->cx.diags));
	}
	arena_free(o->cx.prog);
	arena_free(o->cx.tmp);
	return false;
}

/* Is it in no size less than one that leaves too many states? */
static bool too_large(const struct search *s)
{
	for (int i = 0; i < s->nlarge; i++) {
		int k = 0;
		while (k < s->nknob && s->now[k] >= s->large[i][k])
			k++;
		if (k == s->nknob)
			return true;
	}
	return false;
}

/* All assignments of the cost, the first ones first. */
static bool choose(struct search *s, int k, int cost)
{
	static const int price[] = {9, 4, 0, 1, 2, 3, 4, 5, 7}; /* of sizes 0.. */
	if (k == s->nknob)
		return cost == 0 && !too_large(s) && s->tries++ < MAX_TRIES && checks(s);
	for (int64_t v = 1; v <= s->knob[k].was; v = v == 8 ? s->knob[k].was : v + 1) {
		int rest = cost - (v <= 8 ? price[v] : 7);
		for (int i = 0; i < k; i++)
			rest -= v > 1 && s->now[i] == v ? 2 : 0;
		s->now[k] = v;
		if (rest >= 0 && choose(s, k + 1, rest))
			return true;
		if (v == s->knob[k].was)
			break;
	}
	return false;
}

/* Does it take a parameter of another model? */
static bool takes(const struct ast_file *f, const struct ast *e)
{
	const struct ast *root = e;
	while (root && root->kind == AST_FIELD)
		root = root->kid[0];
	for (int i = 0; e && e->kind == AST_FIELD && root->kind == AST_NAME && i < f->nitem; i++)
		if (f->item[i].kind == ITEM_MODEL && strcmp(f->item[i].model->name, root->name) == 0)
			return true;
	for (int i = 0; e && i < e->nkid; i++)
		if (takes(f, e->kid[i]))
			return true;
	return false;
}

/* The other models are not there: what they hand on begins at 0. */
static void begin_at_zero(struct search *s, struct ast_decl *d)
{
	struct ast *zero = NEW(s->a, struct ast);
	if (d->kind != DECL_PARAM || !takes(s->u->ast, d->value))
		return;
	*zero = (struct ast){.kind = AST_NUM, .span = d->value->span};
	d->value = zero;
	d->rel = '=';
}

static void one_model(struct search *s)
{
	const struct ast_file *from = s->u->ast;
	s->file = *from;
	s->file.item = NEW_ARRAY(s->a, struct ast_item, from->nitem);
	s->file.nitem = 0;
	for (int i = 0; i < from->nitem; i++) {
		struct ast_item it = from->item[i];
		bool mine = it.kind == ITEM_MODEL   ? strcmp(it.model->name, s->def->name) == 0
		            : it.kind == ITEM_BLOCK ? strcmp(it.block->model, s->def->name) == 0
		                                    : true;
		if (!mine)
			continue;
		if (it.kind == ITEM_MODEL) { /* copies: the file itself stays as it is */
			it.model = arena_copy(s->a, it.model, sizeof *it.model);
			s->model = it.model;
			s->model->size =
			    arena_copy(s->a, s->model->size, sizeof *s->model->size * (size_t)s->model->nsize);
			s->model->decl =
			    arena_copy(s->a, s->model->decl, sizeof *s->model->decl * (size_t)s->model->ndecl);
			for (int k = 0; k < s->model->ndecl; k++) {
				struct ast_type *y = &s->model->decl[k].type;
				begin_at_zero(s, &s->model->decl[k]);
				if (s->model->decl[k].has_type)
					y->dim = arena_copy(s->a, y->dim, sizeof *y->dim * (size_t)y->ndim);
			}
		}
		if (it.kind == ITEM_CONST)
			it.data = arena_copy(s->a, it.data, sizeof *it.data);
		s->file.item[s->file.nitem++] = it;
	}
}

bool verify_shrink(const struct unit *u, const struct model_def *def, enum shrink_to to,
                   struct unit *out, const char **sizes, const char **why)
{
	struct search s = {.u = u,
	                   .def = def,
	                   .joint = to != SHRINK_HIDDEN,
	                   .out = out,
	                   .a = u->cx.perm,
	                   .states = 1e300};
	struct buf b;
	bool found = false;
	one_model(&s);
	find_knobs(&s, to);
	int dearest = s.nknob * (7 + 2 * s.nknob);
	for (int limit = 0; limit < 2 && !found; limit++) { /* few states, else as few as there are */
		s.most = (s.joint ? MAX_STATES : MAX_HIDDEN) * (limit ? 10 : 1);
		if (to == SHRINK_ANY)
			s.most = INFINITY;
		s.nlarge = s.tries = 0;
		for (int cost = 0; cost <= dearest && !found && s.tries < MAX_TRIES; cost++)
			found = choose(&s, 0, cost);
	}
	buf_init(&b, u->cx.perm);
	buf_puts(&b, "");
	for (int k = 0; k < s.nknob; k++)
		if (s.now[k] != s.knob[k].was || !found)
			buf_printf(&b, "%s%s = %lld", b.n ? ", " : "", s.knob[k].name,
			           (long long)(found ? s.now[k] : s.knob[k].was));
	*sizes = b.s;
	if (found)
		return true;
	if (s.states < 1e300)
		*why = arena_printf(u->cx.perm,
		                    "%.0e states are the fewest that any sizes leave (%s can be changed)",
		                    s.states, b.n ? b.s : "no size");
	else
		*why = arena_printf(u->cx.perm,
		                    "no smaller sizes go together (%s); the first that were tried: %s",
		                    b.n ? b.s : "no size can be changed", s.error ? s.error : "none");
	return false;
}
