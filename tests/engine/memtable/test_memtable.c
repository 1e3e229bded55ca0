// The memtable against a list of versions that is searched linearly.
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/random.h"
#include "engine/memtable/memtable.h"

enum { VERSIONS_MAX = 4000, KEYS = 60, VALUE_MAX = 40 };

struct version_of {
    int key;
    uint64_t seq;
    int64_t expire_ms;
    uint8_t tag; // without what lies beneath
    uint8_t value_len, value_byte;
};

struct model {
    struct version_of versions[VERSIONS_MAX];
    unsigned count;
    uint64_t last_seq;
};

enum { BENEATH = RECORD_FRESH | RECORD_IN_DOUBT };

static char prefix_letter(int key)
{
    return (char)('a' + key % 3);
}

static struct slice key_of(char out[16], int key)
{
    return slice_of(out, (size_t)snprintf(out, 16, "%c/%d", prefix_letter(key), key));
}

static size_t one_letter(struct slice key)
{
    return key.len > 0 && key.data[0] != 'c' ? 1 : 0; // the keys of 'c' are not counted
}

static struct version_of *newest(struct model *model, int key, uint64_t max_seq)
{
    struct version_of *found = NULL;
    for (unsigned i = 0; i < model->count; i++) {
        struct version_of *v = &model->versions[i];
        if (v->key == key && v->seq <= max_seq && (found == NULL || v->seq > found->seq))
            found = v;
    }
    return found;
}

static void check_entry(const struct entry *e, const struct version_of *v)
{
    char key[16];
    uint8_t value[VALUE_MAX];
    memset(value, v->value_byte, sizeof value);
    cr_assert(slice_equal(e->key, key_of(key, v->key)));
    cr_assert_eq(e->seq, v->seq);
    cr_assert_eq(e->tag & ~BENEATH, v->tag);
    cr_assert_eq(e->expire_ms, v->expire_ms);
    cr_assert(slice_equal(e->value, slice_of(value, v->value_len)));
}

static void apply_random(struct random *random, struct model *model, struct memtable *m,
    uint64_t keep_seq, struct counts *total, struct buf *undo)
{
    struct version_of v = {
        .key = (int)random_below(random, KEYS), .seq = ++model->last_seq, .tag = RECORD_DELETE};
    if (random_below(random, 4)) {
        v.tag = RECORD_PUT;
        v.value_len = (uint8_t)random_below(random, VALUE_MAX);
        v.value_byte = (uint8_t)random_next(random);
        if (random_below(random, 3) == 0) {
            v.tag |= RECORD_EXPIRES;
            v.expire_ms = 1 + (int64_t)random_below(random, 1000);
        }
    }
    struct version_of *old = newest(model, v.key, SEQ_MAX);
    uint8_t beneath = RECORD_IN_DOUBT;
    if (old != NULL)
        beneath = (old->tag & RECORD_KIND_MASK) == RECORD_DELETE ? RECORD_FRESH : 0;
    else if (random_below(random, 2))
        beneath = RECORD_FRESH;

    char key[16];
    uint8_t value[VALUE_MAX];
    memset(value, v.value_byte, sizeof value);
    struct entry e = {
        key_of(key, v.key), slice_of(value, v.value_len), v.seq, v.expire_ms, v.tag | beneath};
    memtable_apply(m, &e, hash64(e.key), keep_seq, total, undo);
    if (old != NULL && old->seq > keep_seq)
        *old = v;
    else
        model->versions[model->count++] = v;
}

static int compare_versions(const void *left, const void *right)
{
    const struct version_of *a = left, *b = right;
    char a_key[16], b_key[16];
    return entry_order(key_of(a_key, a->key), a->seq, key_of(b_key, b->key), b->seq);
}

// The model's versions up to max_seq, in order.
static unsigned sorted_versions(const struct model *model, uint64_t max_seq, struct version_of *out)
{
    unsigned count = 0;
    for (unsigned i = 0; i < model->count; i++)
        if (model->versions[i].seq <= max_seq)
            out[count++] = model->versions[i];
    qsort(out, count, sizeof *out, compare_versions);
    return count;
}

