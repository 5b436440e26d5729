/* Directed models: the gradient of every objective, as the program computes it in doubles, against
 * central differences of the loss that the figures compute from the same noise; log-densities
 * against sums and integrals; generated code against the program. */
#include "directed.h"

enum { MAX_FUNCTIONS = 4 };

struct gradient_case {
	const char *name, *model, *objective, *monitor;
	double sign; /* of the figure in the loss */
	const char *functions[MAX_FUNCTIONS];
};

/* The function "training": minus log p(x | c) as the gradient's flow computes it, with the noise
 * and the means over the batch that are for training only. */
static void loss_in_training(void)
{
	struct expansion *x = block.x;
	bool of[2] = {false}, known[2] = {false};
	struct flow *fl = flow_new(x, program_function(x->p, "training"), "again", POP_DATA, 1);
	fl->training = true;
	for (int i = 0; i < block.m->group.n; i++)
		*(block.m->group.at[i]->role == GROUP_VISIBLE ? &of[i] : &known[i]) = true;
	struct node *value = directed_nll(fl, of, known);
	assign(x, fl->f, out_sym(x, "training", POP_DATA), fl->batch, NULL, value);
}

/* Gradients of train.final against differences of the figure. */
static void gradients(const struct gradient_case *c)
{
	struct memory m;
	char visible = strstr(c->model, "visible ")[8];
	bool given = strstr(c->model, "given c") != NULL;
	const char *monitor = given && *c->monitor ? "nll(d, d)" : c->monitor;
	const char *text = arena_printf(
	    arena_new(), "%s\ndata d = csv(\"d.csv\");\ntrain m { %c = d; %s objective %s; %s%s; }\n",
	    c->model, visible, given ? "c = d;" : "", c->objective, *monitor ? "monitor " : "batch 3",
	    monitor);
	if (!expand(text, 0)) {
		CU_FAIL("refused");
		fprintf(stderr, "%s\n", c->name);
		return;
	}
	if (strncmp(c->functions[0], "importance", 10) == 0)
		objective_importance(block.x);
	if (strcmp(c->functions[0], "training") == 0)
		loss_in_training();
	state = 7;
	prepare(&m);
	run(&m, "train.final");
	slopes_agree(&m, c->name, c->functions, c->sign);
	memory_free(&m);
	cx = unit.cx;
	fun = NULL;
	prog = block.x->p;
	CU_ASSERT(generated_agrees(plan()));
}

#define NLL \
	"nll()", "nll(d)", 1, \
	{ \
		"nll" \
	}
#define ELBO \
	"elbo(samples = 1)", "elbo(d)", -1, \
	{ \
		"elbo" \
	}

#define IN_TRAINING \
	"nll()", "", 1, \
	{ \
		"training" \
	}
/* x given c through what stands in the middle. */
#define GIVEN(c, x, mean) \
	"model m { given c : " c "; visible x : " x "; x ~ normal(" mean ", 0.7); }"

