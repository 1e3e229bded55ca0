// reaper: goes along T gen ms key from the earliest time on.
//
// An entry says only that its collection is worth a look at that time. The head has the truth: it
// may be gone, or belong to another collection that is armed for another time, or have got a later
// expiry since; then the entry goes, or moves to that time. Example: EXPIRE k 10 and, five seconds
// later, EXPIRE k 60. The entry fires at 10, finds a head that lives to 65, and is put at 65.
//
// Between two rounds nothing is read: databases remember when the next entry is due, an expiry that
// comes in earlier lowers it (spread_arm), and at start it is unknown, which is 0. The first round
// also learns which heads there are, if they are few (heads.h). What can fail:
// reads wait or fail as the engine says; the attempt is then made again.
#include "types/reaper.h"

#include "base/coding.h"
#include "base/hash.h"
#include "types/databases_impl.h"

bool reaper_is_due(const struct databases *dbs, int64_t now_ms)
{
    return dbs->heads_count > 0 && now_ms > dbs->reap_ms;
}

static void note_due(struct reaper *r, int64_t at_ms)
{
    if (r->due_ms > at_ms)
        r->due_ms = at_ms;
}

static int deal_with(struct reaper *r, struct databases_view *v, int64_t at_ms, struct slice key)
{
    struct value head;
    int status = spread_find(v, key, &head);
    if (status != OK && status != NOT_FOUND)
        return status;
    r->staged++;
    if (status == NOT_FOUND || head.spread.armed_ms != at_ms) {
        txn_delete(v->txn, keys_build_expiry(v->dbs, v->gen, at_ms, key));
    } else if (v->now_ms > head.expire_ms) {
        spread_delete(v, key, &head.spread);
        r->expired++;
    } else {
        txn_delete(v->txn, keys_build_expiry(v->dbs, v->gen, at_ms, key));
        head.spread.armed_ms = 0;
        spread_expire(v, key, &head, head.expire_ms);
        note_due(r, head.expire_ms);
    }
    return OK;
}

// The entries of the view's generation, up to the first that is not due.
static int go_along(struct reaper *r, struct databases_view *v, struct iter *it, int max)
{
    const size_t head_len = KEY_PREFIX_LEN + EXPIRY_TIME_LEN;
    int status = iter_seek(it, slice_of(NULL, 0));
    for (; status == OK; status = iter_next(it)) {
        struct slice entry = iter_key(it);
        if (entry.len < head_len)
            return CORRUPT;
        int64_t at_ms = (int64_t)get_be64(entry.data + KEY_PREFIX_LEN);
        if (v->now_ms <= at_ms || r->staged >= max) {
            note_due(r, at_ms);
            return OK;
        }
        int dealt = deal_with(r, v, at_ms, slice_skip(entry, head_len));
        if (dealt != OK)
            return dealt;
    }
    return status == END ? OK : status;
}

static struct iter *open_range(struct databases_view *v, enum key_letter kind)
{
    uint8_t lower[KEY_PREFIX_LEN], upper[KEY_PREFIX_LEN];
    keys_prefix(lower, kind, v->gen);
    keys_prefix(upper, kind, v->gen + 1);
    struct iter_options options = {
        .lower = slice_of(lower, sizeof lower), .upper = slice_of(upper, sizeof upper)};
    return iter_open(v->dbs->engine, v->txn, &options);
}

// What heads there were at the opening. A head that comes meanwhile is added by its writer.
static int learn_heads(struct databases_view *v, struct heads *heads)
{
    struct iter *it = open_range(v, KIND_HEAD);
    int status = iter_seek(it, slice_of(NULL, 0));
    for (; status == OK && !heads->many; status = iter_next(it))
        heads_add(heads, hash64(slice_skip(iter_key(it), KEY_PREFIX_LEN)));
    iter_close(it);
    if (status != OK && status != END)
        return status;
    heads->complete = true;
    return OK;
}

int reaper_stage(struct reaper *r, struct databases_view *v, int max)
{
    int status = OK;
    uint64_t current = v->gen;
    *r = (struct reaper){.due_ms = INT64_MAX};
    for (size_t i = 0; i < v->dbs->heads_count && status == OK; i++) {
        v->gen = v->dbs->heads[i].gen;
        if (!v->dbs->heads[i].complete)
            status = learn_heads(v, &v->dbs->heads[i]);
        if (status != OK)
            break;
        struct iter *it = open_range(v, KIND_EXPIRY);
        status = go_along(r, v, it, max);
        iter_close(it);
    }
    v->gen = current;
    return status;
}

void reaper_done(const struct reaper *r, struct databases *dbs)
{
    dbs->reap_ms = r->due_ms;
}
