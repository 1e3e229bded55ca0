#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *status_text(int status)
{
    switch (status) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        STATUS_LIST(X)
#undef X
    default:
        return "unknown status";
    }
}

int(error_set)(struct error *err, int status, const char *file, uint64_t offset, int os_errno,
    const char *format, ...)
{
    if (err == NULL)
        return status;
    memset(err, 0, sizeof *err);
    err->status = status;
    err->os_errno = os_errno;
    err->offset = offset;
    if (file != NULL)
        snprintf(err->file, sizeof err->file, "%s", file);

    char message[640];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    char where[sizeof err->file + 40] = "";
    if (file != NULL && offset != 0)
        snprintf(where, sizeof where, "%s, offset %llu: ", err->file, (unsigned long long)offset);
    else if (file != NULL)
        snprintf(where, sizeof where, "%s: ", err->file);
    snprintf(err->text, sizeof err->text, "%s%s%s%s", where, message, os_errno ? ": " : "",
        os_errno ? strerror(os_errno) : "");
    return status;
}
