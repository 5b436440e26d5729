/* The command line: calls and options by their tables, help, version. */
#include "cpu.h"
#include "driver/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, TEXT, COUNT, SET, FILES };
static const struct option {
	const char *name;
	size_t field;
	enum kind kind;
	const char *arg, *calls, *what;
} options[] = {
#define OPTION(name, field, kind, arg, calls, what) \
	{name, offsetof(struct options, field), kind, arg, calls, what},
#include "driver/option.def"
#undef OPTION
};
enum { NOPTION = sizeof options / sizeof *options };

static const struct cmd {
	const char *name;
	int (*call)(struct options *o);
	const char *arg, *what;
} cmds[] = {
#define CMD(name, function, arg, what) {name, function, arg, what},
#include "driver/cmd.def"
#undef CMD
};
enum { NCMD = sizeof cmds / sizeof *cmds };

static const struct cmd *find_cmd(const char *name)
{
	for (int i = 0; i < NCMD; i++)
		if (strcmp(cmds[i].name, name) == 0)
			return &cmds[i];
	return NULL;
}

static bool takes(const struct option *o, const char *call)
{
	size_t n = strlen(call);
	for (const char *p = o->calls; (p = strstr(p, call)); p += n)
		if ((p == o->calls || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0))
			return true;
	return false;
}

static const char *near_cmd(const char *name)
{
	const char *words[NCMD];
	for (int i = 0; i < NCMD; i++)
		words[i] = cmds[i].name;
	return nearest_word(name, words, NCMD);
}

static const char *near_option(const char *name)
{
	const char *words[NOPTION];
	for (int i = 0; i < NOPTION; i++)
		words[i] = options[i].name;
	return nearest_word(name, words, NOPTION);
}

static int usage(const char *what, const char *word, const char *near)
{
	fprintf(stderr, "dgm: %s%s%s%s%s%s%s\n", what, word ? " '" : "", word ? word : "",
	        word ? "'" : "", near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
	fprintf(stderr, "dgm: 'dgm help' lists the calls and their options\n");
	return EXIT_USAGE;
}

static void help_options(const char *call)
{
	struct arena *a = arena_new();
	for (int i = 0; i < NOPTION; i++)
		if (takes(&options[i], call))
			printf("  --%-15s %s\n", arena_printf(a, "%s %s", options[i].name, options[i].arg),
			       options[i].what);
	arena_free(a);
}

int call_help(struct options *o)
{
	const struct cmd *c = o->file ? find_cmd(o->file) : NULL;
	if (o->file && c == NULL)
		return usage("there is no call", o->file, near_cmd(o->file));
	if (c) {
		printf("dgm %s %s: %s\n", c->name, c->arg, c->what);
		help_options(c->name);
		return EXIT_DONE;
	}
	printf("dgm: a compiler for deep generative models\n\n");
	for (int i = 0; i < NCMD; i++)
		printf("  dgm %-8s %-7s %s\n", cmds[i].name, cmds[i].arg, cmds[i].what);
	printf("\n'dgm help CALL' gives the options of a call, 'dgm --version' the version; "
	       "grammar/LANGUAGE.md is the language reference.\n");
	return EXIT_DONE;
}

/* --name value, --name=value */
static int read_option(struct options *o, struct arena *a, int argc, char **argv, int *i)
{
	const char *name = strcmp(argv[*i], "-o") == 0 ? "object" : argv[*i] + 2,
	           *eq = strchr(name, '='), *value = eq ? eq + 1 : NULL;
	const struct option *opt = NULL;
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	for (int k = 0; k < NOPTION; k++)
		if (strlen(options[k].name) == len && strncmp(options[k].name, name, len) == 0)
			opt = &options[k];
	if (opt == NULL)
		return usage("there is no option", argv[*i], near_option(intern_n(name, len)));
	char *field = (char *)o + opt->field;
	if (opt->kind == FLAG) {
		if (value)
			return usage("no value goes with", argv[*i], NULL);
		*(bool *)field = true;
		return EXIT_DONE;
	}
	if (value == NULL) {
		if (*i + 1 >= argc)
			return usage("a value is missing behind", argv[*i], NULL);
		value = argv[++*i];
	}
	if (opt->kind == TEXT) {
		*(const char **)field = value;
	} else if (opt->kind == FILES) {
		vec_push(a, &o->params, value);
	} else if (opt->kind == SET) {
		if (strchr(value, '=') == NULL)
			return usage("--set takes key=value, not", value, NULL);
		vec_push(a, &o->set, value);
	} else {
		char *end;
		errno = 0;
		long long v = strtoll(value, &end, 10);
		if (errno || *end || end == value || v < 0)
			return usage("a whole number is expected, not", value, NULL);
		*(int64_t *)field = v;
	}
	return EXIT_DONE;
}

static int check_options(const struct options *o)
{
	struct options none = {.seed = 1, .checkpoint = 10};
	for (int k = 0; k < NOPTION; k++) {
		const char *at = (const char *)o + options[k].field,
		           *zero = (const char *)&none + options[k].field;
		size_t size = options[k].kind == FLAG    ? sizeof(bool)
		              : options[k].kind == SET   ? sizeof o->set
		              : options[k].kind == FILES ? sizeof o->params
		                                         : sizeof(int64_t);
		if (memcmp(at, zero, size) != 0 && !takes(&options[k], o->call) && *options[k].calls) {
			fprintf(stderr, "dgm: 'dgm %s' takes no --%s\n", o->call, options[k].name);
			return EXIT_USAGE;
		}
	}
	return EXIT_DONE;
}

static bool takes_two(const char *call)
{
	const struct cmd *c = find_cmd(call);
	return c && strcmp(c->arg, "A B") == 0;
}

static int read_words(struct options *o, struct arena *a, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int status = EXIT_DONE;
		if (strcmp(argv[i], "-h") == 0)
			o->help = true;
		else if (strncmp(argv[i], "--", 2) == 0 || strcmp(argv[i], "-o") == 0)
			status = read_option(o, a, argc, argv, &i);
		else if (argv[i][0] == '-' && argv[i][1])
			status = usage("there is no option", argv[i], NULL);
		else if (o->call == NULL)
			o->call = argv[i];
		else if (o->file == NULL)
			o->file = argv[i];
		else if (o->other == NULL && takes_two(o->call))
			o->other = argv[i];
		else
			status = usage("one file at a time; unexpected", argv[i], NULL);
		if (status != EXIT_DONE)
			return status;
	}
	return EXIT_DONE;
}

