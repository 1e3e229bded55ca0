// A disk is a list of inodes and two tables of names: `live`, what programs see, and `durable`,
// what a reboot would find if nothing but the synced had reached the platter. Between the two lies
// a list of pending changes.
//
// Contents: each inode has the same two sides, and per sector the range of bytes that were written
// since the last sync. A sync copies those ranges; nothing outside of them is ever in danger. A
// write that would leave a gap in a sector's range sends the older part out first, as a real system
// may at any time.
//
// Names: the pending changes are the journal. Durable are those whose directory was synced: on an
// ordered disk together with all before them, on an unordered one alone. At the cut the ordered
// disk performs a prefix, the unordered one any subset, with one rule that even such file systems
// keep: the old name of a rename goes only if the new one has come.
//
// Inodes are found by sweeping: the number of files is small, and reference counts over two tables,
// a journal and handles are not simpler.
#include "tests/sim/sim_disk.h"

#include "base/alloc.h"
#include "base/ensure.h"

// --- Contents ------------------------------------------------------------------------------------

static void inode_reserve(struct inode *inode, uint64_t size)
{
    if (size <= inode->cap)
        return;
    uint64_t cap = inode->cap * 2 > size ? inode->cap * 2 : size;
    cap = (cap + SIM_SECTOR - 1) / SIM_SECTOR * SIM_SECTOR;
    uint8_t *live = xcalloc(cap, 1), *durable = xcalloc(cap, 1);
    struct dirt *dirt = xcalloc(cap / SIM_SECTOR, sizeof *dirt);
    if (inode->cap > 0) {
        memcpy(live, inode->live, inode->cap);
        memcpy(durable, inode->durable, inode->cap);
        memcpy(dirt, inode->dirt, inode->cap / SIM_SECTOR * sizeof *dirt);
    }
    free(inode->live);
    free(inode->durable);
    free(inode->dirt);
    inode->live = live;
    inode->durable = durable;
    inode->dirt = dirt;
    inode->cap = cap;
}

static void sector_write_out(struct inode *inode, uint64_t sector)
{
    struct dirt *dirt = &inode->dirt[sector];
    uint64_t at = sector * SIM_SECTOR + dirt->from;
    memcpy(inode->durable + at, inode->live + at, (size_t)(dirt->to - dirt->from));
    *dirt = (struct dirt){0};
}

// Call before the live bytes change: what is sent out is the older version.
static void mark_dirty(struct sim_disk *d, struct inode *inode, uint64_t from, uint64_t to)
{
    if (from == to)
        return;
    uint64_t first = from / SIM_SECTOR, last = (to - 1) / SIM_SECTOR;
    for (uint64_t s = first; s <= last; s++) {
        struct dirt *dirt = &inode->dirt[s];
        uint16_t lo = s == first ? (uint16_t)(from % SIM_SECTOR) : 0;
        uint16_t hi = s == last ? (uint16_t)((to - 1) % SIM_SECTOR + 1) : SIM_SECTOR;
        bool dirty = dirt->from != dirt->to;
        bool gap = dirty && (lo > dirt->to || hi < dirt->from);
        if (dirty && (gap || (d != NULL && random_below(&d->random, 8) == 0))) {
            sector_write_out(inode, s);
            dirty = false;
        }
        dirt->from = dirty && dirt->from < lo ? dirt->from : lo;
        dirt->to = dirty && dirt->to > hi ? dirt->to : hi;
    }
    if (inode->dirty_from == inode->dirty_to) {
        inode->dirty_from = first;
        inode->dirty_to = last + 1;
        return;
    }
    inode->dirty_from = first < inode->dirty_from ? first : inode->dirty_from;
    inode->dirty_to = last + 1 > inode->dirty_to ? last + 1 : inode->dirty_to;
}

void inode_write(struct sim_disk *d, struct inode *inode, uint64_t offset, struct slice data)
{
    inode_reserve(inode, offset + data.len);
    mark_dirty(d, inode, offset, offset + data.len);
    if (data.len > 0)
        memcpy(inode->live + offset, data.data, data.len);
    if (offset + data.len > inode->live_size)
        inode->live_size = offset + data.len;
}

