// stream_match: the reply of SCAN where matching a single key takes long, as a stream. Private to
// the folder.
#ifndef VARVE_COMMANDS_STREAM_MATCH_H
#define VARVE_COMMANDS_STREAM_MATCH_H

#include "commands/command.h"
#include "commands/stream.h"

// The cursor, and the key if it matches. Copies pattern and key.
struct stream *stream_match_new(
    struct call *call, struct slice pattern, struct slice key, int64_t cursor);

#endif
