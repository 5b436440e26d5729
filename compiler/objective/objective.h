/* objective: what training, evaluation and sampling ask of a model, expanded to functions of a program.
 * An objective is one file and one line of objective.def.  The drivers of the runtime call the functions
 * by these names:
 *
 * function           does
 * init               parameters := their initial distributions
 * chains.begin       chain states := independent units at the data's mean
 * train.first        (data) conditional statistics, start of the chains
 * train.pass         (data) with a mean-field posterior: one pass over the hidden groups' means
 * train.sweep        one sweep on the chains
 * train.final        the end of the last sweep; gradients := their estimate for the mean negative log-likelihood
 * train.centre       gradients := those of a step in centred parameters, where this is asked for
 * enum.energy        (states) out := free energy of each state
 * enum.grad          (states) gradients -= the states' statistics, weighted
 * free_energy        (data) out := free energy
 * reconstruction     (data) out := squared distance of v to its mean-field reconstruction
 * pseudo_likelihood  (data) out := sum over units of log p(unit | all other visible units)
 * error              (data) out := share of a target's units that are predicted wrongly
 * ais.base, ais.start, ais.step, raise.base, raise.step        see runtime/train.h
 * sample.begin, sample.sweep, sample.mean      chains; visible groups that are bound begin at GROUP.data where
 *                    GROUP.known is 1, given ones at what is in GROUP.sample; GROUP.held is 1 where a unit stays
 * sample.element     behind sample.sweep, once for each element that is drawn in an order of values
 * draw               (data) hidden groups := a joint draw given the examples
 * elbo, nll          (data) out := of a directed model
 * importance.start, importance.pass, importance    (data) out := - log of the sum of importance weights
 * SWEEP.begin, SWEEP.step   before train.sweep, ais.step, sample.sweep where groups are moved along the gradient,
 *                    see runtime/train.h
 * error.start, error.pass   (data) before error where mean field fills the target in
 * meanfield.start, meanfield.pass, bound   (data) out := minus the mean-field bound on log p(v) + log Z
 * proper             low.GROUP := the least precision of a real group, where parameters alone decide it
 * prepare            (plan) packed copies of the parameters
 *
 * Symbols: a group's own symbol holds the examples; "v.chain", "v.states", ... hold the states of
 * walkers; "out.FUNCTION" is the result of a function, one number a row. */
#ifndef DGM_OBJECTIVE_H
#define DGM_OBJECTIVE_H

#include "expr/program.h"
#include "model/model.h"

enum { POP_DATA, POP_CHAINS, POP_STATES, POP_AIS, POP_SAMPLES, POP_COUNT };

struct held { /* units that a sampler leaves as they are */
	const struct group *group;
	const struct idx *const *at;
	struct node *where; /* over at: 1 there, else 0 */
};
struct sampler { /* a row of sampler.def */
	const char *name, *signature;
	bool gradient; /* moves continuous groups along the gradient */
	bool adjusted; /* accepts or rejects, and adapts the step */
	const char *what;
};
const struct sampler *sampler_find(const char *name); /* NULL: none */
const char *const *sampler_names(int *n);

struct sampling { /* what the clause `sampler` says */
	const struct sampler *how; /* NULL: there is none, the energy decides */
	int64_t steps;             /* leapfrog steps of a transition */
	double step, acceptance;   /* size at first; what it is adapted to */
	int64_t temperatures;      /* replicas of a chain, 1: none but itself */
	struct span span;
};

struct walkers;
struct expansion;
/* Is the group moved along the gradient?  *why: the term that keeps its conditional from a closed form; NULL: it has
 * one, and the clause asks for the move. */
bool sampler_moves(const struct expansion *x, const energy *E, const struct group *g, const struct term **why);

struct descent { /* a gradient: of the sum over the batch of a loss, a number for each example */
	const struct function *function; /* which computes what the loss reads */
	const struct node *loss;
	const struct idx *batch;
	const bool *which;         /* parameters; NULL: all */
	const struct sym **moving; /* computed in the function, and followed back: the rest is held */
	int nmoving;
};
struct expansion { /* of one block of a file */
	struct cx *cx;
	struct model *m;
	struct sampling sampling;
	struct program *p;
	const struct sym **grad; /* one a weight */
	bool *frozen;            /* one a weight: it is given no gradient */
	VEC(struct low {         /* precisions that "proper" finds the least of */
		const struct group *group;
		const struct sym *sym;
		struct span term;    /* the first that adds to it */
	}) low;
	int particles; /* of a run of importance.pass; 0: OBJECTIVE_PARTICLES */
	VEC(struct descent) descent; /* what flows have taken gradients of */
	double scale; /* coefficient of the objective being expanded */
	bool begun;   /* an objective before it has set the gradients: this one adds to them */
	VEC(struct held) held; /* sample: units that are held where they have a value */
	bool *bound;           /* sample, one a group: chains start at data */
	const struct walkers *seen; /* the examples, the hidden groups at their means; NULL: no objective has all of these */
	bool exact;   /* the gradients are completed by enumeration: enum.energy and enum.grad */
};
/* A program with the model's parameters, their gradients, the visible groups' examples and data means, and init. */
struct expansion *expansion_new(struct cx *cx, struct model *m);

