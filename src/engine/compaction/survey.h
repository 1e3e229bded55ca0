// survey: looks through one table and at what lies beneath its records, for the corrections of the
// counts (record/corrections.h): when records go that carry an expiry, and what the doubts are that
// nobody has settled. Reads in bounded steps and writes nothing.
//
// Made and freed on the loop, stepped by one job at a time.
#ifndef VARVE_ENGINE_COMPACTION_SURVEY_H
#define VARVE_ENGINE_COMPACTION_SURVEY_H

#include "engine/record/corrections.h"
#include "engine/version/version.h"

struct survey_options {
    struct env *env;
    const char *dir;
    struct version *version; // held by the caller until free
    unsigned level;          // of the table in it
    struct table *table;
    engine_counted_prefix_cb counted_prefix;
    uint64_t block_max;
    uint32_t terms_max;
    bool with_doubts; // else expiries alone
};

struct survey;
struct survey *survey_new(const struct survey_options *options);
// OK: there is more to do. END: all has been seen. Or a failure, with err. Job.
int survey_step(struct survey *s, uint64_t until_us, struct error *err);
struct corrections *survey_take(struct survey *s); // after END; the caller's from then on
void survey_free(struct survey *s);

#endif