static int patiently_seek(struct cursor *c, struct slice key, uint64_t seq)
{
    int status = WAIT;
    for (unsigned tries = 0; status == WAIT && tries < 1000; tries++)
        status = c->ops->seek(c, key, seq);
    return status;
}

static void check_cursor(
    struct random *random, const struct model *model, struct cursor *c, uint64_t max_seq)
{
    static struct version_of want[VERSIONS_MAX];
    unsigned count = sorted_versions(model, max_seq, want), i = 0;
    int status = patiently_seek(c, slice_of(NULL, 0), SEQ_MAX);
    for (; status == OK; status = c->ops->next(c))
        check_entry(&c->entry, &want[i++]);
    cr_assert_eq(status, END);
    cr_assert_eq(i, count);
    for (status = c->ops->seek_last(c); status == OK; status = c->ops->prev(c))
        check_entry(&c->entry, &want[--i]);
    cr_assert_eq(i, 0);
    for (unsigned round = 0; round < 20; round++) {
        char text[16];
        struct version_of at = {.key = (int)random_below(random, KEYS),
            .seq = random_below(random, model->last_seq + 2)};
        struct slice key = key_of(text, at.key);
        for (i = 0; i < count && compare_versions(&want[i], &at) < 0;)
            i++;
        cr_assert_eq(status = c->ops->seek(c, key, at.seq), i < count ? OK : END);
        if (status == OK) {
            check_entry(&c->entry, &want[i]);
            cr_assert_eq(status = c->ops->prev(c), i > 0 ? OK : END);
            if (status == OK) {
                check_entry(&c->entry, &want[i - 1]);
                cr_assert_eq(c->ops->next(c), OK);
                check_entry(&c->entry, &want[i]);
            }
        }
        at.seq = SEQ_MAX;
        for (i = 0; i < count && compare_versions(&want[i], &at) < 0;)
            i++;
        cr_assert_eq(status = c->ops->seek_before(c, key), i > 0 ? OK : END);
        if (status == OK)
            check_entry(&c->entry, &want[i - 1]);
    }
}

// What the records say adds up to what the memtable counted, and to what it told the total.
static void check_counts(struct memtable *m, const struct counts *total)
{
    int64_t live[3] = {0}, in_doubt[3] = {0};
    struct cursor *c = memtable_cursor(m, SEQ_MAX);
    for (int status = patiently_seek(c, slice_of(NULL, 0), SEQ_MAX); status == OK;
         status = c->ops->next(c)) {
        if (memtable_dropped(m, c->entry.key, c->entry.seq))
            continue;
        live[c->entry.key.data[0] - 'a'] += count_contribution(c->entry.tag);
        in_doubt[c->entry.key.data[0] - 'a'] += (c->entry.tag & RECORD_IN_DOUBT) != 0;
    }
    c->ops->close(c);
    const struct counts *both[] = {memtable_counts(m), total};
    for (unsigned i = 0; i < 2 && both[i] != NULL; i++) {
        for (unsigned letter = 0; letter < 2; letter++) {
            const struct count *found = counts_find(both[i], slice_of(&"ab"[letter], 1));
            cr_assert_eq(found ? found->live : 0, live[letter]);
            cr_assert_eq(found ? found->in_doubt : 0, in_doubt[letter]);
        }
        cr_assert_null(counts_find(both[i], slice_cstr("c")));
    }
}

static void check_gets(struct model *model, const struct memtable *m, uint64_t max_seq)
{
    for (int key = 0; key < KEYS; key++) {
        char text[16];
        struct slice s = key_of(text, key);
        struct version_of *v = newest(model, key, max_seq);
        struct entry e;
        cr_assert_eq(memtable_get(m, s, hash64(s), max_seq, &e), v != NULL ? OK : NOT_FOUND);
        if (v != NULL)
            check_entry(&e, v);
    }
}

