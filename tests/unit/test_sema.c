/* sema: what a model's text becomes (sizes, terms, initial values), what two ways of writing one
 * energy are worth at a point, what an override reaches, how arguments bind, and every message. */
#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sema/sema.h"

#define MODEL \
	"model rbm(D = 6, H = 4) {\n  visible v : binary[D];\n  hidden  h : binary[H];\n" \
	"  param   W : real[D,H] = 0;\n"
#define OK MODEL "  energy = - v@W@h;\n}\n"
#define DIGITS "data digits = idx(\"a.gz\") / 255;\n"
#define TRAIN "train rbm {\n  v = digits;\n"

static struct cx cx;

static int setup(void)
{
	cx = (struct cx){arena_new(), arena_new(), arena_new(), NULL};
	return 0;
}

static int teardown(void)
{
	arena_free(cx.perm);
	arena_free(cx.prog);
	arena_free(cx.tmp);
	return 0;
}

/* ---- helpers ------------------------------------------------------------------------------------
 */
static const char *printed(void (*print)(const void *, FILE *), const void *x)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	print(x, f);
	fclose(f);
	const char *copy = arena_printf(cx.tmp, "%s", text);
	free(text);
	return copy;
}

static void print_diags(const void *d, FILE *f)
{
	diags_print(d, f);
}

static void print_checked(const void *c, FILE *f)
{
	sema_print(c, f);
}

static const char *messages(void)
{
	return printed(print_diags, cx.diags);
}

/* set: "key=value" strings, up to NULL */
static struct checked *check_set(const char *text, const char *const *set)
{
	struct override o[8];
	int n = 0;
	cx.diags = diags_new(cx.prog);
	struct ast_file *f = parse(&cx, source_text("t.dgm", text, strlen(text)));
	for (; set && set[n]; n++) {
		const char *value = strchr(set[n], '=') + 1;
		o[n].key = intern_n(set[n], (size_t)(value - 1 - set[n]));
		o[n].value = parse_value(&cx, source_text("--set", value, strlen(value)));
	}
	return sema_check(&cx, f, o, n);
}

static struct checked *check(const char *text)
{
	return check_set(text, NULL);
}

static struct checked *good(const char *text)
{
	struct checked *c = check(text);
	if (diags_errors(cx.diags))
		diags_print(cx.diags, stderr);
	CU_ASSERT_EQUAL_FATAL(diags_errors(cx.diags), 0);
	return c;
}

static void same(const char *got, const char *want)
{
	CU_ASSERT_STRING_EQUAL(got, want);
	if (strcmp(got, want))
		fprintf(stderr, "\n--- got\n%s\n--- want\n%s\n", got, want);
}

/* The text holds each part. */
static void holds(const char *text, const char *part)
{
	CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
	if (!strstr(text, part))
		fprintf(stderr, "\n--- expected\n%s\n--- got\n%s\n", part, text);
}

/* ---- models ---- */
#define DECLS \
	"model m(D = 5, H = 3, F = 2) {\n" \
	"  visible v : real[D];  visible x : spin[D];  given im : real[6,7];  visible s : binary;\n" \
	"  hidden h : binary[H];  hidden c : binary[4,5,5];\n" \
	"  param W : real[D,H] = 0;  param U : real[D,F] = 0;  param P : real[H,F] = 0;\n" \
	"  param b : real[D] = 0;  param K : real[4,2,3] = 0;  param L : real[D,D] = 0;\n"

static double load(void *arg, const struct sym *s, int64_t row, const int64_t *at)
{
	uint64_t x = (uint64_t)strlen(s->name) * 131u + (uint64_t)s->name[0] * 7919u + (uint64_t)row;
	(void)arg;
	for (int k = 0; k < s->rank; k++) {
		CU_ASSERT_FATAL(at[k] >= 0 && at[k] < s->dim[k]);
		x = x * 1099511628211u + (uint64_t)at[k] + 17u;
	}
	x ^= x >> 29;
	x *= 0x9E3779B97F4A7C15u;
	if (s->values == VALUES_BINARY)
		return (double)(x >> 63);
	if (s->values == VALUES_SPIN)
		return x >> 63 ? 1 : -1;
	return (double)(x >> 11) / 9007199254740992.0 - 0.4;
}

static double energy_of(const char *body)
{
	const struct checked *c = good(arena_printf(cx.tmp, "%s%s}\n", DECLS, body));
	const struct model_def *m = c->model.at[0];
	const struct env env = {.load = load};
	double e = 0;
	for (int k = 0; k < m->term.n; k++)
		e += ex_eval(m->term.at[k].node, &env, &(struct binding){m->batch, 0}, 1);
	return e;
}

