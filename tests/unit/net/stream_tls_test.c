/* TLS streams over loopback, good peers and bad ones. */
#include "unit/net/peers.h"
#include "unit/tls/certs.h"

#include "tls/engine.h"
#include "tls/session_cache.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static struct certs certs;
static struct leaf good;
static struct tls_context *client_context, *server_context;

static struct stream_tls as_client(const char *name, struct tls_session_cache *sessions) {
    return (struct stream_tls){client_context, name, sessions};
}

/* A connected pair c <-> f->accepted[0], both open. */
static struct peer *connect_pair(struct fixture *f, const char *address) {
    fixture_init(f);
    f->server_tls.context = server_context;
    fixture_listen(f, address);
    struct stream_tls tls = as_client("localhost", NULL);
    struct peer *c = peer_new(f);
    assert_int_equal(peer_connect(c, &tls), 0);
    turn_until(f, c->opened != NOT_YET && f->accepted_count == 1 &&
                      f->accepted[0]->opened != NOT_YET);
    if (c->opened) {
        fail_msg("%s", c->reason);
    }
    assert_int_equal(f->accepted[0]->opened, 0);
    return c;
}

static void echo_over(const char *address) {
    struct fixture f;
    fixture_init(&f);
    f.server_tls.context = server_context;
    f.echo = 1;
    fixture_listen(&f, address);
    struct stream_tls tls = as_client("localhost", NULL);
    struct peer *c = peer_new(&f);
    assert_int_equal(peer_connect(c, &tls), 0);
    peer_send(c, "early ", 6); /* waits for the handshake */
    turn_until(&f, c->got.len == 6);
    peer_send(c, "hello", 5);
    turn_until(&f, c->got.len == 11);
    assert_memory_equal(buffer_begin(&c->got), "early hello", 11);
    assert_string_equal(stream_tls_reason(&c->s), "");
    assert_string_equal(tls_engine_version(c->s.tls), "TLSv1.2");
    peer_send(c, " last", 5);
    stream_shutdown(&c->s); /* close_notify and FIN; the echo still comes, then its own */
    turn_until(&f, c->end != NOT_YET);
    assert_int_equal(c->end, 0);
    assert_int_equal(f.accepted[0]->end, 0);
    assert_int_equal(c->got.len, 16);
    peer_free(c);
    fixture_fini(&f);
}

static void test_echo(void **state) {
    char path[64];
    (void)state;
    echo_over("127.0.0.1:0");
    snprintf(path, sizeof(path), "unix:/tmp/penstock-tls-test-%d.sock", (int)getpid());
    echo_over(path);
    unlink(path + 5);
}

enum { BIG = 6 << 20 };

static char *big_pattern(void) {
    char *bytes = malloc(BIG);
    assert_non_null(bytes);
    for (int i = 0; i < BIG; i++) {
        bytes[i] = (char)(i * 7 + (i >> 13));
    }
    return bytes;
}

static void test_backpressure(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f, "127.0.0.1:0");
    struct peer *r = f.accepted[0];
    char *bytes = big_pattern();
    stream_read_stop(&r->s);
    int drains = c->drains;
    peer_send(c, bytes, BIG);
    for (int i = 0; i < 50; i++) {
        loop_turn(&f.loop);
    }
    assert_true(stream_queued(&c->s) > 0);
    /* What waits stays plaintext: it is encrypted as the socket takes it. */
    assert_true(c->s.out.len + c->s.sending.len <= 262144);
    assert_int_equal(c->drains, drains);
    assert_int_equal(r->got.len, 0);
    stream_read_start(&r->s);
    turn_until(&f, r->got.len == BIG);
    assert_memory_equal(buffer_begin(&r->got), bytes, BIG);
    turn_until(&f, c->drains > drains);
    assert_int_equal(c->s.plain.cap, 0);
    assert_int_equal(c->s.out.cap, 0);
    free(bytes);
    peer_free(c);
    fixture_fini(&f);
}

static void stop_after_each(struct peer *p) {
    stream_read_stop(&p->s);
}

