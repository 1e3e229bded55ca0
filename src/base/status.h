// Status codes and the one function that makes an error.
//
// Every fallible function returns an int: 0 is OK, a positive value is an answer that is not a
// failure, a negative value is a failure. Functions whose failures a person will read also take a
// `struct error *` (NULL is allowed) and fill it.
#ifndef VARVE_BASE_STATUS_H
#define VARVE_BASE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#define STATUS_LIST(X)                                                                             \
    X(OK, 0, "ok")                                                                                 \
    X(NOT_FOUND, 1, "not found")                                                                   \
    X(END, 2, "end")                                                                               \
    X(WAIT, 3, "wait")                                                                             \
    X(IO, -1, "input/output error")                                                                \
    X(CORRUPT, -2, "corrupt data")                                                                 \
    X(NO_SPACE, -3, "no space left")                                                               \
    X(READ_ONLY, -4, "read only")                                                                  \
    X(MISUSE, -5, "misuse")                                                                        \
    X(TOO_LARGE, -6, "too large")                                                                  \
    X(LOCKED, -7, "locked by another process")                                                     \
    X(NEWER_FORMAT, -8, "written by a newer version")                                              \
    X(NO_MEMORY, -9, "over the memory budget")                                                     \
    X(MISSING, -10, "missing file")                                                                \
    X(CANCELLED, -11, "cancelled")                                                                 \
    X(RETRY, -12, "out of descriptors or memory for the moment")

enum status {
#define X(name, value, text) name = value,
    STATUS_LIST(X)
#undef X
};

// Nothing has happened, and what stood in the way may go away: no space, no descriptor, no memory.
// Who met it tries again later; for nobody is it the end.
static inline bool status_is_passing(int status)
{
    return status == NO_SPACE || status == RETRY;
}

// What failed, for people: text says it in one line, including file and offset where there are any.
struct error {
    int status;
    int os_errno;    // 0 where the operating system had no part in it
    uint64_t offset; // byte in file; 0 where it does not apply
    char file[256];  // path as given to env; empty where it does not apply
    char text[1024];
};

// The fixed text of a status, or "unknown status".
const char *status_text(int status);

// Fills err (if not NULL) and returns status. Every negative status that carries a detail is made
// here: one place for a breakpoint. file may be NULL. The text becomes "FILE, offset N: MESSAGE:
// strerror" with the parts that apply.
int error_set(struct error *err, int status, const char *file, uint64_t offset, int os_errno,
    const char *format, ...) __attribute__((format(printf, 6, 7)));
// which cannot see into the function, and so not that a failure is returned
#ifdef __clang_analyzer__
#define error_set(err, status, ...) (error_set(err, status, __VA_ARGS__), (status))
#endif

#endif
