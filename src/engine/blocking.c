// The engine without a loop, for tools, benchmarks and tests: each call ends the turn and drives
// exec until it has its answer. Never from inside a callback, because exec_drive is not.
//
// A commit that says WAIT has changed nothing and keeps its staged writes, so it is simply made
// again; a read that says WAIT is repeated after what it missed has arrived, and each attempt gets
// further, so the loops end.
#include "base/ensure.h"
#include "engine/state.h"

struct answer {
    bool done;
    int status;
};

static void txn_ready(struct txn *txn, void *arg)
{
    struct answer *a = arg;
    a->done = true;
}

static void iter_ready(struct iter *it, void *arg)
{
    struct answer *a = arg;
    a->done = true;
}

static void maintenance_done(void *arg, int status)
{
    *(struct answer *)arg = (struct answer){.done = true, .status = status};
}

static void drive_until(struct engine *e, const struct answer *a)
{
    engine_turn_end(e);
    while (!a->done) {
        ENSURE(exec_drive(e->exec));
        engine_turn_end(e);
    }
}

static void wait_for_txn(struct engine *e, struct txn *txn)
{
    struct answer a = {0};
    txn_wait(txn, txn_ready, &a);
    drive_until(e, &a);
}

int engine_blocking_commit(struct engine *e, struct txn *txn)
{
    int status;
    while ((status = txn_commit(txn)) == WAIT)
        wait_for_txn(e, txn);
    if (status != OK)
        return status;
    uint64_t seq = txn_seq(txn);
    engine_turn_end(e);
    while (engine_durable_seq(e) < seq) {
        status = engine_write_status(e, NULL);
        if (status != OK)
            return status;
        ENSURE(exec_drive(e->exec));
    }
    return OK;
}

int engine_blocking_get(struct engine *e, struct txn *txn, struct slice key, struct row *out)
{
    int status;
    while ((status = txn_get(txn, key, out)) == WAIT)
        wait_for_txn(e, txn);
    return status;
}

int engine_blocking_flush(struct engine *e)
{
    struct answer a = {0};
    engine_flush(e, maintenance_done, &a);
    drive_until(e, &a);
    return a.status;
}

int engine_blocking_compact(struct engine *e)
{
    struct answer a = {0};
    engine_compact(e, maintenance_done, &a);
    drive_until(e, &a);
    return a.status;
}

static int call_step(struct iter *it, enum iter_step step, struct slice key)
{
    switch (step) {
    case ITER_SEEK:
        return iter_seek(it, key);
    case ITER_SEEK_BEFORE:
        return iter_seek_before(it, key);
    case ITER_NEXT:
        return iter_next(it);
    default:
        return iter_prev(it);
    }
}

int engine_blocking_step(struct engine *e, struct iter *it, enum iter_step step, struct slice key)
{
    int status;
    while ((status = call_step(it, step, key)) == WAIT) {
        struct answer a = {0};
        iter_wait(it, iter_ready, &a);
        drive_until(e, &a);
    }
    return status;
}
