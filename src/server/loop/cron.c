// cron: what happens by the clock, ten times a second: expired keys in memory are deleted, rates
// are sampled, and every connection is looked at once a second (a tenth of them each time): idle
// for longer than `timeout`, over its soft output limit, a stream without progress, buffers it has
// not used of late.

#include "server/loop/cron.h"

#include "server/loop/budget.h"
#include "server/loop/conn.h"
#include "server/loop/park.h"
#include "server/loop/turn.h"

enum {
    CRON_PER_SECOND = 10,
    EXPIRE_BATCH = 200,
    EXPIRE_US = 2000,
    SHRINK_AFTER_US = 2 * 1000 * 1000,
};

static void expire(struct server *s)
{
    uint64_t deadline_us = s->turn.now_us + EXPIRE_US;
    while (commands_expire_cycle(s->commands, s->turn.now_ms, EXPIRE_BATCH) == EXPIRE_BATCH) {
        if (env_now_us(s->env) >= deadline_us)
            break;
    }
    while (commands_reap(s->commands, s->turn.now_ms, EXPIRE_BATCH) == EXPIRE_BATCH) {
        if (env_now_us(s->env) >= deadline_us)
            break;
    }
    s->turn.work = true;
}

static void sample(struct rate *r, uint64_t total, uint64_t now_us)
{
    uint64_t elapsed_us = now_us - r->last_us;
    if (elapsed_us > 0 && r->last_us > 0) {
        r->samples[r->next] = (total - r->last_total) * 1000000 / elapsed_us;
        r->next = (r->next + 1) % RATE_SAMPLES;
    }
    r->last_total = total;
    r->last_us = now_us;
}

uint64_t server_rate_per_second(const struct rate *r)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < RATE_SAMPLES; i++)
        sum += r->samples[i];
    return sum / RATE_SAMPLES;
}

static void look_at(struct server *s, struct conn *c)
{
    uint64_t idle_us = s->turn.now_us > c->use.active_us ? s->turn.now_us - c->use.active_us : 0;
    uint64_t timeout_us = (uint64_t)s->settings->network.timeout_s * 1000000;
    if (timeout_us > 0 && idle_us > timeout_us &&
        !(c->hold & (HOLD_PARKED | HOLD_STREAM | HOLD_PACED))) {
        log_line(s->logger, LOG_VERBOSE, "Client id=%llu closed: idle",
            (unsigned long long)c->session.id);
        conn_close(c);
        return;
    }
    if (park_is_given_up(c)) {
        conn_close(c);
        return;
    }
    conn_output_check(c);
    if (!conn_stream_check(c)) {
        log_line(s->logger, LOG_NOTICE, "Client id=%llu closed: it does not read its reply",
            (unsigned long long)c->session.id);
        conn_close(c);
        return;
    }
    if (!budget_check(c)) {
        log_line(s->logger, LOG_NOTICE,
            "Client id=%llu closed: others wait for the memory of a command that it does not send",
            (unsigned long long)c->session.id);
        s->counters.evicted_clients++;
        conn_close(c);
        return;
    }
    if (conn_backlog(c) > s->clients.input_round)
        s->clients.input_round = conn_backlog(c);
    if (conn_unsent(c) > s->clients.output_round)
        s->clients.output_round = conn_unsent(c);
    if (idle_us > SHRINK_AFTER_US)
        conn_shrink(c);
    if (conn_unsent(c) > 0)
        conn_make_dirty(c);
}

static void look_around(struct server *s)
{
    size_t count = s->clients.count / CRON_PER_SECOND + 1;
    for (size_t i = 0; i < count; i++) {
        if (s->clients.cron_at == &s->clients.all) {
            s->clients.input_max = s->clients.input_round;
            s->clients.output_max = s->clients.output_round;
            s->clients.input_round = s->clients.output_round = 0;
            s->clients.cron_at = s->clients.all.next;
            if (s->clients.cron_at == &s->clients.all)
                return;
        }
        struct conn *c = LIST_ENTRY(s->clients.cron_at, struct conn, link);
        s->clients.cron_at = c->link.next;
        look_at(s, c);
    }
}

static void close_stragglers(struct server *s)
{
    while (!list_empty(&s->clients.all))
        conn_close(LIST_ENTRY(s->clients.all.next, struct conn, link));
    s->turn.work = true;
}

void cron_on_timer(uv_timer_t *timer)
{
    struct server *s = timer->data;
    turn_tick(s);
    sample(&s->rates.commands, s->counters.commands, s->turn.now_us);
    sample(&s->rates.net_input_bytes, s->counters.net_input_bytes, s->turn.now_us);
    sample(&s->rates.net_output_bytes, s->counters.net_output_bytes, s->turn.now_us);
    if (s->stop_deadline_us > 0 && s->turn.now_us > s->stop_deadline_us)
        close_stragglers(s);
    if (!s->expire_off)
        expire(s);
    look_around(s);
    budget_evict_stalled(s);
}
