// budget: the clients' memory is shared by waiting, not by cutting off.
//
// The problem: at a budget of 64 MB all clients together may hold 12.8 MB, and two values of the
// largest size allowed, or 200 clients with pipelines of 64 KB, are more. None of them does wrong.
//
// Input. A connection with a little input (its share of half the limit) just keeps it. Who needs
// more claims it, and claims add up to budget_command_max at most; who gets none is not read from
// until others have finished: the bytes wait in the kernel and the sender slows down. Claims are
// for the whole of what an argument announces, so who has one can finish it. A command of many big
// arguments claims in steps; the eldest claimant always gets what it asks for, so one of them
// always goes on, and two cannot wait for each other.
//
// Output. A connection with much unsent output executes nothing more until half of it is gone. It
// is still read from, as far as claims go, because many clients read only after having sent all.
// In one turn all connections together write at most a quarter of the limit before it is sent.
//
// Eviction is for who holds much and moves nothing: a reply that nobody reads for STALL_US while
// all hold more than the limit, a claim into which nothing arrives while others wait for it. Only
// at the limit plus a quarter of the whole budget the biggest goes at once.
//
// Example, 64 MB, 4 clients that SET 8 MB: the first claims 8 MB, the others wait; each is read
// from when the one before has executed, and all four get +OK.

#include "server/loop/budget.h"

enum {
    SHARE_MIN = 2 * 1024,
    SHARE_MAX = 64 * 1024,
    KEY_AND_NAMES = 128 * 1024, // of a command, besides its largest argument
    QUEUE_SHORT = 64 * 1024,    // of a transaction, while all hold too much
    COMMAND_MIN = 1024 * 1024,
    STALL_US = 5 * 1000 * 1000,
};

size_t budget_command_max(const struct server *s)
{
    uint64_t share = s->settings->data.memory_budget / 8;
    return (size_t)(share > COMMAND_MIN ? share : COMMAND_MIN) + KEY_AND_NAMES;
}

size_t budget_reply_max(const struct server *s)
{
    return (size_t)(s->settings->data.memory_budget / 5);
}

size_t budget_queue_max(const struct server *s)
{
    uint64_t limit = settings_client_memory(s->settings);
    bool short_of = limit > 0 && s->clients.memory > limit;
    return short_of ? QUEUE_SHORT : (size_t)(s->settings->data.memory_budget / 6);
}

static size_t limit_share(const struct server *s, uint64_t part, size_t max)
{
    uint64_t limit = settings_client_memory(s->settings);
    uint64_t share = limit / part / (s->clients.count > 0 ? s->clients.count : 1);
    if (limit == 0 || share > max)
        return max;
    return share > SHARE_MIN ? (size_t)share : SHARE_MIN;
}

bool budget_turn_is_full(const struct server *s)
{
    uint64_t limit = settings_client_memory(s->settings);
    return limit > 0 && s->turn.output_bytes > limit / 4;
}

size_t budget_read_size(const struct server *s)
{
    return budget_turn_is_full(s) ? 0 : limit_share(s, 2, READ_BUFFER_SIZE);
}

size_t budget_output_pause(const struct server *s)
{
    uint64_t limit = settings_client_memory(s->settings);
    if (limit == 0)
        return SIZE_MAX;
    if (s->clients.memory < limit / 2)
        return (size_t)(limit / 4);
    return limit_share(s, 4, SHARE_MAX);
}

size_t budget_keep(const struct server *s)
{
    return limit_share(s, 8, BUFFER_KEEP);
}

// --- Claims --------------------------------------------------------------------------------------

static bool claim_fits(const struct conn *c, size_t total)
{
    const struct server_clients *clients = &c->server->clients;
    if (settings_client_memory(c->server->settings) == 0 || clients->claims.next == &c->claim.link)
        return true;
    if (list_empty(&clients->claims))
        return true;
    return clients->claimed - c->claim.bytes + total <= budget_command_max(c->server);
}

