/* driver: the command line, the pass table and what walks it, and the jobs that the blocks of a file
 * become.  Exit status: 0 done, 1 the file is wrong, 2 wrong usage, 3 it failed while running. */
#ifndef DGM_DRIVER_H
#define DGM_DRIVER_H

#include "base/base.h"
#include "codegen/object.h"
#include "data.h"
#include "dgm_rt.h"
#include "objective/embed.h"
#include "sema/sema.h"
#include "syntax/ast.h"
#include "train.h"

#include <stdio.h>

enum { EXIT_DONE = 0, EXIT_FILE = 1, EXIT_USAGE = 2, EXIT_RUN = 3 };

struct options {
	const char *call, *file;
	const char *other; /* the second file, of the calls that take two */
	const char *out, *stage;
	const char *object, *header, *target, *quantize; /* build */
	bool embed_params, shared, freestanding, scalar, sizes, train;
	int64_t seed, threads, checkpoint; /* checkpoint: seconds between two */
	bool resume, json, quiet, time, latex, help, version;
	VEC(const char *) set;
	VEC(const char *) params; /* files, MODEL=file */
	double time0; /* dgm_now() when the program started */
};
int dgm_main(int argc, char **argv);

/* ---- pipeline.c: the front half, once a file ------------------------------------------------------- */
struct unit {
	struct cx cx;
	const struct options *opt;
	const struct source *src;
	struct ast_file *ast;
	struct override *set; /* --set, opt->set.n of them */
	struct checked *checked;
	VEC(struct model *) model; /* one a checked model, same order */
	double ms[8];              /* per pass */
	double data_ms;            /* reading data sets */
	struct session *session;   /* while blocks are run */
};
/* Walks the passes up to MODEL; diagnostics are printed.  EXIT_DONE, or the status to exit with. */
int unit_read(struct unit *u, const struct options *opt);
struct model *unit_model(const struct unit *u, const struct model_def *def);
void unit_time(const struct unit *u); /* --time */

/* ---- params.c: --params ------------------------------------------------------------------------------ */
const char *params_file(const struct unit *u, const char *model); /* NULL: none */
/* Is it clear whose parameters the files are, and has each model its own where they are embedded?  Else it is said. */
bool params_go(const struct unit *u);

/* ---- figures: what monitors and evaluations can ask for: figure.def ----------------------------------- */
struct figure_kind {
	const char *name, *function;
	bool gap;      /* of two data sets: mean of the second minus mean of the first */
	bool per_unit; /* divided by the number of visible units */
	bool higher;   /* is better */
	bool (*expand)(struct expansion *x);
};
const struct figure_kind *figure_find(const char *name);
double visible_units(const struct model *m); /* values of an example: what a figure per unit is divided by */
/* Data sets named by a figure's arguments, one a visible group, twice that for a gap; NULL: an error was told. */
const struct data_def *const *figure_data(struct unit *u, const struct model *m, const struct figure_kind *k,
                                          const struct value *call);

/* Estimators of likelihoods: estimator.def. */
struct estimator {
	const char *name, *signature;
	bool likelihood; /* of the likelihood itself; else of log Z */
	bool (*expand)(struct expansion *x);
	const char *what; /* one line for explain */
	const char *worth; /* what who reads its figures must know; "": nothing */
};
enum { ESTIMATOR_ARGS = 8 };
const struct estimator *estimator_find(const char *name); /* NULL: none */
const char *estimator_what(const struct estimator *e, const struct model *m); /* how it estimates m's */