Test(memtable, agrees_with_a_list_of_versions)
{
    static struct model model;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct random random = {seed};
        memset(&model, 0, sizeof model);
        struct memtable *m = memtable_new(one_letter, 7);
        struct counts total = {0};
        uint64_t keep_seq = 0;
        unsigned steps = (unsigned)random_below(&random, 1500);
        for (unsigned step = 0; step < steps; step++) {
            apply_random(&random, &model, m, keep_seq, &total, NULL);
            if (random_below(&random, 50) == 0)
                keep_seq = model.last_seq;
            if (random_below(&random, 100) != 0)
                continue;
            uint64_t max_seq = random_below(&random, 3) ? model.last_seq
                                                        : random_below(&random, model.last_seq + 1);
            struct cursor *c = memtable_cursor(m, max_seq);
            check_cursor(&random, &model, c, max_seq);
            c->ops->close(c);
            check_gets(&model, m, max_seq);
        }
        check_counts(m, &total);
        cr_assert_eq(memtable_entries(m), model.count);
        cr_assert_eq(memtable_last_seq(m), model.last_seq);
        memtable_freeze(m);
        struct cursor *c = memtable_sorted_cursor(m);
        check_cursor(&random, &model, c, SEQ_MAX);
        c->ops->close(c);
        counts_release(&total);
        memtable_unref(m);
    }
}

Test(memtable, undo_restores_everything)
{
    static struct model model, before;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct random random = {seed};
        memset(&model, 0, sizeof model);
        struct memtable *m = memtable_new(one_letter, 1);
        struct buf undo = {0};
        uint64_t keep_seq = 0;
        for (uint64_t n = random_below(&random, 300); n > 0; n--) {
            apply_random(&random, &model, m, keep_seq, NULL, NULL);
            if (random_below(&random, 50) == 0)
                keep_seq = model.last_seq;
        }
        memtable_order_step(m, random_below(&random, 300));
        before = model;
        for (uint64_t n = random_below(&random, 200); n > 0; n--) {
            apply_random(&random, &model, m, keep_seq, NULL, &undo);
            if (random_below(&random, 30) == 0)
                keep_seq = model.last_seq;
        }
        if (random_below(&random, 2)) {
            struct entry drop = {
                .key = slice_cstr("a"), .seq = ++model.last_seq, .tag = RECORD_DROP};
            memtable_apply(m, &drop, 0, keep_seq, NULL, &undo);
            cr_assert(memtable_dropped(m, slice_cstr("a/1"), model.last_seq - 1));
        }
        memtable_order_step(m, random_below(&random, 300));
        memtable_undo(m, &undo);
        cr_assert_eq(undo.len, 0);
        cr_assert_eq(memtable_last_seq(m), before.last_seq);
        cr_assert_eq(memtable_entries(m), before.count);
        check_gets(&before, m, SEQ_MAX);
        struct cursor *c = memtable_cursor(m, SEQ_MAX);
        check_cursor(&random, &before, c, SEQ_MAX);
        c->ops->close(c);
        check_counts(m, NULL);
        size_t drops;
        memtable_drops(m, &drops);
        cr_assert_eq(drops, 0);
        buf_release(&undo);
        memtable_unref(m);
    }
}

static void put(struct memtable *m, const char *key, const char *value, uint64_t seq,
    int64_t expire_ms, uint8_t flags)
{
    uint8_t tag = RECORD_PUT | flags | (expire_ms ? RECORD_EXPIRES : 0);
    struct entry e = {slice_cstr(key), slice_cstr(value), seq, expire_ms, tag};
    memtable_apply(m, &e, hash64(e.key), 0, NULL, NULL);
}