/* The owner stops inside every on_data: no record is lost, the rest comes on demand. */
static void test_read_stop_in_data(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f, "127.0.0.1:0");
    struct peer *r = f.accepted[0];
    r->on_data = stop_after_each;
    char *bytes = big_pattern();
    peer_send(c, bytes, 300000);
    stream_shutdown(&c->s);
    int starts = 0;
    while (r->end == NOT_YET && starts < 100000) {
        size_t before = r->got.len;
        loop_turn(&f.loop);
        assert_true(r->got.len - before <= STREAM_PLAINTEXT_MAX); /* one event per start */
        if (r->got.len > before || r->got.len == 0 || r->got.len == 300000) {
            f.in_call++;
            stream_read_start(&r->s);
            f.in_call--;
            starts++;
        }
    }
    assert_int_equal(r->end, 0);
    assert_int_equal(r->got.len, 300000);
    assert_memory_equal(buffer_begin(&r->got), bytes, 300000);
    free(bytes);
    peer_free(c);
    fixture_fini(&f);
}

static void test_resumption(void **state) {
    struct fixture f;
    (void)state;
    fixture_init(&f);
    f.server_tls.context = server_context;
    fixture_listen(&f, "127.0.0.1:0");
    struct tls_session_cache *sessions = tls_session_cache_new(8);
    struct stream_tls tls = as_client("localhost", sessions);
    for (int i = 0; i < 10; i++) {
        struct peer *c = peer_new(&f);
        assert_int_equal(peer_connect(c, &tls), 0);
        turn_until(&f, c->opened != NOT_YET);
        assert_int_equal(c->opened, 0);
        assert_int_equal(stream_tls_resumed(&c->s), i > 0);
        turn_until(&f, f.accepted[i]->opened == 0);
        assert_int_equal(stream_tls_resumed(&f.accepted[i]->s), i > 0);
        peer_free(c);
    }
    tls_session_cache_free(sessions);
    fixture_fini(&f);
}

/* ---- what is refused ---- */

static void refused_by_client(struct tls_context *server, const char *name, int error,
                              const char *want) {
    struct fixture f;
    fixture_init(&f);
    f.server_tls.context = server;
    fixture_listen(&f, "127.0.0.1:0");
    struct stream_tls tls = as_client(name, NULL);
    struct peer *c = peer_new(&f);
    assert_int_equal(peer_connect(c, &tls), 0);
    peer_send(c, "secret", 6);
    turn_until(&f, c->opened != NOT_YET && f.accepted_count == 1 &&
                       f.accepted[0]->opened != NOT_YET);
    assert_int_equal(c->opened, error);
    if (strstr(c->reason, want) == NULL) {
        fail_msg("reason: %s, wanted: %s", c->reason, want);
    }
    assert_int_equal(f.accepted[0]->opened, ERR_TLS); /* told by our alert */
    assert_non_null(strstr(f.accepted[0]->reason, "said the peer"));
    assert_int_equal(f.accepted[0]->got.len, 0);
    peer_free(c);
    fixture_fini(&f);
}

static void test_refused(void **state) {
    char reason[TLS_REASON_MAX];
    struct tls_context *server;
    (void)state;
    refused_by_client(server_context, "example.com", ERR_TLS_VERIFY, "expected example.com");
    struct leaf l = certs_leaf(&certs, "expired", "localhost", CERT_EC, -9, -1, 0);
    assert_int_equal(tls_server_context_new(&server, l.certificate, l.key, reason), 0);
    refused_by_client(server, "localhost", ERR_TLS_VERIFY, "certificate expired");
    tls_context_free(server);
    l = certs_leaf(&certs, "self", "localhost", CERT_EC, -1, 9, 1);
    assert_int_equal(tls_server_context_new(&server, l.certificate, l.key, reason), 0);
    refused_by_client(server, "localhost", ERR_TLS_VERIFY, "self-signed");
    tls_context_free(server);
}