static void test_equal_energies(void)
{
	static const char *const pair[][2] = {
	    {"energy = v@W@h;", "energy = sum(i, j) v[i]*W[i,j]*h[j];"},
	    {"energy = v@W@h;", "let u = v@W;  energy = u@h;"},
	    {"energy = v@W@h;", "let u[q] = sum(i) v[i]*W[i,q];  energy = sum(j) u[j]*h[j];"},
	    {"energy = v@(W@h);", "let u[q] = sum(i) v[i]*W[i,q];  energy = sum(u*h);"},
	    {"energy = -(v@b - s) + -(-s);", "energy = s + s - sum(i) b[i]*v[i];"},
	    {"energy = sum(f) (v@U)[f]*(x@U)[f]*(h@P)[f];",
	     "energy = sum(f, i, j, k) v[i]*U[i,f]*x[j]*U[j,f]*h[k]*P[k,f];"},
	    {"energy = sum((v - b)^2/2);", "energy = 0.5*sum(i) (v[i]^2 - 2*v[i]*b[i] + b[i]*b[i]);"},
	    {"energy = sum(i, j < i) x[i]*L[i,j]*x[j];", "energy = sum(j < i) x[i]*L[i,j]*x[j];"},
	    {"energy = sum(i != j) x[i]*L[i,j]*x[j];", "energy = x@L@x - sum(i) x[i]*L[i,i]*x[i];"},
	    {"energy = sum(i <= j) x[i]*L[i,j]*x[j];",
	     "energy = sum(i < j) x[i]*L[i,j]*x[j] + sum(i, j, i == j) x[i]*L[i,j]*x[j];"},
	    {"energy = sum(i, j) (i == j)*L[i,j] + s;", "energy = sum(i) L[i,i] + s;"},
	    {"energy = sum(i, j) (i != j)*L[i,j] + s;", "energy = sum(L) + s - sum(i) L[i,i];"},
	    {"energy = sum(m, k) (m != k)*L[m,k] + sum(m, k, m == k) L[m,k]*m;\n}\n"
	     "net k(x : real[N]) { x ",
	     "energy = sum(L) - sum(i) L[i,i] + sum(i) L[i,i]*i;"},
	    {"energy = sum(m, k) (m < k)*L[m,k] + sum(k) (k - 1 >= 2)*b[k];\n}\n"
	     "data k = bars_and_stripes(2, 2);\nnet n(x : real[N]) { x ",
	     "energy = sum(i, j, i < j) L[i,j] + b[3] + b[4];"},
	    {"energy = mean(v) + mean(i) b[i];", "energy = (sum(v) + sum(b))/D;"},
	    {"energy = mean(i < 3) v[i];", "energy = (v[0] + v[1] + v[2])/3;"},
	    {"energy = sum(i < D - 1) v[i]*v[i+1];",
	     "energy = v[0]*v[1] + v[1]*v[2] + v[2]*v[3] + v[3]*v[4];"},
	    {"energy = sum(i) v[D - 1 - i]*b[i];", "energy = sum(i) v[i]*b[4 - i];"},
	    {"energy = sum(d, i < d) v[i]*b[d]*W[d-i-1,0];",
	     "energy = sum(d, i, e < D, e == d - i - 1) v[i]*b[d]*W[e,0];"},
	    {"energy = sum(k, y, q, r, t) im[y+r, q+t]*K[k,r,t]*c[k,y,q];",
	     "let g[k,y,q] = sum(r, t) im[y+r, q+t]*K[k,r,t];  energy = sum(k, y, q) "
	     "g[k,y,q]*c[k,y,q];"},
	    {"energy = max(v) + max(s, b[1]) + min(v) + prod(b);",
	     "energy = max(i) v[i] + max(b[1], s) + min(i) v[i] + prod(i) b[i];"},
	    {"energy = logsumexp(i != 2) v[i];",
	     "energy = log(exp(v[0]) + exp(v[1]) + exp(v[3]) + exp(v[4]));"},
	    {"energy = max(i != 2) v[i];", "energy = max(max(v[0], v[1]), max(v[3], v[4]));"},
	    {"energy = prod(i != 2) v[i];", "energy = v[0]*v[1]*v[3]*v[4];"},
	    {"energy = exp(4000*b[0] + 4000)*b[1]*exp(-4000 - 4000*b[0]);", "energy = b[1];"},
	    {"energy = sum(i) i*v[i];", "energy = v[1] + 2*v[2] + 3*v[3] + 4*v[4];"},
	    {"energy = sum(v < b) + sum(v > 0.1);", "energy = sum(i) ((v[i] < b[i]) + (0.1 < v[i]));"},
	    {"energy = sum(j) W[0]@h*P[j,1];", "energy = sum(j, k) W[0,k]*h[k]*P[j,1];"},
	    {"let r = sum(i) v[i]^2;  energy = r*r;", "energy = sum(i, j) v[i]^2*v[j]^2;"},
	    {"let g[i] = sum(j) L[i,j]*x[j];  energy = sum(j) g[j]*v[j];", "energy = v@L@x;"},
	    {"let g[i] = sum(j) L[i,j]*x[j];  let f[j] = g[j]^2;  energy = sum(i) f[i]*g[i];",
	     "energy = sum(i) (sum(j) L[i,j]*x[j])^3;"},
	};
	for (size_t k = 0; k < sizeof pair / sizeof *pair; k++) {
		double a = energy_of(pair[k][0]), b = energy_of(pair[k][1]);
		CU_ASSERT_DOUBLE_EQUAL(a, b, 1e-9);
		CU_ASSERT(fabs(a) > 1e-6);
		if (!(fabs(a - b) < 1e-9))
			fprintf(stderr, "\n%s is %g, but %s is %g\n", pair[k][0], a, pair[k][1], b);
	}
}

