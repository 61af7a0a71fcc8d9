#include "tls/gcm.h"

#include <dlfcn.h>
#include <mbedtls/version.h>
#include <string.h>

#if MBEDTLS_VERSION_NUMBER < 0x03000000

static gcm_update_fn next; /* what the dynamic linker would have found without ours */
static gcm_update_fn use_update = gcm_update_mbedtls;

void gcm_init(void) {
    /* ISO C casts no object pointer to a function's; POSIX lets it be copied. */
    void *found = dlsym(RTLD_NEXT, "mbedtls_gcm_update");
    memcpy(&next, &found, sizeof(next));
    gcm_update_fn native = gcm_update_native();
    gcm_use(native != NULL ? native : gcm_update_mbedtls);
}

void gcm_use(gcm_update_fn fn) {
    use_update = fn;
}

int gcm_update_mbedtls(mbedtls_gcm_context *ctx, size_t len, const unsigned char *in,
                       unsigned char *out) {
    return next != NULL ? next(ctx, len, in, out) : MBEDTLS_ERR_GCM_HW_ACCEL_FAILED;
}

/* Weak, so that a static mbedTLS keeps its own. */
__attribute__((weak)) int mbedtls_gcm_update(mbedtls_gcm_context *ctx, size_t length,
                                             const unsigned char *input,
                                             unsigned char *output) {
    return use_update(ctx, length, input, output);
}

#else /* UNTESTED: 3.x has another mbedtls_gcm_update, and a private context */

void gcm_init(void) {
}

#endif