void inode_resize(struct inode *inode, uint64_t size)
{
    inode_reserve(inode, size);
    if (size < inode->live_size) {
        mark_dirty(NULL, inode, size, inode->live_size);
        memset(inode->live + size, 0, inode->live_size - size);
    }
    inode->live_size = size;
}

void inode_sync(struct inode *inode)
{
    for (uint64_t s = inode->dirty_from; s < inode->dirty_to; s++)
        sector_write_out(inode, s);
    inode->dirty_from = inode->dirty_to = 0;
    inode->durable_size = inode->live_size;
}

void inode_sync_badly(struct sim_disk *d, struct inode *inode)
{
    for (uint64_t s = inode->dirty_from; s < inode->dirty_to; s++) {
        if (random_below(&d->random, 2) == 0)
            sector_write_out(inode, s);
        else
            inode->dirt[s] = (struct dirt){0};
    }
    inode->dirty_from = inode->dirty_to = 0;
}

// How a cut treats one file: the extremes (all kept, all lost) come up as often as mixtures.
struct fate {
    unsigned keep_percent, garble_percent; // garble: of those that are not kept
};

static struct fate draw_fate(struct random *r)
{
    static const unsigned keep[] = {0, 20, 50, 80, 100}, garble[] = {0, 0, 20, 60};
    return (struct fate){keep[random_below(r, 5)], garble[random_below(r, 4)]};
}

static void sector_crash(struct random *r, struct inode *inode, uint64_t s, struct fate fate)
{
    struct dirt dirt = inode->dirt[s];
    if (dirt.from == dirt.to)
        return;
    if (random_below(r, 100) < fate.keep_percent) {
        sector_write_out(inode, s);
        return;
    }
    inode->dirt[s] = (struct dirt){0};
    if (random_below(r, 100) >= fate.garble_percent)
        return;
    uint8_t *durable = inode->durable + s * SIM_SECTOR;
    if (random_below(r, 2) == 0) {
        size_t torn = (size_t)random_below(r, (uint64_t)(dirt.to - dirt.from));
        memcpy(durable + dirt.from, inode->live + s * SIM_SECTOR + dirt.from, torn);
        return;
    }
    for (unsigned i = dirt.from; i < dirt.to; i++)
        durable[i] = (uint8_t)random_next(r);
}

static uint64_t size_after_crash(struct random *r, const struct inode *inode)
{
    uint64_t old = inode->durable_size, new = inode->live_size;
    switch (random_below(r, 4)) {
    case 0:
        return old;
    case 1:
        if (new > old)
            return old + random_below(r, new - old);
        return old;
    default:
        return new;
    }
}

static void inode_crash(struct random *r, struct inode *inode)
{
    struct fate fate = draw_fate(r);
    for (uint64_t s = inode->dirty_from; s < inode->dirty_to; s++)
        sector_crash(r, inode, s, fate);
    inode->dirty_from = inode->dirty_to = 0;
    uint64_t size = size_after_crash(r, inode);
    inode->durable_size = inode->live_size = size;
    inode->locked = false;
    inode->handles = 0;
    if (inode->cap == 0)
        return;
    memset(inode->durable + size, 0, inode->cap - size);
    memcpy(inode->live, inode->durable, inode->cap);
}

static void inode_free(struct inode *inode)
{
    free(inode->live);
    free(inode->durable);
    free(inode->dirt);
    free(inode);
}

// --- Names ---------------------------------------------------------------------------------------

static struct name *names_find(const struct names *n, const char *path)
{
    for (size_t i = 0; i < n->count; i++) {
        if (strcmp(n->rows[i].path, path) == 0)
            return &n->rows[i];
    }
    return NULL;
}

static void names_set(struct names *n, const char *path, struct inode *inode)
{
    struct name *row = names_find(n, path);
    if (row != NULL) {
        row->inode = inode;
        return;
    }
    if (n->count == n->cap) {
        n->cap = n->cap * 2 + 8;
        n->rows = xrealloc(n->rows, n->cap * sizeof *n->rows);
    }
    n->rows[n->count++] = (struct name){xstrdup(path), inode};
}

static void names_remove(struct names *n, struct name *row)
{
    free(row->path);
    *row = n->rows[--n->count];
}

static void names_release(struct names *n)
{
    while (n->count > 0)
        names_remove(n, n->rows);
    free(n->rows);
}