struct session;
enum { EVAL_ROWS = 256, BATCH_ROWS = 100 }; /* examples at a time of a figure; of an update, where none is written */
/* ---- block.c: a block compiled --------------------------------------------------------------------------- */
struct posterior { /* posterior meanfield(iterations, tolerance, damping) */
	bool given;
	int64_t iterations;
	double tolerance, damping;
};
bool posterior_read(struct unit *u, const struct value *value, struct posterior *out);
struct goal { /* a term of a train block's objective */
	const struct objective *objective;
	double scale;
	struct value *arg; /* bound to its signature */
	struct objective_args args;
};
struct compiled {
	const struct block_def *block;
	struct posterior posterior;
	struct model *whole, *m; /* the block's model; the part of it that is pretrained, else it */
	VEC(struct goal) goal; /* their sum is minimised */
	const int *descent_of; /* train, one a weight: which optimiser moves it */
	bool centered;         /* the gradient is that of centred parameters, whose offsets move at this rate */
	double offset_rate;
	struct expansion *x;
	struct plan *plan;
	struct jit *jit;
	const struct dgm_module *mod;
};
/* The argument of the first objective that has one of this name; NULL: none has. */
const struct value *objective_value(const struct compiled *c, const char *name);
/* The value bound to an argument of a signature; NULL: it has none of this name. */
const struct value *argument_named(const char *signature, const struct value *v, const char *name);
/* A term of the objective: its functions and its part of the gradients; false: refused. */
bool goal_expand(struct unit *u, struct compiled *c, const struct value *term);
/* The visible variable that v names; NULL: a diagnostic. */
const struct group *block_target(struct unit *u, const struct model *m, const struct value *v);
/* Marks the variable that v names; conditions may be given ones.  false: it is none, or marked in `other`. */
bool block_mark(struct unit *u, const struct model *m, const struct value *v, bool condition, bool *to,
                const bool *other);
void block_suggest(struct unit *u, struct span at, const char *near); /* a note; NULL: none */
/* What the block's clauses ask for, as a program; then its plan; then code. false: diagnostics. */
bool block_expand(struct unit *u, const struct block_def *b, struct compiled *out);
void block_plan(struct unit *u, struct compiled *c);
/* What the block's clause `sampler` says; where there is none, what groups without a closed conditional are moved by. */
bool block_sampler(struct unit *u, const struct block_def *b, struct sampling *out);
/* Does the block draw Markov chains? */
bool block_chains(const struct compiled *c);
/* use.c: no clause of the expanded block is without use; false: refused. */
bool clauses_used(struct unit *u, const struct compiled *c);
/* Are batches of this size, and what they leave of the examples (NULL: not known), as large as the objective needs? */
bool batch_fits(struct unit *u, const struct compiled *c, int64_t batch, const struct dgm_data *d);
/* optimizer.c: the optimisers of a train block, sgd where none is written: their part of *t. */
bool optimizer_read(struct unit *u, struct compiled *c, struct dgm_train *t);
/* Is the parameter the one of this name, or one of the net or layer of this name? */
bool part_of(const struct weight *w, const char *name);
bool max_norm_read(struct unit *u, const struct compiled *c, struct dgm_train *t); /* the clauses max_norm */
struct dgm_ramp optimizer_ramp(const struct value *v);
bool block_jit(struct unit *u, struct compiled *c);
bool block_figure(struct compiled *c, const struct figure_kind *k); /* adds its function, in a block that has none yet */
/* Is it a clause of figures after epochs, monitor or stop? */
bool monitors(const struct clause *cl);

/* ---- stage.c: what a train block is within a whole of several ----------------------------------------------- */
/* The clause `freeze`: marks the parameters that are given no gradient. */
bool freeze_read(struct unit *u, struct compiled *c);
/* Is the model that draws the data, if one does, trained before block b? */
bool drawn_before(struct unit *u, const struct block_def *b, const struct data_def *def, struct span at);
/* Are there parameters for the block: of --params or a training before, or handed on by models trained before? */
bool params_check(struct unit *u, const struct compiled *c);
/* Fills what they hand on. */
void handed_fill(struct session *s, const struct compiled *c, struct dgm_store *store);
/* The parameters in the file, checked against the model; NULL: dgm_error(). */
struct dgm_store *read_params(struct unit *u, const struct model *m, const char *file);
const struct dgm_store *session_params(const struct session *s, const char *model); /* as last trained; NULL: never */
/* The clause's figure among the monitors that the clauses make, in their order, and when it stops the training. */
struct dgm_stop stop_read(struct unit *u, const struct block_def *b);
/* A schedule in a clause that stands outside the stages runs over all of them. */
void stage_course(const struct unit *u, const struct block_def *b, const struct clause *cl, struct dgm_ramp *r);
int64_t block_epochs(const struct block_def *b);

