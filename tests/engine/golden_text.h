// golden_text: a small data directory as text, for git. `file NAME SIZE`, then its bytes in
// hexadecimal, 32 a line; a line `zeros N` stands for so many zero bytes. LOCK, which is empty, is
// left out. What stands before the first file is for the reader.
#ifndef VARVE_TESTS_ENGINE_GOLDEN_TEXT_H
#define VARVE_TESTS_ENGINE_GOLDEN_TEXT_H

#include <stdio.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "tests/sim/sim_env.h"

enum { GOLDEN_LINE = 32 };

static inline size_t golden_zeros(const struct buf *bytes, size_t at)
{
    size_t end = at;
    while (end < bytes->len && bytes->data[end] == 0)
        end++;
    return end - at;
}

static inline void golden_dump_file(FILE *f, const char *name, const struct buf *bytes)
{
    fprintf(f, "file %s %zu\n", name, bytes->len);
    for (size_t at = 0; at < bytes->len;) {
        size_t zeros = golden_zeros(bytes, at);
        if (zeros > GOLDEN_LINE) {
            fprintf(f, "zeros %zu\n", zeros);
            at += zeros;
            continue;
        }
        size_t end = at + GOLDEN_LINE < bytes->len ? at + GOLDEN_LINE : bytes->len;
        for (; at < end && golden_zeros(bytes, at) <= GOLDEN_LINE; at++)
            fprintf(f, "%02x", bytes->data[at]);
        fprintf(f, "\n");
    }
}

static inline int golden_order(const void *a, const void *b)
{
    return strcmp(((const struct dir_entry *)a)->name, ((const struct dir_entry *)b)->name);
}

// All files of the directory, by name. *out is one heap block.
static inline size_t golden_files(struct sim_env *env, struct dir_entry **out)
{
    size_t count, kept = 0;
    ENSURE(sim_env_env(env)->ops->list(sim_env_env(env), "db", out, &count, NULL) == OK);
    for (size_t i = 0; i < count; i++)
        if (strcmp((*out)[i].name, "LOCK") != 0 && strcmp((*out)[i].name, "BALLAST") != 0)
            (*out)[kept++] = (*out)[i];
    qsort(*out, kept, sizeof **out, golden_order);
    return kept;
}

static inline void golden_read(struct sim_env *env, const char *name, struct buf *out)
{
    char path[300];
    snprintf(path, sizeof path, "db/%s", name);
    ENSURE(sim_env_read_file(env, path, out) == OK);
}

static inline void golden_dump(struct sim_env *env, FILE *f)
{
    struct dir_entry *files;
    size_t count = golden_files(env, &files);
    for (size_t i = 0; i < count; i++) {
        struct buf bytes = {0};
        golden_read(env, files[i].name, &bytes);
        golden_dump_file(f, files[i].name, &bytes);
        buf_release(&bytes);
    }
    free(files);
}

static inline void golden_append_hex(struct buf *out, const char *word)
{
    unsigned byte;
    for (; sscanf(word, "%2x", &byte) == 1; word += 2)
        buf_append_byte(out, (uint8_t)byte);
    ENSURE(*word == '\0');
}

static inline void golden_load_file(FILE *f, struct sim_env *env)
{
    char name[256], path[300], word[256];
    size_t size, zeros;
    struct buf bytes = {0};
    ENSURE(fscanf(f, "%255s %zu", name, &size) == 2);
    while (bytes.len < size && fscanf(f, "%255s", word) == 1) {
        if (strcmp(word, "zeros") != 0) {
            golden_append_hex(&bytes, word);
            continue;
        }
        ENSURE(fscanf(f, "%zu", &zeros) == 1);
        for (; zeros > 0; zeros--)
            buf_append_byte(&bytes, 0);
    }
    ENSURE(bytes.len == size);
    snprintf(path, sizeof path, "db/%s", name);
    sim_env_write_file(env, path, buf_slice(&bytes));
    buf_release(&bytes);
}

// A machine with the directory of a text on its disk.
static inline struct sim_env *golden_load(const char *text, uint64_t seed)
{
    struct sim_env *env = sim_env_new(seed);
    struct env *e = sim_env_env(env);
    char word[256];
    ENSURE(e->ops->mkdir(e, "db", NULL) == OK && e->ops->sync_dir(e, ".", NULL) == OK);
    FILE *f = fopen(text, "r");
    ENSURE(f != NULL);
    while (fscanf(f, "%255s", word) == 1)
        if (strcmp(word, "file") == 0)
            golden_load_file(f, env);
    fclose(f);
    return env;
}

#endif