static const char *many(const char *head, const char *piece, int n, const char *tail)
{
	struct buf b;
	buf_init(&b, cx.tmp);
	buf_puts(&b, head);
	for (int i = 0; i < n; i++)
		buf_puts(&b, piece);
	buf_puts(&b, tail);
	return b.s;
}

/* Sums and products of any length, wherever an expression stands. */
static void test_long_lines(void)
{
	const struct checked *c = good(many(DECLS "energy = -b@v", " - b[0]*v[0]", 3000, ";\n}\n"));
	CU_ASSERT_EQUAL(c->model.at[0]->term.n, 3001);
	CU_ASSERT_DOUBLE_EQUAL(energy_of(many("energy = -(s", " + b[0]*s - s", 2000, ");")),
	                       energy_of("energy = (1999 - 2000*b[0])*s;"), 1e-6);
	CU_ASSERT_DOUBLE_EQUAL(energy_of(many("energy = -s", "*1/1", 20000, ";")),
	                       energy_of("energy = -s;"), 0);
	CU_ASSERT_DOUBLE_EQUAL(energy_of(many("energy = s*v[1", " + 1 - 1", 20000, "];")),
	                       energy_of("energy = s*v[1];"), 0);
	CU_ASSERT_DOUBLE_EQUAL(energy_of(many("energy = sum(i < 2", " + 1 - 1", 20000, ") v[i];")),
	                       energy_of("energy = v[0] + v[1];"), 0);
	CU_ASSERT_DOUBLE_EQUAL(energy_of(many("energy = sum(i) (i < 2", " + 1 - 1", 20000, ")*v[i];")),
	                       energy_of("energy = v[0] + v[1];"), 0);
	CU_ASSERT_DOUBLE_EQUAL(energy_of(many("const k = 2", " + 1 - 1", 20000, ";  energy = k*s;")),
	                       energy_of("energy = 2*s;"), 0);
	c = good(many("data d = 2*bars_and_stripes(2, 2)", " + 1 - 1", 20000, ";\n"));
	CU_ASSERT_EQUAL(c->data.at[0]->nstep, 40001);
}

/* What cannot stand in a formula is hidden by an index of its name. */
static void test_index_names(void)
{
	const struct checked *c =
	    good("data p = bars_and_stripes(2, 2);\ndata q = p;\n"
	         "model i {\n  visible v : binary[4];  param b : real[4] = 0;\n"
	         "  let g[q] = b[q]^2;\n  energy = - sum(p) b[p]*v[p] - sum(i < 3) b[i] - sum(g);\n}\n"
	         "train i {\n  v = p;\n}\n");
	CU_ASSERT_EQUAL(c->model.at[0]->term.n, 3);
	CU_ASSERT_EQUAL(c->block.n, 1);
	check("data p = bars_and_stripes(2, 2);\n"
	      "model m {\n  visible v : binary[4];\n  energy = - sum(p) v[p] - p;\n}\n");
	holds(messages(), "data set cannot stand in a formula");
}

