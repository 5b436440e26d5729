/* train: the drivers.  They call the functions of a compiled module and know no model: what a function
 * computes was decided by the compiler's objective layer.  A NULL function is skipped. */
#ifndef DGM_TRAIN_H
#define DGM_TRAIN_H
#include "data.h"
#include "dgm_rt.h"
#include "files.h"
#include "optim.h"

enum dgm_schedule { /* a value by epoch e = 0, 1, .. of n */
	DGM_LINEAR,      /* from at e = 0, to at n-1; constant where ramp is false */
	DGM_EXPONENTIAL, /* from * to^e */
	DGM_COSINE,      /* to + (from - to)*(1 + cos(pi e/(n-1)))/2 */
	DGM_STEPS,       /* from * to^floor(e/every) */
	DGM_INVERSE      /* from / (1 + e/every) */
};
struct dgm_ramp {
	double from, to;
	bool ramp;
	enum dgm_schedule how;
	double every, warmup; /* times (e+1)/(warmup+1) for e < warmup */
	int64_t before, whole; /* it runs over several trainings: epochs of those before this one, of all; whole 0: over
	                          this one alone */
};
double dgm_ramp_at(const struct dgm_ramp *r, int64_t epoch, int64_t epochs);

struct dgm_input { /* a state slot filled from a data set, row by row of a population */
	int slot;
	const struct dgm_data *data;
};

/* The inputs' number of examples (the first's; the others must agree), after checking that each
 * fits its slot and that the slot belongs to population pop. */
int dgm_inputs_check(const struct dgm_store *s, const struct dgm_input *input, int ninput, int pop,
                     int64_t *examples);
/* Rows 0..n-1 of every input's slot = examples index[0..n).  Step 0 is for figures, 1, 2, ... for
 * updates. */
int dgm_inputs_load(const struct dgm_store *s, const struct dgm_input *input, int ninput,
                    const int64_t *index, int64_t n, uint64_t seed, uint32_t step);

/* An iteration on the rows of a population that is repeated until it changes little. */
struct dgm_refine {
	const struct dgm_function *pass; /* NULL: none */
	int change;                      /* slot of the largest change, one number a row */
	int pop;
	int64_t passes;                  /* at most */
	double tolerance;                /* stop when no row changed by more; 0: do all passes */
};

/* Values that a function of a compiled module makes of other data, batch after batch: nothing of them is kept. */
struct dgm_drawn {
	struct dgm_store *store;
	const struct dgm_function *fn;
	struct dgm_refine refine;     /* behind fn */
	int slot, pop;                /* what is filled; of the inputs and of it */
	uint32_t stage;               /* of the random numbers */
	uint64_t seed;                /* of those behind means */
	const char *domain;           /* that the values are of, by its name in the language */
	enum dgm_data_domain values;  /* ... and as data */
	const struct dgm_input *input;/* must outlive the set */
	int ninput;
};
/* Such a set of as many examples as the inputs have, freed with free(); name and key must outlive it. */
int dgm_drawn_new(const struct dgm_drawn *d, const char *name, const char *key, struct dgm_data **out);
/* Means and variances of units, of one draw of each example; either may be NULL. */
int dgm_drawn_mean(const struct dgm_data *d, bool smoothed, float *mean, float *variance);
/* dgm_data_batch of one. */
int dgm_drawn_batch(const struct dgm_data *d, const int64_t *index, int64_t n, const struct dgm_slot *slot,
                    void *buffer, uint64_t seed, uint32_t step);

/* Runs on a call; the step is advanced once a pass. */
void dgm_refine_run(const struct dgm_refine *r, const struct dgm_store *s, struct dgm_call *call);

/* One transition of Markov chains: what all drivers do k times.  begin; step, `steps` times; end.  Block Gibbs
 * sampling is an end alone; Hamiltonian Monte Carlo draws momenta, makes leapfrog steps, accepts or rejects. */
