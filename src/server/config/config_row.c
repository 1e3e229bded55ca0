// config_row: all rows, in the order of help and sample file. Few enough to be searched one by one:
// only starts and CONFIG ask.
#include "server/config/config_row.h"

#include "base/ensure.h"

static const struct directive_group groups[] = {
    {"Network", config_network_rows},
    {"Clients", config_client_rows},
    {"Process and administration", config_process_rows},
    {"Data, durability and memory", config_storage_rows},
    {"The engine", config_engine_rows},
    {"Accepted, without effect", config_unused_rows},
    {"Accepted, without effect: replication and cluster", config_unused_replication_rows},
    {"Refused", config_refused_rows},
    {NULL, NULL},
};

const struct directive_group *config_groups(void)
{
    return groups;
}

int config_row_count(void)
{
    static int count;
    if (count == 0) {
        int n = 0;
        for (const struct directive_group *g = groups; g->title != NULL; g++)
            for (const struct directive *row = g->rows; row->name != NULL; row++)
                n++;
        count = n;
    }
    return count;
}

const struct directive *config_row(int index)
{
    for (const struct directive_group *g = groups; g->title != NULL; g++)
        for (const struct directive *row = g->rows; row->name != NULL; row++)
            if (index-- == 0)
                return row;
    ENSURE_UNREACHABLE();
}

int config_find(struct slice name)
{
    int index = 0;
    for (const struct directive_group *g = groups; g->title != NULL; g++)
        for (const struct directive *row = g->rows; row->name != NULL; row++, index++)
            if (slice_equal_nocase(name, row->name) ||
                (row->alias != NULL && slice_equal_nocase(name, row->alias)))
                return index;
    return -1;
}