static void test_model(void)
{
	const struct checked *c =
	    good("const scale = 2;\n"
	         "model rbm(D = 2*scale, H = D + 1) {\n"
	         "  visible v : binary[D];  hidden h : spin[H];  const half = scale/4;\n"
	         "  param W : real[D,H] ~ normal(0, 0.01);\n"
	         "  param b : real[D] = logit(mean(v));\n"
	         "  param c : real[H] ~ uniform(hi = half, lo = -half);\n"
	         "  energy = - v@W@h - (b@v + c@h);\n}\n");
	const struct model_def *m = c->model.at[0];
	CU_ASSERT_EQUAL(m->size[0].value, 4);
	CU_ASSERT_EQUAL(m->size[1].value, 5);
	CU_ASSERT_EQUAL(m->term.n, 3);
	CU_ASSERT_EQUAL(m->mean.n, 1);
	CU_ASSERT_EQUAL(m->mean.at[0].of, m->var.at[0]);
	CU_ASSERT_EQUAL(m->param.at[0]->sym->info, m->param.at[0]);
	CU_ASSERT_EQUAL(m->var.at[1]->domain, DOMAIN_SPIN);
	same(printed(print_checked, c), "model rbm\n"
	                                "  size D = 4\n"
	                                "  size H = 5\n"
	                                "  visible v : binary[4]\n"
	                                "  hidden h : spin[5]\n"
	                                "  param W : real[4,5]\n"
	                                "    W[i,j] = 0.01*normal()\n"
	                                "  param b : real[4]\n"
	                                "    b[i] = logit(mean.v[i])\n"
	                                "  param c : real[5]\n"
	                                "    c[i] = uniform() - 0.5\n"
	                                "  energy\n"
	                                "    -sum(j) (sum(i) v[i]*W[i,j])*h[j]\n"
	                                "  + -sum(i) b[i]*v[i]\n"
	                                "  + -sum(i) c[i]*h[i]\n");
}

static void test_term_spans(void)
{
	const char *text = OK;
	const struct checked *c = good(text);
	const struct energy_term *t = &c->model.at[0]->term.at[0];
	const char *at = strstr(text, "v@W@h");
	CU_ASSERT_EQUAL(t->span.beg, (uint32_t)(at - text));
	CU_ASSERT_EQUAL(t->span.end, (uint32_t)(at - text + 5));
	CU_ASSERT_EQUAL(t->node->span.beg, t->span.beg);
}

/* ---- data and blocks ---- */
static const char *const blocks =
    "const lr = 0.05;\n"
    "data digits = idx(\"a.gz\") / 255 |> binarize(resampled);\n"
    "data small = 2*digits |> rows(0, 10*100) |> shuffle;\n" OK
    "train rbm {\n  v = digits;  batch D*10;  epochs 50;\n"
    "  objective sml(k = 1, chains = 100);\n"
    "  optimizer sgd(rate = lr -> lr/50, decay = 2e-4);\n"
    "  monitor every 5 : reconstruction(small), free_energy_gap(digits, small);\n"
    "  monitor loss;\n  filters W, \"w.png\";\n}\n"
    "evaluate rbm { v = small;  loglik ais(chains = 100);  reconstruction; }\n"
    "sample rbm { chains 64;  image \"s.png\"; }\n";

static void test_blocks(void)
{
	const struct checked *c = good(blocks);
	const char *text = printed(print_checked, c);
	same(strstr(text, "data digits"),
	     "data digits = idx(\"a.gz\") / 255 |> binarize(resampled)\n"
	     "data small = idx(\"a.gz\") / 255 |> binarize(resampled) * 2 |> rows(0, 1000) |> "
	     "shuffle()\n"
	     "train rbm\n  v = digits\n  batch 60\n  epochs 50\n"
	     "  objective sml(k = 1, chains = 100)\n"
	     "  optimizer sgd(rate = 0.05 -> 0.001, decay = 0.0002)\n"
	     "  monitor every 5 : reconstruction(small), free_energy_gap(digits, small)\n"
	     "  monitor loss()\n  filters W, \"w.png\"\n"
	     "evaluate rbm\n  v = small\n  loglik ais(chains = 100)\n  reconstruction\n"
	     "sample rbm\n  chains 64\n  image \"s.png\"\n");
	CU_ASSERT_EQUAL(block_clause(c->block.at[0], "batch")->arg[0].num, 60);
	CU_ASSERT_PTR_NULL(block_clause(c->block.at[0], "steps"));
}

