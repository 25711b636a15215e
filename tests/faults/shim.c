/* Makes the n-th I/O call below a folder fail. Built and loaded (LD_PRELOAD) by the fault suite. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { ONCE = 0, FROM_THEN_ON = 1, SHORT_WRITE = 2 };

static char folder[4096];
static size_t folder_length;
static long calls, fail_at;
static int mode, number;
static char first[64];

/* Count from now on; n = 0 only counts. */
void shim_arm(const char *below, long n, int how, int error) {
    snprintf(folder, sizeof folder, "%s", below);
    folder_length = strlen(folder);
    calls = 0;
    fail_at = n;
    mode = how;
    number = error;
    first[0] = 0;
}
void shim_disarm(void) { folder_length = 0; }
long shim_calls(void) { return calls; }
const char *shim_first(void) { return first; }

static int below(const char *path) { return folder_length && !strncmp(path, folder, folder_length); }

static int open_below(int descriptor) {
    char link[64], target[4096];
    if (!folder_length || descriptor < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0) return 0;
    target[length] = 0;
    return below(target);
}

static int path_below(int at, const char *path) {
    if (!folder_length || !path) return 0;
    return path[0] == '/' ? below(path) : at != AT_FDCWD && open_below(at);
}

/* Whether this call, one below the folder, is to fail; writes may be cut short instead. */
static int fails(const char *name, int is_write) {
    calls++;
    if (!fail_at || calls < fail_at || (mode != FROM_THEN_ON && calls > fail_at)) return 0;
    if (mode == SHORT_WRITE && !is_write) return 0;
    if (!first[0]) snprintf(first, sizeof first, "%s", name);
    errno = number;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int descriptor, const void *data, size_t size) {
    if (open_below(descriptor) && fails("write", 1)) {
        if (mode == SHORT_WRITE && size > 1) return REAL(write)(descriptor, data, size / 2);
        if (mode != SHORT_WRITE) return -1;
    }
    return REAL(write)(descriptor, data, size);
}

#define ON_DESCRIPTOR(type, name, parameters, arguments)                                    \
    type name parameters {                                                                  \
        if (open_below(descriptor) && fails(#name, 0)) return -1;                           \
        return REAL(name) arguments;                                                        \
    }
ON_DESCRIPTOR(int, fsync, (int descriptor), (descriptor))
ON_DESCRIPTOR(int, fdatasync, (int descriptor), (descriptor))
ON_DESCRIPTOR(int, ftruncate, (int descriptor, off_t size), (descriptor, size))
ON_DESCRIPTOR(int, ftruncate64, (int descriptor, off64_t size), (descriptor, size))

#define ON_PATH(name, parameters, at, path, arguments)                                      \
    int name parameters {                                                                   \
        if (path_below(at, path) && fails(#name, 0)) return -1;                             \
        return REAL(name) arguments;                                                        \
    }
ON_PATH(mkdir, (const char *p, mode_t m), AT_FDCWD, p, (p, m))
ON_PATH(mkdirat, (int d, const char *p, mode_t m), d, p, (d, p, m))
ON_PATH(rename, (const char *a, const char *b), AT_FDCWD, b, (a, b))
ON_PATH(renameat, (int d, const char *a, int e, const char *b), e, b, (d, a, e, b))
ON_PATH(renameat2, (int d, const char *a, int e, const char *b, unsigned f), e, b, (d, a, e, b, f))
ON_PATH(link, (const char *a, const char *b), AT_FDCWD, b, (a, b))
ON_PATH(linkat, (int d, const char *a, int e, const char *b, int f), e, b, (d, a, e, b, f))

#define OPENING(name, parameters, last, at, path, with_mode)                                \
    int name parameters {                                                                   \
        mode_t m = 0;                                                                       \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                \
            va_list rest;                                                                   \
            va_start(rest, last);                                                           \
            m = va_arg(rest, mode_t);                                                       \
            va_end(rest);                                                                   \
        }                                                                                   \
        if (path_below(at, path) && fails(#name, 0)) return -1;                             \
        return REAL(name) with_mode;                                                        \
    }
OPENING(open, (const char *p, int flags, ...), flags, AT_FDCWD, p, (p, flags, m))
OPENING(open64, (const char *p, int flags, ...), flags, AT_FDCWD, p, (p, flags, m))
OPENING(openat, (int d, const char *p, int flags, ...), flags, d, p, (d, p, flags, m))
OPENING(openat64, (int d, const char *p, int flags, ...), flags, d, p, (d, p, flags, m))
