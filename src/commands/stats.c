// stats: what INFO commandstats and errorstats tell. Calls are measured with one clock read each:
// within a loop turn the end of one command is the start of the next, so parsing is counted to the
// command it belongs to. Errors are counted by the code that their text begins with; the reply
// remembers that it is one and where it stands, so no handler has to say so. Their number of kinds
// is bounded, because a text may begin with what a client sent.
#include "commands/stats.h"

#include "commands/dispatch.h"

void commands_tick(struct commands *c)
{
    c->last_us = env_now_us(c->options.env);
}

uint64_t stats_clock(struct commands *c)
{
    uint64_t now = env_now_us(c->options.env), last = c->last_us;
    c->last_us = now;
    return now > last ? now - last : 0;
}

void stats_count_call(struct commands *c, struct entry *e, uint64_t usec, bool failed)
{
    e->stats.calls++;
    e->stats.usec += usec;
    e->stats.failed += failed;
    c->totals.commands++;
}

void commands_count_error(struct commands *c, struct slice text)
{
    size_t len = 0, searched = text.len < ERROR_CODE_MAX ? text.len : ERROR_CODE_MAX;
    while (len < searched && text.data[len] != ' ' && text.data[len] != '\r')
        len++;
    bool ends = len < searched || len == text.len;
    struct slice code = len > 0 && ends ? slice_of(text.data, len) : slice_cstr("ERR");
    c->totals.error_replies++;
    int i = 0;
    while (i < c->error_count && !slice_equal(code, slice_cstr(c->errors[i].code)))
        i++;
    if (i == ERROR_CODES_MAX)
        return;
    if (i == c->error_count) {
        memcpy(c->errors[i].code, code.data, code.len);
        c->errors[i].code[code.len] = '\0';
        c->errors[i].count = 0;
        c->error_count++;
    }
    c->errors[i].count++;
}

void stats_count_error_at(struct commands *c, const struct reply *reply, size_t at)
{
    commands_count_error(c, slice_skip(buf_slice(reply->out), at + 1)); // behind the minus
}

static void visit_entry(const struct entry *e, command_stats_visit_cb visit_cb, void *arg)
{
    char name[64];
    if (e->stats.calls > 0 || e->stats.rejected > 0 || e->stats.failed > 0)
        visit_cb(arg, entry_name(e->row, e->parent, name), &e->stats);
    for (int i = 0; i < e->sub_count; i++)
        visit_entry(&e->subs[i], visit_cb, arg);
}

void commands_each_stat(const struct commands *c, command_stats_visit_cb visit_cb, void *arg)
{
    for (uint32_t i = 0; i < c->entry_count; i++)
        visit_entry(c->entries[i], visit_cb, arg);
}

void commands_each_error(const struct commands *c, command_error_visit_cb visit_cb, void *arg)
{
    for (int i = 0; i < c->error_count; i++)
        visit_cb(arg, c->errors[i].code, c->errors[i].count);
}

void commands_reset_stats(struct commands *c)
{
    for (uint32_t i = 0; i < c->entry_count; i++) {
        c->entries[i]->stats = (struct command_stats){0};
        for (int sub = 0; sub < c->entries[i]->sub_count; sub++)
            c->entries[i]->subs[sub].stats = (struct command_stats){0};
    }
    c->totals = (struct keyspace_stats){.changes = c->totals.changes};
    c->error_count = 0;
}

void commands_get_keyspace_stats(const struct commands *c, struct keyspace_stats *out)
{
    *out = c->totals;
}
