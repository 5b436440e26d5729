/* The lines of a stream of text, however long they are. */
#include "reader.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE ((int64_t)1 << 26)

int dgm_lines_open(struct dgm_lines *l, struct dgm_stream *s)
{
	*l = (struct dgm_lines){.s = s, .room = 1 << 16};
	l->buf = malloc((size_t)l->room + 1);
	return l->buf ? DGM_OK : dgm_fail(DGM_ENOMEM, "%s: not enough memory", s->path);
}

void dgm_lines_close(struct dgm_lines *l)
{
	free(l->buf);
}

int dgm_lines_next(struct dgm_lines *l, char **line)
{
	for (int64_t seen = 0;;) {
		char *from = l->buf + l->at + seen;
		char *nl =
		    l->end - l->at > seen ? memchr(from, '\n', (size_t)(l->end - l->at - seen)) : NULL;
		*line = NULL;
		if (!nl && l->last && l->at == l->end)
			return DGM_OK;
		if (nl || l->last) {
			int64_t to = nl ? nl - l->buf : l->end;
			*line = l->buf + l->at;
			l->number++;
			l->buf[to] = 0;
			if ((int64_t)strlen(*line) < to - l->at)
				return dgm_fail(DGM_EFORMAT,
				                "%s: line %" PRId64 " is not text: it holds a NUL byte", l->s->path,
				                l->number);
			l->at = nl ? to + 1 : l->end;
			if (to > *line - l->buf && l->buf[to - 1] == '\r')
				l->buf[to - 1] = 0;
			return DGM_OK;
		}
		seen = l->end - l->at;
		memmove(l->buf, l->buf + l->at, (size_t)seen);
		l->at = 0;
		l->end = seen;
		if (l->room - seen < l->room / 2) {
			char *p = seen < MAX_LINE ? realloc(l->buf, (size_t)l->room * 2 + 1) : NULL;
			if (!p)
				return dgm_fail(seen < MAX_LINE ? DGM_ENOMEM : DGM_EFORMAT,
				                "%s: line %" PRId64 " is too long: %" PRId64 " bytes and no end",
				                l->s->path, l->number + 1, seen);
			l->buf = p;
			l->room *= 2;
		}
		int64_t got, want = l->room - seen;
		int status = dgm_stream_read(l->s, l->buf + seen, want, &got);
		if (status)
			return status;
		l->end += got;
		l->last = got < want;
		if (l->last && l->s->cut)
			return dgm_fail(DGM_EFORMAT, "%s: truncated: the gzip stream ends in line %" PRId64,
			                l->s->path, l->number + 1);
	}
}
