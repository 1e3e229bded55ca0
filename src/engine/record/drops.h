// drops: sets of dropped prefixes, with a lookup that hardly depends on how many there are. Sets
// share what they have in common: to copy one is O(1), to add or remove O(log n), and a set that
// others read (jobs among them) does not change under them. References are counted without locks:
// sets that share anything are shared, changed and released by the loop alone. A set that shares
// nothing may be built by a job.
//
// A drop (prefix, seq) says that nobody reads entries below prefix with a smaller seq again, except
// through a snapshot older than seq.
#ifndef VARVE_ENGINE_RECORD_DROPS_H
#define VARVE_ENGINE_RECORD_DROPS_H

#include "base/slice.h"

struct drop {
    struct slice prefix; // valid as long as the drop is in a set
    uint64_t seq;
};

struct drop_node;
struct drop_length; // of prefixes: what a lookup has to try

struct drop_set {
    struct drop_node *root;
    uint32_t count;
    struct drop_length *lengths;
    uint32_t length_count;
};

void drop_set_release(struct drop_set *set);
void drop_set_share(struct drop_set *to, const struct drop_set *from); // to is empty
// O(1) if `to` is empty.
void drop_set_add_all(struct drop_set *to, const struct drop_set *from);
// Copies prefix. Nothing happens if the very drop is there.
void drop_set_add(struct drop_set *set, struct slice prefix, uint64_t seq);
void drop_set_remove(struct drop_set *set, struct slice prefix, uint64_t seq); // if it is there
// The seq of the oldest drop newer than seq that covers key; 0 if none does.
uint64_t drop_set_find(const struct drop_set *set, struct slice key, uint64_t seq);
// The newest drop with a seq of at most max_seq that covers both keys: its seq; 0 if none does.
uint64_t drop_set_newest(
    const struct drop_set *set, struct slice smallest, struct slice largest, uint64_t max_seq);
// In order of prefix, then seq: the drop number at < count, and the number of the first whose
// prefix is not before a key.
const struct drop *drop_set_at(const struct drop_set *set, uint32_t at);
uint32_t drop_set_from(const struct drop_set *set, struct slice key);
// All of them in order.
typedef void (*drop_set_walk_cb)(void *arg, const struct drop *d);
void drop_set_walk(const struct drop_set *set, drop_set_walk_cb walk_cb, void *arg);

#endif
