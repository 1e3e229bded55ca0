// draw: members at random, each as likely as any other: HRANDFIELD, SRANDMEMBER, SPOP. Private to
// this wing.
#ifndef VARVE_COMMANDS_COLLECTIONS_DRAW_H
#define VARVE_COMMANDS_COLLECTIONS_DRAW_H

#include "base/buf.h"
#include "commands/call.h"
#include "types/members.h"

struct draw {
    int64_t count; // negative: repetitions are welcome
    bool counted;  // a count was given: the reply is an array
    bool with_values;
};

struct pick;
struct picks {
    struct pick *all;
    uint64_t count;
    struct buf bytes; // fields and values
};

// The call's second argument as a count; false: an error was replied.
bool draw_parse_count(struct call *call, struct draw *d);
// Draws |count| members, or as many as there are if they are to be distinct. OK, WAIT or a failure;
// the picks are released in any case.
int draw_picks(struct call *call, struct members *m, const struct draw *d, struct picks *out);
struct slice picks_field(const struct picks *p, uint64_t i);
void picks_release(struct picks *p);
// Replies them; m may be one that was not found.
int draw_reply(struct call *call, struct members *m, const struct draw *d);

#endif
