#include "base/map.c" /* for siphash13 */

#include "support/unit.h"

#include <stdio.h>

struct entry {
    struct map_node node;
    char key[16];
};

static struct entry entries[5000];

static struct slice key_of(size_t i) {
    snprintf(entries[i].key, sizeof entries[i].key, "key%zu", i);
    return slice_cstr(entries[i].key);
}

static void insert_find_remove(void **state) {
    (void)state;
    struct map m;
    memset(entries, 0, sizeof entries);
    map_init(&m, 3);
    assert_int_equal(m.bucket_count, 4);
    for (size_t i = 0; i < COUNT(entries); i++) {
        assert_null(map_find(&m, key_of(i)));
        map_insert(&m, &entries[i].node, key_of(i));
    }
    assert_int_equal(m.count, COUNT(entries));
    assert_true(m.bucket_count >= m.count);
    for (size_t i = 0; i < COUNT(entries); i += 2) {
        assert_ptr_equal(map_find(&m, key_of(i)), &entries[i].node);
        map_remove(&m, &entries[i].node);
        assert_false(entries[i].node.linked);
    }
    for (size_t i = 0; i < COUNT(entries); i++) {
        assert_ptr_equal(map_find(&m, key_of(i)), i % 2 ? &entries[i].node : NULL);
    }
    assert_int_equal(m.count, COUNT(entries) / 2);
    map_fini(&m);
}

static void empty_and_binary_keys(void **state) {
    (void)state;
    struct map m;
    struct map_node nodes[4];
    memset(nodes, 0, sizeof nodes);
    const struct slice keys[] = {SLICE_EMPTY, SLICE("\0"), SLICE("\0\0"), SLICE("a\0b")};
    map_init(&m, 0);
    for (size_t i = 0; i < COUNT(keys); i++) {
        map_insert(&m, &nodes[i], keys[i]);
    }
    for (size_t i = 0; i < COUNT(keys); i++) {
        assert_ptr_equal(map_find(&m, keys[i]), &nodes[i]);
    }
    assert_null(map_find(&m, SLICE("a")));
    map_fini(&m);
}

static void equal_hashes_are_told_apart(void **state) {
    (void)state;
    struct map m;
    struct map_node a = {0}, b = {0};
    map_init(&m, 8);
    map_insert_hash(&m, &a, SLICE("a"), 42);
    map_insert_hash(&m, &b, SLICE("b"), 42);
    assert_ptr_equal(map_find_hash(&m, SLICE("a"), 42), &a);
    assert_ptr_equal(map_find_hash(&m, SLICE("b"), 42), &b);
    assert_null(map_find_hash(&m, SLICE("c"), 42));
    assert_null(map_find_hash(&m, SLICE("a"), 43));
    map_remove(&m, &a);
    assert_ptr_equal(map_find_hash(&m, SLICE("b"), 42), &b);
    map_fini(&m);
}

static void misuse_aborts(void **state) {
    (void)state;
    struct map m, other;
    struct map_node a = {0}, twin = {0};
    map_init(&m, 8);
    map_init(&other, 8);
    assert_aborts(map_remove(&m, &a));
    map_insert(&m, &a, SLICE("a"));
    assert_aborts(map_insert(&m, &a, SLICE("b")));
    assert_aborts(map_insert(&m, &twin, SLICE("a")));
    assert_aborts(map_remove(&other, &a));
    map_fini(&m);
    map_fini(&other);
}

struct visit {
    struct map *map;
    size_t seen;
};

static void remove_each(struct map_node *node, void *arg) {
    struct visit *v = arg;
    map_remove(v->map, node);
    memset(node, 0xee, sizeof *node); /* as if freed */
    v->seen++;
}

static void each_may_remove(void **state) {
    (void)state;
    struct map m;
    memset(entries, 0, sizeof entries);
    map_init(&m, 16);
    for (size_t i = 0; i < 1000; i++) {
        map_insert(&m, &entries[i].node, key_of(i));
    }
    struct visit v = {&m, 0};
    map_each(&m, remove_each, &v);
    assert_int_equal(v.seen, 1000);
    assert_int_equal(m.count, 0);
    map_fini(&m);
}

/* Chains stay short on keys that differ in one digit. */
static void hash_spreads(void **state) {
    (void)state;
    unsigned buckets[1024] = {0}, longest = 0;
    for (size_t i = 0; i < COUNT(entries); i++) {
        unsigned n = ++buckets[map_hash(key_of(i)) & 1023];
        longest = n > longest ? n : longest;
    }
    assert_true(longest < 32); /* mean 4.9; a Poisson tail below 1e-13 */
}

/* Must run first: a child forked before the seed is made has another one. */
static void seed_differs_by_process(void **state) {
    (void)state;
    int ends[2];
    uint64_t theirs = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        theirs = map_hash(SLICE("x"));
        _exit(write(ends[1], &theirs, sizeof theirs) != sizeof theirs);
    }
    assert_int_equal(read(ends[0], &theirs, sizeof theirs), sizeof theirs);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(map_hash(SLICE("x")) != theirs);
    assert_true(map_hash(SLICE("x")) == map_hash(SLICE("x")));
    close(ends[0]);
    close(ends[1]);
}

/* SipHash-1-3 of the bytes 00 01 02 ..., with key 00..0f and with key 0 (values of the authors'
 * implementation, as other implementations' tests have them). */
static void siphash_vectors(void **state) {
    (void)state;
    const uint64_t zero[2] = {0, 0};
    const uint64_t counting[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    const uint64_t expected[] = {
        0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
        0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
        0x369095118d299a8e, 0x25a48eb36c063de4,
    };
    for (size_t n = 0; n < COUNT(expected); n++) {
        assert_true(siphash13(counting, slice_of("\0\1\2\3\4\5\6\7\10", n)) == expected[n]);
    }
    assert_true(siphash13(zero, SLICE_EMPTY) == 0xd1fba762150c532c);
    assert_true(siphash13(zero, SLICE("\0")) == 0x68a914128e01e473);
    assert_true(siphash13(zero, SLICE("siphash")) == 0x8264ceeccb16bcbe);
    assert_true(siphash13(zero, SLICE("digest-sip_hash")) == 0xce31007e34130c0a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_differs_by_process),
        cmocka_unit_test(insert_find_remove),
        cmocka_unit_test(empty_and_binary_keys),
        cmocka_unit_test(equal_hashes_are_told_apart),
        cmocka_unit_test(misuse_aborts),
        cmocka_unit_test(each_may_remove),
        cmocka_unit_test(hash_spreads),
        cmocka_unit_test(siphash_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
