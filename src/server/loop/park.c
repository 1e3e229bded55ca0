// park: commands whose reads need the disk. The attempt has been thrown away by commands_execute;
// what stays is the txn, which knows what was missing and keeps what was fetched, the seed, and the
// command's bytes in the connection's own buffer. When the engine calls back the connection is
// ready again, the command is parsed anew and executed with the same txn.
//
// The server owns one idle txn, which all commands that do not wait use one after the other;
// parking gives it away and takes another from a small pool.
//
// Commands pipelined behind the parked one do not run, but the engine is told their keys, so that
// their blocks arrive meanwhile: one round trip to the disk for a pipeline rather than one a
// command. Only at a command's first wait, and for LOOKAHEAD commands.
//
// A peer that sends no more may still read: `printf ... | nc` does. It may as well be gone, and
// nobody tells us which until something is sent. So what it has asked for is answered if that does
// not take long, and a command that has been waiting for GONE_US since is cancelled.

#include "server/loop/park.h"

#include "server/loop/budget.h"

enum { LOOKAHEAD = 32, GONE_US = 1000 * 1000 };

static struct txn *take_txn(struct server *s)
{
    return s->turn.spares > 0 ? s->turn.spare[--s->turn.spares] : txn_new(s->engine);
}

static void park_data_arrived(struct txn *txn, void *arg)
{
    struct conn *c = arg;
    c->hold &= ~(unsigned)HOLD_PARKED;
    c->server->clients.parked--;
    if (park_is_given_up(c))
        conn_close(c);
    else
        conn_make_ready(c);
}

bool park_is_given_up(const struct conn *c)
{
    if (c->park.txn == NULL || !c->input.ended)
        return false;
    uint64_t since_us = c->park.since_us > c->input.ended_us ? c->park.since_us : c->input.ended_us;
    return env_now_us(c->server->env) > since_us + GONE_US;
}

static void prefetch_behind(struct conn *c, struct slice rest)
{
    struct server *s = c->server;
    struct resp_limits limits = {
        .max_args = INT32_MAX,
        .max_bulk = (int64_t)s->settings->clients.max_bulk,
        .max_command = budget_command_max(s),
    };
    size_t at = 0, used = 0;
    resp_parser_restart(&s->lookahead);
    for (int i = 0; i < LOOKAHEAD; i++) {
        if (resp_parse(&s->lookahead, slice_skip(rest, at), &limits, &used) != RESP_COMMAND)
            break;
        if (s->lookahead.argc > 0)
            commands_prefetch(s->commands, &c->session, s->lookahead.argv, s->lookahead.argc);
        at += used;
    }
    resp_parser_restart(&s->lookahead);
    resp_parser_shrink(&s->lookahead);
}

void park_conn(struct conn *c, struct txn *txn, uint64_t seed, struct slice rest)
{
    struct server *s = c->server;
    bool first = c->park.txn == NULL;
    if (first) {
        s->turn.txn = take_txn(s);
        c->park = (struct conn_park){.txn = txn, .seed = seed, .since_us = env_now_us(s->env)};
    }
    s->counters.parks++;
    s->clients.parked++;
    c->hold |= HOLD_PARKED;
    txn_wait(txn, park_data_arrived, c);
    if (first && rest.len > 0)
        prefetch_behind(c, rest);
}

void park_end(struct conn *c, struct txn *txn)
{
    struct server *s = c->server;
    txn_reset(txn);
    if (c->park.txn == NULL)
        return;
    c->park = (struct conn_park){0};
    if (s->turn.spares < TXN_SPARES)
        s->turn.spare[s->turn.spares++] = txn;
    else
        txn_free(txn);
}

void park_release(struct conn *c)
{
    if (c->park.txn == NULL)
        return;
    if (c->hold & HOLD_PARKED)
        c->server->clients.parked--;
    txn_free(c->park.txn);
    c->park = (struct conn_park){0};
}
