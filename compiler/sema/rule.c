/* rule: constraints behind a variable's type.
 *     h : binary[K,24,24] in atmostone(2,2) as p     blocks of 2 x 2, at most one unit of each is
 * 1; p[k,y,x] = sum(r,s) h[k,2*y+r,2*x+s] v : count[K] in total(n)                       sum(k)
 * v[k] = n, n given The pooled variable is a let: the energy sees h alone. */
#include "sema/internal.h"

#include <string.h>

static const struct {
	const char *name, *what;
	enum domain domain;
} rules[] = {
#define RULE(id, name, domain, what) [RULE_##id] = {name, what, DOMAIN_##domain},
#include "sema/rule.def"
#undef RULE
};

/* Blocks of b1 x ... x bk over the last k axes. */
static bool blocks(struct sema *s, const struct scope *sc, const struct ast *rule,
                   struct variable *v)
{
	int first = v->sym->rank - rule->nkid;
	if (first < 0 || !rule->nkid) {
		diag(s->cx->diags, DIAG_SEMA_RULE_AXES, rule->span, v->name, v->sym->rank, rule->nkid);
		return false;
	}
	for (int k = first; k < v->sym->rank; k++) {
		const struct ast *size = rule->kid[k - first];
		const char *what = arena_printf(s->a, "block size %d of '%s'", k - first + 1, v->name);
		if (!sema_size(s, sc, size, what, &v->block[k]))
			return false;
		if (v->sym->dim[k] % v->block[k] == 0)
			continue;
		diag(s->cx->diags, DIAG_SEMA_RULE_BLOCK, size->span, k + 1, v->name,
		     (long long)v->sym->dim[k], (long long)v->block[k]);
		return false;
	}
	return true;
}

/* A given count for each row of the last axis. */
static bool total(struct sema *s, const struct scope *sc, const struct ast *rule,
                  struct variable *v)
{
	int lead = v->sym->rank - 1;
	const struct ast *of = rule->nkid == 1 ? rule->kid[0] : NULL;
	struct entry *e = of && of->kind == AST_NAME ? sema_lookup(sc, of->name) : NULL;
	const struct variable *n = e && e->kind == ENTRY_VARIABLE ? e->var : NULL;
	bool fits = lead >= 0 && n && n->role == ROLE_GIVEN && n->domain == DOMAIN_COUNTS &&
	            n->sym->rank == lead;
	for (int k = 0; fits && k < lead; k++)
		fits = n->sym->dim[k] == v->sym->dim[k];
	if (fits) {
		e->used = true;
		v->total = n;
		v->block[lead] = v->sym->dim[lead];
		return true;
	}
	if (!e || !e->bad)
		diag(s->cx->diags, DIAG_SEMA_RULE_TOTAL, rule->span, v->name,
		     sema_shape(s->a, v->sym->dim, lead < 0 ? 0 : lead));
	return false;
}

/* let p[..., i, ...] = sum over the block of v[..., b*i + r, ...] */
static void pool(struct sema *s, struct scope *sc, const struct ast_decl *d, struct entry *of)
{
	struct variable *v = of->var;
	int rank = v->sym->rank;
	struct term t;
	sema_term_init(&t, s, sc, NULL, TERM_LET);
	struct let *l = NEW(s->a, struct let);
	struct rt *at = NEW(s->a, struct rt), *sum = NEW(s->a, struct rt);
	l->touches = true;
	l->body = sum;
	l->axis = NEW_ARRAY(s->a, struct ix *, rank);
	*at = (struct rt){.kind = RT_ACCESS, .sym = v->sym, .map = NEW_ARRAY(s->a, struct aff, rank)};
	*sum = (struct rt){.kind = RT_REDUCE, .red = RED_SUM, .nkid = 1};
	sum->bound = NEW_ARRAY(s->a, struct ix *, rank);
	sum->kid = NEW_ARRAY(s->a, struct rt *, 1);
	sum->kid[0] = at;
	for (int k = 0; k < rank; k++) {
		struct ix *i = sema_ix_new(&t, NULL, d->alias_span);
		i->size = v->sym->dim[k] / v->block[k];
		i->of = d->alias;
		i->axis = k + 1;
		i->closed = true;
		l->axis[l->naxis++] = i;
		at->map[k] = sema_aff_add(s->a, sema_aff_const(0), sema_aff_ix(s->a, i), v->block[k]);
		if (v->block[k] == 1)
			continue;
		struct ix *r = sema_ix_new(&t, NULL, d->alias_span);
		r->size = v->block[k];
		r->closed = true;
		sum->bound[sum->nbound++] = r;
		at->map[k] = sema_aff_add(s->a, at->map[k], sema_aff_ix(s->a, r), 1);
	}
	struct entry *e = sema_declare(s, sc, ENTRY_LET, d->alias, d->alias_span);
	if (!e)
		return;
	e->let = l;
	e->pools = of;
}

static enum rule rule_by_name(const char *name)
{
	int r = RULE_NONE + 1;
	while (r < RULE_COUNT && strcmp(rules[r].name, name))
		r++;
	return (enum rule)r;
}

static void unknown_rule(struct sema *s, const struct ast *rule)
{
	const char *names[RULE_COUNT];
	diag(s->cx->diags, DIAG_SEMA_RULE, rule->name_span, rule->name);
	for (int r = RULE_NONE + 1; r < RULE_COUNT; r++) {
		names[r - 1] = rules[r].name;
		sema_note(s, rule->name_span, "%s", rules[r].what);
	}
	sema_suggest_word(s, rule->name, names, RULE_COUNT - 1, rule->name_span);
}

void sema_constrain(struct sema *s, struct scope *sc, const struct ast_decl *d, struct entry *e)
{
	const struct ast *rule = d->rule;
	struct variable *v = e->var;
	if (!v) {
		diag(s->cx->diags, DIAG_SEMA_RULE_PARAM, rule->span, d->name);
		return;
	}
	enum rule r = rule_by_name(rule->name);
	e->bad = true;
	if (r == RULE_COUNT) {
		unknown_rule(s, rule);
	} else if (v->domain != rules[r].domain) {
		diag(s->cx->diags, DIAG_SEMA_RULE_DOMAIN, rule->span, rule->name,
		     domain_name(rules[r].domain), d->name, domain_name(v->domain));
	} else if (d->alias && r != RULE_ATMOSTONE) {
		diag(s->cx->diags, DIAG_SEMA_RULE_ALIAS, d->alias_span, rule->name);
	} else if ((r == RULE_TOTAL ? total : blocks)(s, sc, rule, v)) {
		v->rule = r;
		e->bad = false;
		if (d->alias)
			pool(s, sc, d, e);
	}
}

const char *rule_name(enum rule r)
{
	return rules[r].name;
}