static void names_copy(struct names *to, const struct names *from)
{
    for (size_t i = 0; i < from->count; i++)
        names_set(to, from->rows[i].path, from->rows[i].inode);
}

static struct slice parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return slice_cstr(".");
    return slash == path ? slice_cstr("/")
                         : slice_of((const uint8_t *)path, (size_t)(slash - path));
}

bool disk_is_in(const char *path, const char *dir)
{
    return slice_equal(parent_of(path), slice_cstr(dir));
}

static bool names_have_parent(const struct names *n, const char *path)
{
    struct slice parent = parent_of(path);
    if (slice_equal(parent, slice_cstr(".")) || slice_equal(parent, slice_cstr("/")))
        return true;
    for (size_t i = 0; i < n->count; i++) {
        if (n->rows[i].inode->is_dir && slice_equal(parent, slice_cstr(n->rows[i].path)))
            return true;
    }
    return false;
}

bool disk_has_parent(const struct sim_disk *d, const char *path)
{
    return names_have_parent(&d->live, path);
}

struct inode *disk_find(const struct sim_disk *d, const char *path)
{
    struct name *row = names_find(&d->live, path);
    return row == NULL ? NULL : row->inode;
}

// Performs a change on the live names and puts it into the journal.
static void change(
    struct sim_disk *d, const char *path, struct inode *inode, bool removes, uint64_t group)
{
    if (removes)
        names_remove(&d->live, names_find(&d->live, path));
    else
        names_set(&d->live, path, inode);
    if (d->pending_count == d->pending_cap) {
        d->pending_cap = d->pending_cap * 2 + 8;
        d->pending = xrealloc(d->pending, d->pending_cap * sizeof *d->pending);
    }
    d->pending[d->pending_count++] = (struct change){xstrdup(path), inode, removes, group};
}

struct inode *disk_create(struct sim_disk *d, const char *path, bool is_dir)
{
    struct inode *inode = xcalloc(1, sizeof *inode);
    inode->is_dir = is_dir;
    inode->next = d->inodes;
    d->inodes = inode;
    disk_link(d, path, inode);
    return inode;
}

void disk_link(struct sim_disk *d, const char *path, struct inode *inode)
{
    change(d, path, inode, false, d->groups++);
}

void disk_unlink(struct sim_disk *d, const char *path)
{
    change(d, path, disk_find(d, path), true, d->groups++);
}

void disk_rename(struct sim_disk *d, const char *from, const char *to)
{
    struct inode *inode = disk_find(d, from);
    uint64_t group = d->groups++;
    if (strcmp(from, to) == 0)
        return;
    change(d, to, inode, false, group);
    change(d, from, inode, true, group);
}

static void perform(struct sim_disk *d, const struct change *c)
{
    if (!c->remove) {
        names_set(&d->durable, c->path, c->inode);
        return;
    }
    // The name may lead to something else by now, when an unordered disk left out what came
    // between.
    struct name *row = names_find(&d->durable, c->path);
    if (row != NULL && row->inode == c->inode)
        names_remove(&d->durable, row);
}

// Performs the pending changes that `chosen` marks, in order, and forgets those, or all of them.
static void perform_chosen(struct sim_disk *d, const bool *chosen, bool forget_all)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->pending_count; i++) {
        if (chosen[i])
            perform(d, &d->pending[i]);
        if (chosen[i] || forget_all)
            free(d->pending[i].path);
        else
            d->pending[kept++] = d->pending[i];
    }
    d->pending_count = kept;
}

void disk_sync_names(struct sim_disk *d, const char *dir)
{
    bool *chosen = xcalloc(d->pending_count + 1, sizeof *chosen);
    uint64_t last_group = 0;
    bool any = false;
    for (size_t i = 0; i < d->pending_count; i++) {
        chosen[i] = disk_is_in(d->pending[i].path, dir);
        any = any || chosen[i];
        last_group = chosen[i] ? d->pending[i].group : last_group;
    }
    for (size_t i = 0; any && d->ordered && i < d->pending_count; i++)
        chosen[i] = d->pending[i].group <= last_group;
    perform_chosen(d, chosen, false);
    free(chosen);
    disk_sweep(d);
}

void disk_sync_name(struct sim_disk *d, const char *path)
{
    bool *chosen = xcalloc(d->pending_count + 1, sizeof *chosen);
    for (size_t i = 0; i < d->pending_count; i++)
        chosen[i] = strcmp(d->pending[i].path, path) == 0;
    perform_chosen(d, chosen, false);
    free(chosen);
}

