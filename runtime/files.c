/* Atomic files: written under another name in the same folder, flushed to the disk, renamed, and
 * the folder flushed too, so that after a crash or on a full disk the old file is there, or the new
 * one, and never half of either.  What is no regular file (/dev/stdout) is written as it is. */
#include "files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int dgm_out_open(struct dgm_out *o, const char *path)
{
	struct stat st;
	*o = (struct dgm_out){0};
	if ((size_t)snprintf(o->path, sizeof o->path, "%s", path) >= sizeof o->path ||
	    (size_t)snprintf(o->tmp, sizeof o->tmp, "%s.tmp.%ld", path, (long)getpid()) >=
	        sizeof o->tmp)
		return dgm_fail(DGM_EIO, "%.60s...: the name is too long", path);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return dgm_fail(DGM_EIO, "%s: is a folder, a file is to be written", path);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		*o->tmp = 0;
	o->f = fopen(*o->tmp ? o->tmp : path, "wb");
	if (!o->f)
		return dgm_fail(DGM_EIO, "%s: cannot be written: %s", path, strerror(errno));
	return DGM_OK;
}

/* Makes a rename in the folder of path last.  Some file systems cannot, and say EINVAL. */
static int sync_folder(const char *path)
{
	char folder[4096];
	const char *slash = strrchr(path, '/');
	int len = slash ? (int)(slash - path) + (slash == path) : 1;
	snprintf(folder, sizeof folder, "%.*s", len, slash ? path : ".");
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? 0 : errno;
	int err = fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP ? errno : 0;
	close(fd);
	return err;
}

/* 0 or the errno of the first failure.  stdio forgets why an earlier write failed: one more byte
 * into the file, which is lost anyway, finds out. */
static int finish(struct dgm_out *o)
{
	int err = 0, fd = fileno(o->f);
	if (ferror(o->f))
		err = write(fd, "", 1) < 0 ? errno : EIO;
	if (!err && fflush(o->f) != 0)
		err = errno;
	if (!err && *o->tmp && fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
		err = errno;
	if (fclose(o->f) != 0 && !err)
		err = errno;
	o->f = NULL;
	if (!err && *o->tmp && rename(o->tmp, o->path) != 0)
		err = errno;
	return err;
}

int dgm_out_commit(struct dgm_out *o)
{
	if (!o->f)
		return dgm_fail(DGM_EIO, "%s: is not open", o->path);
	int err = finish(o);
	if (err) {
		if (*o->tmp)
			unlink(o->tmp);
	} else if (*o->tmp) {
		err = sync_folder(o->path);
	}
	if (err)
		return dgm_fail(DGM_EIO, "%s: cannot be written: %s", o->path, strerror(err));
	return DGM_OK;
}

void dgm_out_abort(struct dgm_out *o)
{
	if (!o->f)
		return;
	fclose(o->f);
	o->f = NULL;
	if (*o->tmp)
		unlink(o->tmp);
}

int dgm_make_dir(const char *path)
{
	char part[4096];
	size_t len = strlen(path);
	struct stat st;
	if (len == 0 || len >= sizeof part)
		return dgm_fail(DGM_EIO, "%.60s: the name of a folder is %s", path,
		                len ? "too long" : "empty");
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (mkdir(part, 0777) != 0 && errno != EEXIST &&
		    !(stat(part, &st) == 0 && S_ISDIR(st.st_mode)))
			return dgm_fail(DGM_EIO, "%s: cannot be made: %s", part, strerror(errno));
	}
	if (stat(path, &st) != 0)
		return dgm_fail(DGM_EIO, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return dgm_fail(DGM_EIO, "%s: is a file, expected a folder", path);
	if (access(path, W_OK | X_OK) != 0)
		return dgm_fail(DGM_EIO, "%s: nothing can be written there: %s", path, strerror(errno));
	return DGM_OK;
}