struct dgm_transition {
	const struct dgm_function *begin, *step, *end;
	int64_t steps;
	int pop;                        /* of the chains */
	int scalar_inv, scalar_rate;    /* scalars set to 1/chains and to the rate of adaptation; -1: none */
	int size, acceptance;           /* slots: size of a step; mean probability of acceptance; -1: none */
};
enum dgm_adaptation { DGM_FIXED, DGM_ADAPT }; /* the size of a step stays, or is adapted */
struct dgm_acceptance { /* over transitions */
	double sum;
	int64_t n;
};
/* Functions NAME.begin, NAME.step and NAME of a module, on population pop. */
struct dgm_transition dgm_transition_find(const struct dgm_module *m, const char *name, int pop, int64_t steps);
/* Runs on a call with `end` for t->end; the step of the random numbers is advanced with each function.  Counts in *a. */
void dgm_transition_run(const struct dgm_transition *t, const struct dgm_function *end, const struct dgm_store *s,
                        struct dgm_call *call, enum dgm_adaptation how, struct dgm_acceptance *a);

/* Parallel tempering.  A population of chains x temperatures rows; the replicas of chain c at b_t = 1 - t/(T - 1) are
 * rows c + t*chains, so that the first `chains` rows are of the model itself. */
struct dgm_tempering {
	int64_t chains, temperatures;  /* temperatures 1: none of it */
	int pop, b;                    /* slot of b, one number a row */
	const struct dgm_function *gap;/* out := E - E_base at a row's state */
	int out;
	const int *state;              /* slots of the chains' states */
	int nstate;
};
/* Rows of the population. */
int64_t dgm_tempering_rows(const struct dgm_tempering *t);
/* Fills b. */
void dgm_tempering_begin(const struct dgm_tempering *t, const struct dgm_store *s);
/* Neighbours, every other pair, which of them by chance, change states with probability min(1, exp((b_i - b_j)(gap_i - gap_j)));
 * the step of the random numbers is advanced.  Counts in *a. */
void dgm_tempering_swap(const struct dgm_tempering *t, const struct dgm_store *s, struct dgm_call *call,
                        struct dgm_acceptance *a);

/* A batched figure averaged over data: mean of slot `out` (one number a row) over all examples of the inputs. */
struct dgm_figure {
	const struct dgm_function *start; /* before fn, once a block; NULL: none */
	struct dgm_refine refine;         /* between start and fn */
	const struct dgm_function *fn;
	int out;
	int pop;                /* population of inputs and out */
	const struct dgm_input *input;
	int ninput;
	int64_t limit;          /* at most this many examples, the first; 0: all */
	const int64_t *which;   /* so many examples in this order; NULL: those of the data */
	double *each;           /* receives the number of each example; NULL: none does */
	double *sums;           /* receives the sums over the examples of all that out holds; NULL: of its first number alone */
};
struct dgm_mean {
	double mean, stderr_;   /* standard error over examples; NAN of a single one */
	int64_t n;
};
/* Runs in blocks of the population's capacity; sums in double in example order. */
int dgm_figure_mean(struct dgm_store *s, const struct dgm_figure *f, uint64_t seed, struct dgm_mean *out);

struct dgm_monitor { /* value = mean(a) - mean(b); b.fn NULL: mean(a); divided by `per` */
	const char *name;       /* "reconstruction(test)" */
	int64_t every;          /* epochs */
	struct dgm_figure a, b;
	double per;
};
struct dgm_stop { /* a training ends when a monitor was not better than its best for so many times */
	int monitor;      /* -1: none */
	int64_t patience;
	bool higher;      /* is better; else lower */
};

/* Exact sums over all states of some slots of a population. */
struct dgm_enumeration {
	int pop;
	const int *slot;             /* slots that hold the state, unit after unit */
	const float *lo, *hi;        /* of each the two values (bits slots: 0, 1) */
	int nslot;
	const struct dgm_function *energy; /* fills slot `out`: free energy of each state */
	int out;
	int weight;                        /* slot (one number a row) to receive p(state), -1: none */
	const struct dgm_function *grad;   /* adds the states' statistics to the gradients, after weight is set */
};
/* log sum over states of exp(-energy), in double.  With e->grad and `weights`: a second pass sets weight to
 * exp(-energy - log Z) and calls grad block after block.  DGM_ELIMIT beyond 2^26 states. */
