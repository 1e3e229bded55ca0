// Readers of several moments at once, while the engine writes, flushes and compacts.
#include "model_engine.h"

#include "engine/reader.h"

enum { READERS = 3 };

struct held {
    struct reader *reader;
    struct cell *cells;
};

static void hold(struct side *s, struct held *h)
{
    h->reader = reader_new(s->engine);
    h->cells = malloc(s->keys * sizeof *h->cells);
    memcpy(h->cells, s->cells, s->keys * sizeof *h->cells);
}

static void let_go(struct held *h)
{
    reader_free(h->reader);
    free(h->cells);
    *h = (struct held){0};
}

static void reader_called(struct reader *reader, void *arg)
{
    ++*(int *)arg;
}

// Reads a few keys in a row. Meanwhile others may write, flush and compact.
static unsigned read_some(struct side *s, struct held *h)
{
    unsigned waits = 0;
    for (int n = 0; n < 8; n++) {
        uint32_t i = (uint32_t)random_below(&s->random, s->keys);
        char key[KEY_LEN];
        struct row row;
        int status;
        for (unsigned tries = 0; (status = reader_get(h->reader, key_at(i, key), &row)) == WAIT;
             tries++) {
            int calls = 0;
            cr_assert_lt(tries, 50, "no progress");
            reader_wait(h->reader, reader_called, &calls);
            cr_assert_eq(calls, 0, "called back inside reader_wait");
            if (random_below(&s->random, 4) == 0)
                side_write(s, 20);
            while (calls == 0) {
                engine_turn_end(s->engine);
                cr_assert(sim_exec_drive(s->exec), "nobody will call back");
            }
            waits++;
        }
        check_row(s, h->cells, i, status, &row);
    }
    return waits;
}

Test(reader, shows_its_moment_whatever_happens_since)
{
    unsigned waits = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct side s;
        struct held held[READERS] = {{0}};
        side_open(&s, seed, 500);
        for (int round = 0; round < 400; round++) {
            struct held *h = &held[random_below(&s.random, READERS)];
            uint64_t what = random_below(&s.random, 100);
            if (h->reader == NULL)
                hold(&s, h);
            else if (what < 45)
                side_write(&s, 1 + (unsigned)random_below(&s.random, 60));
            else if (what < 50)
                cr_assert_eq(engine_blocking_flush(s.engine), OK);
            else if (what < 52)
                cr_assert_eq(engine_blocking_compact(s.engine), OK);
            else if (what < 95)
                waits += read_some(&s, h);
            else
                let_go(h);
        }
        for (int i = 0; i < READERS; i++)
            if (held[i].reader != NULL)
                let_go(&held[i]);
        side_close(&s);
    }
    cr_assert_gt(waits, 100);
}

Test(reader, that_goes_while_it_waits_is_not_called)
{
    struct side s;
    side_open(&s, 1, 500);
    side_write_all(&s);
    cr_assert_eq(engine_blocking_flush(s.engine), OK);
    unsigned gone = 0;
    for (uint32_t i = 0; i < s.keys; i++) {
        struct reader *r = reader_new(s.engine);
        char key[KEY_LEN];
        struct row row;
        int calls = 0;
        if (reader_get(r, key_at(i, key), &row) == WAIT) {
            reader_wait(r, reader_called, &calls);
            gone++;
        }
        reader_free(r);
        sim_exec_settle(s.exec);
        cr_assert_eq(calls, 0);
    }
    cr_assert_gt(gone, 10);
    side_close(&s);
}
