/* nearest: the known word that a misspelt one was meant to be.  Optimal string alignment distance
 * (insert, delete, replace, swap neighbours), counted in quarters so that a letter in the wrong
 * case costs a quarter of a wrong letter; near is within a third of the longer word. */
#include "base/base.h"

#include <ctype.h>
#include <string.h>

enum { MAX_WORD = 63, WRONG = 4, WRONG_CASE = 1 };

static int min(int a, int b)
{
	return a < b ? a : b;
}

static int letter_cost(char a, char b)
{
	if (a == b)
		return 0;
	return tolower((unsigned char)a) == tolower((unsigned char)b) ? WRONG_CASE : WRONG;
}

static int distance(const char *a, int na, const char *b, int nb)
{
	int d[MAX_WORD + 1][MAX_WORD + 1];
	for (int i = 0; i <= na; i++)
		d[i][0] = WRONG * i;
	for (int j = 0; j <= nb; j++)
		d[0][j] = WRONG * j;
	for (int i = 1; i <= na; i++) {
		for (int j = 1; j <= nb; j++) {
			int best = d[i - 1][j - 1] + letter_cost(a[i - 1], b[j - 1]);
			best = min(best, min(d[i - 1][j], d[i][j - 1]) + WRONG);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = min(best, d[i - 2][j - 2] + WRONG);
			d[i][j] = best;
		}
	}
	return d[na][nb];
}

const char *nearest_word(const char *name, const char *const *words, int n)
{
	size_t na = strlen(name);
	if (na > MAX_WORD)
		return NULL;
	const char *best = NULL;
	int best_distance = 0;
	for (int i = 0; i < n; i++) {
		size_t nb = words[i] ? strlen(words[i]) : 0;
		if (!nb || nb > MAX_WORD)
			continue;
		int longer = (int)(na > nb ? na : nb);
		int limit = longer < 3 ? longer * WRONG_CASE : WRONG * ((longer + 1) / 3);
		int dist = distance(name, (int)na, words[i], (int)nb);
		if (dist <= limit && (!best || dist < best_distance)) {
			best = words[i];
			best_distance = dist;
		}
	}
	return best;
}
