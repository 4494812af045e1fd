/* Loaded into an agent: keeps a copy of each file of its spool as of the last sync that was completed.
 *
 * Each sync takes some time before it does anything, as on a slow disk: so kills come in the middle of it.
 *
 * That copy is what a power cut leaves at least. It is made after the sync and before the caller goes on, and put into
 * place by a rename, so a kill at any moment leaves the copy of one sync or of the next.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONGEST_SYNC_MICROSECONDS = 100000 };

static void keep(int fd) {
    const char *place = getenv("POWER_CUT_COPIES");
    char link[64], path[PATH_MAX], copy[PATH_MAX], draft[PATH_MAX + 8], buffer[1 << 16];
    struct stat state;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (place == NULL || length < 0 || fstat(fd, &state) != 0 || !S_ISREG(state.st_mode)) return;
    path[length] = 0;
    snprintf(copy, sizeof copy, "%s/%s", place, strrchr(path, '/') + 1);
    snprintf(draft, sizeof draft, "%s.draft", copy);
    int from = open(path, O_RDONLY), to = open(draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (from < 0 || to < 0) abort();
    ssize_t got;
    while ((got = read(from, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, (size_t)got) != got) abort();
    close(from);
    close(to);
    rename(draft, copy);
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    usleep((useconds_t)(rand() % LONGEST_SYNC_MICROSECONDS));
    int result = real(fd);
    if (result == 0) keep(fd);
    return result;
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    usleep((useconds_t)(rand() % LONGEST_SYNC_MICROSECONDS));
    int result = real(fd);
    if (result == 0) keep(fd);
    return result;
}
