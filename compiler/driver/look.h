/* look: what the clause inspect of a sample block looks at samples with; inspection.def has a function
 * for each of its calls. */
#ifndef DGM_LOOK_H
#define DGM_LOOK_H

#include "driver/driver.h"
#include "inspect.h"

struct look { /* a call of the clause, while it is obeyed */
	struct chains *k;
	const struct value *arg;
	const struct group *g; /* the variable looked at */
	struct dgm_points samples;
	const char *data, *key; /* of the sets */
	uint64_t digest;        /* of both */
};
#define INSPECTION(name, arguments, run) int run(struct look *l);
#include "driver/inspection.def"
#undef INSPECTION

#define LOOK_LEVEL 0.001 /* of the tests: what is reported is as rare as this where nothing is wrong */

/* What free_energy compares: a set for each variable with data, of training examples, then of held-out ones. */
extern const struct figure_kind look_energies;
/* Notes that a figure is of the set too. */
void look_data(struct look *l, const struct dgm_data *d);
/* At most so many examples of a set, drawn at random where it has more; which ones, to *which where that is not
 * NULL.  EXIT_DONE, or a status. */
int look_load(struct look *l, const struct value *name, int64_t most, struct dgm_points *out, int64_t **which);
int64_t look_held(const struct look *l); /* held-out examples, at most */
/* Completes the result and records it. */
int look_record(struct look *l, struct result r);
/* The same of a test, with this probability of what was found: what is below LOOK_LEVEL has the verdict `wrong`, and a
 * warning with its sentence, r.method.  blind: why the test could have found nothing; NULL: it could.  Where it found
 * nothing, that is said. */
int look_judge(struct look *l, struct result r, double p, const char *wrong, const char *blind);
void look_tell(const struct look *l, const char *path); /* a file that was written */

#endif