int dgm_enumerate(struct dgm_store *s, const struct dgm_enumeration *e, uint64_t seed, bool weights, double *log_z);

/* Numbers that a function makes of the parameters and that must be above 0: precisions of real units. */
struct dgm_positive {
	const struct dgm_function *fn; /* NULL: none */
	struct dgm_positive_number {
		int slot;
		const char *name, *place; /* of the unit, and where its term stands */
	} *of;
	int n;
};
int dgm_positive_check(struct dgm_store *s, const struct dgm_positive *p, uint64_t seed);

struct dgm_mean_slot { /* a slot that is set once to the data's means (lo + (hi-lo)*mean) or variances */
	int mean_slot;
	const struct dgm_data *data;
	bool smoothed;
	float lo, hi;
	bool variance; /* variances instead */
};

/* DGM_ESHAPE when the sizes differ. */
int dgm_mean_fill(const struct dgm_mean_slot *m, struct dgm_store *s);

enum { DGM_MAX_DESCENT = 8 };
struct dgm_descent { /* how some of the parameters move */
	const struct dgm_optimizer *optimizer;
	struct dgm_ramp hyper[DGM_MAX_HYPER]; /* in the optimiser's order */
	double decay;                         /* of the parameters that `decays` says */
	double clip, clip_norm;               /* of gradients, see optim_limit.c; 0: none */
	int64_t every;                        /* at updates every, 2*every, ...; 0: at each */
};

struct dgm_limit { /* the norm of a unit, an index of an axis of a parameter */
	int slot, axis;
	double norm;
};

struct dgm_train {
	struct dgm_store *store;
	const char *model;
	const struct dgm_input *input;
	int ninput;
	int data_pop, chain_pop;             /* chain_pop -1: no chains of their own */
	int64_t batch, chains, epochs;
	/* once: init (parameters), prepare, begin (chains).
	 * each update: load a batch; first; refine; sweep k times, the last ending with final (gradients); [enumeration];
	 * centre; the optimiser; prepare.
	 * final sets every gradient; with `exact` all are zeroed before it. */
	const struct dgm_function *init, *prepare, *begin, *first, *final;
	const struct dgm_function *often;    /* final without gradients of parameters that do not move at each update; NULL: final */
	const struct dgm_function *centre;   /* changes the gradients, after they are complete; NULL: none */
	struct dgm_transition sweep;
	struct dgm_tempering tempering;      /* after each sweep; final then has a sweep of its own, of the model's chains */
	struct dgm_refine refine;
	struct dgm_positive positive;        /* checked before the first update and after each epoch */
	struct dgm_ramp k;
	int scalar_inv_n, scalar_inv_m;      /* scalars set to 1/batch rows and 1/chains; -1: none */
	struct dgm_enumeration *exact;       /* NULL: none.  Gradients of final are completed by it */
	struct dgm_descent descent[DGM_MAX_DESCENT];
	int ndescent;                        /* 0: parameters stay */
	const int *descent_of;               /* one a slot: which of them moves it; NULL: the first */
	const bool *decays;                  /* one a slot; NULL: none */
	const double *orthonormal;           /* one a slot: see dgm_orthonormal, after init; 0: none.  NULL: none at all */
	const struct dgm_limit *limit;
	int nlimit;
	const struct dgm_mean_slot *mean;    /* set before init */
	int nmean;
	const struct dgm_monitor *monitor;
	int nmonitor;
	struct dgm_stop stop;                /* the parameters are then those at its best; patience 0: none */
	const bool *frozen;                  /* parameters that stay as they are, one a slot; NULL: none */
	const char *out_dir;                 /* metrics.jsonl, checkpoint.safetensors, curve.svg, MODEL.safetensors */
	uint64_t seed;
	uint32_t stage;
	bool resume, quiet, json, time;
	const char *config;                  /* text whose digest a checkpoint must agree with */
	double time0;                        /* dgm_now() at program start, later by the time data took to read, for --time */
	double checkpoint_seconds;           /* at most one checkpoint in so long; 0: 10, below 0: every epoch */
};
/* Trains; the parameters are in the store and in out_dir/MODEL.safetensors.  On a non-finite parameter or
 * gradient: DGM_ENONFINITE naming the parameter and the update, the last good checkpoint kept and named.
 * A checkpoint holds the parameters, the moments and every DGM_STATE slot that is unbatched or of chain_pop;
 * functions of monitors must leave those alone.  One training owns its out_dir. */