static const struct gradient_case cases[] = {
    {"logistic autoregressive",
     "model m(D = 5) { visible x : binary[D]; param W : real[D,D] = 0; param b : real[D] = 0;\n"
     "x[d] ~ bernoulli(logits = b[d] + sum(i < d) W[d,i]*x[i]); }",
     NLL},
    {"nade",
     "model m(D = 5, H = 4) { visible x : binary[D]; param W : real[H,D] = 0; param V : real[D,H] "
     "= 0; param b : real[D] = 0; param c : real[H] = 0;\n"
     "let g[d,j] = sigmoid(c[j] + sum(i < d) W[j,i]*x[i]); x[d] ~ bernoulli(logits = b[d] + sum(j) "
     "V[d,j]*g[d,j]); }",
     NLL},
    {"masked layers",
     "net made(x : real[D], H) { param o : real[D] ~ uniform(0, 1); param k : real[H] ~ uniform(0, "
     "1);\n"
     "x |> masked_dense(o, k) |> tanh |> masked_dense(k, k) |> masked_dense(k, o, strict = 1) }\n"
     "model m(D = 5, H = 6) { visible x : binary[D]; x ~ bernoulli(logits = made(x, H)); }",
     NLL},
    {"autoregressive, categorical",
     "model m(D = 3, Q = 4) { visible x : categorical[D,Q]; param W : real[D,Q,D,Q] = 0; param b : "
     "real[D,Q] = 0;\n"
     "let l[d,a] = b[d,a] + sum(i < d, p) W[d,a,i,p]*x[i,p]; x[d] ~ categorical(logits = l[d]); }",
     NLL},
    {"mixture of normals, autoregressive",
     "model m(D = 3, K = 2) { visible x : real[D]; param A : real[D,K] = 0; param M : real[D,K,D] "
     "= 0; param S : real[D,K] = 0;\n"
     "let mu[d,k] = sum(i < d) M[d,k,i]*x[i]; x[d] ~ mixture_normal(logits = A[d], mean = mu[d], "
     "logsd = S[d]); }",
     NLL},
    {"recurrent",
     "model m(T = 4, V = 2, U = 3) { visible v : binary[T,V]; param Q : real[U,U] = 0; param R : "
     "real[V,U] = 0; param B : real[U,V] = 0; param b : real[V] = 0; param u0 : real[U] = 0;\n"
     "state u[t] : real[U] = tanh(u[t-1]@Q + v[t]@R), u[-1] = u0; v[t] ~ bernoulli(logits = b + "
     "u[t-1]@B); }",
     NLL},
    {"gated recurrent",
     "model m(T = 4, V = 2, U = 3) { visible v : real[T,V]; param A : real[3,U,U] = 0; param R : "
     "real[3,V,U] = 0; param B : real[U,V] = 0; param s : real[V] = 0;\n"
     "state u[t] : real[U] = (1 - sigmoid(u[t-1]@A[0] + v[t]@R[0]))*u[t-1] + sigmoid(u[t-1]@A[0] + "
     "v[t]@R[0])*tanh((sigmoid(u[t-1]@A[1] + v[t]@R[1])*u[t-1])@A[2] + v[t]@R[2]), u[-1] = 0;\n"
     "v[t] ~ normal(mean = u[t-1]@B, logvar = s); }",
     NLL},
    {"rnn_cell in a state",
     "model m(T = 4, V = 2, U = 3) { visible v : binary[T,V]; param B : real[U,V] = 0; param u0 : "
     "real[U] = 0;\n"
     "state u[t] : real[U] = rnn_cell(v[t], u[t-1]), u[-1] = u0; v[t] ~ bernoulli(logits = "
     "u[t-1]@B); }",
     NLL},
    {"gru_cell in a state, behind a layer",
     "model m(T = 3, V = 2, U = 2) { visible v : real[T,V]; param B : real[U,V] = 0; param s : "
     "real[V] = 0;\n"
     "state u[t] : real[U] = gru_cell(v[t] |> dense(3) |> tanh, u[t-1]), u[-1] = 0;\n"
     "v[t] ~ normal(mean = u[t-1]@B, logvar = s); }",
     NLL},
    {"lstm_cell in a state",
     "net step(x : real[N], s : real[2,H]) { let y = lstm_cell(x, s[0], s[1]);\n"
     "let out[k < 2, j] = (k == 0)*y[j] + (k == 1)*y.cell[j]; out }\n"
     "model m(T = 3, V = 2, U = 2) { visible v : binary[T,V]; param B : real[U,V] = 0; param s0 : "
     "real[2,U] = 0;\n"
     "state s[t] : real[2,U] = step(v[t], s[t-1]), s[-1] = s0; v[t] ~ bernoulli(logits = "
     "s[t-1,0]@B); }",
     NLL},
    {"two states, a layer with lets, functions",
     "fn half(x) = dense(x, 3)/2;\n"
     "layer cell(x : real[N], h : real[H], bias = 1) { param A : real[H,H] = 0; param g : real[H] "
     "= "
     "0;\n"
     "let gate = sigmoid(h@A + bias); let new = tanh(dense(x, H) + g*h); gate*h + (1 - gate)*new "
     "}\n"
     "model m(T = 3, V = 2, U = 2) { visible v : real[T,V]; param B : real[U,V] = 0; param s : "
     "real[V] = 0;\n"
     "state a[t] : real[3] = dense(cell(half(v[t]), a[t-1]), 3) |> tanh, a[-1] = 0.2;\n"
     "state u[t] : real[U] = cell(a[t], u[t-1], bias = 0) + cell(v[t], u[t-1]), u[-1] = 0;\n"
     "v[t] ~ normal(mean = u[t-1]@B, logvar = s); }",
     NLL},
    {"a deep step, with noise in training",
     "model m(T = 3, V = 2, U = 2) { given c : real[T,V]; visible x : real[U];\n"
     "state u[t] : real[U] = rnn_cell(rnn_cell(c[t] |> dropout(0.3), u[t-1] |> layer_norm) |> "
     "dropout(0.3), u[t-1]), u[-1] = 0.5;\n"
     "x ~ normal(u[2], 0.7); }",
     IN_TRAINING},
    {"what a state is a function of is read by a distribution too",
     "model m(T = 3, V = 2, U = 2) { given c : real[T,V]; visible x : real[T,U]; param Q : "
     "real[U,U] = 0; param R : "
     "real[V,U] = 0; param B : real[U,U] = 0;\n"
     "state u[t] : real[U] = tanh(u[t-1]@Q + c[t]@R), u[-1] = 0.5;\n"
     "x[t] ~ normal(sin(u[t-1]@Q + c[t]@R)@B + u[t], 0.7); }",
     NLL},
    {"a net of a state in a distribution",
     "net f(u : real[N], H) { u |> dense(3) |> tanh |> dense(H) }\n"
     "model m(T = 4, V = 2, U = 3) { visible v : binary[T,V]; param Q : real[U,U] = 0; param R : "
     "real[V,U] = 0;\n"
     "state u[t] : real[U] = tanh(u[t-1]@Q + v[t]@R), u[-1] = 0.3; v[t] ~ bernoulli(logits = "
     "f(u[t-1], V)); }",
     NLL},
    {"layers at indices of sums, with conditions",
     "layer bend(x : real, M) { param a : real[M] = 0; param b : real[M] = 0; let out[j] = "
     "tanh(a[j]*x + b[j]); out }\n"
     "model m(D = 4) { visible x : real[D]; x[d] ~ normal(mean = sum(i < d) bend(x[i], 2)[0] + "
     "sum(i < D, i >= 1, i < d) bend(x[i-1], 2)[0]*bend(x[i], 2)[1], sd = 1); }",
     NLL},
    {"nets at indices, in each other, in functions and lets",
     "fn twice(x) = 2*dense(x, 2);\n"
     "net g(x : real[N], y : real) { let a = x |> dense(3) |> tanh; let b = y*sum(a); a*b }\n"
     "model m(D = 3, V = 2) { visible x : real[D,V]; param s : real[D] = 0; let h[d] = sum(i < d) "
     "sum(g(twice(x[i]) |> tanh, s[d]));\n"
     "let k[d,e < 3] = sum(i < d) g(x[i], s[i]).a[e]; x[d] ~ normal(mean = h[d] + sum(e) k[d,e], "
     "sd = 0.7); }",
     NLL},
    {"recurrent nade",
     "model m(T = 3, V = 3, U = 2, H = 2) { visible v : binary[T,V]; param Q : real[U,U] = 0; "
     "param R : real[V,U] = 0; param B : real[U,H] = 0; param W : real[H,V] = 0; param P : "
     "real[V,H] = 0;\n"
     "state u[t] : real[U] = tanh(u[t-1]@Q + v[t]@R), u[-1] = 0.1; let g[t,d,j] = "
     "sigmoid((u[t-1]@B)[j] + sum(i < d) W[j,i]*v[t,i]);\n"
     "v[t,d] ~ bernoulli(logits = sum(j) P[d,j]*g[t,d,j]); }",
     NLL},
    {"recurrent nade, masked",
     "model m(T = 3, V = 5, U = 2, H = 2) { visible v : binary[T,V]; given c : binary[T]; param Q "
     ": "
     "real[U,U] = 0; param R : real[V,U] = 0; param B : real[U,H] = 0; param W : real[H,V] = 0; "
     "param P : real[V,H] = 0; param u0 : real[U] = 0;\n"
     "state u[t] : real[U] = tanh(u[t-1]@Q + v[t]@R), u[-1] = u0; let g[t,d,j] = "
     "sigmoid((u[t-1]@B)[j] + sum(i < d) W[j,i]*v[t,i]);\n"
     "v[t,d] ~ bernoulli(logits = sum(j) P[d,j]*g[t,d,j]) where c[t]; }",
     "nll()",
     "nll(d, d)",
     1,
     {"nll"}},
    {"nade at each place of a grid",
     "model m(S = 2, T = 3, V = 4, H = 2) { visible v : binary[S,T,V]; param W : real[H,V] = 0; "
     "param "
     "P : real[V,H] = 0; param c : real[S,T,H] = 0;\n"
     "let g[s,t,d,j] = sigmoid(c[s,t,j] + sum(i < d) W[j,i]*v[s,t,i]);\n"
     "v[s,t,d] ~ bernoulli(logits = sum(j) P[d,j]*g[s,t,d,j]); }",
     NLL},
    {"nade whose weights differ from place to place",
     "model m(T = 3, V = 4, H = 5) { visible v : binary[T,V]; param W : real[T,H,V] = 0; param "
     "P : real[V,H] = 0;\n"
     "let g[t,d,j] = tanh(sum(i < d) W[t,j,i]*v[t,i]);\n"
     "v[t,d] ~ bernoulli(logits = sum(j) P[d,j]*g[t,d,j]); }",
     NLL},
    {"nade of several particles",
     "model m(D = 5, Z = 2, H = 3) { visible x : binary[D]; hidden z : real[Z] ~ normal(0, 1); "
     "param W "
     ": real[H,D] = 0; param P : real[D,H] = 0; param A : real[Z,H] = 0;\n"
     "let g[d,j] = sigmoid((z@A)[j] + sum(i < d) W[j,i]*x[i]);\n"
     "x[d] ~ bernoulli(logits = sum(j) P[d,j]*g[d,j]);\n"
     "posterior z ~ normal(mean = dense(x, Z), logvar = dense(x, Z)); }",
     "iwae(samples = 50)",
     "elbo(d)",
     1,
     {"importance.start", "importance.pass", "importance"}},
    {"conditional nade",
     "model m(D = 5, U = 3, H = 4) { visible v : binary[D]; given c : real[U]; param W : real[H,D] "
     "= 0; "
     "param P : real[D,H] = 0; param A : real[U,H] = 0;\n"
     "let g[d,j] = sigmoid((tanh(c@A))[j] + sum(i < d) W[j,i]*v[i]);\n"
     "v[d] ~ bernoulli(logits = sum(j) P[d,j]*g[d,j]); }",
     "nll()",
     "nll(d, d)",
     1,
     {"nll"}},
    {"rnn-rbm, exact",
     "model m(T = 3, V = 2, H = 2, U = 2) { visible v : binary[T,V]; hidden h : binary[T,H]; param "
     "W "
     ": real[V,H] = 0; param A : real[U,V] = 0; param B : real[U,H] = 0; param R : real[V,U] = 0; "
     "param u0 : real[U] = 0;\n"
     "state u[t] : real[U] = tanh(0.5*u[t-1] + v[t]@R), u[-1] = u0;\n"
     "energy = - sum(t, i, j) v[t,i]*W[i,j]*h[t,j] - sum(t, i) (u[t-1]@A)[i]*v[t,i] - sum(t, j) "
     "(u[t-1]@B)[j]*h[t,j]; }",
     NLL},
    {"rnn-rbm, pseudo-likelihood",
     "model m(T = 3, V = 3, H = 2, U = 2) { visible v : binary[T,V]; hidden h : binary[T,H]; param "
     "W "
     ": real[V,H] = 0; param A : real[U,V] = 0; param R : real[V,U] = 0; param u0 : real[U] = 0;\n"
     "state u[t] : real[U] = tanh(0.5*u[t-1] + v[t]@R), u[-1] = u0;\n"
     "energy = - sum(t, i, j) v[t,i]*W[i,j]*h[t,j] - sum(t, i) (u[t-1]@A)[i]*v[t,i]; }",
     "pseudo_likelihood()",
     "pseudo_likelihood(d)",
     -1,
     {"pseudo_likelihood"}},
    {"regression",
     "net f(z : real[N], H = 3) { z |> dense(H) |> tanh |> dense(2) }\n"
     "model m { visible x : real[2]; param a : real[4] = 0; x ~ laplace(mean = f(a), scale = 0.7); "
     "}",
     NLL},
    {"vae",
     "net enc(x : real[D], Z) { let h = x |> dense(4) |> tanh; let mu = h |> dense(Z); let lv = h "
     "|> dense(Z); }\n"
     "net dec(z : real[Z]) { z |> dense(3) |> sigmoid |> dense(5) }\n"
     "model m(Z = 2) { visible x : binary[5]; hidden z : real[Z] ~ normal(0, 1); x ~ "
     "bernoulli(logits = dec(z)); let e = enc(x, Z);\n"
     "posterior z ~ normal(mean = e.mu, logvar = e.lv); }",
     ELBO},
    {"two layers",
     "net f(x : real[N], M) { let h = x |> dense(3) |> softplus; let mu = h |> dense(M); let ls = "
     "h |> dense(M); }\n"
     "net g(x : real[N], M) { let h = x |> dense(3) |> tanh; let mu = h |> dense(M); let ls = h |> "
     "dense(M); }\n"
     "net dec(x : real[N], M) { x |> dense(M) }\n"
     "net up(x : real[N], M) { let mu = x |> dense(M); }\n"
     "model m { visible x : count[4]; hidden a : real[3]; hidden b : real[2] ~ normal(0, 1);\n"
     "let pa = up(b, 3); a ~ normal(pa.mu, 0.8); x ~ poisson(lograte = dec(a, 4)); let qa = f(x, "
     "3); let qb = g(a, 2);\n"
     "posterior a ~ normal(mean = qa.mu, sd = exp(qa.ls)); posterior b ~ normal(mean = qb.mu, sd = "
     "exp(qb.ls)); }",
     ELBO},
    {"a ladder of two nets, the posterior merged with the prior",
     "net up(x : real[N], M) { let h = x |> dense(3) |> tanh; let mu = h |> dense(M); let lv = h "
     "|> dense(M); }\n"
     "net top(x : real[N], M) { let mu = x |> dense(M); let lv = x |> dense(M); }\n"
     "net down(z : real[N], M) { let h = z |> dense(3) |> tanh; let mu = h |> dense(M); let lv = h "
     "|> dense(M); }\n"
     "model m { visible x : binary[4]; hidden b : real[2] ~ normal(0, 1); hidden a : real[2]; let "
     "p "
     "= down(b, 2); a ~ normal(mean = p.mu, logvar = p.lv); x ~ bernoulli(logits = dense(a, 4));\n"
     "let d = up(x, 2); let e = top(d.h, 2); posterior b ~ normal(mean = e.mu, logvar = e.lv); let "
     "w[j] = exp(-d.lv[j]) + exp(-p.lv[j]);\n"
     "posterior a ~ normal(mean = (exp(-d.lv)*d.mu + exp(-p.lv)*p.mu)/w, var = 1/w); }",
     ELBO},
    {"an affine coupling: the last elements given the first",
     "net coupling(x : real[N], M) { let h = x |> dense(3) |> tanh; let s = h |> dense(M) |> tanh; "
     "let t = h |> dense(M); }\n"
     "model m(D = 4) { visible x : real[D]; let a[i < 2] = x[i]; let f = coupling(a, 2);\n"
     "x[d] ~ normal(mean = sum(i < 2, i == d - 2) f.t[i], logvar = 2*sum(i < 2, i == d - 2) "
     "f.s[i]); "
     "}",
     NLL},
    {"logistic posterior",
     "model m { visible x : real[3]; hidden z : real[2] ~ logistic(0, 1); param W : real[2,3] = 0; "
     "param V : real[3,2] = 0; param s : real[2] = 0;\n"
     "x ~ normal(z@W, 0.5); posterior z ~ logistic(mean = x@V, scale = exp(s)); }",
     ELBO},
    {"laplace posterior",
     "model m { visible x : real[3]; hidden z : real[2] ~ laplace(0, 1); param W : real[2,3] = 0; "
     "param V : real[3,2] = 0; param s : real[2] = 0;\n"
     "x ~ normal(tanh(z@W), 0.5); posterior z ~ laplace(mean = x@V, scale = exp(s)); }",
     ELBO},
    {"posterior with a comparison in its mean",
     "model m { visible x : real[3]; hidden z : real[2] ~ normal(0, 1); param W : real[2,3] = 0; "
     "param V : real[3,2] = 0;\n"
     "x ~ normal(tanh(z@W), 0.5); let a[i] = sum(k) (x[k] < 0.3)*V[k,i]; posterior z ~ "
     "normal(mean = a + (x[0] < 0.5)*V[0], sd = 1 + (x[1] < 0)); }",
     ELBO},
    {"relaxed posterior",
     "model m { visible x : real[3]; hidden z : unit[2,4] ~ gumbel_softmax(logits = c, temperature "
     "= 0.8); param c : real[2,4] = 0; param W : real[2,4,3] = 0; param V : real[3,2,4] = 0;\n"
     "let mean[k] = sum(i, j) z[i,j]*W[i,j,k]; let l[i,j] = sum(k) x[k]*V[k,i,j]; "
     "x ~ normal(mean, 0.5); posterior z ~ gumbel_softmax(logits = l, temperature = 0.6); }",
     ELBO},
    {"relaxed posterior at a low temperature",
     "model m { visible x : real[3]; hidden z : unit[2,4] ~ gumbel_softmax(logits = c, temperature "
     "= 0.05); param c : real[2,4] = 0; param W : real[2,4,3] = 0; param V : real[3,2,4] = 0;\n"
     "let mean[k] = sum(i, j) z[i,j]*W[i,j,k]; let l[i,j] = sum(k) x[k]*V[k,i,j]; "
     "x ~ normal(mean, 0.5); posterior z ~ gumbel_softmax(logits = l, temperature = 0.02); }",
     ELBO},
    {"relaxed posterior by its logarithms",
     "model m { visible x : real[3]; hidden z : real[2,4] ~ log_gumbel_softmax(logits = c, "
     "temperature "
     "= 0.05); param c : real[2,4] = 0; param W : real[2,4,3] = 0; param V : real[3,2,4] = 0;\n"
     "let mean[k] = sum(i, j) exp(z[i,j])*W[i,j,k]; let l[i,j] = sum(k) x[k]*V[k,i,j]; "
     "x ~ normal(mean, 0.5); posterior z ~ log_gumbel_softmax(logits = l, temperature = 0.01); }",
     ELBO},
    {"importance",
     "net enc(x : real[D], Z) { let h = x |> dense(4) |> tanh; let mu = h |> dense(Z); let lv = h "
     "|> dense(Z); }\n"
     "net dec(z : real[Z]) { z |> dense(3) |> sigmoid |> dense(4) }\n"
     "model m(Z = 2) { visible x : binary[4]; hidden z : real[Z] ~ normal(0, 1); x ~ "
     "bernoulli(logits = dec(z)); let e = enc(x, Z);\n"
     "posterior z ~ normal(mean = e.mu, logvar = e.lv); }\n",
     "iwae(samples = 50)",
     "elbo(d)",
     1,
     {"importance.start", "importance.pass", "importance"}},
    {"activations",
     GIVEN("real[3]", "real[4]",
           "c |> dense(4) |> relu |> dense(4) |> leaky_relu(0.1) |> dense(4) |> elu |> dense(4) |> "
           "silu |> dense(4) |> swish(2) |> dense(4) |> gelu |> dense(4) |> square |> hard_tanh |> "
           "dense(4)"),
     NLL},
    {"dense of each row", GIVEN("real[2,3]", "real[2,4]", "c |> dense(4) |> tanh |> dense(4)"),
     NLL},
    {"softmax of each row", GIVEN("real[2,3]", "real[2,4]", "c |> dense(4) |> softmax"), NLL},
    {"maxout", GIVEN("real[3]", "real[2]", "c |> dense(3) |> maxout(2, 3)"), NLL},
    {"embedding", GIVEN("categorical[2,4]", "real[2,3]", "c |> embedding(3)"), NLL},
    {"conv2d", GIVEN("real[2,5,4]", "real[3,3,2]", "c |> conv2d(3, 3, stride = 2, pad = 1)"), NLL},
    {"convolutions in a row",
     GIVEN("real[1,5,5]", "real[1,5,5]", "c |> conv2d(2, 3) |> tanh |> conv2d_transpose(1, 3)"),
     NLL},
    {"conv2d_transpose, strides",
     GIVEN("real[2,2,3]", "real[2,4,6]", "c |> conv2d_transpose(2, 4, stride = 2, pad = 1)"), NLL},
    {"pools",
     GIVEN("real[1,5,5]", "real[2,1,1]",
           "c |> conv2d(2, 2) |> max_pool(2, stride = 1) |> mean_pool(2, stride = 2)"),
     NLL},
    {"images",
     GIVEN("real[2,2,2]", "real[1,3,2]",
           "c |> dense_image(4) |> tanh |> dense(6) |> image(1, 3, 2)"),
     NLL},
    {"layer_norm of each row", GIVEN("real[2,4]", "real[2,4]", "c |> dense(4) |> layer_norm"), NLL},
    {"batch_norm", GIVEN("real[3]", "real[2]", "c |> dense(4) |> batch_norm |> tanh |> dense(2)"),
     IN_TRAINING},
    {"batch_norm_image",
     GIVEN("real[1,3,3]", "real[2,2,2]", "c |> conv2d(2, 2) |> batch_norm_image |> tanh"),
     IN_TRAINING},
    {"dropout", GIVEN("real[2,3]", "real[2,2]", "c |> dense(4) |> dropout(0.4) |> dense(2)"),
     IN_TRAINING},
    {"rnn_cell",
     "net step(x : real[N], h : real[H]) { rnn_cell(x, h) }\n"
     "model m { given c : real[2,3]; visible x : real[4]; param s : real[4] = 0;\n"
     "x ~ normal(step(c[1], step(c[0], s)), 0.7); }",
     NLL},
    {"gru_cell",
     "net step(x : real[N], h : real[H]) { gru_cell(x, h) }\n"
     "model m { given c : real[2,3]; visible x : real[4]; param s : real[4] = 0;\n"
     "x ~ normal(step(c[1], step(c[0], s)), 0.7); }",
     NLL},
    {"lstm_cell",
     "net step(x : real[N], h : real[H], c : real[H]) { let s = lstm_cell(x, h, c); let h2 = 1*s; "
     "let c2 = 1*s.cell; }\n"
     "model m { given c : real[2,3]; visible x : real[4]; param s : real[4] = 0; param t : real[4] "
     "= 0;\n"
     "let a = step(c[0], s, t); let b = step(c[1], a.h2, a.c2); x ~ normal(b.h2, 0.7); }",
     NLL},
    {"residual",
     "net block(x : real[N]) { x + (x |> dense(5) |> relu |> dense(N)) }\n" GIVEN(
         "real[3]", "real[3]", "c |> block"),
     NLL},
};

