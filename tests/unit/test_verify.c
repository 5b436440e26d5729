/* dgm verify tells right from wrong: each derivation is made wrong in turn, at link level.  The
 * linker's --wrap puts the functions below between the files of the compiler; `planted` says which
 * of them lies. */
#include "verify/verify.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum plant {
	NOTHING,
	FIELD,    /* the sign of a field */
	MEAN,     /* a conditional mean 1 percent off */
	UNCOUPLE, /* coupled units taken for independent ones */
	BLOCKS,   /* all groups in one block */
	SOFTPLUS, /* an operation built wrongly: what a two-valued unit leaves when summed out */
	ENTROPY,
	GRADIENT, /* the sign of a derivative by a parameter */
	STATES,   /* an energy of the states that are enumerated, twice */
	DRAWS,    /* uniform numbers that are too small */
	CODE,     /* generated code of a program 1 percent off */
	STILL,    /* a sampler whose sweeps do nothing */
};
static enum plant planted;

#define WRAP(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

WRAP(bool, model_element, struct cx *cx, const struct model *m, const energy *E,
     const struct group *g, struct conditional *out)
{
	bool ok = __real_model_element(cx, m, E, g, out);
	if (ok && planted == FIELD)
		out->field = ex_neg(m->a, out->field);
	if (ok && planted == MEAN)
		out->mean = ex_scale(m->a, 1.01, out->mean);
	if (ok && planted == UNCOUPLE)
		out->coupled = false;
	return ok;
}

WRAP(bool, model_blocks, struct cx *cx, const struct model *m, block_vec *out)
{
	if (planted != BLOCKS)
		return __real_model_blocks(cx, m, out);
	vec_push(m->a, out, (struct block){{0}});
	for (int i = 0; i < m->group.n; i++)
		vec_push(m->a, &out->at[0].group, m->group.at[i]);
	return true;
}

WRAP(struct node *, ex_op1, struct arena *a, enum op op, struct node *x)
{
	bool bad = (planted == SOFTPLUS && op == OP_SOFTPLUS) || (planted == ENTROPY && op == OP_XLOGX);
	struct node *y = __real_ex_op1(a, op, x);
	return bad ? ex_scale(a, 0.9, y) : y;
}

WRAP(struct node *, ex_diff, struct arena *a, struct node *x, const struct sym *s,
     const struct affine *k)
{
	struct node *d = __real_ex_diff(a, x, s, k);
	return planted == GRADIENT && s->kind == SYM_PARAM ? ex_neg(a, d) : d;
}

WRAP(bool, objective_states, struct cx *cx, const struct model *m, struct states *out)
{
	bool ok = __real_objective_states(cx, m, out);
	if (ok && planted == STATES)
		energy_push(m->a, &out->F, out->F.at[0].node, out->F.at[0].span);
	return ok;
}

WRAP(struct node *, ex_draw, struct arena *a, enum op op, int stream)
{
	struct node *u = __real_ex_draw(a, op, stream);
	return planted == DRAWS && op == OP_UNIFORM ? ex_scale(a, 0.8, u) : u;
}

WRAP(struct plan *, plan_build, struct cx *cx, struct program *p)
{
	for (int f = 0; planted == CODE && f < p->function.n; f++)
		for (int i = 0; i < p->function.at[f]->nstmt; i++) {
			struct node **rhs = &p->function.at[f]->stmt[i].rhs;
			*rhs = ex_scale(p->a, 1.01, *rhs);
		}
	return __real_plan_build(cx, p);
}

WRAP(void, dgm_transition_run, const struct dgm_transition *t, const struct dgm_function *end,
     const struct dgm_store *s, struct dgm_call *call, enum dgm_adaptation how,
     struct dgm_acceptance *a)
{
	if (planted != STILL)
		__real_dgm_transition_run(t, end, s, call, how, a);
}

static const char rbm[] = "model rbm(D = 30, H = 20) { visible v : binary[D]; hidden h : "
                          "binary[H]; param W : real[D,H] ~ "
                          "normal(0, 0.1); param b : real[D] = 0.2; energy = - v@W@h - b@v; }\n"
                          "data p = bars_and_stripes(2, 2); train rbm { v = p; objective nll(); }";
static const char chain[] = "model chain(D = 30) { visible v : spin[D]; param J : real[D] ~ "
                            "normal(0, 1); energy = - sum(i < "
                            "D-1) J[i]*v[i]*v[i+1]; }";
static const char deep[] =
    "model deep(D = 9) { visible v : binary[D]; hidden g : binary[4]; hidden h : spin[5]; param W "
    ": "
    "real[D,4] ~ normal(0, 1); param U : real[4,5] ~ normal(0, 1); energy = - v@W@g - g@U@h; }";
static const char grey[] =
    "model grey(D = 9, H = 5) { visible v : real[D]; hidden h : categorical[H,3]; visible n : "
    "count; param "
    "W : real[D,H,3] ~ normal(0, 0.1); param b : real = 0; energy = 0.5*v@v - sum(i, j, k) "
    "v[i]*W[i,j,k]*h[j,k] - n*b - n*sum(j) h[j,0]*b; }";

