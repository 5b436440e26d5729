/* verify: what was derived and generated, against brute force.
 *
 * The truth is the energy alone: its terms as written, evaluated in double by the reference evaluator at
 * the states of a model whose sizes were shrunk.  A site is what takes one value of a domain (a unit; a
 * one-hot row); a state gives each site one of its values.  Sums over all states give conditionals by
 * Bayes' rule, free energies, log Z and expectations; integrals are sums too, by the trapezoidal rule in
 * a variable in which the integrand decays doubly exponentially, where the rule converges exponentially
 * (Takahasi & Mori 1974), and the sum over every second point tells its error.
 *
 * One trial is one model with one draw of its parameters.  Nothing here knows a model. */
#ifndef DGM_VERIFY_H
#define DGM_VERIFY_H

#include "driver/driver.h"
#include "verify/shrink.h"

/* ---- memory: values of symbols, in double ------------------------------------------------------------ */
struct memory {
	struct arena *a;
	double **at; /* by the symbol's id: rows of items; NULL: not there */
	int64_t *rows;
	int n;
	int64_t pop[POP_COUNT]; /* rows of the populations */
	double (*draw)(void *arg, const struct node *draw); /* NULL: a draw is a BUG */
	void *draw_arg;
	int64_t loads;     /* values read so far */
	int64_t row, unit; /* of the statement's symbol, that is computed; row 0 where it is the same for all */
};
/* The values of s, zero at first; rows 1 for an unbatched symbol. */
double *memory_put(struct memory *m, const struct sym *s, int64_t rows);
double *memory_get(const struct memory *m, const struct sym *s); /* NULL: none */
double memory_eval(struct memory *m, const struct node *x, const struct binding *b, int nb);
/* Bindings of ix to the subscripts of element `flat` of s, and of batch to row; returns how many. */
int bind_element(const struct sym *s, const struct idx *const *ix, int64_t flat, const struct idx *batch,
                 int64_t row, struct binding *b);
void memory_stmt(struct memory *m, const struct stmt *s);
/* Runs a function of a program with the reference evaluator.  false: no such function. */
bool memory_run(struct memory *m, const struct program *p, const char *function);
const struct sym *program_symbol(const struct program *p, const char *name); /* NULL: none */

/* An expression of row 0 (its only free index the batch's) for many evaluations, as long as no symbol in it is put
 * anew. */
struct tape;
struct tape *tape_new(struct memory *m, const struct node *x);
double tape_eval(struct tape *t);
int tape_size(const struct tape *t); /* operations */

/* ---- the report: a line a quantity ------------------------------------------------------------------- */
struct report;
struct report *report_new(struct arena *a, bool json);
void report_model(struct report *r, const char *name, const char *sizes, const char *more);
/* One comparison; the line shows the one with the largest share of its tolerance.  NaN is wrong. */
void report_compare(struct report *r, const char *what, double error, double tolerance);
/* A quantity that cannot be checked, and why; once each. */
void report_skip(struct report *r, const char *what, const char *why);
bool report_print(struct report *r); /* of the model, and forgets it; false: something is wrong, or nothing was checked */

/* ---- trials -------------------------------------------------------------------------------------------- */
struct reach { /* of numbered values: from lo to hi, every stride-th */
	int64_t lo, hi, stride;
};
struct site {
	int group;   /* number in the model */
	int width;   /* its units: 1, or a block's */
	int64_t *at; /* their places in the group */
	int n;       /* values; the i-th is x[i*width..] */
	double *x;
	double *log_w; /* base measure and, in an integral, the step */
	bool halves;   /* every second value is a coarser sum of the same integral */
	struct reach reach;
	bool ends;     /* values were left out behind the last ones */
};
enum { ROWS = 4 }; /* examples of a trial */
struct code_cache;
struct trial {
	struct unit *u; /* of the shrunk file */
	struct model *m;
	struct arena *a;
	struct memory mem; /* row 0 is the state; parameters, directions, data means */
	energy E;           /* the model's, and minus the log-density of each factor */
	struct tape **term; /* of E */
	VEC(struct site) site;
	const bool *hidden, *visible, *all; /* groups, as masks; all: but the given ones */
	double *row[ROWS];                  /* states whose visible and given units are the examples */
	const struct sym **direction;       /* one a weight: a random direction in it, in mem */
	bool joint;                         /* its states are few enough to sum over all of them */
	bool frozen;                        /* chains do not mix at its parameters */
	const struct site *held;            /* left out of sums over its group */
	int total;                          /* of counts that have one */
	uint64_t rng;
	struct report *report;
	struct code_cache *cache;
};
/* Draws parameters, directions, sites and examples; NULL: with the reason in *why. */
struct trial *trial_new(struct unit *u, struct model *m, bool joint, uint64_t seed, struct report *r,
                        const char **why);
