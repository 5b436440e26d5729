/* Atomic files: written under another name in the same folder, flushed to the disk, renamed, and
 * the folder flushed too, so that after a crash or on a full disk the old file is there, or the new
 * one, and never half of either.  What is no regular file (/dev/stdout) is written as it is. */
#include "files.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

/* Is the name FILE.tmp.PROCESS, as dgm_out_open makes them, and the process not this one? */
static bool half_written(const char *name)
{
	const char *end = name + strlen(name), *digits = end;
	static const char middle[] = ".tmp.";
	const size_t len = sizeof middle - 1;
	while (digits > name && isdigit((unsigned char)digits[-1]))
		digits--;
	return digits < end && (size_t)(digits - name) > len &&
	       strncmp(digits - len, middle, len) == 0 && strtol(digits, NULL, 10) != (long)getpid();
}

void dgm_folder_clean(const char *path)
{
	DIR *d = opendir(path);
	struct stat st;
	for (const struct dirent *e; d && (e = readdir(d)) != NULL;)
		if (half_written(e->d_name) &&
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

/* A file system that has no locks says so with another error: there runs are not kept apart. */
int dgm_folder_lock(const char *path)
{
	char name[4096];
	if ((size_t)snprintf(name, sizeof name, "%s/.lock", path) >= sizeof name)
		return dgm_fail(DGM_EIO, "%.60s...: the name is too long", path);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return dgm_fail(DGM_EIO, "%s: cannot be written: %s", name, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		close(fd);
		return dgm_fail(DGM_EIO,
		                "%s: the folder is in use by another run; give this one a folder "
		                "of its own with --out",
		                path);
	}
	dgm_folder_clean(path);
	return fd;
}

void dgm_folder_unlock(int lock)
{
	if (lock >= 0)
		close(lock);
}

/* stdio forgets why an earlier write failed. */
int dgm_stdout_flush(void)
{
	static int first;
	bool failed = ferror(stdout) != 0;
	if (fflush(stdout) != 0 && !first)
		first = errno;
	if (failed && !first)
		first = EIO;
	if (!first)
		return DGM_OK;
	return dgm_fail(DGM_EIO, "standard output: cannot be written: %s", strerror(first));
}
