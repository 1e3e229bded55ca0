// merge: one cursor over many, in entry order. Owns its children. WAIT of a child is passed on,
// once all were asked. Children with equal (key, seq) do not occur.
#ifndef VARVE_ENGINE_RECORD_MERGE_H
#define VARVE_ENGINE_RECORD_MERGE_H

#include "engine/record/entry.h"

struct cursor *merge_cursor(struct cursor **children, uint32_t count);

#endif