static void test_plain_peers(void **state) {
    struct fixture f;
    (void)state;
    /* A plain client at a TLS door. */
    fixture_init(&f);
    f.server_tls.context = server_context;
    fixture_listen(&f, "127.0.0.1:0");
    struct peer *c = peer_new(&f);
    assert_int_equal(peer_connect(c, NULL), 0);
    peer_send(c, "GET / HTTP/1.1\r\n\r\n", 18);
    turn_until(&f, f.accepted_count == 1 && f.accepted[0]->opened != NOT_YET);
    assert_int_equal(f.accepted[0]->opened, ERR_TLS);
    assert_string_not_equal(f.accepted[0]->reason, "");
    peer_free(c);
    fixture_fini(&f);
    /* A TLS client at a plain door that answers something else. */
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0");
    struct stream_tls tls = as_client("localhost", NULL);
    c = peer_new(&f);
    assert_int_equal(peer_connect(c, &tls), 0);
    turn_until(&f, f.accepted_count == 1 && f.accepted[0]->got.len > 0);
    peer_send(f.accepted[0], "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    turn_until(&f, c->opened != NOT_YET);
    assert_int_equal(c->opened, ERR_TLS);
    peer_free(c);
    fixture_fini(&f);
}

static void test_missing_name(void **state) {
    struct fixture f;
    (void)state;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0");
    struct stream_tls tls = as_client(NULL, NULL);
    struct peer *c = peer_new(&f);
    assert_int_equal(peer_connect(c, &tls), ERR_TLS);
    peer_free(c); /* still owed */
    fixture_fini(&f);
}

/* ---- peers that leave ---- */

/* A byte pipe between a TLS client stream and a TLS server stream, which can be cut. */
struct proxy {
    struct peer *from_client; /* accepted, plain */
    struct peer *to_server;   /* connected, plain */
    size_t budget;            /* bytes of the server it lets through before it cuts */
    int reset;
};

static void cut(struct proxy *x) {
    uv_os_fd_t fd;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (x->reset && uv_fileno(&x->from_client->s.uv.handle, &fd) == 0) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    peer_close(x->from_client);
}

static void pump(struct peer *from, struct peer *to) {
    if (from->got.len > 0 && !stream_closing(&to->s) && to->opened == 0) {
        (void)!stream_write(&to->s, buffer_slice(&from->got));
        buffer_consume(&from->got, from->got.len);
    }
}

static void pump_to_client(struct proxy *x) {
    size_t n = x->to_server->got.len < x->budget ? x->to_server->got.len : x->budget;
    if (stream_closing(&x->from_client->s)) {
        return;
    }
    if (n > 0) {
        (void)!stream_write(&x->from_client->s, slice_of(buffer_begin(&x->to_server->got), n));
        buffer_consume(&x->to_server->got, n);
        x->budget -= n;
    } else if (x->budget == 0 && stream_queued(&x->from_client->s) == 0) {
        cut(x);
    }
}

/* The server's side is cut after `budget` bytes: in the handshake or in a record. Returns what
 * the client was told. */
static int cut_after(size_t budget, int reset, int *opened, char reason[256]) {
    struct fixture f, back;
    struct proxy x = {.budget = budget, .reset = reset};
    fixture_init(&f);
    f.server_tls.context = server_context;
    fixture_listen(&f, "127.0.0.1:0");
    fixture_init(&back);
    fixture_listen(&back, "127.0.0.1:0");
    struct stream_tls tls = as_client("localhost", NULL);
    struct peer *c = peer_new(&back);
    assert_int_equal(peer_connect(c, &tls), 0);
    turn_until(&back, back.accepted_count == 1);
    x.from_client = back.accepted[0];
    x.to_server = peer_new(&f);
    assert_int_equal(peer_connect(x.to_server, NULL), 0);
    int said = 0;
    uint64_t give_up = test_now_ms() + 20000;
    while (c->end == NOT_YET && (c->opened == NOT_YET || c->opened == 0)) {
        assert_true(test_now_ms() < give_up);
        loop_turn(&back.loop);
        loop_turn(&f.loop);
        pump(x.from_client, x.to_server);
        pump_to_client(&x);
        if (f.accepted_count && f.accepted[0]->opened == 0 && !said) {
            char text[9000];
            memset(text, 'r', sizeof(text));
            peer_send(f.accepted[0], text, sizeof(text)); /* one record */
            said = 1;
        }
    }
    int told = c->opened ? c->opened : c->end;
    *opened = c->opened;
    assert_int_equal(c->got.len, 0); /* half a record is nothing */
    snprintf(reason, 256, "%s", stream_tls_reason(&c->s));
    peer_free(x.to_server);
    peer_free(c);
    fixture_fini(&back);
    fixture_fini(&f);
    return told;
}

static void test_cut(void **state) {
    char reason[256];
    int opened;
    (void)state;
    /* The server's flights are some 900 bytes; the record behind is 9 KB. */
    for (size_t at = 0; at < 900; at += 61) {
        int told = cut_after(at, 0, &opened, reason);
        assert_int_equal(told, ERR_CLOSED);
        if (opened != 0) {
            assert_string_equal(reason, "the peer closed during the TLS handshake");
        }
        told = cut_after(at, 1, &opened, reason);
        assert_true(told == ERR_RESET || told == ERR_CLOSED);
    }
    assert_int_equal(cut_after(5000, 0, &opened, reason), ERR_CLOSED);
    assert_int_equal(opened, 0);
    assert_string_equal(reason, "the peer closed without close_notify");
    int told = cut_after(5000, 1, &opened, reason);
    assert_true(told == ERR_RESET);
    assert_int_equal(opened, 0);
}

/* ---- close after N turns ---- */

static void close_after(int turns, int close_server) {
    struct fixture f;
    fixture_init(&f);
    f.server_tls.context = server_context;
    f.echo = 1;
    fixture_listen(&f, "127.0.0.1:0");
    struct stream_tls tls = as_client("localhost", NULL);
    struct peer *c = peer_new(&f);
    assert_int_equal(peer_connect(c, &tls), 0);
    char *bytes = calloc(1, 500000);
    assert_non_null(bytes);
    peer_send(c, bytes, 500000);
    for (int i = 0; i < turns; i++) {
        loop_turn(&f.loop);
    }
    if (close_server && f.accepted_count) {
        peer_close(f.accepted[0]);
        turn_until(&f, (c->opened != NOT_YET && c->opened != 0) || c->end != NOT_YET);
    }
    int opened = c->opened, end = c->end;
    peer_close(c);
    turn_until(&f, c->closed);
    assert_int_equal(c->opened, opened);
    assert_int_equal(c->end, end);
    free(bytes);
    peer_free(c);
    fixture_fini(&f);
}

static void test_close_after_n_turns(void **state) {
    (void)state;
    for (int n = 0; n <= 20; n++) {
        close_after(n, 0);
        close_after(n, 1);
    }
}

static void close_self(struct peer *p) {
    peer_close(p);
}

static void test_close_in_events(void **state) {
    struct fixture f;
    (void)state;
    struct peer *c = connect_pair(&f, "127.0.0.1:0");
    f.accepted[0]->on_data = close_self;
    char *bytes = calloc(1, 100000); /* several records: the first on_data closes */
    assert_non_null(bytes);
    peer_send(c, bytes, 100000);
    turn_until(&f, f.accepted[0]->closed && c->end != NOT_YET);
    assert_true(f.accepted[0]->got.len <= STREAM_PLAINTEXT_MAX);
    free(bytes);
    peer_free(c);
    struct stream_tls tls = as_client("localhost", NULL);
    c = peer_new(&f);
    c->on_open = close_self;
    assert_int_equal(peer_connect(c, &tls), 0);
    turn_until(&f, c->closed);
    peer_free(c);
    fixture_fini(&f);
}

/* ---- OpenSSL as the peer ---- */

struct openssl {
    pid_t pid;
    int out;
};

static int have_openssl(void) {
    return system("openssl version >/dev/null 2>&1") == 0;
}

static struct openssl openssl_start(char *const argv[]) {
    struct openssl o;
    int out[2];
    assert_int_equal(pipe(out), 0);
    o.pid = fork();
    assert_true(o.pid >= 0);
    if (o.pid == 0) {
        int null = open("/dev/zero", O_RDONLY); /* s_server ends at the end of its input */
        dup2(null, 0);
        dup2(out[1], 1);
        dup2(out[1], 2);
        close(out[0]);
        execvp("openssl", argv);
        _exit(127);
    }
    close(out[1]);
    o.out = out[0];
    return o;
}

static void openssl_stop(struct openssl *o) {
    kill(o->pid, SIGKILL);
    waitpid(o->pid, NULL, 0);
    close(o->out);
}

/* A port nobody has now. */
static void free_port(char out[8]) {
    struct net_address a;
    int fd;
    char reason[128];
    assert_int_equal(net_address_parse(SLICE("127.0.0.1:0"), &a), 0);
    assert_int_equal(listener_open_fd(&a, 1, 0, &fd, reason), 0);
    a.len = sizeof(a.sa);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a.sa, &a.len), 0);
    snprintf(out, 8, "%u", net_address_port(&a));
    close(fd);
}

