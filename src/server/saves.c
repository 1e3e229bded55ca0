// The engine calls back when a flush or a compaction is done, possibly as late as in
// engine_close(), when the server is gone. So each one under way is a `task` on the heap that knows
// its server until saves_release() takes that away.
//
// Tasks of a kind do not overlap: callers look at `running` first. Those who wait for a save are
// called when its task ends, in order.
#include "server/saves.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "server/config/config.h"

struct save_task {
    struct server *server; // NULL: gone
    bool rewrite;
    uint64_t changes; // there had been when it began
};

static struct save_state *state_of(struct server *s, bool rewrite)
{
    return rewrite ? &s->saves.rewrite : &s->saves.save;
}

static void wake(struct server *s)
{
    while (!list_empty(&s->saves.waiters)) {
        struct save_waiter *w = LIST_ENTRY(s->saves.waiters.next, struct save_waiter, link);
        list_remove(&w->link);
        w->done_cb(w);
    }
}

static void save_task_done(void *arg, int status)
{
    struct save_task *task = arg;
    struct server *s = task->server;
    if (s == NULL) {
        free(task);
        return;
    }
    struct save_state *state = state_of(s, task->rewrite);
    const char *what = task->rewrite ? "Compaction of everything" : "Saving";
    int64_t now_ms = env_now_ms(s->env);
    state->task = NULL;
    state->last_failed = status != OK;
    state->last_duration_s = (now_ms - state->started_ms) / 1000;
    if (status == OK) {
        state->last_ms = now_ms;
        state->changes = task->changes;
        log_line(s->logger, LOG_NOTICE, "%s done in %lld ms", what,
            (long long)(now_ms - state->started_ms));
    } else {
        log_line(s->logger, LOG_WARNING, "%s failed: %s", what, status_text(status));
    }
    bool rewrite = task->rewrite;
    free(task);
    if (!rewrite)
        wake(s);
}

static uint64_t changes_so_far(const struct server *s)
{
    struct keyspace_stats stats;
    commands_get_keyspace_stats(s->commands, &stats);
    return stats.changes;
}

void saves_forget_changes(struct server *s)
{
    if (s->config == NULL || config_get(s->config, "save")[0] != 0)
        s->saves.save.changes = changes_so_far(s);
}

static void start(struct server *s, bool rewrite)
{
    struct save_state *state = state_of(s, rewrite);
    ENSURE(state->task == NULL);
    struct save_task *task = xcalloc(1, sizeof *task);
    *task = (struct save_task){s, rewrite, changes_so_far(s)};
    state->task = task;
    state->count++;
    state->started_ms = env_now_ms(s->env);
    if (rewrite)
        engine_compact(s->engine, save_task_done, task);
    else
        engine_flush(s->engine, save_task_done, task);
}

void saves_start(struct server *s)
{
    start(s, false);
}

void saves_start_rewrite(struct server *s)
{
    start(s, true);
}

uint64_t saves_changes(const struct server *s)
{
    return changes_so_far(s) - s->saves.save.changes;
}

void saves_init(struct server *s)
{
    list_init(&s->saves.waiters);
    s->saves.save.last_duration_s = s->saves.rewrite.last_duration_s = -1;
    s->saves.save.last_ms = env_now_ms(s->env);
}

void saves_wait(struct server *s, struct save_waiter *w)
{
    list_push_back(&s->saves.waiters, &w->link);
}

void saves_cancel(struct save_waiter *w)
{
    list_remove(&w->link);
}

void saves_release(struct server *s)
{
    if (s->saves.save.task != NULL)
        s->saves.save.task->server = NULL;
    if (s->saves.rewrite.task != NULL)
        s->saves.rewrite.task->server = NULL;
}
