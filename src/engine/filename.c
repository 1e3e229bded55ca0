// A name that is spelled in one module and parsed in another drifts apart, and then recovery
// removes as an orphan what the writer still needs. So both directions stand here, and parsing is
// defined by spelling: the number is read leniently, the name spelled anew from it, and the two
// compared. What a human or another program put there ("7.log.bak", "007.log", "MANIFEST-") is
// therefore never taken for ours, and never removed.
//
// Paths cannot be cut off: the directory's length is checked against FILENAME_DIR_MAX once, when it
// is opened, and what is appended to it is shorter than the rest.
#include "engine/filename.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void filename_of(char out[FILENAME_PATH_SIZE], const char *dir, const char *name)
{
    snprintf(out, FILENAME_PATH_SIZE, "%s/%s", dir, name);
}

void filename_lock(char out[FILENAME_PATH_SIZE], const char *dir)
{
    filename_of(out, dir, "LOCK");
}

void filename_current(char out[FILENAME_PATH_SIZE], const char *dir)
{
    filename_of(out, dir, "CURRENT");
}

void filename_ballast(char out[FILENAME_PATH_SIZE], const char *dir)
{
    filename_of(out, dir, "BALLAST");
}

void filename_manifest(char out[FILENAME_PATH_SIZE], const char *dir, uint64_t number)
{
    snprintf(out, FILENAME_PATH_SIZE, "%s/MANIFEST-%" PRIu64, dir, number);
}

void filename_log(char out[FILENAME_PATH_SIZE], const char *dir, uint64_t number)
{
    snprintf(out, FILENAME_PATH_SIZE, "%s/%" PRIu64 ".log", dir, number);
}

void filename_table(char out[FILENAME_PATH_SIZE], const char *dir, uint64_t number)
{
    snprintf(out, FILENAME_PATH_SIZE, "%s/%" PRIu64 ".sst", dir, number);
}

void filename_tmp(char out[FILENAME_PATH_SIZE], const char *path)
{
    snprintf(out, FILENAME_PATH_SIZE, "%s.tmp", path);
}

// prefix, number in canonical decimal, suffix, and nothing else.
static bool parse(const char *name, const char *prefix, const char *suffix, uint64_t *number)
{
    char expected[64];
    size_t skip = strlen(prefix);
    uint64_t n;
    if (strncmp(name, prefix, skip) != 0 || sscanf(name + skip, "%20" SCNu64, &n) != 1)
        return false;
    snprintf(expected, sizeof expected, "%s%" PRIu64 "%s", prefix, n, suffix);
    if (strcmp(expected, name) != 0 || n > FILENAME_NUMBER_MAX)
        return false;
    *number = n;
    return true;
}

enum filename_kind filename_parse(const char *name, uint64_t *number)
{
    size_t len = strlen(name);
    *number = 0;
    if (parse(name, "", ".sst", number))
        return FILENAME_TABLE;
    if (parse(name, "", ".log", number))
        return FILENAME_LOG;
    if (parse(name, "MANIFEST-", "", number))
        return FILENAME_MANIFEST;
    if (strcmp(name, "BALLAST") == 0)
        return FILENAME_BALLAST;
    return len > 4 && strcmp(name + len - 4, ".tmp") == 0 ? FILENAME_TMP : FILENAME_OTHER;
}

size_t filename_current_encode(char out[FILENAME_CURRENT_MAX], uint64_t number)
{
    return (size_t)snprintf(out, FILENAME_CURRENT_MAX, "MANIFEST-%" PRIu64 "\n", number);
}

bool filename_current_decode(struct slice text, uint64_t *number)
{
    char name[FILENAME_CURRENT_MAX];
    if (text.len == 0 || text.len > sizeof name || text.data[text.len - 1] != '\n')
        return false;
    memcpy(name, text.data, text.len - 1);
    name[text.len - 1] = '\0';
    return strlen(name) == text.len - 1 && filename_parse(name, number) == FILENAME_MANIFEST &&
           *number > 0;
}
