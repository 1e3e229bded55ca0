// turn: one iteration of the loop. libuv runs timers, then (prepare) us, then sleeps in poll and
// runs what has arrived: sockets, finished jobs; then (check) us again.
//
//   poll     read callbacks parse and execute at once; replies collect in the connections, writes
//            in the engine
//   check    ready connections get their share, then turn_end
//   timers   may execute or commit too (pacing, expiry): then prepare ends that turn before the
//            loop sleeps
//
// turn_end hands all of the turn's commits to the engine, which writes them to the log as one
// group, and then settles every connection in which something happened: one write each. What waits
// for the log (always, or a late sync) is woken by server_on_progress.
//
// The ready list holds who may go on: commands over their share, parked commands whose blocks have
// arrived, streams, the paced whose time has come. It is served round by round, SERVE_US a turn at
// most, first come first served; while it is not empty an idle handle keeps the loop from sleeping.

#include "server/loop/turn.h"

#include "server/loop/budget.h"
#include "server/loop/conn.h"
#include "server/loop/listen.h"

enum { SERVE_US = 4000, STOP_GRACE_US = 2 * 1000 * 1000, EXPIRED_A_TURN = 20 };

void turn_tick(struct server *s)
{
    s->turn.now_ms = env_now_ms(s->env);
    s->turn.now_us = env_now_us(s->env);
}

// Moves all members of `from` to the front of `to`, in order.
static void move_all(struct list *from, struct list *to)
{
    if (list_empty(from))
        return;
    struct list *first = from->next, *last = from->prev;
    last->next = to->next;
    to->next->prev = last;
    to->next = first;
    first->prev = to;
    list_init(from);
}

static void serve(struct conn *c)
{
    if (c->hold & HOLD_STREAM)
        conn_stream_run(c);
    else if (c->hold == 0 && conn_backlog(c) > 0)
        conn_run(c);
    conn_make_dirty(c);
}

static void serve_ready(struct server *s)
{
    struct list batch;
    list_init(&batch);
    move_all(&s->turn.ready, &batch);
    turn_tick(s);
    uint64_t deadline_us = s->turn.now_us + SERVE_US;
    while (!list_empty(&batch) && s->turn.now_us < deadline_us && !budget_turn_is_full(s)) {
        struct conn *c = LIST_ENTRY(batch.next, struct conn, ready_link);
        list_remove(&c->ready_link);
        serve(c);
        s->turn.now_us = env_now_us(s->env);
    }
    move_all(&batch, &s->turn.ready);
    if (list_empty(&s->turn.ready))
        uv_idle_stop(&s->handles.idle);
}

static void learn_progress(struct server *s)
{
    struct error err;
    uint64_t durable_seq = engine_durable_seq(s->engine);
    bool failed = engine_write_status(s->engine, &err) != OK;
    if (failed && !s->turn.engine_failed)
        log_line(s->logger, LOG_WARNING,
            "The log cannot be written, writes are refused from now on: %s", err.text);
    if (durable_seq == s->turn.durable_seq && failed == s->turn.engine_failed)
        return;
    s->turn.durable_seq = durable_seq;
    s->turn.engine_failed = failed;
    while (!list_empty(&s->turn.undurable)) {
        struct conn *c = LIST_ENTRY(s->turn.undurable.next, struct conn, undurable_link);
        list_remove(&c->undurable_link);
        conn_make_dirty(c);
        if (c->streaming.stream != NULL)
            conn_make_ready(c);
    }
}

static void tell_clients_to_go(struct server *s)
{
    s->stop_deadline_us = env_now_us(s->env) + STOP_GRACE_US;
    listen_close(s);
    for (struct list *at = s->clients.all.next, *next; at != &s->clients.all; at = next) {
        struct conn *c = LIST_ENTRY(at, struct conn, link);
        next = at->next;
        if (c->hold & (HOLD_PARKED | HOLD_STREAM))
            conn_close(c);
        else
            conn_close_after_reply(c);
    }
}

// A key that this turn's readers have seen to be gone is counted by the next turn's no more, as in
// Redis, where reading deletes it. Costs a compare when nothing is due; cron takes what is more.
static void expire_what_is_due(struct server *s)
{
    if (!s->expire_off)
        commands_expire_cycle(s->commands, s->turn.now_ms, EXPIRED_A_TURN);
}

void turn_end(struct server *s)
{
    expire_what_is_due(s);
    s->turn.work = false;
    s->turn.output_bytes = 0;
    s->counters.turns++;
    engine_turn_end(s->engine);
    learn_progress(s);
    if (s->stopping && s->stop_deadline_us == 0)
        tell_clients_to_go(s);
    struct list batch;
    list_init(&batch);
    move_all(&s->turn.dirty, &batch);
    while (!list_empty(&batch)) {
        struct conn *c = LIST_ENTRY(batch.next, struct conn, dirty_link);
        list_remove(&c->dirty_link);
        conn_settle(c);
    }
    budget_evict(s);
    if (s->stopping && s->clients.count == 0)
        uv_stop(s->loop);
}

// A round of the reaper that has waited goes on at once, not with the next cron.
static void reap_what_arrived(struct server *s)
{
    if (s->commands == NULL || !commands_may_reap(s->commands))
        return;
    turn_tick(s);
    commands_reap(s->commands, s->turn.now_ms, EXPIRED_A_TURN);
    s->turn.work = true;
}

void turn_on_check(uv_check_t *check)
{
    struct server *s = check->data;
    reap_what_arrived(s);
    if (!list_empty(&s->turn.ready))
        serve_ready(s);
    if (s->turn.work)
        turn_end(s);
}

void turn_on_prepare(uv_prepare_t *prepare)
{
    struct server *s = prepare->data;
    reap_what_arrived(s);
    if (s->turn.work)
        turn_end(s);
}

// Only keeps the loop awake.
void turn_on_idle(uv_idle_t *idle)
{
}