static void test_overrides(void)
{
	static const char *const set[] = {"lr=1",           "rbm.D=8",
	                                  "epochs=2",       "epochs=3",
	                                  "sample.steps=7", "rbm.evaluate.v=digits",
	                                  "monitor=loss",   NULL};
	const struct checked *c = check_set(blocks, set);
	CU_ASSERT_EQUAL_FATAL(diags_errors(cx.diags), 0);
	const char *text = printed(print_checked, c);
	holds(text, "size D = 8\n");
	holds(text, "rate = 1 -> 0.02");
	holds(text, "  batch 80\n  epochs 3\n  objective");
	holds(text, "  filters W, \"w.png\"\nevaluate rbm\n  v = digits\n");
	holds(text, "  monitor loss()\n  filters");
	CU_ASSERT_PTR_NULL(strstr(text, "free_energy_gap"));
	holds(text, "  image \"s.png\"\n  steps 7\n");
	static const char *const data[] = {"digits=npy(\"b.npy\")", NULL};
	holds(printed(print_checked, check_set(blocks, data)),
	      "data small = npy(\"b.npy\") * 2 |> rows(0, 1000)");
}

static void test_override_errors(void)
{
	static const struct {
		const char *set, *message;
	} bad[] = {
	    {"epoch=3", "--set epoch: nothing in the file has this name"},
	    {"epoch=3", "did you mean 'epochs'?"},
	    {"trian.epochs=3", "did you mean 'train.epochs'?"},
	    {"rbn.D=3", "did you mean 'rbm.D'?"},
	    {"train.h=digits", "--set train.h: nothing in the file has this name"},
	    {"sample.epochs=3", "--set sample.epochs: no block of the file takes this clause"},
	    {"epochs=0", "'n' of 'epochs' must be a whole number of at least 1"},
	    {"D=0.5", "size 'D' is 0.5, but must be a whole number of at least 1"},
	    {"a.b.c.d=1", "--set a.b.c.d: nothing in the file has this name"},
	};
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
		const char *const set[] = {bad[k].set, NULL};
		check_set(blocks, set);
		CU_ASSERT_EQUAL(diags_errors(cx.diags), 1);
		holds(messages(), bad[k].message);
	}
}

/* ---- arguments ---- */
static const struct call *objective(const char *text)
{
	const struct checked *c =
	    good(arena_printf(cx.tmp, "%s objective %s; }\n", OK DIGITS TRAIN, text));
	return c->block.at[0]->clause[0].arg[0].term[0].call;
}

static void test_call_bind(void)
{
	const char *cd =
	    "k:intramp=1 chains:int=100 statistics:word=means tempered:call=no rate:ramp=1->2";
	struct value v[8];
	int rest;
	CU_ASSERT(call_bind(&cx, objective("cd(1 -> 25, statistics = samples)"), cd, v, &rest));
	CU_ASSERT_EQUAL(v[0].kind, VAL_RAMP);
	CU_ASSERT_EQUAL(v[0].to, 25);
	CU_ASSERT_EQUAL(v[1].num, 100);
	same(v[2].name, "samples");
	CU_ASSERT(
	    call_bind(&cx, objective("cd"), "a:num(0,1]=1 b:int(,)=-3 c:ramp[0,)=2->0", v, &rest));
	CU_ASSERT(v[0].num == 1 && v[1].num == -3 && v[2].kind == VAL_RAMP && v[2].to == 0);
	CU_ASSERT(call_bind(&cx, objective("cd(1 -> 25, statistics = samples)"), cd, v, &rest));
	CU_ASSERT_EQUAL(v[3].kind, VAL_CALL);
	same(v[3].call->name, "no");
	CU_ASSERT_EQUAL(v[4].kind, VAL_RAMP);
	CU_ASSERT_EQUAL(v[4].to, 2);
	CU_ASSERT_EQUAL(rest, 0);
	CU_ASSERT(
	    call_bind(&cx, objective("mmd(1, rbf(2), 5, 10)"), "a:num k:call s:num...", v, &rest));
	CU_ASSERT_EQUAL(rest, 2);
	CU_ASSERT_EQUAL(v[3].num, 10);
	static const struct {
		const char *call, *signature, *message;
	} bad[] = {
	    {"cd(1, 2, 3)", "k:num n:int=3", "'cd' takes at most 2 arguments"},
	    {"cd(chain = 1)", "k:num=1 chains:int=3", "'cd' has no argument 'chain'"},
	    {"cd(chain = 1)", "k:num=1 chains:int=3", "did you mean 'chains'?"},
	    {"cd(size = 1)", "k:num=1 n:int=3", "the arguments of 'cd' are k, n"},
	    {"cd(k = 1, k = 2)", "k:num=1", "'cd' is given 'k' twice"},
	    {"cd", "k:num", "'cd' needs 'k', a number"},
	    {"cd(n = 0)", "n:int", "'n' of 'cd' must be a whole number of at least 1"},
	    {"cd(n = 1 -> 2)", "n:num", "'n' of 'cd' must be a number"},
	    {"cd(n = 1e30)", "n:int(,)", "'n' of 'cd' must be a whole number\n"},
	    {"cd(n = 1e30)", "n:int(,)", "whole numbers go up to 9e15"},
	    {"cd(n = -1)", "n:int[0,)=3", "'n' of 'cd' must be a whole number of at least 0"},
	    {"cd(n = 0)", "n:num(0,1]=1", "must be a number above 0 and at most 1"},
	    {"cd(n = 1)", "n:num(,1)", "'n' of 'cd' must be a number below 1"},
	    {"cd(n = 2 -> 0.5)", "n:intramp", "a whole number of at least 1, or a ramp a -> b of such"},
	    {"cd(n = 0 -> 1)", "n:ramp[0,1)", "a number of at least 0 and below 1, or a ramp a -> b"},
	    {"cd(1, 0)", "n:num(0,)...", "'n' of 'cd' must be a number above 0"},
	    {"cd(n = \"a\")", "n:word", "'n' of 'cd' must be a word"},
	    {"cd(n = a)", "n:str", "'n' of 'cd' must be a string in double quotes"},
	    {"cd(n = 3)", "n:call", "'n' of 'cd' must be a call such as f(x)"},
	    {"cd(a, 3)", "n:data...", "'n' of 'cd' must be the name of a data set"},
	};
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
		const struct call *c = objective(bad[k].call);
		CU_ASSERT_FALSE(call_bind(&cx, c, bad[k].signature, v, &rest));
		CU_ASSERT_EQUAL(diags_errors(cx.diags), 1);
		holds(messages(), bad[k].message);
	}
}

