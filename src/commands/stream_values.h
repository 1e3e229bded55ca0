// stream_values: the reply of a long MGET as a stream. Private to the folder.
#ifndef VARVE_COMMANDS_STREAM_VALUES_H
#define VARVE_COMMANDS_STREAM_VALUES_H

#include "commands/command.h"
#include "commands/stream.h"

// The array of the values of the call's arguments, as of now, null where there is no string. Copies
// the arguments.
struct stream *stream_values_new(struct call *call);

#endif
