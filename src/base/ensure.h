// ENSURE(condition): an invariant of our own code. It stays on in release builds and never checks
// input. ENSURE_UNREACHABLE() marks a branch that cannot be taken.
#ifndef VARVE_BASE_ENSURE_H
#define VARVE_BASE_ENSURE_H

#define ENSURE(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            ensure_failed(#condition, __FILE__, __LINE__);                                         \
    } while (0)

#define ENSURE_UNREACHABLE() ensure_failed("unreachable", __FILE__, __LINE__)

_Noreturn void ensure_failed(const char *condition, const char *file, int line);

#endif
