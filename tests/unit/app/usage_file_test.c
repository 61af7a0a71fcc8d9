/* The file of quotas: kept, added to, shared, broken. */
#include "app/usage_file.h"

#include "base/error.h"
#include "support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

static char folder[64];
static char problem[USAGE_PROBLEM_MAX];
static char seen[1024];

static const char *path(const char *name) {
    static char out[128];
    snprintf(out, sizeof out, "%s/%s", folder, name);
    return out;
}

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/usage_file_XXXXXX");
    assert_non_null(mkdtemp(folder));
    strcat(folder, "/state"); /* made by the first call */
    return 0;
}

static int tear_down(void **state) {
    static const char *const names[] = {"quotas.json", "quotas.json.bad", "quotas.json.new",
                                        "quotas.lock"};
    (void)state;
    (void)chmod(folder, 0700);
    for (size_t i = 0; i < COUNT(names); i++) {
        (void)remove(path(names[i]));
    }
    (void)remove(folder);
    *strrchr(folder, '/') = '\0';
    return remove(folder);
}

static void on_record(void *arg, const struct usage_record *r) {
    size_t len = strlen(seen);
    (void)arg;
    snprintf(seen + len, sizeof seen - len, "%s/%s %s %u %llu;", r->plan, r->key,
             quota_period_name(r->period), r->start, (unsigned long long)r->used);
}

static const char *records(int expected) {
    seen[0] = '\0';
    assert_int_equal(usage_file_read(folder, on_record, NULL, problem), expected);
    return seen;
}

static uint64_t add(const char *plan, const char *key, uint32_t start, uint64_t used) {
    struct usage_record r = {plan, key, QUOTA_DAY, start, used};
    assert_int_equal(usage_file_add(folder, &r, 1, 20000, problem), 0);
    return r.used;
}

static void write_file(const char *text) {
    FILE *f = fopen(path("quotas.json"), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void counts_add_up(void **state) {
    (void)state;
    assert_string_equal(records(0), "");
    assert_int_equal(add("gold", "a", 20000, 5), 5);
    assert_int_equal(add("gold", "a", 20000, 2), 7);
    assert_int_equal(add("gold", "b\"\n", 20000, 1), 1);
    assert_int_equal(add("free", "a", 20000, 4), 4);
    assert_string_equal(records(0), "gold/a DAY 20000 7;gold/b\"\n DAY 20000 1;"
                                    "free/a DAY 20000 4;");
}

/* A new period begins at zero, and one that is long over is dropped. */
static void periods(void **state) {
    (void)state;
    (void)add("gold", "a", 20000 - USAGE_KEPT_DAYS, 5);
    assert_int_equal(add("gold", "b", 19999, 5), 5);
    assert_int_equal(add("gold", "b", 20000, 1), 1);
    struct usage_record r = {"gold", "c", QUOTA_MONTH, 20000, 1};
    assert_int_equal(usage_file_add(folder, &r, 1, 20001, problem), 0);
    assert_string_equal(records(0), "gold/b DAY 20000 1;gold/c MONTH 20000 1;");
}

static void bad_files_are_put_aside(void **state) {
    static const char *const bad[] = {
        "{",
        "[]",
        "{\"quotas\":{}}",
        "{\"quotas\":[{\"plan\":\"a\"}]}",
        "{\"quotas\":[{\"plan\":\"a\",\"key\":\"b\",\"period\":\"YEAR\","
        "\"start\":\"2026-11-22T00:00:00Z\",\"used\":1}]}",
        "{\"quotas\":[{\"plan\":\"a\",\"key\":\"b\",\"period\":\"DAY\","
        "\"start\":\"2026-11-22T00:00:00Z\",\"used\":-1}]}",
        "{\"quotas\":[{\"plan\":\"a\",\"key\":\"b\",\"period\":\"DAY\","
        "\"start\":\"yesterday\",\"used\":1}]}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_string_equal(records(0), "");
        write_file(bad[i]);
        assert_string_equal(records(ERR_INVALID), "");
        assert_non_null(strstr(problem, "quotas.json"));
        assert_int_equal(access(path("quotas.json.bad"), F_OK), 0);
        /* What comes while the file is bad is counted all the same. */
        write_file(bad[i]);
        struct usage_record r = {"gold", "a", QUOTA_DAY, 20000, 3};
        assert_int_equal(usage_file_add(folder, &r, 1, 20000, problem), ERR_INVALID);
        assert_string_equal(records(0), "gold/a DAY 20000 3;");
        assert_int_equal(remove(path("quotas.json")), 0);
    }
}

/* A write that a crash cut short is not seen: it has another name. */
static void half_written(void **state) {
    (void)state;
    (void)add("gold", "a", 20000, 5);
    FILE *f = fopen(path("quotas.json.new"), "w");
    assert_non_null(f);
    fputs("{\"quo", f);
    fclose(f);
    assert_string_equal(records(0), "gold/a DAY 20000 5;");
    assert_int_equal(add("gold", "a", 20000, 1), 6);
}

static void another_process_has_it(void **state) {
    (void)state;
    (void)add("gold", "a", 20000, 5);
    int fd = open(path("quotas.lock"), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    struct usage_record r = {"gold", "a", QUOTA_DAY, 20000, 3};
    assert_int_equal(usage_file_add(folder, &r, 1, 20000, problem), ERR_BUSY);
    assert_int_equal(r.used, 3);
    close(fd);
    assert_int_equal(add("gold", "a", 20000, 3), 8);
}

static void no_folder(void **state) {
    (void)state;
    struct usage_record r = {"gold", "a", QUOTA_DAY, 20000, 3};
    assert_int_equal(usage_file_add("/proc/none", &r, 1, 20000, problem), ERR_IO);
    assert_non_null(strstr(problem, "/proc/none"));
    assert_int_equal(usage_file_read("/dev/null", on_record, NULL, problem), ERR_IO);
    (void)records(0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(counts_add_up),          T(periods),   T(bad_files_are_put_aside), T(half_written),
        T(another_process_has_it), T(no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
