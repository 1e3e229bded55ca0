// manifest: the durable history of versions. Owned by the loop; appends are jobs of the files lane, one after the other; a new version is
// published only when its edit is durable.
#ifndef VARVE_ENGINE_MANIFEST_H
#define VARVE_ENGINE_MANIFEST_H

#include "engine/env.h"
#include "engine/exec.h"
#include "engine/version.h"

struct manifest;

// Reads CURRENT and the manifest: the version in force and the next file number. Blocking, changes nothing. NOT_FOUND: no database here.
int manifest_load(struct env *env, const char *dir, struct version **version, uint64_t *next_file, struct error *err);
// Writes a new manifest that begins with this version, syncs it, and switches CURRENT (rename, directory sync). Blocking.
int manifest_create(struct env *env, struct exec *exec, const char *dir, const struct version *version, uint64_t number,
    uint64_t next_file, struct manifest **out, struct error *err);
void manifest_close(struct manifest *m); // nothing is under way

// Makes an edit durable; done_cb(arg, status) fires when it is. Edits become durable in the order of submission. After a failure all
// later ones fail too: the engine is read-only. When the file has grown past several times the size of a whole version, the append
// starts a new manifest with `version_after`, the version that results.
void manifest_append(struct manifest *m, const struct version_edit *edit, const struct version *version_after, uint64_t next_file,
    void (*done_cb)(void *arg, int status, const struct error *err), void *arg);
bool manifest_busy(const struct manifest *m);
uint64_t manifest_number(const struct manifest *m);

#endif