struct objective_args {
	bool samples;   /* statistics = samples: drawn states in the statistics instead of their means */
	bool meanfield; /* posterior meanfield(...): the data's statistics at mean-field means */
	double damping;
	double sigma;           /* of denoising noise */
	double drop;            /* the probability that a visible unit is missing */
	const char *net;        /* adversarial: the critic; mmd: what is compared, NULL: the data */
	const char *generated;  /* mmd: the variable that the net's values are compared with; NULL: its values too */
	struct span span;
	enum { LOSS_NONSATURATING, LOSS_MINIMAX, LOSS_WASSERSTEIN } loss;
	double penalty;         /* on the slope of the critic */
	const double *sigmas;   /* of the kernel */
	int nsigma;
	bool root, unbiased;    /* of the discrepancy */
	int64_t rows;           /* examples at a time, at most */
	double steps;           /* of walkback; passes of multi_prediction */
	enum { PHASE_SLEEP, PHASE_WAKE, PHASE_BOTH } phase; /* in which wake_sleep teaches the posteriors */
	double particles;       /* draws of the latent variables for each example */
	bool chains, persistent; /* elbo, iwae: k or chains is asked for; chains live on */
	const bool *of, *given; /* nll(y given x): y, x, one a group; of NULL: all visible ones */
};
struct objective { /* a row of objective.def */
	const char *name;
	const char *signature; /* of its arguments, for call_bind */
	bool chains;           /* persistent chains, in population POP_CHAINS */
	bool energy;           /* it is of models that have an energy */
	bool (*expand)(struct expansion *x, const struct objective_args *args); /* false: refused */
	const char *what;      /* one line for explain */
};
const struct objective *objective_find(const char *name);         /* NULL: none */
/* Adds scale times the objective: to its functions, and to the gradients.  Objectives of which at most one draws
 * chains (has an argument k) and at most one is completed by enumeration can be added up. */
bool objective_add(struct expansion *x, const struct objective *o, const struct objective_args *args, double scale);
const char *const *objective_names(int *n);

/* Each adds its functions; false: refused with a diagnostic. */
/* train.centre: the gradients := those of a step in centred parameters; the offsets move by `rate` to the means of the
 * units. */
bool objective_centre(struct expansion *x, double rate, struct span span);
bool objective_free_energy(struct expansion *x);
bool objective_reconstruction(struct expansion *x);
bool objective_pseudo_likelihood(struct expansion *x);
/* (data) out := share of y's units whose most probable value, given all other visible units, is another; by_means:
 * error.start and error.pass fill y and the hidden units in. */
bool objective_error(struct expansion *x, const struct group *y, bool by_means, double damping);
bool objective_bound(struct expansion *x, double damping);
bool objective_ais(struct expansion *x);
bool objective_states_nll(struct expansion *x);
bool objective_each(const struct model *m); /* has each example a log Z of its own? */
bool objective_raise(struct expansion *x);
/* draw: (data) hidden groups, under their own names, := a joint draw given the examples. */
bool objective_draw(struct expansion *x);
/* mean: (data) the hidden group's means "NAME.mean", the other hidden groups summed out. */
bool objective_mean(struct expansion *x, const struct group *g);
/* meanfield.start, meanfield.pass: (data) the hidden groups' mean-field means "NAME.q". */
bool objective_meanfield(struct expansion *x, double damping);
bool objective_sampler(struct expansion *x);
/* Of directed models, (data) out := - log p(x); the bound on log p(x) of one draw; minus the log of the sum
 * of importance weights, x->particles of them in each run of importance.pass. */
/* The mean over q of log p(z) - log q(z), z given all before it; NULL: no closed form, or other groups drawn after z
 * are in it. */
struct node *objective_mean_gap(const struct model *m, const struct factor *p, const struct factor *q);
enum { OBJECTIVE_PARTICLES = 50 };
bool objective_nll(struct expansion *x);
bool objective_elbo(struct expansion *x);
bool objective_importance(struct expansion *x);
/* Sums over all states: of the two-valued visible groups, or hidden ones, or both, whichever are fewest such
 * that everything else can be summed out in closed form. */
struct states {
	const bool *listed, *rest; /* one a group: enumerated, summed out */
	int64_t units;
	energy F;                  /* the energy of a state */
};
bool objective_states(struct cx *cx, const struct model *m, struct states *out); /* false: refused */
bool objective_enumerate(struct expansion *x, bool gradient);

#endif