/* What decays: weights that are multiplied with units and summed. */
static void test_couplings(void)
{
	const char *text =
	    "model m(D = 4) { given c : real[1,4,4]; visible x : binary[D]; param b : real[D] = 0;\n"
	    "param V : real[D,D] = 0; let y = c |> conv2d(2, 3) |> batch_norm_image |> "
	    "dense_image(D);\n"
	    "x[d] ~ bernoulli(logits = b[d] + y[d] + sum(i < d) V[d,i]*x[i]); }\n"
	    "data d = csv(\"d.csv\");\ntrain m { x = d; c = d; objective nll(); }\n";
	CU_ASSERT_FATAL(expand(text, 0));
	for (int i = 0; i < block.m->weight.n; i++) {
		const char *name = block.m->weight.at[i]->name, *last = strrchr(name, '.');
		last = last ? last + 1 : name;
		bool weight = strcmp(last, "W") == 0 || strcmp(last, "V") == 0;
		CU_ASSERT(model_coupling(block.m, block.m->weight.at[i]) == weight);
	}
	CU_ASSERT(block.m->weight.n == 10);
}

static bool draws(const char *name)
{
	const struct function *f = function(name);
	for (int s = 0; s < f->nstmt; s++)
		if (ex_has_draw(f->stmt[s].rhs))
			return true;
	return false;
}

