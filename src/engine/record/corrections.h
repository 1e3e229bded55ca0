// corrections: what a look at one table and all that lies beneath it has found out about the counts
// that its records stand for (counts.h): which doubts are settled how, and when the records go that
// carry an expiry. They lie beside the counts of the version, in memory only, and go with the
// table: whoever rewrites it settles the same things for good, in its edit.
//
// A term says that at some second so many keys leave the count (`minus`) or come back to it
// (`plus`: the record beneath one in doubt expires, so that the one in doubt was no overwrite from
// then on). There are as many terms as the maker allows; if there are more seconds than that, each
// term stands for a power of two of seconds, and what lies in the one that it is now is in doubt.
//
// One owner at a time: the job that makes it, then the loop.
#ifndef VARVE_ENGINE_RECORD_CORRECTIONS_H
#define VARVE_ENGINE_RECORD_CORRECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct term {
    uint32_t at; // the seconds from at * width on, `width` of them
    uint32_t minus, plus;
};

// Those of one counted prefix.
struct correction {
    struct slice prefix;  // owned
    int64_t live, doubts; // of what was found for good, and of the terms that are over
    struct term *terms;   // in order of time
    uint32_t term_count, term_cap;
    uint32_t next; // the first term that is not over
};

struct corrections {
    uint64_t base_seq; // drops from later on are not in it
    bool with_doubts;  // doubts were looked at, too
    uint32_t width;    // of a term, in seconds
    uint32_t terms_max;
    struct correction *items;
    uint32_t count, cap;
};

struct corrections *corrections_new(uint64_t base_seq, bool with_doubts, uint32_t terms_max);
void corrections_free(struct corrections *c); // NULL is fine

// Counted prefixes come in order.
void corrections_add(struct corrections *c, struct slice prefix, int64_t live, int64_t doubts);
// When a record with this expiry has gone (later than expire_ms), live changes by minus or plus
// one.
void corrections_add_term(struct corrections *c, struct slice prefix, int64_t expire_ms, int live);
void corrections_finish(struct corrections *c); // after the last addition

// What the item adds to the counts at that time, which never goes back. Returns when that will next
// be something else, in ms; INT64_MAX: never.
int64_t correction_at(const struct corrections *c, struct correction *item, int64_t now_ms,
    int64_t *live, int64_t *doubts);

#endif