Test(memtable, a_drop_forgets_counts_and_nothing_is_inherited_from_below_it)
{
    struct memtable *m = memtable_new(one_letter, 1);
    put(m, "a1", "v", 1, 0, RECORD_FRESH);
    put(m, "a2", "v", 2, 0, RECORD_IN_DOUBT);
    put(m, "b1", "v", 3, 0, RECORD_FRESH);
    struct entry drop = {.key = slice_cstr("a"), .seq = 4, .tag = RECORD_DROP};
    memtable_apply(m, &drop, 0, 0, NULL, NULL);
    cr_assert_null(counts_find(memtable_counts(m), slice_cstr("a")));
    cr_assert_eq(counts_find(memtable_counts(m), slice_cstr("b"))->live, 1);
    cr_assert(memtable_dropped(m, slice_cstr("a2"), 3));
    cr_assert_not(memtable_dropped(m, slice_cstr("a2"), 4));
    cr_assert_not(memtable_dropped(m, slice_cstr("b1"), 0));
    put(m, "a2", "w", 5, 0, RECORD_FRESH);
    check_counts(m, NULL);
    cr_assert_eq(counts_find(memtable_counts(m), slice_cstr("a"))->live, 1);
    size_t count;
    const struct memtable_drop *drops = memtable_drops(m, &count);
    cr_assert_eq(count, 1);
    cr_assert_eq(drops[0].seq, 4);
    memtable_unref(m);
}

Test(memtable, thousands_of_drops_of_several_lengths_are_found)
{
    struct memtable *m = memtable_new(NULL, 1);
    uint64_t seq = 0;
    for (unsigned i = 0; i < 3000; i++) {
        char prefix[16];
        int len = snprintf(prefix, sizeof prefix, i % 2 ? "x%05u" : "long-%06u", i);
        struct entry drop = {
            .key = slice_of(prefix, (size_t)len), .seq = ++seq, .tag = RECORD_DROP};
        memtable_apply(m, &drop, 0, 0, NULL, NULL);
    }
    cr_assert(memtable_dropped(m, slice_cstr("x00777/k"), 777));
    cr_assert_not(memtable_dropped(m, slice_cstr("x00777/k"), 778));
    cr_assert(memtable_dropped(m, slice_cstr("long-002998"), 0));
    cr_assert_not(memtable_dropped(m, slice_cstr("x00776/k"), 0));
    cr_assert_not(memtable_dropped(m, slice_cstr("x0"), 0));
    memtable_unref(m);
}

// Each drop on its own made the index anew: 40,000 would take minutes.
Test(memtable, many_drops_are_taken_back_at_once, .timeout = 20)
{
    enum { DROPS = 40000 };
    struct memtable *m = memtable_new(NULL, 1);
    struct buf undo = {0};
    char text[16];
    for (unsigned i = 0; i < DROPS; i++) {
        int len = snprintf(text, sizeof text, "d%05u", i);
        struct entry drop = {.key = slice_of(text, (size_t)len), .seq = i + 1, .tag = RECORD_DROP};
        memtable_apply(m, &drop, 0, 0, NULL, i < 10 ? NULL : &undo);
    }
    memtable_undo(m, &undo);
    for (unsigned i = 0; i < DROPS; i += i < 100 ? 1 : 997) {
        snprintf(text, sizeof text, "d%05u", i);
        cr_assert_eq(memtable_dropped(m, slice_cstr(text), 0), i < 10);
    }
    buf_release(&undo);
    memtable_unref(m);
}