/* ---- datasets.c ------------------------------------------------------------------------------------------------ */
/* Loads once; NULL with the message given (a diagnostic or dgm_error) and *status the exit status.  gaps: values
 * may be missing. */
struct dgm_data *dataset(struct unit *u, const struct data_def *def, bool gaps, int *status);
/* Do the counts with a total have it?  of: the data of the model's groups, NULL where there are none. */
bool dataset_totals(struct unit *u, const struct model *m, const struct dgm_data *const *of, struct span at);
/* Checks the data's domain and size against the variable it is bound to. */
bool dataset_fits(struct unit *u, const struct dgm_data *d, const struct group *g, struct span at);
/* Are they labels, one for each of the n examples of a set: whole numbers below LABELS, or rows with a single 1? */
enum { LABELS = 1000 };
bool dataset_labels(struct unit *u, const struct dgm_data *d, const char *examples, int64_t n, struct span at);
int label_at(const float *x, int64_t items); /* of an example of such a set */
bool datasets_check(struct unit *u); /* readers, steps and their arguments, without reading */
const struct data_def *data_named(const struct unit *u, const char *name);

/* ---- ready.c: what is known before the first training starts: EXIT_DONE, or a status with diagnostics ------------ */
int block_ready(struct unit *u, const struct block_def *b); /* the data of all its clauses */
/* The sets of a figure, v its call; the set of this name for a group. */
int figure_ready(struct unit *u, const struct model *m, const struct figure_kind *k, const struct value *v);
int data_ready(struct unit *u, const struct value *name, const struct group *g);
int inspect_ready(struct unit *u, const struct model *m, const struct value *what); /* inspect.c */
/* The set; of one that a model makes, before it is there, its size and domain.  NULL: *status. */
const struct dgm_data *dataset_outline(struct unit *u, const struct data_def *def, bool gaps, int *status);
const struct dgm_data *drawn_outline(struct unit *u, const struct data_def *def, int *status); /* drawn.c */
/* What such data are made of, a set for each group of the model that is not hidden; *n: how many examples. */
int drawn_sources(struct unit *u, const struct model *m, const struct data_def *const *def, struct span at, int64_t *n);

/* ---- drawn.c: data that models make of data -------------------------------------------------------------------- */
struct making { /* how a model makes data */
	const struct group *mean;   /* its means; NULL: draws of all hidden variables */
	struct posterior posterior; /* the means are those of mean field */
};
bool is_drawn(const struct data_def *def); /* draw(MODEL.h, DATA) or mean(MODEL.h, DATA) */
/* The hidden variable of m that the set holds means of, by mean field or exactly; NULL: none. */
const struct group *drawn_mean_of(const struct data_def *def, const struct model *m, bool *approximated);
bool drawn_check(struct unit *u, const struct data_def *def);
const char *drawn_by(struct unit *u, const struct data_def *def); /* the model's name; NULL: by none */
struct dgm_data *drawn_dataset(struct unit *u, const struct data_def *def, int *status);
/* What `as`, m or a copy of it, makes of g, given the data of its other groups; NULL: *status. */
struct dgm_data *drawn_from(struct session *s, const struct model *m, struct model *as, const struct making *how,
                            const struct group *g, struct dgm_data *const *of, const char *name, int *status);