static void openssl_server_refused(const struct leaf *leaf, const char *version,
                                   const char *ciphers, const char *want) {
    struct fixture f;
    char port[8], address[32];
    free_port(port);
    char *argv[] = {"openssl", "s_server",        "-accept",
                    port,      "-cert",           (char *)leaf->certificate,
                    "-key",    (char *)leaf->key, "-quiet",
                    "-cipher", (char *)ciphers,   (char *)version,
                    NULL};
    struct openssl o = openssl_start(argv);
    fixture_init(&f);
    snprintf(address, sizeof(address), "127.0.0.1:%s", port);
    assert_int_equal(net_address_parse(slice_cstr(address), &f.address), 0);
    struct stream_tls tls = as_client("localhost", NULL);
    struct peer *c = NULL;
    for (int tries = 0; tries < 200; tries++) { /* until it listens */
        c = peer_new(&f);
        assert_int_equal(peer_connect(c, &tls), 0);
        turn_until(&f, c->opened != NOT_YET);
        if (c->opened != ERR_REFUSED) {
            break;
        }
        peer_free(c);
        usleep(20000);
    }
    openssl_stop(&o);
    assert_int_equal(c->opened, ERR_TLS);
    if (strstr(c->reason, want) == NULL) {
        fail_msg("reason: %s, wanted: %s", c->reason, want);
    }
    peer_free(c);
    fixture_fini(&f);
}

