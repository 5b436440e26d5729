/* flow: directed models as programs.  A flow computes, in one population, what is asked of it, each
 * definition once, in the order in which it is needed; then backwards the gradient of a number that
 * was made from it.  Reverse mode over statements: with the steps s_1, s_2, ... and a loss L, the
 * adjoint of a step is the sum over whatever reads it, later steps and L, of
 *     d/ds [ sum over the elements of the reader of adjoint * value ],
 * each by ex_diff.
 *
 * With `particles`, what is drawn has a leading axis: several draws for an example. */
#ifndef DGM_OBJECTIVE_FLOW_H
#define DGM_OBJECTIVE_FLOW_H
#include "objective/internal.h"

struct step {
	const struct sym *sym;
	const struct idx *batch; /* NULL: the same for all examples */
	const struct idx *at[MAX_RANK];
	struct node *rhs;
	bool state;    /* step after step along the axis `along`; its adjoint is kept in the reverse order */
	int along;
	const struct sym *of; /* a state: what of the model it holds */
	int parts;     /* of a state: so many steps before it are parts of its value and read it */
	struct node *each; /* it is the sum of this over the batch; NULL: it is rhs */
	bool constant; /* no gradient goes through it: drawn by a step function */
	const struct sym *adjoint;
};
struct flow {
	struct expansion *x;
	struct function *f;
	const char *suffix; /* of the names of its symbols */
	int pop;
	const struct idx *batch;
	bool apart;                  /* sums that nonlinear functions are taken of are steps, as they are in training */
	bool training;               /* the name `training` is 1, and means over the batch are those of this batch */
	bool keep;                   /* ... of which the running means are brought up to date */
	const struct idx *particle;  /* NULL: one draw an example */
	const struct sym **state;    /* one a group; NULL: not there yet */
	bool *many;                  /* one a group: with the axis of particles */
	const struct sym **computed; /* one a definition; NULL: not yet */
	bool *def_many;
	const struct sym *place;     /* densities in an order that is drawn are estimated from this place; NULL: they are
	                                summed */
	bool drawing;                /* noise has the axis of particles */
	bool *with;                  /* one a group: drawn with one before it, as the posterior's or the model's */
	VEC(struct step) step;
};
/* A flow in a population; the visible and given groups are the examples where pop is POP_DATA. */
struct flow *flow_new(struct expansion *x, struct function *f, const char *suffix, int pop, int64_t particles);
/* e in this flow: groups read at its states, definitions at what it has computed. */
struct node *flow_at(struct flow *fl, struct node *e);
/* A symbol of the flow set to an expression over at[]. */
const struct sym *flow_assign(struct flow *fl, const char *name, const struct idx *const *at, int nat,
                              struct node *rhs);
/* Uniform numbers over at[], for each example. */
const struct sym *flow_uniform(struct flow *fl, const char *name, const struct idx *const *at, int nat);
/* The state of the factor's group := a draw; groups that alternate with it are drawn with it; false: refused. */
bool flow_draw(struct flow *fl, const struct factor *f);
/* A step that goes step after step along at[0]: its symbol, to be read by its own value, then that value in the flow. */
struct step flow_state_begin(struct flow *fl, const struct sym *of, const char *name, const struct idx *const *at,
                             int rank, bool many);
void flow_state_end(struct flow *fl, struct step s, struct node *value);
/* The state of the factor's group := value; constant: no gradient goes through it. */
void flow_set(struct flow *fl, const struct factor *f, struct node *value, bool constant);
/* A definition := a value of the flow that is there, and has the axis of particles or not. */
void flow_set_state(struct flow *fl, const struct sym *of, const struct sym *value, bool many);
bool flow_stepwise(const struct model *m, const struct factor *f); /* is the draw a step function of noise? */
/* One element of the factor's block, by its means p. */
struct node *flow_chosen(struct flow *fl, const struct factor *f, struct node *p);
/* turn.c: n groups whose distributions read each other, themselves or states made of them, drawn step by step with
 * these; *done: not where it is one that reads itself within a step, or without states in another way than some steps
 * back; false: refused. */
bool flow_draw_steps(struct flow *fl, const struct factor *const *f, int n, bool *done);
/* gradients (+)= d/dtheta of sum over the population of loss (a number each), for the parameters in
 * `which` (one a weight; NULL: all); false: refused. */
bool flow_gradient(struct flow *fl, struct node *loss, const bool *which, bool accumulate);

/* d value / d s[at] for a symbol s of the flow, its own adjoints as steps, so that it can be differentiated; NULL:
 * refused, the value is made of a state or of a mean over the batch. */
struct node *flow_slope(struct flow *fl, struct node *value, const struct sym *s, const struct idx *const *at);
/* The objective's scale times the mean of a loss over the examples. */
struct node *flow_mean_loss(struct expansion *x, struct node *loss);
/* directed.c: a flow in train.final; minus log p(of | known) in it, NULL: a factor reads something else;
 * the gradients of the mean of a loss over the examples. */
struct flow *flow_training(struct expansion *x, double particles);
/* Is p(of | known) the product of the factors of `of`?  Not where what is known is drawn from them: a diagnostic. */
bool directed_conditional(struct expansion *x, const bool *of, const bool *known);
struct node *directed_nll(struct flow *fl, const bool *of, const bool *known);
bool directed_descend(struct flow *fl, struct node *loss);
struct node *flow_log_density(struct flow *fl, const struct factor *f); /* at the states, summed over the elements */
bool flow_posteriors(struct flow *fl); /* draws all of them; false: refused */
/* Has the model what a bound needs: densities, and posteriors? */
bool directed_posteriors(struct expansion *x, const char *what);
struct node *flow_log_prior(struct flow *fl); /* of the groups without a factor, but for log Z; NULL: refused */
/* log p(x, z) - log q(z | x) at the drawn z, but for log Z of an energy; closed: parts by their means over q;
 * NULL: refused. */
struct node *flow_log_weight(struct flow *fl, bool closed);
struct node *flow_over_particles(struct flow *fl, enum reduce red, struct node *x);
double flow_particles(const struct flow *fl);
/* Where the prior is an energy: the gradient of its log Z, by chains that live on or start at the posterior's draws
 * (of the first particle). */
bool flow_descend_prior(struct flow *fl, const struct objective_args *args, struct walkers *chain);
/* score.c: are all draws smooth in the parameters?  A number through which no gradient goes; what the
 * score is multiplied with, for a mean of losses, or for log-weights that are summed (NULL: there is one particle);
 * that times log q of what is not smooth, NULL: refused. */
bool flow_smooth(const struct flow *fl);
const struct sym *flow_constant(struct flow *fl, const char *name, struct node *value);
const struct sym *flow_advantage(struct flow *fl, struct node *loss);
const struct sym *flow_joint_advantage(struct flow *fl, const struct sym *weight);
struct node *flow_score(struct flow *fl, const struct sym *advantage);
void flow_hold(struct flow *fl);       /* no gradient goes through the states drawn so far */
/* order.c: is the order of the factor's elements drawn; its log-density as estimated from fl->place. */
bool flow_order_drawn(const struct model *m, const struct factor *f);
struct node *flow_density_at_place(struct flow *fl, const struct factor *f);
/* For each element of a factor with an order of values the number of elements before it, kept; the state with the
 * element drawn of which that number is `place`. */
const struct sym *flow_places(struct flow *fl, const struct factor *f);
void flow_draw_at_place(struct flow *fl, const struct factor *f, const struct sym *places, struct node *place);

#endif
