// reader: point reads of a moment, for who answers piece by piece over many turns. It holds a
// snapshot and what its last wait has brought, and no memtable and no version: those that hold the
// moment's records are looked for anew by each read. Loop.
#ifndef VARVE_ENGINE_READER_H
#define VARVE_ENGINE_READER_H

#include "engine/engine.h"

struct reader;
typedef void (*reader_ready_cb)(struct reader *reader, void *arg);

struct reader *reader_new(struct engine *engine); // of now
void reader_free(struct reader *reader);          // cancels a wait
uint64_t reader_seq(const struct reader *reader); // the newest it may show
// OK, and *out borrows until the next call of anything of the engine; NOT_FOUND; WAIT (the miss is
// noted; go on to other keys to have them fetched together); or a failure.
int reader_get(struct reader *reader, struct slice key, struct row *out);
// No more can be noted: looking for further misses is in vain.
bool reader_is_full(const struct reader *reader);
// Fires when what was missed since the last wait has arrived.
void reader_wait(struct reader *reader, reader_ready_cb ready_cb, void *arg);

#endif
