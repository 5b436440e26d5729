/* making: what the files that make offers (embed.h) share. */
#ifndef DGM_OBJECTIVE_MAKING_H
#define DGM_OBJECTIVE_MAKING_H
#include "objective/embed.h"
#include "objective/flow.h"

struct making { /* an offer being made */
	struct embed *e;
	struct expansion *x;
	const struct group *group; /* that it is about; NULL: the whole model */
};
typedef bool make_fn(struct making *k); /* false: refused */

void embed_argument(struct making *k, const struct group *g, const struct sym *sym, enum embed_way way,
                    const char *what);
void embed_mean_output(struct making *k, const struct group *g, const struct sym *sym, const char *what);
void embed_examples(struct making *k); /* the visible and the given groups as inputs */
/* A new phase, run count times (NULL: once); a function that is called once, next. */
struct embed_phase *embed_phase(struct making *k, const char *count, int64_t least);
struct function *embed_once(struct making *k, const char *function);
void embed_times(struct making *k, const char *function, int64_t times); /* none: where that is 0 */
/* A transition: its begin and its steps where it has them, its end. */
void embed_transition_calls(struct making *k, struct embed_phase *p, const char *name);
const struct sym *embed_named(const struct making *k, const struct group *g, const char *suffix); /* GROUP.suffix */

/* embed_check.c: what inputs with blocks hold together; before anything reads what is known. */
void embed_check(struct making *k);

/* embed_directed.c */
make_fn make_encode, make_decode, make_ancestral;

#endif