Test(memtable, expired_records_come_up_in_order_and_only_while_they_are_live)
{
    struct memtable *m = memtable_new(NULL, 1);
    struct slice key;
    uint64_t seq;
    put(m, "late", "v", 1, 300, 0);
    put(m, "early", "v", 2, 100, 0);
    put(m, "moved-on", "v", 3, 50, 0);
    put(m, "moved-on", "v", 4, 200, 0);
    put(m, "persisted", "v", 5, 60, 0);
    put(m, "persisted", "v", 6, 0, 0);
    put(m, "outgrown", "v", 7, 40, 0);
    put(m, "outgrown", "a value that does not fit", 8, 250, 0);
    cr_assert_eq(memtable_next_expired(m, 99, &key, &seq), NOT_FOUND);
    const char *want[] = {"early", "moved-on", "outgrown", "late"};
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(memtable_next_expired(m, 1000, &key, &seq), OK);
        cr_assert(slice_equal(key, slice_cstr(want[i])));
        struct entry del = {.key = key, .seq = 10 + i, .tag = RECORD_DELETE};
        memtable_apply(m, &del, hash64(key), 0, NULL, NULL);
    }
    cr_assert_eq(memtable_next_expired(m, 1000, &key, &seq), NOT_FOUND);
    put(m, "hidden", "v", 20, 10, 0);
    cr_assert_eq(memtable_next_expired(m, 1000, &key, &seq), OK);
    memtable_skip_expired(m);
    cr_assert_eq(memtable_next_expired(m, 1000, &key, &seq), NOT_FOUND);
    memtable_unref(m);
}

// Random expiries, moved back and forth, against the smallest of an array; and the heap does not
// grow with the number of writes.
Test(memtable, expiry_agrees_with_a_scan)
{
    enum { EXPIRING = 50 };
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct random random = {seed};
        struct memtable *m = memtable_new(NULL, 1);
        int64_t expires[EXPIRING] = {0}, now = 0;
        for (uint64_t seq = 1; seq <= 20000; seq++) {
            int k = (int)random_below(&random, EXPIRING);
            char name[16];
            snprintf(name, sizeof name, "%d", k);
            expires[k] =
                random_below(&random, 5) ? now + 1 + (int64_t)random_below(&random, 500) : 0;
            put(m, name, "v", seq, expires[k], 0);
            now += random_below(&random, 10) == 0;
            struct slice key;
            uint64_t at;
            int64_t first = INT64_MAX;
            for (int i = 0; i < EXPIRING; i++)
                if (expires[i] != 0 && expires[i] < first)
                    first = expires[i];
            int status = memtable_next_expired(m, now, &key, &at);
            cr_assert_eq(
                status, first <= now ? OK : NOT_FOUND, "seed %llu", (unsigned long long)seed);
            if (status != OK)
                continue;
            char digits[16] = "";
            memcpy(digits, key.data, key.len);
            cr_assert_eq(expires[atoi(digits)], first);
            expires[atoi(digits)] = 0;
            put(m, digits, "v", ++seq, 0, 0);
        }
        cr_assert_lt(memtable_bytes(m), 300000);
        memtable_unref(m);
    }
}

Test(memtable, order_of_a_large_memtable_takes_several_calls_and_then_holds)
{
    struct memtable *m = memtable_new(NULL, 1);
    enum { MANY = 20000 };
    for (uint64_t i = 1; i <= MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "%05llu", (unsigned long long)(i * 7919 % MANY));
        put(m, name, "v", i, 0, 0);
    }
    struct cursor *c = memtable_cursor(m, MANY);
    cr_assert_eq(c->ops->seek(c, slice_of(NULL, 0), SEQ_MAX), WAIT);
    cr_assert_eq(patiently_seek(c, slice_of(NULL, 0), SEQ_MAX), OK);
    // what comes after max_seq neither shows nor makes it wait
    put(m, "00000+", "later", MANY + 1, 0, 0);
    unsigned seen = 1;
    while (c->ops->next(c) == OK) {
        char name[16];
        snprintf(name, sizeof name, "%05u", seen++);
        cr_assert(slice_equal(c->entry.key, slice_cstr(name)));
    }
    cr_assert_eq(seen, MANY);
    c->ops->close(c);
    memtable_unref(m);
}

