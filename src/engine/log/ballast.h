// ballast: a file of zeros that holds a little of the disk back. When the disk is full it is
// unlinked, and whoever could not go on without space (a start, a flush, a compaction) has some.
// Nobody else may touch it. Blocking: for jobs and for opening.
#ifndef VARVE_ENGINE_LOG_BALLAST_H
#define VARVE_ENGINE_LOG_BALLAST_H

#include "engine/env.h"

// Makes it, or makes it larger: bytes, all of them allocated. After a failure there is none, or
// the one that there was.
int ballast_keep(struct env *env, const char *dir, uint64_t bytes);
void ballast_release(struct env *env, const char *dir);

#endif