/* An update moves a running mean a tenth of the way to the batch's; figures read it, and have no
 * dropout. */
static void test_outside_training(void)
{
	struct memory m;
	const char *text = "model m { given c : real[3]; visible x : real[3];\n"
	                   "x ~ normal(c |> batch_norm |> dropout(0.5), 0.7); }\n"
	                   "data d = csv(\"d.csv\");\n"
	                   "train m { x = d; c = d; objective nll(); monitor nll(d, d); }\n";
	CU_ASSERT_FATAL(expand(text, 0));
	CU_ASSERT(draws("train.final") && !draws("nll"));
	prepare(&m);
	double *average = named(&m, "batch_norm1.m.average"), *c = named(&m, "c"), want[3];
	for (int i = 0; i < 3; i++) {
		want[i] = 0.9 * average[i];
		for (int n = 0; n < INTERP_ROWS; n++)
			want[i] += 0.1 / INTERP_ROWS * c[3 * n + i];
	}
	run(&m, "train.final");
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_DOUBLE_EQUAL(average[i], want[i], 1e-12);
		CU_ASSERT(named(&m, "grad.batch_norm1.m.average")[i] == 0);
	}
	run(&m, "nll");
	double before = named(&m, "out.nll")[0];
	average[0] += 1;
	run(&m, "nll");
	CU_ASSERT(fabs(named(&m, "out.nll")[0] - before) > 1e-6);
	memory_free(&m);
}

/* Every layer of the prelude, and every net of it, is in a case. */
extern const char sema_prelude_text[];
static void test_all_layers(void)
{
	for (const char *at = sema_prelude_text; (at = strchr(at, '\n')) != NULL;) {
		char name[64];
		bool found = false;
		at++;
		if (sscanf(at, "layer %60[a-z0-9_]", name) != 1 &&
		    sscanf(at, "net %60[a-z0-9_]", name) != 1)
			continue;
		for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
			found |= strstr(cases[k].model, name) != NULL;
		if (!found)
			fprintf(stderr, "%s is in no case\n", name);
		CU_ASSERT(found);
	}
}

static void test_gradients(void)
{
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
		gradients(&cases[k]);
}

int main(void)
{
	if (!codegen_init())
		return 1;
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("directed", NULL, NULL);
	CU_add_test(suite, "gradients", test_gradients);
	CU_add_test(suite, "every layer", test_all_layers);
	CU_add_test(suite, "outside training", test_outside_training);
	CU_add_test(suite, "couplings", test_couplings);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
