/* --params: a file of parameters, or MODEL=F, the file of one of several models. */
#include "driver/driver.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The file, where the argument is one for the model; named: one that names a model of the file. */
static const char *file_for(const struct unit *u, const char *arg, const char *model, bool *named)
{
	const char *eq = strchr(arg, '=');
	size_t n = eq ? (size_t)(eq - arg) : 0;
	*named = false;
	for (int k = 0; eq && k < u->checked->model.n; k++) {
		const char *name = u->checked->model.at[k]->name;
		if (strlen(name) == n && memcmp(name, arg, n) == 0) {
			*named = true;
			return strcmp(name, model) == 0 ? eq + 1 : NULL;
		}
	}
	return arg;
}

const char *params_file(const struct unit *u, const char *model)
{
	const char *any = NULL;
	for (int k = 0; k < u->opt->params.n; k++) {
		bool named;
		const char *file = file_for(u, u->opt->params.at[k], model, &named);
		if (file && named)
			return file;
		any = file ? file : any;
	}
	return any;
}

/* Files for the model: the more special kind counts. */
static bool is_given_twice(const struct unit *u, const char *model)
{
	int files[2] = {0, 0};
	for (int k = 0; k < u->opt->params.n; k++) {
		bool named;
		if (file_for(u, u->opt->params.at[k], model, &named))
			files[named]++;
	}
	return files[0] > 1 || files[1] > 1;
}

/* A run takes parameters of models that no block trains; else it is said. */
static bool none_is_trained(const struct unit *u)
{
	for (int i = 0; i < u->checked->block.n; i++) {
		const struct block_def *b = u->checked->block.at[i];
		const char *file = b->kind == BLOCK_TRAIN ? params_file(u, b->model->name) : NULL;
		if (file == NULL)
			continue;
		fprintf(stderr,
		        "dgm: --params: %s trains model '%s': it does not take parameters from %s\n",
		        u->opt->file, b->model->name, file);
		return false;
	}
	return true;
}

/* MODEL=F of a model that is not there. */
static bool names_nobody(const struct unit *u, const char *arg)
{
	const char *eq = strchr(arg, '=');
	bool named;
	file_for(u, arg, "", &named);
	if (!eq || named || access(arg, F_OK) == 0)
		return false;
	fprintf(stderr, "dgm: --params: %s has no model '%.*s', and there is no file '%s'\n",
	        u->opt->file, (int)(eq - arg), arg, arg);
	return true;
}

bool params_go(const struct unit *u)
{
	int n = 0;
	bool named = true;
	for (int k = 0; k < u->opt->params.n; k++)
		if (names_nobody(u, u->opt->params.at[k]))
			return false;
	for (int k = 0; k < u->model.n; k++) {
		const char *model = u->model.at[k]->name;
		if (is_given_twice(u, model)) {
			fprintf(stderr, "dgm: --params: model '%s' is given two files\n", model);
			return false;
		}
		n += u->model.at[k]->weight.n > 0;
	}
	for (int k = 0; k < u->opt->params.n && named; k++)
		file_for(u, u->opt->params.at[k], "", &named);
	if (!named && n > 1) {
		fprintf(stderr,
		        "dgm: --params: %s has %d models with parameters: --params MODEL=F.safetensors "
		        "says whose a file is\n",
		        u->opt->file, n);
		return false;
	}
	for (int k = 0; k < u->model.n && u->opt->embed_params; k++) {
		const char *model = u->model.at[k]->name;
		if (u->model.at[k]->weight.n == 0 || params_file(u, model))
			continue;
		fprintf(stderr, "dgm: --embed-params: model '%s' has no file: --params %s=F.safetensors\n",
		        model, model);
		return false;
	}
	return strcmp(u->opt->call, "run") != 0 || none_is_trained(u);
}
