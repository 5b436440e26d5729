/* A part of a model: some of its groups, as they are trained before the others are there.
 *
 * In a chain v - h1 - h2 - h3 the units of h1 hear v and h2.  With h2 absent they hear half of what
 * they will, so that what v adds to their field is doubled; v, which hears h1 alone in the whole
 * model too, hears it as it is.  Of n neighbours k of which are present each counts n/k times. */
#include "model/family.h"
#include "model/model.h"

#include <string.h>

static struct node *without(const struct model *m, struct node *t, const struct group *g)
{
	struct arena *a = m->a;
	if (g->log)
		t = ex_set_all(a, ex_apart(a, t, OP_LOG, g->sym, g->log), g->log, 0);
	return ex_set_all(a, t, g->sym, 0);
}

struct node *part_own(const struct model *m, struct node *t, const struct group *g)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->sym != g->sym && m->group.at[i]->role != GROUP_GIVEN)
			t = without(m, t, m->group.at[i]);
	return t;
}

static bool heard(const struct conditional *c, const struct group *g)
{
	return ex_mentions(c->field, g->sym) || (c->precision && ex_mentions(c->precision, g->sym));
}

/* How many neighbours the group has, and how many of them are kept. */
static int neighbours(const struct model *m, const struct group *g, const bool *keep, int *kept)
{
	struct conditional c;
	int n = 0;
	*kept = 0;
	model_field(m, &m->E, g, &c);
	for (int i = 0; i < m->group.n; i++) {
		const struct group *other = m->group.at[i];
		if (other == g || other->role == GROUP_GIVEN || !heard(&c, other))
			continue;
		n++;
		*kept += keep[i];
	}
	return n;
}

static bool keep_group(struct cx *cx, const struct model *m, struct model *part, int i,
                       const bool *keep, const bool *data, struct span at)
{
	const struct group *g = m->group.at[i];
	struct group *own = NEW(m->a, struct group);
	int kept, n = neighbours(m, g, keep, &kept);
	*own = *g;
	if (g->role != GROUP_GIVEN)
		own->role = data[i] ? GROUP_VISIBLE : GROUP_HIDDEN;
	if (n && !kept) {
		diag(cx->diags, DIAG_PART_ALONE, at, g->name);
		return false;
	}
	own->extra = n ? (double)(n - kept) / kept : 0;
	vec_push(m->a, &part->group, own);
	return true;
}

struct model *model_part(struct cx *cx, const struct model *m, const bool *keep, const bool *data,
                         struct span at)
{
	struct model *part = NEW(m->a, struct model);
	if (m->factor.n || m->def.n) {
		diag(cx->diags, DIAG_PART_DIRECTED, at, m->name);
		return NULL;
	}
	*part = *m;
	memset(&part->group, 0, sizeof part->group);
	memset(&part->E, 0, sizeof part->E);
	for (int i = 0; i < m->group.n; i++)
		if (!keep[i])
			vec_push(m->a, &part->absent, m->group.at[i]);
		else if (!keep_group(cx, m, part, i, keep, data, at))
			return NULL;
	for (int t = 0; t < m->E.n; t++) {
		struct node *x = m->E.at[t].node;
		bool present = false;
		for (int i = 0; i < m->group.n; i++) {
			present = present || (keep[i] && ex_mentions(x, m->group.at[i]->sym));
			if (!keep[i])
				x = without(m, x, m->group.at[i]);
		}
		if (present)
			energy_push(m->a, &part->E, x, m->E.at[t].span);
	}
	return part;
}

bool model_whole(const struct model *m)
{
	for (int i = 0; i < m->group.n; i++)
		if (m->group.at[i]->extra != 0)
			return false;
	return true;
}
