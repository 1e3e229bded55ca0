// filename: every name in a data directory, in one place (format.h, "Files of a data directory"):
// what a file is called, and what a name that was found there means. Pure functions, any thread.
#ifndef VARVE_ENGINE_FILENAME_H
#define VARVE_ENGINE_FILENAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum {
    FILENAME_PATH_SIZE = 4096,                  // of a buffer that holds any path, with its zero
    FILENAME_DIR_MAX = FILENAME_PATH_SIZE - 64, // strlen of the directory, so that no path is cut
    FILENAME_CURRENT_MAX = 64,                  // bytes that CURRENT may hold
};

// No file of ours has a larger number: the counter must not wrap.
#define FILENAME_NUMBER_MAX (UINT64_MAX >> 1)

enum filename_kind {
    FILENAME_OTHER, // not ours, or LOCK and CURRENT
    FILENAME_TABLE,
    FILENAME_LOG,
    FILENAME_MANIFEST,
    FILENAME_BALLAST, // no number
    FILENAME_TMP,     // being written
};

void filename_lock(char out[FILENAME_PATH_SIZE], const char *dir);
void filename_current(char out[FILENAME_PATH_SIZE], const char *dir);
void filename_ballast(char out[FILENAME_PATH_SIZE], const char *dir);
void filename_manifest(char out[FILENAME_PATH_SIZE], const char *dir, uint64_t number);
void filename_log(char out[FILENAME_PATH_SIZE], const char *dir, uint64_t number);
void filename_table(char out[FILENAME_PATH_SIZE], const char *dir, uint64_t number);
// What a file is called while it is being written: path and ".tmp".
void filename_tmp(char out[FILENAME_PATH_SIZE], const char *path);
// A file of this name, as a listing of the directory gave it.
void filename_of(char out[FILENAME_PATH_SIZE], const char *dir, const char *name);

// What a name means, and the number in it (0 if it has none). Only the exact spelling counts:
// 07.log is not ours.
enum filename_kind filename_parse(const char *name, uint64_t *number);

// The contents of CURRENT: the manifest's name and a newline. Returns the length.
size_t filename_current_encode(char out[FILENAME_CURRENT_MAX], uint64_t number);
// false: this is no such contents. Takes any bytes.
bool filename_current_decode(struct slice text, uint64_t *number);

#endif
