// unlink: how tables leave memory and disk. Loop; files are unlinked by jobs of a lane of their
// own.
#ifndef VARVE_ENGINE_UNLINK_H
#define VARVE_ENGINE_UNLINK_H

#include "engine/state.h"

// Lets a reference to a version go. Tables that no version holds any more leave the cache and the
// open files, and their files are removed, unless the engine is closing.
void unlink_version(struct engine *e, struct version *v);
// Removes a table's file, unless the engine has failed: then nobody knows what the disk holds, and
// the next opening finds out.
void unlink_table(struct engine *e, uint64_t number);
// Drives exec until nothing is being removed.
void unlink_stop(struct engine *e);

#endif