static void test_old_servers(void **state) {
    (void)state;
    if (!have_openssl()) {
        print_message("skipped: no openssl command\n");
        skip();
    }
    struct leaf rsa = certs_leaf(&certs, "rsa", "localhost", CERT_RSA, -1, 9, 0);
    /* OpenSSL 3 speaks TLS 1.1 at security level 0 only. */
    openssl_server_refused(&rsa, "-tls1_1", "DEFAULT@SECLEVEL=0", "protocol version");
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    openssl_server_refused(&rsa, "-tls1_3", "DEFAULT", "protocol version");
#endif
    openssl_server_refused(&rsa, "-tls1_2", "AES128-GCM-SHA256", "no common cipher suite");
    openssl_server_refused(&good, "-tls1_2", "ECDHE-ECDSA-AES128-SHA",
                           "no common cipher suite");
}

/* What an OpenSSL client sees of us: the group is X25519, and TLS 1.1 is refused. */
static void openssl_client(const char *const *options, const char *want, int want_open) {
    struct fixture f;
    char address[NET_ADDRESS_TEXT_MAX], text[16384];
    const char *argv[16] = {"openssl", "s_client", "-connect", address, "-CAfile", certs.ca};
    int argc = 6;
    size_t len = 0;
    fixture_init(&f);
    f.server_tls.context = server_context;
    fixture_listen(&f, "127.0.0.1:0");
    net_address_format(&f.address, address);
    while (*options) {
        argv[argc++] = *options++;
    }
    struct openssl o = openssl_start((char *const *)argv);
    turn_until(&f, f.accepted_count == 1 && f.accepted[0]->opened != NOT_YET);
    assert_int_equal(f.accepted[0]->opened, want_open);
    f.accepted[0]->discard = 1;
    peer_free(f.accepted[0]);
    f.accepted[0] = NULL;
    ssize_t n;
    while ((n = read(o.out, text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    openssl_stop(&o);
    if (strstr(text, want) == NULL) {
        fail_msg("not said: %s; but: %s", want, text);
    }
    fixture_fini(&f);
}

static void test_openssl_clients(void **state) {
    (void)state;
    if (!have_openssl()) {
        print_message("skipped: no openssl command\n");
        skip();
    }
    openssl_client((const char *[]){NULL}, "Server Temp Key: X25519", 0);
    openssl_client((const char *[]){"-groups", "P-256", NULL}, "Server Temp Key: ECDH", 0);
    openssl_client((const char *[]){NULL}, "Verify return code: 0 (ok)", 0);
    openssl_client((const char *[]){"-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305", NULL},
                   "ECDHE-ECDSA-CHACHA20-POLY1305", 0);
    openssl_client((const char *[]){"-cipher", "AES128-SHA", NULL}, "alert", ERR_TLS);
    openssl_client((const char *[]){"-groups", "P-521", NULL}, "alert", ERR_TLS);
    openssl_client((const char *[]){"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", NULL}, "alert",
                   ERR_TLS);
}

static int setup(void **state) {
    char reason[TLS_REASON_MAX];
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    tls_global_init();
    certs_init(&certs);
    good = certs_leaf(&certs, "good", "localhost", CERT_EC, -1, 30, 0);
    assert_int_equal(tls_client_context_new(&client_context, certs.ca, reason), 0);
    assert_int_equal(
        tls_server_context_new(&server_context, good.certificate, good.key, reason), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tls_context_free(client_context);
    tls_context_free(server_context);
    certs_fini(&certs);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_backpressure),
        cmocka_unit_test(test_read_stop_in_data),
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_plain_peers),
        cmocka_unit_test(test_missing_name),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_close_after_n_turns),
        cmocka_unit_test(test_close_in_events),
        cmocka_unit_test(test_old_servers),
        cmocka_unit_test(test_openssl_clients),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
