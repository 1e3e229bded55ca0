// session: what one connection's commands see and change of it: its database, its protocol, whether
// it is authenticated, its transaction and watches, what it has told of itself. Loop only.
#ifndef VARVE_COMMANDS_SESSION_H
#define VARVE_COMMANDS_SESSION_H

#include "base/list.h"
#include "base/slice.h"

struct command;
struct commands;

// The plain values are copied at the start of an attempt and put back if it waits or fails, so
// handlers just set them.
struct session {
    uint64_t id;
    int db;
    int proto; // 2 or 3
    bool authenticated;
    bool close_after_reply;
    bool no_touch;
    struct multi *multi; // NULL outside MULTI; multi.c
    struct list watched; // watch.c
    bool watch_dirty;    // a watched key was touched: EXEC fails
    // CLIENT SETNAME, HELLO SETNAME, CLIENT SETINFO. Heap, NULL when unset; released by
    // session_release, the name also by RESET.
    char *name, *lib_name, *lib_ver;
    // For CLIENT LIST, set by commands_execute: the row that was called last, and its subcommand's
    // row or NULL.
    const struct command *last_command, *last_subcommand;
    void *conn; // the server's
};

// Replaces *text by a copy of value; empty: NULL. False, and unchanged, if value has a character
// outside '!' to '~'.
bool session_set_text(char **text, struct slice value);
// How many commands are queued; -1 outside MULTI.
int session_queued(const struct session *s);

// authenticated is set if no password is configured now.
void session_init(struct commands *c, struct session *s, uint64_t id);
// Discards MULTI and WATCH, frees the texts.
void session_release(struct commands *c, struct session *s);
// Bytes that the session's MULTI queue and watched keys take: part of the client's memory.
size_t session_memory(const struct session *s);

#endif