static void print_version(void)
{
	static const char *const level[DGM_CPU_LEVELS] = {
	    [DGM_CPU_BASE] = "baseline", [DGM_CPU_AVX2] = "AVX2", [DGM_CPU_AVX512] = "AVX-512"};
	printf("dgm %s\n", DGM_VERSION);
	printf("OpenBLAS kernels: %s; own kernels: %s\n", dgm_blas_name(), level[dgm_cpu()]);
}

static int obey(struct options *o)
{
	if (o->version) {
		print_version();
		return EXIT_DONE;
	}
	if (o->help) { /* dgm --help, dgm CALL --help, dgm help CALL --help */
		if (o->call && strcmp(o->call, "help") != 0)
			o->file = o->call;
		return call_help(o);
	}
	if (o->call == NULL) {
		call_help(o);
		return EXIT_USAGE;
	}
	const struct cmd *c = find_cmd(o->call);
	if (c == NULL)
		return usage("there is no call", o->call, near_cmd(o->call));
	int status = check_options(o);
	if (status != EXIT_DONE)
		return status;
	if (o->file == NULL && strcmp(c->arg, "FILE") == 0)
		return usage("a .dgm file is missing behind", o->call, NULL);
	if (o->other == NULL && takes_two(o->call))
		return usage("two folders of results are missing behind", o->call, NULL);
	return c->call(o);
}

int dgm_main(int argc, char **argv)
{
	double start = dgm_now();
	dgm_blas_select(argv);
	struct arena *a = arena_new();
	struct options o = {.seed = 1, .checkpoint = 10, .time0 = start};
	int status = read_words(&o, a, argc, argv);
	if (status == EXIT_DONE)
		status = obey(&o);
	errno = 0;
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_DONE) {
		fprintf(stderr, "dgm: standard output could not be written%s%s\n", errno ? ": " : "",
		        errno ? strerror(errno) : "");
		status = EXIT_RUN;
	}
	arena_free(a);
	return status;
}
