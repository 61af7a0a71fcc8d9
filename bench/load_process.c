#include "load_process.h"

#include "base/clock.h"
#include "base/error.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES_MAX 4096u

struct entry {
    unsigned pid;
    unsigned parent;
    uint64_t ticks;
    int counted;
};

/* /proc/PID/stat, after the name, which may hold anything: state, ppid, 9 others, utime, stime,
 * cutime, cstime (proc(5)). */
static int read_stat(unsigned pid, struct entry *e) {
    char path[64], line[1024];
    unsigned long long user, system, children_user, children_system;
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f) {
        return ERR_NOT_FOUND;
    }
    size_t len = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[len] = '\0';
    const char *rest = strrchr(line, ')');
    if (!rest ||
        sscanf(rest + 1, " %*c %u %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
               &e->parent, &user, &system, &children_user, &children_system) != 5) {
        return ERR_NOT_FOUND;
    }
    e->pid = pid;
    e->ticks = user + system + children_user + children_system;
    e->counted = 0;
    return 0;
}

static uint64_t read_peak(unsigned pid) {
    char path[64], line[256];
    unsigned long long kib = 0;
    snprintf(path, sizeof path, "/proc/%u/status", pid);
    FILE *f = fopen(path, "r");
    if (!f) {
        return 0;
    }
    while (fgets(line, sizeof line, f) && sscanf(line, "VmHWM: %llu kB", &kib) != 1) {
    }
    fclose(f);
    return kib * 1024;
}

static size_t read_all(struct entry *entries) {
    size_t count = 0;
    DIR *d = opendir("/proc");
    const struct dirent *name;
    while (d && (name = readdir(d)) != NULL && count < PROCESSES_MAX) {
        unsigned long pid = strtoul(name->d_name, NULL, 10);
        if (pid > 0 && pid <= INT32_MAX && read_stat((unsigned)pid, &entries[count]) == 0) {
            count++;
        }
    }
    if (d) {
        closedir(d);
    }
    return count;
}

static void count_entry(struct entry *e, struct load_process *out) {
    e->counted = 1;
    out->cpu_ns += e->ticks * NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
    out->peak_bytes += read_peak(e->pid);
    out->processes++;
}

static int is_counted(const struct entry *entries, size_t count, unsigned pid) {
    for (size_t i = 0; i < count; i++) {
        if (entries[i].pid == pid) {
            return entries[i].counted;
        }
    }
    return 0;
}

int load_process_read(unsigned pid, struct load_process *out) {
    struct entry *entries = calloc(PROCESSES_MAX, sizeof *entries);
    ASSERT(entries != NULL);
    size_t count = read_all(entries);
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].pid == pid) {
            count_entry(&entries[i], out);
        }
    }
    for (unsigned before = 0; before != out->processes;) { /* until no child is new */
        before = out->processes;
        for (size_t i = 0; i < count; i++) {
            if (!entries[i].counted && is_counted(entries, count, entries[i].parent)) {
                count_entry(&entries[i], out);
            }
        }
    }
    free(entries);
    return out->processes > 0 ? 0 : ERR_NOT_FOUND;
}
