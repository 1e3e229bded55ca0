// members_reply: what the commands of hashes and sets share: all members as a reply, and a walk
// over them. Private to this wing.
#ifndef VARVE_COMMANDS_COLLECTIONS_MEMBERS_REPLY_H
#define VARVE_COMMANDS_COLLECTIONS_MEMBERS_REPLY_H

#include "commands/call.h"
#include "types/members.h"

// Opens the call's first argument, or the given key: OK; NOT_FOUND (it is empty); WAIT or a
// failure; or, having replied WRONGTYPE, ANSWERED.
int call_open_hash(struct call *call, enum lookup how, struct members *h);
int call_open_set(struct call *call, enum lookup how, struct slice key, struct members *m);

// What a reply shows, and as what.
enum show {
    SHOW_FIELDS = 1, // an array
    SHOW_VALUES = 2, // an array
    SHOW_BOTH = 3,   // a map
    SHOW_SET = 5,    // the members, as a set
};

void members_reply_header(struct reply *reply, uint64_t count, enum show show);
void members_reply_one(struct reply *reply, struct slice field, struct slice value, enum show show);
// All of it: at once, or as a stream where it is spread, outside of EXEC.
int members_reply_all(struct call *call, struct members *m, enum show show);
int members_reply_now(struct call *call, struct members *m, enum show show);
// The whole of a spread one as a stream (stream.h), its header included.
struct stream *stream_members_new(struct call *call, const struct members *m, enum show show);

// Removes the call's third argument and all behind it, closes m, and replies how many were there.
int members_remove_given(struct call *call, struct members *m);
// HSCAN and SSCAN.
int members_scan(struct call *call, enum value_type kind);

#endif
