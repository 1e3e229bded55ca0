// pace: writers slow down in proportion to compaction's debt, before anybody has to stop. The
// engine says after a commit how long its author should wait; the delays of a connection add up
// until they are worth a timer (a millisecond), and then it is neither read from nor executed for
// so long. Others are not touched.
//
// One timer serves all: the list is sorted by time, and as delays of one moment are alike, the
// place is almost always near the end.

#include "server/loop/pace.h"

enum { PACE_WORTH_US = 1000, PACE_MAX_US = 1000 * 1000 };

static void start_timer(struct server *s)
{
    if (list_empty(&s->turn.paced))
        return;
    const struct conn *first = LIST_ENTRY(s->turn.paced.next, struct conn, pace_link);
    uint64_t now_us = env_now_us(s->env);
    uint64_t left_us = first->pace_until_us > now_us ? first->pace_until_us - now_us : 0;
    uv_update_time(s->loop);
    uv_timer_start(&s->handles.pace, pace_on_timer, (left_us + 999) / 1000, 0);
}

void pace_conn(struct conn *c, uint64_t delay_us)
{
    struct server *s = c->server;
    c->pace_debt_us += delay_us;
    if (c->pace_debt_us < PACE_WORTH_US || (c->hold & HOLD_PACED))
        return;
    uint64_t wait_us = c->pace_debt_us < PACE_MAX_US ? c->pace_debt_us : PACE_MAX_US;
    c->pace_debt_us = 0;
    c->pace_until_us = s->turn.now_us + wait_us;
    c->hold |= HOLD_PACED;
    struct list *at = s->turn.paced.prev;
    while (at != &s->turn.paced &&
           LIST_ENTRY(at, struct conn, pace_link)->pace_until_us > c->pace_until_us)
        at = at->prev;
    list_push_front(at, &c->pace_link);
    if (s->turn.paced.next == &c->pace_link)
        start_timer(s);
}

void pace_on_timer(uv_timer_t *timer)
{
    struct server *s = timer->data;
    uint64_t now_us = env_now_us(s->env);
    while (!list_empty(&s->turn.paced)) {
        struct conn *c = LIST_ENTRY(s->turn.paced.next, struct conn, pace_link);
        if (c->pace_until_us > now_us)
            break;
        list_remove(&c->pace_link);
        c->hold &= ~(unsigned)HOLD_PACED;
        conn_make_ready(c);
        conn_make_dirty(c);
    }
    start_timer(s);
}
