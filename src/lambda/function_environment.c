/* The environment variables of a Lambda (facts: aws 2.3). Of our own environment a function
 * gets what it needs to run and to call AWS, nothing else. */
#include "lambda/function_impl.h"

#include "base/buffer.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

extern char **environ;

static const char *const inherited[] = {
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "NODE_PATH",
    "PYTHONPATH",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
};

struct list_of_text {
    char **items;
    size_t count;
};

/* Whether "NAME=..." of that name is there already: the first one counts. */
static bool has(const struct list_of_text *l, const char *assignment) {
    size_t len = strcspn(assignment, "=") + 1;
    for (size_t k = 0; k < l->count; k++) {
        if (strncmp(l->items[k], assignment, len) == 0) {
            return true;
        }
    }
    return false;
}

static void add(struct list_of_text *l, const char *assignment) {
    if (has(l, assignment)) {
        return;
    }
    l->items = memory_grow(l->items, (l->count + 2) * sizeof(*l->items));
    l->items[l->count++] = slice_dup(slice_cstr(assignment));
    l->items[l->count] = NULL;
}

static void add_value(struct list_of_text *l, const char *name, const char *value) {
    struct buffer b = {0};
    NEED_MEMORY(buffer_printf(&b, "%s=%s", name, value) == 0);
    NEED_MEMORY(buffer_append(&b, "", 1) == 0);
    add(l, buffer_begin(&b));
    buffer_fini(&b);
}

static void add_number(struct list_of_text *l, const char *name, size_t value) {
    char text[24];
    (void)snprintf(text, sizeof(text), "%zu", value);
    add_value(l, name, text);
}

/* "2026/11/22/[$LATEST]" and 32 hexadecimal digits, as in CloudWatch. */
static void add_log_stream(struct list_of_text *l, const struct function *f) {
    char date_time[17];
    char date[9];
    char id[37];
    char text[96];
    struct rng rng = f->rng;
    clock_format_amz(clock_wall_ms() / 1000, date_time, date);
    rng_uuid(&rng, id);
    (void)snprintf(text, sizeof(text), "%.4s/%.2s/%.2s/[$LATEST]%.8s%.4s%.4s%.4s%.12s", date,
                   date + 4, date + 6, id, id + 9, id + 14, id + 19, id + 24);
    add_value(l, "AWS_LAMBDA_LOG_STREAM_NAME", text);
}

/* As in an image for a custom runtime that brings all it needs along: one directory is both. */
static void add_directories(struct list_of_text *l, const char *directory) {
    char *absolute = realpath(directory ? directory : ".", NULL);
    const char *root = absolute ? absolute : directory ? directory : "/";
    add_value(l, "LAMBDA_TASK_ROOT", root);
    add_value(l, "LAMBDA_RUNTIME_DIR", root);
    free(absolute);
}

char **function_environment(const struct function *f, uint16_t port) {
    const struct function_options *o = &f->options;
    struct list_of_text l = {NULL, 0};
    char text[300];
    /* Lambda's reserved ones come first: nothing overrides them. */
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    add_value(&l, "AWS_LAMBDA_RUNTIME_API", text);
    add_value(&l, "AWS_LAMBDA_FUNCTION_NAME", o->name);
    add_value(&l, "AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
    add_number(&l, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", o->memory_mb);
    add_value(&l, "AWS_LAMBDA_INITIALIZATION_TYPE",
              o->warm ? "provisioned-concurrency" : "on-demand");
    if (o->per_process > 1) {
        add_number(&l, "AWS_LAMBDA_MAX_CONCURRENCY", o->per_process);
    }
    (void)snprintf(text, sizeof(text), "/aws/lambda/%.200s", o->name);
    add_value(&l, "AWS_LAMBDA_LOG_GROUP_NAME", text);
    add_log_stream(&l, f);
    for (size_t k = 0; o->environment != NULL && o->environment[k] != NULL; k++) {
        add(&l, o->environment[k]);
    }
    add_value(&l, "AWS_REGION", o->region);
    add_value(&l, "AWS_DEFAULT_REGION", o->region);
    add_value(&l, "AWS_EXECUTION_ENV", "penstock");
    add_value(&l, "_HANDLER", o->name);
    add_value(&l, "LANG", "en_US.UTF-8");
    add_value(&l, "TZ", ":UTC");
    add_directories(&l, o->directory);
    for (size_t k = 0; k < sizeof(inherited) / sizeof(inherited[0]); k++) {
        const char *value = getenv(inherited[k]);
        if (value != NULL) {
            add_value(&l, inherited[k], value);
        }
    }
    return l.items;
}

void function_environment_free(char **environment) {
    for (size_t k = 0; environment != NULL && environment[k] != NULL; k++) {
        free(environment[k]);
    }
    free(environment);
}
