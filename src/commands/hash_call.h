// hash_call: what the hash commands share. Private to this folder.
#ifndef VARVE_COMMANDS_HASH_CALL_H
#define VARVE_COMMANDS_HASH_CALL_H

#include "commands/call.h"
#include "types/hash.h"

// Opens the hash of the call's first argument: OK; NOT_FOUND (h is empty); WAIT or a failure; or,
// having replied WRONGTYPE, ANSWERED.
int call_open_hash(struct call *call, enum lookup how, struct hash *h);

// Which halves of a hash a reply shows.
enum hash_parts { HASH_FIELDS = 1, HASH_VALUES = 2, HASH_BOTH = 3 };

void hash_reply_header(struct reply *reply, uint64_t count, enum hash_parts parts);
void hash_reply_pair(
    struct reply *reply, struct slice field, struct slice value, enum hash_parts parts);
// The whole of a spread hash as a stream (stream.h), its header included.
struct stream;
struct stream *stream_hash_new(struct call *call, const struct hash *h, enum hash_parts parts);

#endif
