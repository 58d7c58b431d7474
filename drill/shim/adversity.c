/*
 * Preloaded into the workshop's programs by the drill: a disk that is full and a clock that is
 * wrong, for as long as the drill says so.
 *
 * The drill and the programs share one small file, named by DRILL_ADVERSITY: whether the disk is
 * full, by how much the clock is off, and how many writes were refused. Only what would need new
 * room on the disk below DRILL_DISK fails, with ENOSPC, as on a real one: reading, renaming and
 * deleting go on. Only the time of day is changed; durations are not, as on a real machine.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct adversity {
    _Atomic int64_t is_full;
    _Atomic int64_t clock_ms;
    _Atomic int64_t refused;
};

static struct adversity *adversity;
static const char *disk;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DRILL_ADVERSITY");
    disk = getenv("DRILL_DISK");
    if (path == NULL) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *shared = mmap(NULL, sizeof(struct adversity), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED) adversity = shared;
}

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }
#define REAL(name) \
    static __typeof__(&name) real_##name; \
    if (real_##name == NULL) real_##name = (__typeof__(&name))real(#name)

/* Whether this file is on the disk that is full. */
static int has_no_room(int file) {
    if (adversity == NULL || disk == NULL || !adversity->is_full) return 0;
    int saved = errno;
    struct stat about;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = -1;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode)) length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0) return 0;
    path[length] = '\0';
    if (strncmp(path, disk, strlen(disk)) != 0) return 0;
    adversity->refused++;
    return 1;
}

#define REFUSE_IF_FULL(file) \
    if (has_no_room(file)) { errno = ENOSPC; return -1; }

ssize_t write(int file, const void *bytes, size_t count) {
    REAL(write);
    REFUSE_IF_FULL(file);
    return real_write(file, bytes, count);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(writev);
    REFUSE_IF_FULL(file);
    return real_writev(file, parts, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    REAL(pwrite);
    REFUSE_IF_FULL(file);
    return real_pwrite(file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    REAL(pwrite64);
    REFUSE_IF_FULL(file);
    return real_pwrite64(file, bytes, count, at);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
    REAL(copy_file_range);
    REFUSE_IF_FULL(to);
    return real_copy_file_range(from, from_at, to, to_at, count, flags);
}

int fallocate(int file, int mode, off_t at, off_t count) {
    REAL(fallocate);
    REFUSE_IF_FULL(file);
    return real_fallocate(file, mode, at, count);
}

int fallocate64(int file, int mode, off64_t at, off64_t count) {
    REAL(fallocate64);
    REFUSE_IF_FULL(file);
    return real_fallocate64(file, mode, at, count);
}

/* These give the error instead of setting it. */
int posix_fallocate(int file, off_t at, off_t count) {
    REAL(posix_fallocate);
    return has_no_room(file) ? ENOSPC : real_posix_fallocate(file, at, count);
}

int posix_fallocate64(int file, off64_t at, off64_t count) {
    REAL(posix_fallocate64);
    return has_no_room(file) ? ENOSPC : real_posix_fallocate64(file, at, count);
}

static int is_time_of_day(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int result = real_clock_gettime(clock, now);
    if (result != 0 || adversity == NULL || !is_time_of_day(clock)) return result;
    int64_t off = adversity->clock_ms;
    int64_t nanoseconds = now->tv_nsec + off % 1000 * 1000000;
    now->tv_sec += off / 1000;
    if (nanoseconds < 0) { nanoseconds += 1000000000; now->tv_sec -= 1; }
    if (nanoseconds >= 1000000000) { nanoseconds -= 1000000000; now->tv_sec += 1; }
    now->tv_nsec = nanoseconds;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec exact;
    int result = clock_gettime(CLOCK_REALTIME, &exact);
    if (result == 0) {
        now->tv_sec = exact.tv_sec;
        now->tv_usec = exact.tv_nsec / 1000;
    }
    return result;
}

time_t time(time_t *now) {
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return (time_t)-1;
    if (now != NULL) *now = exact.tv_sec;
    return exact.tv_sec;
}
