#include "loop/mailbox.h"

#include "support/unit.h"

#include <pthread.h>
#include <stdlib.h>

#define SENDERS 4
#define MAILS   50000

struct letter {
    struct mail mail;
    int sender;
    int number;
};

static struct loop l;
static struct mailbox box;
static int received, closed, next[SENDERS];
static int close_at; /* closes the mailbox while it receives this one */

static void on_close(struct mailbox *b) {
    assert_ptr_equal(b, &box);
    closed++;
}

static void on_mail(struct mailbox *b, struct mail *mail) {
    struct letter *letter = container_of(mail, struct letter, mail);
    assert_ptr_equal(b, &box);
    assert_false(closed);
    assert_int_equal(letter->number, next[letter->sender]++);
    free(letter);
    if (++received == close_at) {
        mailbox_close(b, on_close);
    }
}

static void post(int sender, int number) {
    struct letter *letter = malloc(sizeof *letter);
    assert_non_null(letter);
    letter->sender = sender;
    letter->number = number;
    mailbox_post(&box, &letter->mail);
}

static int setup(void **state) {
    (void)state;
    received = closed = close_at = 0;
    memset(next, 0, sizeof next);
    assert_int_equal(loop_init(&l), 0);
    return mailbox_init(&box, &l, on_mail);
}

static int teardown(void **state) {
    (void)state;
    loop_fini(&l);
    return 0;
}

static void in_order_and_not_at_once(void **state) {
    (void)state;
    post(0, 0);
    post(0, 1);
    post(0, 2);
    assert_int_equal(received, 0);
    while (received < 3) {
        loop_turn(&l);
    }
    mailbox_close(&box, NULL);
    loop_run(&l);
}

static void close_delivers_what_was_posted(void **state) {
    (void)state;
    post(0, 0);
    post(1, 0);
    mailbox_close(&box, on_close);
    assert_int_equal(received, 0);
    loop_run(&l);
    assert_int_equal(received, 2);
    assert_int_equal(closed, 1);
}

static void closed_while_receiving(void **state) {
    (void)state;
    close_at = 2;
    for (int i = 0; i < 5; i++) {
        post(0, i);
    }
    loop_run(&l);
    assert_int_equal(received, 5);
    assert_int_equal(closed, 1);
}

static void *send_many(void *arg) {
    int sender = *(int *)arg;
    for (int i = 0; i < MAILS; i++) {
        post(sender, i);
    }
    return NULL;
}

static void many_senders(void **state) {
    (void)state;
    pthread_t threads[SENDERS];
    int ids[SENDERS];
    close_at = SENDERS * MAILS;
    for (int i = 0; i < SENDERS; i++) {
        ids[i] = i;
        pthread_create(&threads[i], NULL, send_many, &ids[i]);
    }
    loop_run(&l); /* the open mailbox keeps it running until all have come */
    assert_int_equal(received, SENDERS * MAILS);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(next[i], MAILS);
    }
    assert_int_equal(closed, 1);
}

int main(void) {
#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_LOOP(in_order_and_not_at_once),
        WITH_LOOP(close_delivers_what_was_posted),
        WITH_LOOP(closed_while_receiving),
        WITH_LOOP(many_senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
