/* embed: what a model offers to programs that embed it.  Each function is a program of its own, over one
 * population of rows; what cannot be derived stays in the list with the reason. */
#ifndef DGM_OBJECTIVE_EMBED_H
#define DGM_OBJECTIVE_EMBED_H
#include "objective/objective.h"

enum embed_way {
	EMBED_IN,
	EMBED_OUT,   /* may be left out where there are others */
	EMBED_INOUT, /* read, then written */
	EMBED_KNOWN  /* the same; what is not a number is unknown, and is drawn */
};
struct embed_arg {
	const char *name, *what;
	const struct sym *sym;
	const struct sym *known;   /* EMBED_KNOWN: 1 where the value is known */
	const struct group *group; /* whose values they are; NULL: real numbers */
	enum embed_way way;
};
enum { EMBED_CALLS = 6 };
#define EMBED_BLOCKS "blocks" /* the function that is run before all phases */
struct embed_phase { /* functions of the program, one after the other; all of it `count` times */
	const char *count; /* the argument that says how often; NULL: once */
	int64_t least;     /* of that argument */
	bool adapt;        /* the size of steps along the gradient is adapted */
	struct {
		const char *function;
		int64_t times;
	} call[EMBED_CALLS];
	int ncall;
};
struct embed {
	const char *name, *what;
	const char *refused; /* why it is not offered; NULL: it is */
	struct expansion *x;
	VEC(struct embed_arg) arg;
	VEC(struct embed_phase) phase;
	bool random; /* draws random numbers */
	const struct sym *wrong; /* one a row, set by EMBED_BLOCKS: how many blocks of the inputs are not what their domains
	                          * ask for; NULL: no input has blocks */
};
typedef VEC(struct embed *) embed_list;

/* loops: without products of the runtime; bare: without anything of it.  Numbers of a call that the programs read: COUNT, inv_COUNT for the
 * arguments of phases, and those of the runtime's transitions. */
void embed_offers(struct cx *cx, struct model *m, const struct sampling *sampling, bool loops, bool bare,
                  embed_list *out);

#endif