/* The same with random numbers as its states and examples, and nothing to sum over. */
struct trial *trial_drawn(struct unit *u, struct model *m, uint64_t seed, struct report *r);
void trial_free(struct trial *t);
/* Minus the log-density of a factor or a posterior, with what it uses by name in its place. */
struct node *factor_energy(struct trial *t, const struct factor *f);
/* Values enough that the sum of exp(-E) over the groups is known well at this state; false: not found. */
bool trial_summable(struct trial *t, const energy *E, const bool *which);
/* About as many states as a trial of it will have, of all groups or the hidden ones. */
double nominal_states(const struct model *m, bool hidden_only);
double trial_uniform(struct trial *t);
double trial_normal(struct trial *t);
double *group_state(const struct trial *t, int g);
/* The energy of the base measure at values of a group's units. */
double base_of(const struct group *g, int64_t n, const double *x);
double trial_energy_of(struct trial *t, const energy *E);
double trial_energy(struct trial *t); /* of the state: the sum of the model's terms */
double trial_eval(struct trial *t, const struct node *x, const struct idx *const *at, const struct sym *s, int64_t flat);
/* The sum or integral of exp(log_density) over the values of one element (block) of the factor's group, whose first
 * unit is `flat`; *error: its own. */
double trial_element_sum(struct trial *t, const struct factor *f, const struct node *log_density, int64_t flat,
                         double *error);
void trial_values(struct trial *t, const struct group *g, double *state); /* := random values of its domain */
void trial_given(struct trial *t); /* given units := random values */
/* The sites and their values, found out at the parameters; false: some group has no bounded weights. */
bool trial_sites(struct trial *t);
void trial_set(struct trial *t, const struct site *s, int value);
void trial_load(struct trial *t, const double *state); /* the state of all groups := */
void trial_load_given(struct trial *t, const double *state); /* its given units only */
double *trial_save(struct trial *t);
void trial_gibbs(struct trial *t, const bool *which); /* each site drawn from its conditional, by brute force */
/* The site's values where its conditional at this state lies; false: it has no end. */
bool trial_refine(struct trial *t, struct site *s);
void trial_widen(struct trial *t); /* more values at the ends of sites that have infinitely many */
/* log of the weight of each value of a site given the rest, the groups `summed` (NULL: none) summed out. */
void trial_site(struct trial *t, const struct site *s, const bool *summed, double *log_w);
double trial_site_mean(struct trial *t, const struct site *s, const double *log_w, int element);
double trial_base(struct trial *t, const bool *which); /* the energy of the base measures of the state's units */
/* log p of the site's value given the rest, the groups `summed` (NULL: none) summed out. */
double trial_site_log_p(struct trial *t, const struct site *s, const bool *summed);
/* The state with the hidden units at their conditional means. */
double *trial_hidden_means(struct trial *t);
/* log sum of exp(-E) over the groups `which`, the others as they are; *error: its own relative error. */
double trial_logsum(struct trial *t, const bool *which, double *error);
/* n independent draws of the states of all groups but the given ones, which are as they are: by the sum over all. */
double **trial_draws(struct trial *t, int n);
typedef void stat_fn(struct trial *t, void *arg, double *out);
/* ... of another energy, and the expectations of n numbers. */
double trial_sum(struct trial *t, const energy *E, const bool *which, stat_fn *f, void *arg, int n, double *mean,
                 double *error);
/* d E / d epsilon with weight w moved by epsilon times its direction: one number a weight, by differences
 * of fourth order of the terms that mention it. */
void trial_slopes(struct trial *t, void *unused, double *out);
/* The same of any number that brute force gives. */
double trial_slope(struct trial *t, int w, double (*value)(struct trial *t, void *arg), void *arg);
double trial_along(struct trial *t, int w, const double *gradient); /* gradient . direction */
const char *trial_why(struct trial *t); /* what the last diagnostic says; it is forgotten */

bool trial_known(struct trial *t, const char *what, double error); /* a sum's own error is small; else skipped */
/* Relative error of x against the truth. */
double off_by(double x, double truth);
/* Tolerances: of double against sums; of what differences of step 1e-3 enter; of generated code (float). */
#define TOL_DOUBLE 1e-9
#define TOL_SLOPE 1e-8
#define TOL_FLOAT 1e-4