static void names_crash(struct sim_disk *d)
{
    bool *chosen = xcalloc(d->pending_count + 1, sizeof *chosen);
    size_t prefix = (size_t)random_below(&d->random, d->pending_count + 1);
    for (size_t i = 0; i < d->pending_count; i++) {
        bool second = i > 0 && d->pending[i].group == d->pending[i - 1].group;
        if (d->ordered)
            chosen[i] = second ? chosen[i - 1] : i < prefix;
        else
            chosen[i] = (!second || chosen[i - 1]) && random_below(&d->random, 2) == 0;
    }
    perform_chosen(d, chosen, true);
    free(chosen);
    // A lost directory takes along what lay in it.
    for (size_t i = 0; i < d->durable.count;) {
        if (names_have_parent(&d->durable, d->durable.rows[i].path)) {
            i++;
        } else {
            names_remove(&d->durable, &d->durable.rows[i]);
            i = 0;
        }
    }
}

// --- The whole -----------------------------------------------------------------------------------

void disk_init(struct sim_disk *d, uint64_t seed)
{
    *d = (struct sim_disk){.random = {seed}};
    d->ordered = random_below(&d->random, 2) == 0;
}

static struct inode *inode_copy(const struct inode *from)
{
    struct inode *inode = xcalloc(1, sizeof *inode);
    inode->is_dir = from->is_dir;
    inode_reserve(inode, from->durable_size);
    if (from->durable_size > 0) {
        memcpy(inode->durable, from->durable, from->durable_size);
        memcpy(inode->live, from->durable, from->durable_size);
    }
    inode->live_size = inode->durable_size = from->durable_size;
    return inode;
}

void disk_copy(struct sim_disk *d, const struct sim_disk *from, uint64_t seed)
{
    ENSURE(from->pending_count == 0);
    disk_init(d, seed);
    d->ordered = from->ordered;
    for (const struct inode *old = from->inodes; old != NULL; old = old->next) {
        ENSURE(old->dirty_from == old->dirty_to && old->handles == 0);
        struct inode *inode = inode_copy(old);
        inode->next = d->inodes;
        d->inodes = inode;
        for (size_t i = 0; i < from->durable.count; i++) {
            if (from->durable.rows[i].inode == old)
                names_set(&d->durable, from->durable.rows[i].path, inode);
        }
    }
    names_copy(&d->live, &d->durable);
}

void disk_release(struct sim_disk *d)
{
    for (size_t i = 0; i < d->pending_count; i++)
        free(d->pending[i].path);
    free(d->pending);
    names_release(&d->live);
    names_release(&d->durable);
    while (d->inodes != NULL) {
        struct inode *next = d->inodes->next;
        inode_free(d->inodes);
        d->inodes = next;
    }
}

static void mark_names(const struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        n->rows[i].inode->marked = true;
}

void disk_sweep(struct sim_disk *d)
{
    for (struct inode *inode = d->inodes; inode != NULL; inode = inode->next)
        inode->marked = inode->handles > 0;
    mark_names(&d->live);
    mark_names(&d->durable);
    for (size_t i = 0; i < d->pending_count; i++)
        d->pending[i].inode->marked = true;
    for (struct inode **at = &d->inodes; *at != NULL;) {
        struct inode *inode = *at;
        if (inode->marked) {
            at = &inode->next;
        } else {
            *at = inode->next;
            inode_free(inode);
        }
    }
}

uint64_t disk_used(const struct sim_disk *d)
{
    for (struct inode *inode = d->inodes; inode != NULL; inode = inode->next)
        inode->marked = inode->handles > 0;
    mark_names(&d->live);
    uint64_t bytes = 0;
    for (struct inode *inode = d->inodes; inode != NULL; inode = inode->next)
        bytes += inode->marked ? inode->live_size : 0;
    return bytes;
}

void disk_crash(struct sim_disk *d)
{
    names_crash(d);
    for (struct inode *inode = d->inodes; inode != NULL; inode = inode->next)
        inode_crash(&d->random, inode);
    names_release(&d->live);
    d->live = (struct names){0};
    names_copy(&d->live, &d->durable);
    disk_sweep(d);
}
