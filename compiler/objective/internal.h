/* What the files of objective share: walkers, and statements over them. */
#ifndef DGM_OBJECTIVE_INTERNAL_H
#define DGM_OBJECTIVE_INTERNAL_H

#include "objective/objective.h"

/* States of the model's groups in one population. */
struct walkers {
	const struct idx *batch;
	int pop;
	const struct sym **state; /* one a group of the model */
	const struct sym **held;  /* one a group: 1 where a unit keeps its state; NULL: none does */
	const struct mover *mover; /* of the groups that move along the gradient; NULL: there are none */
};
/* New symbols "GROUP.suffix" in population pop, for all groups. */
struct walkers walkers_new(struct expansion *x, const char *suffix, int pop);
/* The examples: the groups' own symbols. */
struct walkers walkers_data(struct expansion *x);
/* A real-valued symbol of the group's shape in a population. */
const struct sym *mean_sym(struct expansion *x, const struct group *g, const char *suffix, int pop);
/* e read at the walkers' states. */
struct node *at_walkers(struct expansion *x, struct node *e, const struct walkers *w);
/* The mean of e over independent units with the means in w: squares of units of two values are
 * x^2 = (lo + hi) x - lo hi, also where a unit meets itself in a product of sums, as in h@L@h. */
struct node *at_means(struct expansion *x, struct node *e, const struct walkers *w);

/* The expansion of the energy that stands for the variables without a factor: same program, gradients and sampler. */
struct expansion *expansion_prior(const struct expansion *x);
/* Of walkers of x the states of the prior's groups. */
struct walkers walkers_part(const struct expansion *prior, const struct expansion *x, const struct walkers *w);

/* Refuses a model with given variables, or states: `what` has no values for them, or none to sum over. */
bool without_given(struct expansion *x, const char *what);
bool without_states(struct expansion *x, const char *what);

/* dst[at] = rhs */
void assign(struct expansion *x, struct function *f, const struct sym *dst, const struct idx *batch,
            const struct idx *const *at, struct node *rhs);
/* The group's states := draws from its conditional (or its means := the conditional means). */
bool draw_group(struct expansion *x, struct function *f, const energy *E, const struct group *g,
                const struct walkers *w);
bool mean_group(struct expansion *x, struct function *f, const energy *E, const struct group *g,
                const struct walkers *w, const struct sym *dst);

/* ---- sweep.c ---- */
/* Half a sweep.  Visible groups: drawn, or the end of their move; hidden ones: drawn jointly where they can be summed
 * out, else block after block. */
bool sweep_role(struct expansion *x, struct function *f, const energy *E, const struct walkers *w,
                enum group_role role);
/* The visible groups that do not move. */
bool sweep_unmoved(struct expansion *x, struct function *f, const energy *E, const struct walkers *w);
/* The groups `first`, which can be summed out, jointly; then the others, block after block, back: from the last.  On
 * the others the one is the reversal of the other. */
bool sweep_after(struct expansion *x, struct function *f, const energy *E, const struct walkers *w, const bool *first,
                 bool back);
/* A whole sweep as function `name`, with the functions before it where groups move; the last of them alone. */
bool transition_end(struct expansion *x, struct function *f, const energy *E, const struct walkers *w);
bool transition(struct expansion *x, const char *name, const energy *E, const struct walkers *w);
/* Of the groups `may` all where they can be summed out, else greedily what can be, larger ones first. */
const bool *summed_out(struct expansion *x, const energy *E, const bool *may);

/* ---- temper.c ---- */
/* The energy of independent units: visible ones at the data's mean and variance (or at the family's start), hidden
 * ones without a greatest value at the start's (at b = 0 nothing else would bound them); the others have none.  f keeps
 * its numbers. */
energy base_energy(struct expansion *x, struct function *f, bool at_mean);
void base_hidden(struct expansion *x, energy *base); /* the hidden ones' */
energy tempered(struct expansion *x, const energy *base, struct node *b); /* b*E + (1 - b)*base */
/* The energy that chains with replicas move in, row by row at the temperature of the row: E where there is one only. */
energy tempering(struct expansion *x, const char *begin, bool at_mean, const struct walkers *w);

/* ---- ais.c, ais_each.c ---- */
/* The groups that log-weights have summed out. */
const bool *weighed_out(struct expansion *x, const energy *E, const struct walkers *w);
/* ais.base, ais.start, ais.step over the rows of the examples. */
bool objective_ais_each(struct expansion *x);

/* ---- hmc.c ---- */
struct mover {
	const bool *moved, *out; /* one a group: moved; summed out in F, else conditioned on */
	energy F;
	struct elimination el;   /* of `out` */
	/* one a group moved: position where it is not the state, momentum, dU/d position, state before */
	const struct sym **position, **momentum, **slope, **old;
	const struct sym *start; /* the Hamiltonian before */
	const struct sym *size;  /* of a step; unbatched */
	const struct sampling *how;
};
/* Groups that have no closed conditional in E, or all visible continuous ones where the sampler is named, move:
 * w->mover := how.  Function `start` sets the size of the steps.  false: refused. */