/* ---- pretrain.c: parts of models ------------------------------------------------------------------------------- */
/* The block's model, or the part of it that the block pretrains.  NULL: diagnostics. */
struct model *block_model(struct unit *u, const struct block_def *b);
/* Freezes what the part does not read; can its objective and figures be had? */
bool pretrain_check(struct unit *u, const struct compiled *c);
/* The data of a group in the block's part, given those of the whole model's groups; NULL: *status. */
struct dgm_data *block_data(struct session *s, const struct block_def *b, const struct group *g,
                            struct dgm_data *const *of, int *status);

/* ---- jobs ------------------------------------------------------------------------------------------------------- */
struct trained { /* parameters as they stand, per model */
	const struct model *m;
	struct dgm_store *store;
};
struct part { /* what a block pretrains */
	const struct block_def *block;
	struct model *m;
};
struct drawer;
struct session {
	struct unit *u;
	VEC(struct trained) trained;
	VEC(struct part) part;
	VEC(struct drawer *) drawer; /* of data that models make */
	const char *out_dir;
	bool wants[BLOCK_SAMPLE + 1]; /* the blocks of this kind */
	const char *failed; /* why the run ended early; NULL: it did not */
	int ntrain;
	const struct block_def *block; /* that is obeyed */
	struct results { /* of results.jsonl: results.c */
		FILE *f; /* lines of this run, to text */
		char *text;
		size_t size;
		struct dgm_record *old; /* what an earlier one left */
		int nold;
	} results;
};
struct evaluation { /* an evaluate block, while it runs */
	struct session *s;
	struct compiled c;
	struct dgm_store *store;
	const char *data, *key; /* names and keys of the sets, joined */
	uint64_t digest, data_digest;
	int64_t n;
	double per; /* figures of an example are divided by it */
	const char *per_name; /* by this variable; NULL: they are not */
};
struct result;
/* The result with what it is of: the model, the data, the parameters. */
int evaluation_record(struct evaluation *e, struct result r);
/* parzen.c: windows on samples. */
bool expand_parzen(struct expansion *x);
struct log_z;
int evaluate_parzen(struct evaluation *e, const struct value *arg, struct log_z *none);
enum { SAMPLE_STAGE = 1024 }; /* of the random numbers of samples, apart from training's */
int job_train(struct session *s, const struct block_def *b);
/* What a train block says of its updates; t->batch is set.  false: diagnostics. */
bool train_settings(struct session *s, const struct compiled *c, struct dgm_train *t);
void train_capacity(const struct compiled *c, const struct dgm_train *t, int64_t *capacity); /* rows of each population */
/* Where a training keeps its files, in the folder of results: "" in that itself; the whole path. */
const char *train_name(struct unit *u, const struct block_def *b);
const char *train_folder(const struct session *s, const struct block_def *b);
/* What a checkpoint must agree with: config.c. */
const char *job_config(struct session *s, const struct compiled *c, const struct dgm_train *t);
int job_evaluate(struct session *s, const struct block_def *b);
int job_sample(struct session *s, const struct block_def *b);
/* Behind sample.sweep: the elements that are drawn in an order of values. */
void sample_elements(const struct compiled *c, const struct dgm_call *call);
/* A store for a compiled block with the model's parameters in it (trained, or from --params), prepared. */
struct dgm_store *job_store(struct session *s, struct compiled *c, const int64_t *capacity, int *status);
/* Sets the data means (AIS base, initialisers) from the data the model was trained on, else from `b`'s own. */
int job_means(struct session *s, const struct compiled *c, struct dgm_store *store, const struct block_def *b);
/* The numbers of n examples in an order drawn by the seed: its first ones stand for all. */
const int64_t *drawn_rows(struct session *s, int64_t n);
/* A figure on the block's own data. */
int job_figure(struct session *s, const struct compiled *c, const struct figure_kind *k, struct dgm_figure *out);
/* The passes of the block's posterior, by this function. */
struct dgm_refine job_refine(struct session *s, const struct compiled *c, const char *pass);
/* minus the mean-field bound, on the block's own data. */
int job_bound(struct session *s, const struct compiled *c, struct dgm_figure *out);
/* minus the log of the sum of importance weights, that many passes of them. */
int job_importance(struct session *s, const struct compiled *c, int64_t passes, struct dgm_figure *out);
/* What the block's parameters must keep above 0. */
struct dgm_positive job_positive(struct session *s, const struct compiled *c);
/* The replicas of `chains` chains whose states are "GROUP.suffix" in population pop. */
struct dgm_tempering job_tempering(const struct compiled *c, const char *suffix, int pop, int64_t chains);
struct dgm_enumeration *job_enumeration(struct session *s, const struct compiled *c);
int job_filters(struct session *s, const struct compiled *c, struct dgm_store *store);
/* inspect.c: the clauses inspect of a sample block, by inspection.def. */
bool inspect_expand(struct unit *u, struct compiled *c); /* checks them, and adds what they need */
struct chains;
int inspect_samples(struct chains *k); /* behind the last sweep */
/* keep.c: what a sample block writes. */
struct average { /* average v, "means.npy", burn = 100: the mean of v's conditional means over later sweeps */
	const struct clause *clause;
	const struct group *group;
	int slot;
	int64_t burn, n; /* sweeps left out; added up */
	double *sum;
};
struct chains { /* of a sample block, while it runs */
	struct session *s;
	const struct compiled *c;
	struct dgm_store *store;
	int64_t rows;
	const struct dgm_data **start; /* one a group; NULL: it starts at independent units */
	const int64_t *example;        /* of each row */
	struct average *average;
	int naverage;
	struct trace *trace; /* NULL: none */
};
/* trace.c: chains over time, of the first visible variable: MODEL.chains.png, MODEL.chains.svg. */
int trace_begin(struct chains *k, int64_t sweeps);
void trace_sweep(struct chains *k, const struct dgm_call *call, int64_t sweep); /* behind the sweep */
int trace_write(const struct chains *k);
void trace_free(struct chains *k);
/* outputs.c: no file is written twice, pictures are of a known kind; those of these blocks can be written. */
bool outputs_check(struct unit *u);
int outputs_ready(struct session *s);
bool keep_check(struct unit *u, const struct compiled *c);
int keep_begin(struct chains *k);
int keep_sweep(struct chains *k, const struct dgm_call *call, int64_t sweep); /* behind the sweep */
int keep_write(struct chains *k);
/* The slot of what chains hold of a group, "sample" or "sample.mean"; a number in it. */
int keep_slot(const struct chains *k, const struct group *g, const char *suffix);
float keep_value(const struct chains *k, int slot, int64_t row, int64_t item);
/* The states of a visible or given group, a row a chain, in floats; NULL: no memory.  free() it. */
float *keep_states(const struct chains *k, const struct group *g);
/* MODEL.WHAT.EXTENSION, and the same in the folder of results, with the number of the model's sample block behind WHAT where it is not the first. */
const char *sample_name(struct unit *u, const struct block_def *b, const char *what, const char *extension);
const char *sample_path(struct session *s, const struct block_def *b, const char *what, const char *extension);
void keep_free(struct chains *k);
const char *job_path(struct session *s, const char *path); /* in the results' folder */
void job_picture(struct session *s, const struct group *g, int64_t *h, int64_t *w); /* the size of its picture */
/* Tiles a line of a picture of n groups of `each` tiles, of h x w, that is about as high as wide. */
int64_t job_columns(int64_t n, int64_t each, int64_t h, int64_t w);
/* Is it to be shown as pictures?  It or its data have two axes, or it has more units than a table has columns. */
bool job_pictured(struct session *s, const struct group *g);
const struct group *first_visible(const struct model *m);
bool filters_check(struct unit *u, const struct compiled *c); /* the parameters have a visible variable's axes */
struct member { /* of a line of results.jsonl: a number, or a text where that is not NULL */
	const char *name;
	double number;
	const char *text;
};
enum { MEMBERS = 8 };
struct result { /* a figure as it is told and recorded */
	const char *model, *figure;
	const char *quantity;   /* what it tells of, figures of one quantity are comparable; NULL: the figure */
	const char *kind;       /* what it is of that: "exact", "lower bound", ...; NULL: "mean over data" */
	double value, error;    /* standard error; NAN: not known */
	const char *data, *key; /* names and keys of the data sets */
	const char *per;        /* it is divided by the total of this variable; NULL: it is not */
	int64_t n;              /* examples */
	const char *method;     /* for the reader */
	struct member detail[MEMBERS]; /* further ones for results.jsonl, up to one without a name */
	uint64_t digest, data_digest; /* of the parameters; of the data */
};
/* A figure, with its standard error where that is known. */
const char *figure_text(struct arena *a, double value, double error, int digits);
const char *block_word(const struct block_def *b); /* "train", "evaluate" or "sample" */
/* results.c: what a run finds.  anew: what an earlier one left is forgotten.  EXIT_DONE, or a status. */
int results_open(struct session *s, bool anew);
int results_close(struct session *s); /* writes the file; of a run that failed where it found something */
/* A line on standard output, and one in results.jsonl. */
int job_record(struct session *s, const struct result *r);
/* A warning on standard error, and a line in results.jsonl. */
void job_warn(struct session *s, const char *model, const char *text);
/* build_names.c: a name as one of C and C++, and of none of the functions' own arguments; the names of an object,
 * against each other and those of other objects of the file: diagnostics. */
