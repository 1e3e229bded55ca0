// Any bytes as an edit: decoded or refused; what was decoded is applied to an empty version or
// refused, and what the encoder makes of it decodes again.
#include "base/ensure.h"
#include "engine/version/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_table_gone(void *arg, struct table *t)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct version_edit edit = {0}, again = {0};
    struct error err;
    int status = version_edit_decode(&edit, slice_of(data, size), &err);
    ENSURE(status == OK || status == CORRUPT || status == NEWER_FORMAT);
    if (status != OK)
        return 0;
    struct buf bytes = {0};
    version_edit_encode(&edit, &bytes);
    if (bytes.len > 0) {
        status = version_edit_decode(&again, buf_slice(&bytes), &err);
        ENSURE(status == OK);
        version_edit_release(&again);
    }
    struct version *base = version_new(), *next;
    if (version_apply(base, &edit, &next, &err) == OK)
        version_unref(next, no_table_gone, NULL);
    version_unref(base, no_table_gone, NULL);
    version_edit_release(&edit);
    buf_release(&bytes);
    return 0;
}
