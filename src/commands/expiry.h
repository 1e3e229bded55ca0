// expiry: times to live as arguments. Private to the folder.
#ifndef VARVE_COMMANDS_EXPIRY_H
#define VARVE_COMMANDS_EXPIRY_H

#include "commands/command.h"

struct expire_unit {
    int ms;        // of one unit: 1 or 1000
    bool relative; // to now
};

// A time to live that must lie ahead in time or, absolute, be positive. False with the error
// replied.
bool expiry_parse(struct call *call, struct slice arg, struct expire_unit unit, int64_t *expire_ms);

#endif
