// table_builder: writes one table, in a job. Entries come in order; blocks go out as they fill,
// through a buffer.
#ifndef VARVE_ENGINE_TABLE_TABLE_BUILDER_H
#define VARVE_ENGINE_TABLE_TABLE_BUILDER_H

#include "engine/env.h"
#include "engine/table/block.h"
#include "engine/table/table.h"

struct table_builder;

struct table_builder_options {
    struct env *env;
    const char *dir;
    uint64_t number;
    unsigned level;
    struct lineage lineage; // of the database
    uint32_t block_size;
    unsigned bloom_bits_per_key;
    enum compression compression;
    int compression_level;
};

int table_builder_open(
    const struct table_builder_options *options, struct table_builder **out, struct error *err);
int table_builder_add(struct table_builder *b, const struct entry *e, struct error *err);
uint64_t table_builder_bytes(const struct table_builder *b); // so far
// Writes the rest and syncs the file (the directory is the caller's). All of the table's meta is
// filled but clean_seq, its file is closed. Frees the builder.
int table_builder_finish(struct table_builder *b, struct table **out, struct error *err);
// Gives up: closes and unlinks the file, frees the builder.
void table_builder_abandon(struct table_builder *b);

#endif
