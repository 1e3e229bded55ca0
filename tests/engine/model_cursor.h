// A cursor over a model that can be told to answer WAIT at random: what merges are fed with.
#ifndef VARVE_TESTS_ENGINE_MODEL_CURSOR_H
#define VARVE_TESTS_ENGINE_MODEL_CURSOR_H

#include "tests/engine/model.h"

struct model_cursor {
    struct cursor base;
    const struct model *model;
    struct random *random; // NULL: never waits
    size_t at;
};

static inline int model_cursor_go(struct cursor *c, size_t to)
{
    struct model_cursor *m = (struct model_cursor *)(void *)c;
    // A borrowed entry must not be looked at after the next call.
    m->base.entry = (struct entry){0};
    if (m->random != NULL && random_below(m->random, 3) == 0)
        return WAIT;
    m->at = to;
    if (to >= m->model->count)
        return END;
    m->base.entry = m->model->entries[to];
    return OK;
}

static inline int model_cursor_seek(struct cursor *c, struct slice key, uint64_t seq)
{
    return model_cursor_go(c, model_find(((struct model_cursor *)(void *)c)->model, key, seq));
}

static inline int model_cursor_seek_before(struct cursor *c, struct slice key)
{
    return model_cursor_go(
        c, model_find(((struct model_cursor *)(void *)c)->model, key, SEQ_MAX) - 1);
}

static inline int model_cursor_seek_last(struct cursor *c)
{
    return model_cursor_go(c, ((struct model_cursor *)(void *)c)->model->count - 1);
}

static inline int model_cursor_next(struct cursor *c)
{
    return model_cursor_go(c, ((struct model_cursor *)(void *)c)->at + 1);
}

static inline int model_cursor_prev(struct cursor *c)
{
    return model_cursor_go(c, ((struct model_cursor *)(void *)c)->at - 1);
}

static inline void model_cursor_close(struct cursor *c)
{
    free(c);
}

static inline struct cursor *model_cursor_new(const struct model *model, struct random *random)
{
    static const struct cursor_ops ops = {
        .seek = model_cursor_seek,
        .seek_before = model_cursor_seek_before,
        .seek_last = model_cursor_seek_last,
        .next = model_cursor_next,
        .prev = model_cursor_prev,
        .close = model_cursor_close,
    };
    struct model_cursor *c = xcalloc(1, sizeof *c);
    c->base.ops = &ops;
    c->model = model;
    c->random = random;
    return &c->base;
}

#endif
