/* penstock-bench: loads an HTTP target and measures it. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "http/request_parser.h"
#include "load_file.h"
#include "load_report.h"
#include "tls/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_GOOD, EXIT_FAILED, EXIT_USAGE };

struct bench {
    struct load_options options;
    struct load_target target;
    struct load_request request;
    struct load_run run;
    struct load_result result;
    struct load_ramp ramp;
    struct load_verify_result verify;
    struct buffer older;
};

static struct bench bench;

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int say(const char *what, const char *why) {
    fprintf(stderr, "penstock-bench: %s: %s\n", what, why);
    return EXIT_USAGE;
}

/* Found before the run, not after it. */
static int check_files(void) {
    const char *outputs[] = {bench.options.json, bench.options.html};
    for (size_t i = 0; i < 2; i++) {
        FILE *f = outputs[i] ? fopen(outputs[i], "a") : NULL;
        if (outputs[i] && !f) {
            return say(outputs[i], strerror(errno));
        }
        if (f) {
            fclose(f);
        }
    }
    if (bench.options.ca_file && access(bench.options.ca_file, R_OK)) {
        return say(bench.options.ca_file, strerror(errno));
    }
    if (bench.options.compare) {
        if (load_file_read(bench.options.compare, &bench.older)) {
            return EXIT_USAGE;
        }
        if (load_report_older(buffer_slice(&bench.older))) {
            return say(bench.options.compare, "is no --json file of this tool");
        }
    }
    return EXIT_GOOD;
}

static int prepare(void) {
    const struct load_options *o = &bench.options;
    struct load_process process;
    struct rng rng;
    rng_seed_random(&rng);
    bench.run.seed = o->seed ? o->seed : rng_u64(&rng);
    if (load_request_init(&bench.request, o, bench.run.seed) || check_files()) {
        return EXIT_USAGE;
    }
    if (o->pid && load_process_read(o->pid, &process)) {
        return say("--pid", "there is no such process");
    }
    int error = load_target_init(&bench.target, o);
    return error == ERR_INVALID ? EXIT_USAGE : error ? EXIT_FAILED : EXIT_GOOD;
}

static int measure(void) {
    const struct load_options *o = &bench.options;
    bench.run.options = o;
    bench.run.target = &bench.target;
    bench.run.request = &bench.request;
    bench.run.rate = o->rate;
    bench.run.remembers = o->verify;
    int error = o->ramp ? load_ramp(&bench.run, &bench.ramp, &bench.result)
                        : load_run(&bench.run, &bench.result);
    if (!error && o->verify) {
        error = load_verify(&bench.run, &bench.verify);
    }
    return error ? EXIT_FAILED : EXIT_GOOD;
}

static int judge(void) {
    const struct load_options *o = &bench.options;
    int bad = o->ramp ? bench.ramp.best == 0 : load_result_failed(&bench.result, o);
    return bad || (o->verify && load_verify_failed(&bench.verify)) ? EXIT_FAILED : EXIT_GOOD;
}

static int report(uint64_t started_epoch_ms) {
    const struct load_options *o = &bench.options;
    struct load_report r = {
        .options = o,
        .result = &bench.result,
        .ramp = o->ramp ? &bench.ramp : NULL,
        .verify = o->verify ? &bench.verify : NULL,
        .started_epoch_ms = started_epoch_ms,
        .exit_code = judge(),
    };
    load_report_print(&r);
    if (o->json && load_report_json(&r, o->json)) {
        say(o->json, strerror(errno));
        return EXIT_FAILED;
    }
    if (o->html && load_report_html(&r, buffer_slice(&bench.older), o->html)) {
        say(o->html, strerror(errno));
        return EXIT_FAILED;
    }
    return r.exit_code;
}

static void clean_up(void) {
    for (unsigned i = 0; bench.run.traffic && i < bench.options.threads; i++) {
        load_traffic_fini(&bench.run.traffic[i]);
    }
    free(bench.run.traffic);
    load_request_fini(&bench.request);
    load_result_fini(&bench.result);
    buffer_fini(&bench.older);
}

int main(int argc, char **argv) {
    switch (load_options_parse(&bench.options, argc, argv)) {
    case OPTIONS_HELPED:
        return EXIT_GOOD;
    case OPTIONS_WRONG:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    log_threshold = LOG_OFF;
    tls_global_init();
    raise_descriptor_limit();
    uint64_t started_epoch_ms = clock_wall_ms();
    int code = prepare();
    if (!code) {
        load_run_block_signals();
        code = measure();
        code = code ? code : report(started_epoch_ms);
    }
    clean_up();
    return code;
}