// Where the skip list looks at the first bytes only: keys that end in zeros, are shorter than that,
// or differ behind it.
Test(memtable, keys_that_begin_alike_are_in_order)
{
    enum { ALIKE = 2000, LONGEST = 20 };
    const uint8_t alphabet[] = {0, 'k', 0xff};
    static uint8_t bytes[ALIKE][LONGEST];
    static struct slice keys[ALIKE];
    struct random random = {7};
    struct memtable *m = memtable_new(NULL, 1);
    for (uint64_t i = 0; i < ALIKE; i++) {
        size_t len = random_below(&random, LONGEST + 1);
        memset(bytes[i], 'k', LONGEST);
        for (size_t at = len < 3 ? 0 : len - 3; at < len; at++)
            bytes[i][at] = alphabet[random_below(&random, sizeof alphabet)];
        keys[i] = slice_of(bytes[i], len);
        struct entry e = {.key = keys[i], .seq = i + 1, .tag = RECORD_PUT};
        memtable_apply(m, &e, hash64(keys[i]), 0, NULL, NULL);
    }
    struct cursor *c = memtable_cursor(m, SEQ_MAX - 1);
    for (unsigned i = 0; i < ALIKE; i++) {
        cr_assert_eq(patiently_seek(c, keys[i], SEQ_MAX), OK);
        cr_assert(slice_equal(c->entry.key, keys[i]));
        struct slice last = c->entry.key;
        if (c->ops->next(c) == OK)
            cr_assert_lt(slice_compare(last, c->entry.key), 0);
    }
    c->ops->close(c);
    memtable_unref(m);
}

// What a flush job does, on its own thread.
static void *walk_sorted(void *arg)
{
    struct cursor *c = memtable_sorted_cursor(arg);
    uint64_t seen = 0;
    struct buf last = {0};
    for (int status = c->ops->seek(c, slice_of(NULL, 0), SEQ_MAX); status == OK;
         status = c->ops->next(c)) {
        cr_assert_lt(slice_compare(buf_slice(&last), c->entry.key), 0);
        buf_clear(&last);
        buf_append_slice(&last, c->entry.key);
        seen++;
    }
    cr_assert_eq(seen, memtable_entries(arg));
    size_t drops;
    memtable_drops(arg, &drops);
    buf_release(&last);
    c->ops->close(c);
    return NULL;
}

// Under the thread sanitizer this shows that the loop's order, expiry and lookups touch nothing
// that the job reads.
Test(memtable, a_job_sorts_while_the_loop_orders_and_expires)
{
    struct memtable *m = memtable_new(NULL, 1);
    enum { MANY = 8000 };
    for (uint64_t i = 1; i <= MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "%05llu", (unsigned long long)(i * 7919 % MANY));
        put(m, name, "v", i, i % 5 ? 0 : (int64_t)i, 0);
    }
    memtable_freeze(m);
    pthread_t job;
    cr_assert_eq(pthread_create(&job, NULL, walk_sorted, m), 0);
    struct cursor *c = memtable_cursor(m, SEQ_MAX);
    unsigned seen = 0, expired = 0;
    for (int status = patiently_seek(c, slice_of(NULL, 0), SEQ_MAX); status == OK;
         status = c->ops->next(c))
        seen++;
    struct slice key;
    uint64_t seq;
    for (; memtable_next_expired(m, MANY, &key, &seq) == OK; expired++)
        memtable_skip_expired(m);
    pthread_join(job, NULL);
    cr_assert_eq(seen, MANY);
    cr_assert_eq(expired, MANY / 5);
    c->ops->close(c);
    memtable_unref(m);
}

// --- Dead runs -----------------------------------------------------------------------------------

enum { JOBS = 20000 };

static struct slice job_key(char out[24], int n)
{
    return slice_of(out, (size_t)snprintf(out, 24, "job:%08d", n));
}

static void apply_job(struct memtable *m, int n, int kind, uint64_t seq, uint64_t keep_seq)
{
    char key[24];
    struct entry e = {.key = job_key(key, n), .seq = seq, .tag = (uint8_t)kind};
    if (kind == RECORD_PUT)
        e.value = slice_cstr("x");
    memtable_apply(m, &e, hash64(e.key), keep_seq, NULL, NULL);
}