/* Chains that do not mix. */
static const char frozen[] =
    "model frozen(D = 30, H = 20) { visible v : binary[D]; hidden h : spin[H]; param W : real[D,H] "
    "~ normal(0, 30); energy = - v@W@h; }\n"
    "data p = bars_and_stripes(2, 2); train frozen { v = p; objective cd(5); }\n"
    "train frozen { v = p; objective sml(chains = 10); }";
static const char lattice[] =
    "model lattice(D = 30) { visible v : spin[D]; param b : real = 0; energy = - 30*sum(i < D-1) "
    "v[i]*v[i+1] - b*v[0]; }";

/* What verify prints of the model with a derivation made wrong; *ok: its verdict. */
static char *verdict(const char *text, enum plant plant, bool *ok)
{
	char file[] = "/tmp/dgm-verify-XXXXXX", *out = NULL;
	size_t size;
	FILE *f = fdopen(mkstemp(file), "w");
	fputs(text, f);
	fclose(f);
	struct options opt = {.file = file, .seed = 1, .quiet = true};
	struct unit u;
	CU_ASSERT_EQUAL_FATAL(unit_read(&u, &opt), EXIT_DONE);
	FILE *was = stdout;
	stdout = open_memstream(&out, &size);
	planted = plant;
	*ok = verify_unit(&u, 1, false);
	planted = NOTHING;
	fclose(stdout);
	stdout = was;
	remove(file);
	return out;
}

static bool says_wrong(const char *out, const char *what)
{
	for (const char *line = strstr(out, what); line; line = strstr(line + 1, what)) {
		const char *end = strchr(line, '\n');
		if (end - line > 5 && strncmp(end - 5, "WRONG", 5) == 0)
			return true;
	}
	return false;
}

static void test_right(void)
{
	const char *const all[] = {rbm, chain, deep, grey, frozen, lattice};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		bool ok;
		char *out = verdict(all[i], NOTHING, &ok);
		CU_ASSERT(ok);
		if (!ok)
			printf("%s", out);
		free(out);
	}
}

/* What is no number at one state is wrong, whatever the states after it give. */
static void test_no_number(void)
{
	for (int first = 0; first < 2; first++) {
		struct arena *a = arena_new();
		struct report *r = report_new(a, true);
		report_compare(r, "slope", first ? NAN : 1e-9, 1e-6);
		report_compare(r, "slope", first ? 1e-9 : NAN, 1e-6);
		report_compare(r, "slope", 1e-8, 1e-6);
		CU_ASSERT(!report_print(r));
		arena_free(a);
	}
}

static void test_wrong(void)
{
	static const struct {
		enum plant plant;
		const char *model, *what; /* the quantity that must be found wrong */
	} cases[] = {
	    {FIELD, rbm, "conditional of v: each value's probability"},
	    {FIELD, grey, "conditional of h: each value's probability"},
	    {FIELD, deep, "sampler: long-run marginals"},
	    {MEAN, grey, "conditional of n: mean"},
	    {MEAN, deep, "mean field: fixed point"},
	    {UNCOUPLE, chain, "units drawn together are independent"},
	    {BLOCKS, deep, "units drawn together are independent"},
	    {SOFTPLUS, rbm, "free energy (hidden groups summed out)"},
	    {SOFTPLUS, rbm, "figure free_energy, generated code"},
	    {ENTROPY, deep, "mean field: bound"},
	    {GRADIENT, rbm, "gradient of the energy"},
	    {GRADIENT, rbm, "objective nll: gradient, generated code"},
	    {STATES, rbm, "log Z by the states that are enumerated"},
	    {DRAWS, chain, "sampler: long-run marginals"},
	    {DRAWS, rbm, "sampler: long-run marginals"},
	    {STILL, rbm, "sampler: a sweep draws each unit"},
	    {STILL, grey, "sampler: a sweep draws each unit"},
	    {STILL, frozen, "sampler: a sweep draws each unit"},
	    {STILL, lattice, "sampler: a sweep draws each unit"},
	    {FIELD, frozen, "sampler: long-run marginals"},
	    {CODE, rbm, "figure pseudo_likelihood, generated code"},
	    {CODE, deep, "mean field: bound, generated code"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool ok;
		char *out = verdict(cases[i].model, cases[i].plant, &ok);
		CU_ASSERT(!ok && says_wrong(out, cases[i].what));
		if (ok || !says_wrong(out, cases[i].what))
			printf("not found wrong: %s\n%s", cases[i].what, out);
		free(out);
	}
}

int main(void)
{
	if (CU_initialize_registry() || !codegen_init())
		return 1;
	dgm_threads(1);
	CU_pSuite s = CU_add_suite("verify", NULL, NULL);
	CU_add_test(s, "right derivations are found right", test_right);
	CU_add_test(s, "wrong ones are found wrong", test_wrong);
	CU_add_test(s, "what is no number is wrong", test_no_number);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	int failed = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