/* ---- engines: a program run by the reference evaluator, or as generated code ------------------------------ */
struct engine {
	struct trial *t;
	struct compiled c; /* c.x the expansion */
	bool generated;
	int64_t pop[DGM_MAX_POP]; /* rows of the populations */
	struct memory mem;
	struct dgm_store *store;
	struct dgm_call call; /* seed and step also of the noise of the reference evaluator, where noise is set */
	bool noise;           /* the reference evaluator draws what generated code with this seed does */
};
#define NOISE_SEED 9
/* Code generated once for all trials of a model at its sizes, by what it is for. */
struct code_cache {
	VEC(struct compiled) code;
	VEC(const char *) key;
};
void code_cache_free(struct code_cache *c);
/* The trial's parameters and data means in place; data rows hold the examples in turn.  key: what the program is
 * for. */
bool engine_open(struct engine *e, struct trial *t, const char *key, const struct compiled *c, bool generated,
                 const int64_t *pop);
void engine_close(struct engine *e);
bool engine_run(struct engine *e, const char *function); /* false: there is none */
double engine_get(const struct engine *e, const char *name, int64_t row, int64_t element);
void engine_set(struct engine *e, const char *name, int64_t row, int64_t element, double x);
/* The units of all groups of a role in a row of "GROUPsuffix": of a state, or to one. */
void engine_put(struct engine *e, const char *suffix, enum group_role role, int64_t row, const double *state);
void engine_take(const struct engine *e, const char *suffix, enum group_role role, int64_t row, double *state);
double engine_log_z(struct engine *e); /* by its enumeration; completes the gradients */
double engine_gradient(const struct engine *e, int w); /* along the direction */
/* Tolerance of the engine's numbers, and a label that tells the engines apart. */
double engine_tolerance(const struct engine *e, double in_double);
const char *engine_label(const struct engine *e, const char *what);

/* ---- means of independent numbers ---------------------------------------------------------------------- */
struct moments {
	double sum, squares;
	int n;
};
void moments_add(struct moments *m, double x);
/* Distance of the mean from the truth in standard errors; INFINITY for NaN. */
double moments_off(const struct moments *m, double truth);
#define SIGMAS 5 /* allowed: a right program exceeds them once in 2e6 comparisons */

/* ---- what is compared, a file each ---------------------------------------------------------------------- */
void verify_reference(struct trial *t);
void verify_directed(struct trial *t);
void verify_drawn(struct trial *t);
void verify_meanfield(struct trial *t);
void verify_means(struct trial *t); /* data that are means of hidden groups; meanfield.c */
void verify_guesses(struct trial *t); /* prediction.c */
void verify_figures(struct trial *t);
void verify_objectives(struct trial *t);
void verify_chains(struct trial *t); /* finds out whether chains mix: before the objectives */
/* Is each unit drawn anew by a sweep of "GROUP.sample", of that many chains, or does one stay?  start: their states. */
void verify_moves(struct engine *e, const struct dgm_transition *sweep, const char *what, int chains, double **start);
void verify_annealing(struct trial *t, const struct sampling *how);
/* The mean gradient of many updates of a train block whose objective draws chains. */
void verify_updates(struct trial *t, const struct compiled *c, const char *key);
/* The gradient of a train block's objective along each direction, by brute force, chains at their equilibrium. */
bool objective_truth(struct trial *t, const struct engine *e, const char *what, double *truth, double *tolerance);
/* Likelihoods only, whose gradient has the mean 0 where the examples are draws from the model. */
bool objective_unbiased(const struct compiled *c);
const char *objective_text(struct trial *t, const struct compiled *c);
/* A mean-field program's q: a state whose hidden units are its means for a data row; and the energy's mean under
 * it (q a double[], the state's visible units as they are). */
double *meanfield_means(const struct engine *e, int row);
double meanfield_energy(struct trial *t, void *q);
/* log weights of a site's values, the others of `sites` independent with the means q; where a group's are in q. */
void meanfield_site(struct trial *t, const double *q, const bool *sites, const struct site *s, double *log_w);
int64_t meanfield_offset(const struct trial *t, int group);
/* prediction.c: - log q of what is missing in a row of the engine's examples, after the passes of multi_prediction. */
double prediction_loss(struct trial *t, const struct goal *g, const struct engine *e, int row);

/* The whole of it for a file: prints; false: something is wrong, or nothing was checked. */
bool verify_unit(const struct unit *u, uint64_t seed, bool json);

#endif