// The first PUT from the first job on, as an iterator finds it; returns what it went over.
static unsigned find_first(struct memtable *m, uint64_t max_seq, struct slice limit, int expected)
{
    char key[24];
    unsigned went_over = 0, budget = 1000 * 1000;
    struct cursor *c = memtable_cursor(m, max_seq);
    int status;
    while ((status = c->ops->seek(c, slice_cstr("job:"), SEQ_MAX)) == WAIT)
        ;
    while (status == OK && entry_kind(&c->entry) == RECORD_DELETE &&
           (limit.len == 0 || slice_compare(c->entry.key, limit) < 0)) {
        status = c->ops->next_live(c, limit, &budget);
        went_over++;
    }
    cr_assert_eq(status, expected < 0 ? END : OK);
    if (expected >= 0)
        cr_assert(slice_equal(c->entry.key, job_key(key, expected)));
    c->ops->close(c);
    return went_over + (1000 * 1000 - budget);
}

Test(memtable, the_head_of_a_queue_costs_the_same_when_its_jobs_are_gone)
{
    struct memtable *m = memtable_new(NULL, 1);
    uint64_t seq = 0;
    struct slice none = {0};
    char key[24];
    for (int n = 0; n < JOBS; n++)
        apply_job(m, n, RECORD_PUT, ++seq, 0);
    for (int n = 0; n < JOBS - 1; n++)
        apply_job(m, n, RECORD_DELETE, ++seq, 0);
    cr_assert_gt(find_first(m, seq, none, JOBS - 1), JOBS / 2, "the first has to look");
    cr_assert_lt(find_first(m, seq, none, JOBS - 1), 200);
    // One comes to life in the middle, one arrives between others, and they go again.
    apply_job(m, 7777, RECORD_PUT, ++seq, 0);
    cr_assert_lt(find_first(m, seq, none, 7777), 200);
    apply_job(m, 7777, RECORD_DELETE, ++seq, 0);
    cr_assert_lt(find_first(m, seq, none, JOBS - 1), 300);
    cr_assert_lt(
        find_first(m, seq, job_key(key, 5000), 5000), 200, "what others have is not passed");
    apply_job(m, JOBS - 1, RECORD_DELETE, ++seq, 0);
    cr_assert_lt(find_first(m, seq, none, -1), 300);
    apply_job(m, JOBS + 5, RECORD_PUT, ++seq, 0);
    cr_assert_lt(find_first(m, seq, none, JOBS + 5), 300);
    memtable_unref(m);
}

// A view needs an old version: the key's tombstone is passed over with the others, and must not let
// the old version come through for those that see the tombstone.
Test(memtable, an_old_version_behind_a_dead_run_stays_hidden)
{
    struct memtable *m = memtable_new(NULL, 1);
    struct slice none = {0};
    uint64_t seq = 0;
    for (int n = 0; n < 100; n++)
        apply_job(m, n, RECORD_PUT, ++seq, 0);
    uint64_t view = seq;
    apply_job(m, 60, RECORD_DELETE, ++seq, view);
    for (int n = 0; n < 99; n++)
        if (n != 60)
            apply_job(m, n, RECORD_DELETE, ++seq, 0);
    for (int round = 0; round < 2; round++) {
        struct cursor *c = memtable_cursor(m, seq);
        unsigned budget = 1000;
        char key[24];
        int status;
        while ((status = c->ops->seek(c, slice_cstr("job:"), SEQ_MAX)) == WAIT)
            ;
        cr_assert_eq(c->ops->next_live(c, none, &budget), OK);
        cr_assert(slice_equal(c->entry.key, job_key(key, 60)));
        cr_assert_eq(entry_kind(&c->entry), RECORD_DELETE, "the tombstone comes first");
        cr_assert_eq(c->ops->next_live(c, none, &budget), OK);
        cr_assert(slice_equal(c->entry.key, job_key(key, 60)) && c->entry.seq <= view);
        cr_assert_eq(c->ops->next_live(c, none, &budget), OK);
        cr_assert(slice_equal(c->entry.key, job_key(key, 99)));
        c->ops->close(c);
    }
    memtable_unref(m);
}
