/* Loaded in front of the C library (LD_PRELOAD): moves the wall clock and breaks flushes to disk.
 *
 * Two numbers in the file that FAULT_SHIM names, read anew at every call through a shared mapping:
 *   [0] milliseconds added to CLOCK_REALTIME, gettimeofday and time
 *   [1] while not 0: fsync and fdatasync of programs named *-server fail with EIO
 * Only system calls, no dlsym and no memory: Valkey's allocator asks for the time before it is ready.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *told;
static int is_server;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULT_SHIM");
    if (!path) return;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *seen = mmap(0, 16, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (seen != MAP_FAILED) told = seen;
    char name[4096];
    ssize_t size = readlink("/proc/self/exe", name, sizeof name - 1);
    is_server = size > 7 && !memcmp(name + size - 7, "-server", 7);
    if (size > 15 && !is_server) { /* Debian's redis-server is redis-check-rdb under another name */
        is_server = !memcmp(name + size - 15, "redis-check-rdb", 15);
    }
}

static void shift(int64_t *seconds, int64_t *nanoseconds) {
    if (!told || !told[0]) return;
    int64_t at = *nanoseconds + (told[0] % 1000) * 1000000;
    *seconds += told[0] / 1000;
    while (at < 0) { at += 1000000000; *seconds -= 1; }
    while (at >= 1000000000) { at -= 1000000000; *seconds += 1; }
    *nanoseconds = at;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    int failed = (int)syscall(SYS_clock_gettime, clock, out);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t seconds = out->tv_sec, nanoseconds = out->tv_nsec;
        shift(&seconds, &nanoseconds);
        out->tv_sec = seconds;
        out->tv_nsec = nanoseconds;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) { out->tv_sec = now.tv_sec; out->tv_usec = now.tv_nsec / 1000; }
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

static int broken(void) {
    if (!told || !told[1] || !is_server) return 0;
    errno = EIO;
    return 1;
}

int fsync(int file) { return broken() ? -1 : (int)syscall(SYS_fsync, file); }
int fdatasync(int file) { return broken() ? -1 : (int)syscall(SYS_fdatasync, file); }