/* ---- messages ---- */
static const struct {
	const char *message, *text;
} wrong[] = {
    {"'W' is declared twice", MODEL "  param W : real[2] = 0;\n  energy = - v@W@h;\n}\n"},
    {"'Q' is not declared", MODEL "  energy = - v@Q@h;\n}\n"},
    {"there is no data set 'digit'", OK DIGITS "train rbm {\n  v = digit;\n}\n"},
    {"there is no model 'rbn'", OK DIGITS "train rbn {\n  v = digits;\n}\n"},
    {"this must be a constant: numbers, constants and sizes",
     MODEL "  hidden g : binary[W];\n  energy = - v@W@h;\n}\n"},
    {"this constant is not a finite number", "const rate = 1 / 0;\n" OK},
    {"constant 'k' must be a single real number",
     MODEL "  const k : real[2] = 1;\n  energy = - k*v@W@h;\n}\n"},
    {"size 'H' is 0, but must be a whole number of at least 1",
     "model rbm(D = 6, H = 0) {\n  visible v : binary[D];\n  hidden  h : binary[H];\n  param   W : "
     "real[D,H] = 0;\n  energy = - v@W@h;\n}\n"},
    {"axis 2 of 'g' is -1, but must be a whole number of at least 1",
     MODEL "  hidden g : binary[2,5 - D];\n  energy = - v@W@h - sum(g);\n}\n"},
    {"'g' would have 1e+14 elements: more than fit into memory",
     MODEL "  hidden g : binary[10000000, 10000000];\n  energy = - v@W@h - sum(g);\n}\n"},
    {"'g' has 9 axes: there can be at most 8",
     MODEL "  hidden g : binary[1,1,1,1,1,1,1,1,1];\n  energy = - v@W@h - sum(g);\n}\n"},
    {"'bynary' is not a domain",
     MODEL "  hidden g : bynary[3];\n  energy = - v@W@h - sum(g);\n}\n"},
    {"parameter 'g' must be real, not binary",
     MODEL "  param g : binary[3] = 0;\n  energy = - v@W@h - sum(g);\n}\n"},
    {"given variable 'g' cannot have a value or a distribution of its own",
     MODEL "  given g : real[3] ~ normal(0, 1);\n  energy = - v@W@h - sum(g);\n}\n"},
    {"index 'j' runs over 4 in W (axis 2) but over 6 in v (axis 1)",
     MODEL "  energy = - sum(i, j) v[j]*W[i,j]*h[j];\n}\n"},
    {"nothing says what index 'k' runs over",
     MODEL "  energy = - sum(i, j, k) v[i]*W[i,j]*h[j];\n}\n"},
    {"nothing says what index 'd' runs over",
     MODEL "  let g[d] = sum(i < d) v[i];\n  energy = - v@g;\n}\n"},
    {"nothing binds index 'j'", MODEL "  energy = - sum(i) v[i]*W[i,j]*h[j];\n}\n"},
    {"index 'i' is already bound", MODEL "  energy = - sum(i) sum(i) v[i]*W[i,0];\n}\n"},
    {"index 'h' has the name of a hidden variable", MODEL "  energy = - sum(h) v[h];\n}\n"},
    {"this 'sum' binds no index: each name in the condition is bound already",
     MODEL "  energy = - sum(i, j) sum(i < j) v[i]*W[i,j]*h[j];\n}\n"},
    {"17 indices are bound at once: there can be at most 16",
     MODEL "  energy = - sum(a,b,c,d,e,f,g,i,j,k,l,m,n,o,p,q,r) "
           "v[a]*v[b]*v[c]*v[d]*v[e]*v[f]*v[g]*v[i]*v[j]*v[k]*v[l]*v[m]*v[n]*v[o]*v[p]*v[q]*W[r,0]*"
           "h[0];\n}\n"},
    {"a subscript is made of indices and whole numbers, as in y+r or 2*i-1",
     MODEL "  energy = - sum(i, j) v[i*j]*W[i,j];\n}\n"},
    {"W has 2 axes, but is given 3 subscripts",
     MODEL "  energy = - sum(i, j, k) v[i]*W[i,j,k]*h[j];\n}\n"},
    {"this subscript runs from 1 to 6, outside axis 1 of v, which has size 6",
     MODEL "  energy = - sum(i) v[i]*v[i+1] - v@W@h;\n}\n"},
    {"'@' joins axis 1 of h, which has size 4, with axis 1 of W, which has size 6",
     MODEL "  energy = - h@W@v;\n}\n"},
    {"'@' needs arrays on both sides, but this is a single number",
     MODEL "  energy = - 2@v@W@h;\n}\n"},
    {"the two sides of '+' have different shapes: [6] and [4]",
     MODEL "  energy = - sum(v + h) - v@W@h;\n}\n"},
    {"'sum' of a single number: there is no axis to go over",
     MODEL "  energy = - sum(v@W@h);\n}\n"},
    {"there is no function 'sigmiod'", MODEL "  energy = - sum(sigmiod(v)) - v@W@h;\n}\n"},
    {"'exp' takes 1 argument, not 2", MODEL "  energy = - sum(exp(v, v)) - v@W@h;\n}\n"},
    {"values are compared with <, >, <= and >= only; == and != are for indices",
     MODEL "  energy = - sum(v == 0.5) - v@W@h;\n}\n"},
    {"a string cannot stand in a formula", MODEL "  energy = - \"v\";\n}\n"},
    {"parameter 'c' has no initial value",
     MODEL "  param c : real[H];\n  energy = - v@W@h - c@h;\n}\n"},
    {"there is no such distribution",
     MODEL "  param c : real[H] ~ cauchy(0, 1);\n  energy = - v@W@h - c@h;\n}\n"},
    {"an initial value cannot depend on the parameter 'W'",
     MODEL "  param c : real[H] = W[0];\n  energy = - v@W@h - c@h;\n}\n"},
    {"'c' is [4], but its initial value has the shape [6]",
     MODEL "  param c : real[H] = mean(v);\n  energy = - v@W@h - c@h;\n}\n"},
    {"there are no data for 'h' to take the mean of",
     MODEL "  param c : real[H] = mean(h);\n  energy = - v@W@h - c@h;\n}\n"},
    {"model 'm' has no visible variable",
     "model m {\n  hidden h : binary[3];\n  energy = - sum(h);\n}\n"},
    {"model 'm' has no energy", "model m {\n  visible v : binary[3];\n}\n"},
    {"model 'rbm' has a second energy", MODEL "  energy = - sum(v);\n  energy = - v@W@h;\n}\n"},
    {"the energy is a single number, but this term leaves open axis 1 of v (6)",
     MODEL "  energy = - v@W@h - v;\n}\n"},
    {"this term mentions no variable and no parameter: it changes nothing",
     MODEL "  energy = - v@W@h - 3;\n}\nsample nothing { }\n"},
    {"hidden variable 'h' is in no term of the energy",
     MODEL "  energy = - sum(v@W);\n}\nsample nothing { }\n"},
    {"a data set is a reader, then arithmetic with numbers and steps behind |>",
     "data a = 3 / 4;\n"},
    {"this cannot be an argument here: a number, a ramp a -> b, a name, a string or a call can",
     "data a = idx(\"a.gz\") |> rows(0..10);\n"},
    {"'u' is no visible or given variable of model 'rbm'", OK DIGITS TRAIN "  u = digits;\n}\n"},
    {"'v' must be bound to the name of a data set",
     OK DIGITS "train rbm {\n  v = digits / 2;\n}\n"},
    {"'v' is bound to data twice", OK DIGITS TRAIN "  v = digits;\n}\n"},
    {"train rbm: no data are bound to 'v'", OK "train rbm {\n  epochs 3;\n}\n"},
    {"train has no clause 'epoch'", OK DIGITS TRAIN "  epoch 3;\n}\n"},
    {"'steps' does not belong into train", OK DIGITS TRAIN "  steps 3;\n}\n"},
    {"'epochs' is given twice", OK DIGITS TRAIN "  epochs 3;\n  epochs 4;\n}\n"},
    {"'objective' is not done every so often: 'every' does not belong here",
     OK DIGITS TRAIN "  objective every 3 : cd();\n}\n"},
    {"'epochs' has no argument 'm'", OK DIGITS TRAIN "  epochs m = 3;\n}\n"},
    {"'epochs' takes at most 1 argument", OK DIGITS TRAIN "  epochs 3, 4;\n}\n"},
    {"'batch' is given 'size' twice", OK DIGITS TRAIN "  batch size = 3, size = 4;\n}\n"},
    {"'batch' needs 'size', a whole number of at least 1", OK DIGITS TRAIN "  batch;\n}\n"},
    {"'monitor' is given nothing", OK DIGITS TRAIN "  monitor;\n}\n"},
    {"'n' of 'epochs' must be a whole number of at least 1", OK DIGITS TRAIN "  epochs 0.5;\n}\n"},
    {"this subscript runs from 2 to 7, outside axis 1 of im, which has size 6",
     DECLS "  let g[y] = sum(r, q) im[y+r,q]*K[0,r,0];  energy = sum(y) g[y+2]*v[y];\n}\n"},
};

