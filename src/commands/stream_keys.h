// stream_keys: the reply of KEYS as a stream over a snapshot. Private to the folder.
#ifndef VARVE_COMMANDS_STREAM_KEYS_H
#define VARVE_COMMANDS_STREAM_KEYS_H

#include "commands/command.h"
#include "commands/stream.h"

// The keys of the call's database that match; prefix is what the pattern begins with literally.
// Copies both.
struct stream *stream_keys_new(struct call *call, struct slice pattern, struct slice prefix);

#endif