struct c_name {
	const char *c, *what;
};
typedef VEC(struct c_name) c_names;
const char *c_name(struct arena *a, const char *name);
void c_names_add(struct cx *cx, const struct object *o, const struct model_def *def, const struct model *m,
                 const embed_list *offers, c_names *names);
/* build.c: a model as an object; offers: the programs of its functions, in the same order.  false: diagnostics, or
 * dgm_error(). */
bool build_object(struct unit *u, struct model *m, struct object *o, embed_list *offers);
/* ... with no other functions than these; wanted: names, NULL behind the last; NULL: all. */
bool build_functions(struct unit *u, struct model *m, const char *const *wanted, struct object *o, embed_list *offers);
struct entry_arg build_argument(struct arena *a, const struct embed *e, const struct embed_arg *from);
/* build_train.c: the updates of the model's last training; never NULL. */
const struct object_train *build_train(struct unit *u, struct model *m);
/* quantize.c: weights of few bits (--quantize). */
enum bits { BITS_ALL, BITS_BF16, BITS_INT8 };
bool quantize_goes(const struct options *o); /* is the option one that can be done?  false: a message */
enum bits build_bits(const struct options *o);
void quantise_object(struct unit *u, const embed_list *offers, struct object *o);
/* loss.c: o->loss: what few bits cost, measured on the file's data or on samples; told on standard output. */
void measure_loss(struct unit *u, struct model *m, struct object *o);
int run_failed(void); /* prints dgm_error(), returns EXIT_RUN */

/* cost.c: multiply-adds of a function, by its name, at so many rows: in matrix products; in running sums. */
double plan_products(const struct plan *p, const char *function, double rows);
double plan_running(const struct plan *p, const char *function, double rows);
void explain_unit(struct unit *u, bool latex, FILE *out); /* what was derived, as text or LaTeX; diagnostics stay */
int run_report(struct session *s); /* in compiler/report, which uses this layer: DIR/report.html; EXIT_DONE, EXIT_RUN */

int call_run(struct options *o);
int call_check(struct options *o);
int call_explain(struct options *o);
int call_emit(struct options *o);
int call_compare(struct options *o);
int call_verify(struct options *o); /* in compiler/verify, which uses this layer */
int call_eval(struct options *o);
int call_sample(struct options *o);
int call_build(struct options *o);
int call_fmt(struct options *o);
int call_help(struct options *o);

#endif