bool mover_new(struct expansion *x, const char *start, const energy *E, struct walkers *w);
/* NAME.begin and NAME.step; neither where nothing moves. */
bool mover_begin(struct expansion *x, const char *name, const energy *E, const struct walkers *w);
/* Accept or reject. */
void mover_end(struct expansion *x, struct function *f, const struct walkers *w);

bool is_split(const struct group *g); /* are there several blocks along an axis of a block? */
/* The group's conditional mean over c->at; f may get statements that it reads, named after dst. */
struct node *mean_at(struct expansion *x, struct function *f, const struct conditional *c, const struct sym *dst,
                     const struct walkers *w);
int64_t group_units(const struct group *g);
int group_number(const struct expansion *x, const struct group *g);
struct node *natural_at(struct expansion *x, const struct group *g, const struct idx *const *at, bool at_mean,
                        struct node **p);
/* Groups of the role := independent draws at the data's mean (or at the family's start). */
bool draw_independent(struct expansion *x, struct function *f, const struct walkers *w, enum group_role role,
                      bool at_mean);
/* A group's real-valued means: symbols "GROUP.suffix"; other roles keep w's states. */
struct walkers walkers_means(struct expansion *x, const char *suffix, const struct walkers *w, enum group_role role);
struct walkers walkers_means_of(struct expansion *x, const char *suffix, const struct walkers *w, const bool *which);
/* 1 where the element is the value taken: the one-hot's, or hi. */
struct node *taken(struct expansion *x, const struct group *y, const struct idx *const *at);

/* The gradient of weight i is g, or what it was plus g, times the objective's coefficient. */
void set_gradient(struct expansion *x, struct function *f, int i, const struct idx *const *at, struct node *g);
/* cd.c: adds the gradient of log Z, by chains: persistent ones, or those whose visible states function train.first
 * has set. */
bool descend_log_z(struct expansion *x, struct walkers *chain, bool persistent);
/* The gradient of the mean over the batch of a loss, a number an example; false: refused. */
bool descend(struct expansion *x, struct function *f, struct node *loss);
/* states.c: the states that the energy reads := what they are at the examples; the gradient of the mean of a
 * loss, back through them: what it reads of the groups is in `at`. */
void own_states(struct expansion *x, struct function *f);
bool descend_states(struct expansion *x, struct function *f, struct node *loss, const struct walkers *at);
/* nll() of all visible groups, by enumeration. */
bool exact_likelihood(struct expansion *x);

void expand_proper(struct expansion *x);
struct node *base_measure(struct expansion *x);
/* Mean field over the groups `which`; cx NULL: without messages. */
bool meanfield_allowed(struct cx *cx, const struct model *m, const bool *which);
/* The mean of a unit where nothing is known of it. */
double meanfield_first(const struct group *g);
/* Functions: `start` sets the means of the groups, `pass` goes over them once. */
bool meanfield(struct expansion *x, const char *start, const char *pass, const struct walkers *q, const bool *which,
               double damping);
/* The bound on log p(v) + log Z. */
struct node *meanfield_bound(struct expansion *x, const struct walkers *q);

/* Sum over the walkers of scale * dE/dtheta, the groups `which` (summed out in F) at their means in w. */
struct node *statistic(struct expansion *x, const energy *F, const struct weight *wt,
                       const struct idx *const *at, const struct walkers *w,
                       const bool *which, struct node *scale);
/* sum over the visible units of log p(unit | all others), F the free energy; NULL: refused. */
struct node *pseudo_log_likelihood(struct expansion *x, const energy *F);
struct node *flip_gap(struct expansion *x, const energy *F, const struct group *g, const struct idx *const *at);
const struct sym *scalar_sym(struct expansion *x, const char *name);
const struct sym *out_sym(struct expansion *x, const char *function, int pop);

/* Figures and samples of directed models. */
bool objective_directed_nll(struct expansion *x, const char *name);
bool objective_prior_bound(struct expansion *x);
bool objective_posterior_reconstruction(struct expansion *x);
/* Refuses a model all of whose variables have distributions: `what` is of an energy. */
bool of_energy(struct expansion *x, const char *what);
/* One pass: the groups that have a factor, w's other states given. */
bool objective_ancestral(struct expansion *x, const struct walkers *w);

#define OBJECTIVE(name, signature, chains, energy, expand, what)  \
	bool expand(struct expansion *x, const struct objective_args *args);
#include "objective/objective.def"
#undef OBJECTIVE

#endif
