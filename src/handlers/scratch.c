#include "handlers/scratch.h"

#include <pthread.h>
#include <stdlib.h>

#define KEEP_BYTES 262144

static _Thread_local struct scratch *own;
static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void scratch_free(void *arg) {
    struct scratch *s = arg;
    buffer_fini(&s->item);
    buffer_fini(&s->extra);
    buffer_fini(&s->text);
    buffer_fini(&s->names);
    buffer_fini(&s->values);
    buffer_fini(&s->spans);
    buffer_fini(&s->answer);
    model_key_buffer_fini(&s->keys);
    model_key_buffer_fini(&s->work);
    free(s);
}

static void make_key(void) {
    ASSERT(pthread_key_create(&key, scratch_free) == 0);
}

static struct scratch *scratch_new(void) {
    struct scratch *s;
    NEED_MEMORY((s = calloc(1, sizeof *s)) != NULL);
    rng_seed_random(&s->rng);
    /* The key is there for its destructor alone. */
    ASSERT(pthread_once(&key_once, make_key) == 0);
    ASSERT(pthread_setspecific(key, s) == 0);
    return s;
}

struct scratch *scratch_get(void) {
    struct scratch *s = own ? own : (own = scratch_new());
    buffer_reset(&s->item, KEEP_BYTES);
    buffer_reset(&s->extra, KEEP_BYTES);
    buffer_reset(&s->text, KEEP_BYTES);
    buffer_reset(&s->names, KEEP_BYTES);
    buffer_reset(&s->values, KEEP_BYTES);
    buffer_reset(&s->spans, KEEP_BYTES);
    buffer_reset(&s->answer, KEEP_BYTES);
    return s;
}