int dgm_train_run(const struct dgm_train *t);

struct dgm_ais { /* annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008) */
	struct dgm_store *store;
	int pop;                             /* of the chains */
	int64_t chains;                      /* at most its capacity */
	const struct dgm_function *prepare;
	const struct dgm_function *base;     /* fills the base model's parameters from the data means */
	const struct dgm_function *start;    /* states ~ base model */
	struct dgm_transition step;          /* out = log p*_b1(state) - log p*_b0(state); then one transition at b1 */
	int out;                             /* slot of that, one number a chain */
	int base_logz;                       /* slot of log Z of the base model (rank 0), filled by `base` */
	int scalar_b0, scalar_b1;
	int64_t betas;
	uint64_t seed;
	bool quiet;
};
struct dgm_ais_result {
	double log_z, stderr_; /* of log Z: standard error by the delta method */
	double ess;            /* effective sample size of the weights */
	double log_z_base;
	double acceptance;     /* mean over transitions; NaN: none is rejected */
	double *log_w;         /* one a chain; free() */
	int64_t chains;
};
/* Where the size of a step is adapted a first run with a tenth of the temperatures finds it at each of them;
 * the second, whose weights count, takes these, so that each of its transitions leaves its distribution alone.
 * Temperatures as in Salakhutdinov & Murray: of n, the first 500/14500 uniform in [0, .5], 4000/14500 in
 * [.5, .9], the rest in [.9, 1].  Log-weights are summed in double. */
int dgm_ais_run(const struct dgm_ais *a, struct dgm_ais_result *out);

/* The same for each example, and within it for each element of the slots `out` and `base_logz`: a log Z of its own. */
struct dgm_ais_each {
	struct dgm_store *store;
	struct dgm_figure free_energy;   /* of an example; chains stand in the rows of its population */
	int64_t chains, betas;           /* chains: for each example */
	const struct dgm_function *prepare, *base, *start, *step;
	int out, base_logz;
	int scalar_b0, scalar_b1;
	uint64_t seed;
	bool quiet;
};
struct dgm_ais_each_result {
	struct dgm_mean loglik;  /* over examples of - free energy - sum of log Z */
	double log_z, z_stderr;  /* of an example, on average; what the chains leave uncertain in that average */
	double ess;              /* effective sample size, on average */
};
int dgm_ais_each_run(const struct dgm_ais_each *a, struct dgm_ais_each_result *out);

/* Reverse annealing (RAISE: Burda, Grosse & Salakhutdinov 2015): from examples at b = 1 down to the base model. */
struct dgm_raise {
	struct dgm_store *store;
	int pop;                             /* of the chains: examples x chains rows */
	const struct dgm_function *prepare, *base;
	const struct dgm_function *step;     /* the reversal of the transition at b1; then out = log p*_b1 - log p*_b0 */
	int out, base_logz;
	int scalar_b0, scalar_b1;
	const struct dgm_input *input;       /* of the chains' states */
	int ninput;
	int64_t examples, chains, betas;     /* examples at equal distances in the data, at most all; chains from each */
	uint64_t seed;
	bool quiet;
};
struct dgm_raise_result {
	double log_z, stderr_; /* mean over the examples; its standard error */
	double log_z_base;
	double *log_z_each;    /* one an example: exp(-F(v) - this) is an unbiased estimate of the probability that
	                          annealing from the base model ends at v; free() */
	int64_t examples;
};
int dgm_raise_run(const struct dgm_raise *a, struct dgm_raise_result *out);

#endif