bool budget_claim_input(struct conn *c, size_t total)
{
    struct server *s = c->server;
    if (total <= c->claim.bytes || total <= limit_share(s, 2, SHARE_MAX))
        return true;
    if (!claim_fits(c, total)) {
        c->claim.wanted = total;
        if (list_empty(&c->claim.wait_link))
            list_push_back(&s->clients.claim_waiters, &c->claim.wait_link);
        return false;
    }
    if (list_empty(&c->claim.link))
        list_push_back(&s->clients.claims, &c->claim.link);
    s->clients.claimed += total - c->claim.bytes;
    c->claim.bytes = total;
    c->claim.progress_us = s->turn.now_us;
    return true;
}

// In order, the eldest claimant first: whatever it waits for it gets.
static void wake_claim_waiters(struct server *s)
{
    struct list *eldest = s->clients.claims.next;
    if (eldest != &s->clients.claims) {
        struct conn *c = LIST_ENTRY(eldest, struct conn, claim.link);
        list_remove(&c->claim.wait_link);
        conn_update_reading(c);
    }
    while (!list_empty(&s->clients.claim_waiters)) {
        struct conn *c = LIST_ENTRY(s->clients.claim_waiters.next, struct conn, claim.wait_link);
        if (!claim_fits(c, c->claim.wanted))
            return;
        list_remove(&c->claim.wait_link);
        budget_claim_input(c, c->claim.wanted);
        conn_update_reading(c);
    }
}

void budget_release_input(struct conn *c)
{
    struct server *s = c->server;
    bool waited = !list_empty(&c->claim.wait_link);
    if (c->claim.bytes == 0 && !waited)
        return;
    list_remove(&c->claim.wait_link);
    list_remove(&c->claim.link);
    s->clients.claimed -= c->claim.bytes;
    c->claim.bytes = c->claim.wanted = 0;
    wake_claim_waiters(s);
    if (waited && !c->closed)
        conn_update_reading(c);
}

bool budget_check(struct conn *c)
{
    struct server *s = c->server;
    if (c->claim.bytes == 0 || list_empty(&s->clients.claim_waiters) ||
        (c->hold & ~(unsigned)HOLD_OUTPUT) != 0 || !list_empty(&c->ready_link) ||
        !list_empty(&c->claim.wait_link))
        return true;
    return s->turn.now_us - c->claim.progress_us < STALL_US;
}

// --- Eviction ------------------------------------------------------------------------------------

static bool is_stalled(const struct conn *c)
{
    return c->output.busy && c->server->turn.now_us - c->output.progress_us >= STALL_US;
}

static struct conn *biggest(struct server *s, bool stalled)
{
    struct conn *found = NULL;
    for (struct list *at = s->clients.all.next; at != &s->clients.all; at = at->next) {
        struct conn *c = LIST_ENTRY(at, struct conn, link);
        if (!c->use.no_evict && (!stalled || is_stalled(c)) &&
            (found == NULL || c->memory > found->memory))
            found = c;
    }
    return found;
}

static void evict(struct server *s, uint64_t limit, bool stalled)
{
    while (s->clients.memory > limit) {
        struct conn *c = biggest(s, stalled);
        if (c == NULL)
            return;
        log_line(s->logger, LOG_NOTICE,
            "Client id=%llu evicted: clients hold %llu bytes, this one %zu",
            (unsigned long long)c->session.id, (unsigned long long)s->clients.memory, c->memory);
        s->counters.evicted_clients++;
        conn_close(c);
    }
}

void budget_evict(struct server *s)
{
    uint64_t limit = settings_client_memory(s->settings);
    if (limit > 0)
        evict(s, limit + s->settings->data.memory_budget / 4, false);
}

void budget_evict_stalled(struct server *s)
{
    uint64_t limit = settings_client_memory(s->settings);
    if (limit > 0)
        evict(s, limit, true);
}
