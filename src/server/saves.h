// saves: flushes and compactions that a client has asked for, and how the last ones ended: SAVE,
// BGSAVE, BGREWRITEAOF. Loop only.
//
// A save writes the memtable to a table, so that a restart has no log to read; writes are durable
// without it. A rewrite compacts everything once. What is under way outlives the server where it
// must: its end then changes nothing.
#ifndef VARVE_SERVER_SAVES_H
#define VARVE_SERVER_SAVES_H

#include "server/server.h"

void saves_init(struct server *s);
// Begin one; none of its kind is running.
void saves_start(struct server *s);
void saves_start_rewrite(struct server *s);
// Changes of keys since the last save that succeeded began, or since the start.
uint64_t saves_changes(const struct server *s);
// FLUSHALL: unless `save` is empty, Redis saves the empty data set at once.
void saves_forget_changes(struct server *s);
// Calls back when the save that is running has ended; cancel before the waiter's memory goes.
struct save_waiter;
typedef void (*save_done_cb)(struct save_waiter *w);
struct save_waiter {
    struct list link;
    save_done_cb done_cb;
};
void saves_wait(struct server *s, struct save_waiter *w);
void saves_cancel(struct save_waiter *w);
// The server goes; called by server_free.
void saves_release(struct server *s);

#endif
