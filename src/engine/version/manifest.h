// manifest: the durable history of versions. Owned by the loop; an append is a job of the files
// lane, one at a time; the engine queues edits and publishes a version only when its edit is
// durable.
#ifndef VARVE_ENGINE_VERSION_MANIFEST_H
#define VARVE_ENGINE_VERSION_MANIFEST_H

#include "engine/env.h"
#include "engine/exec.h"
#include "engine/version/version.h"

struct manifest;
typedef void (*manifest_done_cb)(void *arg, int status, const struct error *err);

// Reads CURRENT and the manifest it names: the version in force, the next file number, the
// manifest's number. Blocking, changes nothing. NOT_FOUND: no CURRENT here. MISSING, CORRUPT,
// NEWER_FORMAT with file and offset.
int manifest_load(struct env *env, const char *dir, struct version **version, uint64_t *next_file,
    uint64_t *number, struct error *err);
// Writes a new manifest that begins with this version, syncs it, and switches CURRENT (rename,
// directory sync). Blocking. The version has a lineage, and every manifest carries its version's.
int manifest_create(struct env *env, struct exec *exec, const char *dir,
    const struct version *version, uint64_t number, uint64_t next_file, struct manifest **out,
    struct error *err);
// No append is under way. Blocking (drives exec): a seal proves the last edit.
void manifest_close(struct manifest *m);

// Makes an edit durable; done_cb fires when it is. Nothing else may be under way. version_after is
// what results from it. If new_number is not 0 a new manifest of that number is begun with
// version_after instead (and the old one appended to if there is no room for that). NO_SPACE:
// nothing has happened, it may be tried again. Any other failure is final: what the disk holds is
// unknown, and all later appends fail too.
void manifest_append(struct manifest *m, const struct version_edit *edit,
    const struct version *version_after, uint64_t next_file, uint64_t new_number,
    manifest_done_cb done_cb, void *arg);
// All later appends fail with cause. Nothing is under way.
void manifest_fail(struct manifest *m, const struct error *cause);
// Grown past several times the size of a whole version: time for a new one.
bool manifest_is_large(const struct manifest *m);
uint64_t manifest_number(const struct manifest *m);

#endif