static void test_messages(void)
{
	for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
		check(wrong[k].text);
		CU_ASSERT_EQUAL(diags_errors(cx.diags), 1);
		holds(messages(), wrong[k].message);
	}
}

static void test_index_message(void)
{
	check(MODEL "  energy = - sum(i, j) v[j]*W[i,j]*h[j];\n}\n");
	same(messages(),
	     "t.dgm:5:24: error: index 'j' runs over 4 in W (axis 2) but over 6 in v (axis 1)\n"
	     "   5 |   energy = - sum(i, j) v[j]*W[i,j]*h[j];\n"
	     "     |                        ^~~~\n"
	     "t.dgm:4:11: note: W is declared real[6,4] here\n"
	     "   4 |   param   W : real[D,H] = 0;\n"
	     "     |           ^\n");
}

static void test_errors_do_not_cascade(void)
{
	check("model m(D = Q) {\n  visible v : binary[D];  hidden h : bynary[3];\n"
	      "  param W : real[D,3] = 0;  let u = v@W;\n  energy = - u@h - sum(i) v[i]*z[i];\n}\n"
	      "data d = idx(\"a\" + ;\ntrain m { v = d;  epochs 3; }\n");
	holds(messages(), "'Q' is not declared");
	holds(messages(), "'bynary' is not a domain");
	holds(messages(), "'z' is not declared");
	CU_ASSERT_PTR_NULL(strstr(messages(), "'W'"));
	CU_ASSERT_PTR_NULL(strstr(messages(), "'u'"));
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite s = CU_add_suite("sema", setup, teardown);
	CU_add_test(s, "model", test_model);
	CU_add_test(s, "term spans", test_term_spans);
	CU_add_test(s, "equal energies", test_equal_energies);
	CU_add_test(s, "long lines", test_long_lines);
	CU_add_test(s, "index names", test_index_names);
	CU_add_test(s, "blocks", test_blocks);
	CU_add_test(s, "overrides", test_overrides);
	CU_add_test(s, "override errors", test_override_errors);
	CU_add_test(s, "call_bind", test_call_bind);
	CU_add_test(s, "messages", test_messages);
	CU_add_test(s, "index message", test_index_message);
	CU_add_test(s, "no cascade", test_errors_do_not_cascade);
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	int failed = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
