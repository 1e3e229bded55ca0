// A database can have hundreds of thousands of drops pending (each DEL of a big collection is one),
// and compaction asks for every entry whether one covers it; commits ask too. The prefixes that can
// cover a key are its own prefixes, and the layer above uses only a handful of lengths. So the set
// is a search tree by prefix, the distinct lengths are noted, and a lookup is one descent a length.
//
// Every version has a set, which differs from the one before in a few drops: so the tree is a
// persistent treap. Its nodes count who refers to them. A change walks from the root down, and
// copies a node that others refer to before it changes it: some forty at a hundred thousand drops.
// What only this set refers to is changed in place. Priorities are hashes of the drop, so that the
// shape depends on nothing but what is in the set.
//
// Example: version 8 has the root m with children d and t, and version 9 adds a drop that belongs
// below t. m and t are copied, the copies refer to d (2 references now) and the new node; version 8
// is as it was. When it goes, its m and t go with it, and d stays.
//
// Nothing here can fail. Equal prefixes with different seqs may both be present: an entry between
// them is covered by the newer only.
#include "engine/record/drops.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/hash.h"

struct drop_node {
    struct drop_node *left, *right;
    struct drop drop; // prefix: bytes
    uint64_t priority;
    uint32_t refs, count; // of the tree below, this one included
    uint8_t bytes[];
};

struct drop_length {
    uint32_t length, uses;
};

static uint32_t count_of(const struct drop_node *n)
{
    return n != NULL ? n->count : 0;
}

static void update(struct drop_node *n)
{
    n->count = 1 + count_of(n->left) + count_of(n->right);
}

static struct drop_node *node_ref(struct drop_node *n)
{
    if (n != NULL)
        n->refs++;
    return n;
}

static void node_unref(struct drop_node *n)
{
    if (n == NULL || --n->refs > 0)
        return;
    node_unref(n->left);
    node_unref(n->right);
    free(n);
}

static struct drop_node *node_new(struct slice prefix, uint64_t seq)
{
    struct drop_node *n = xmalloc(sizeof *n + prefix.len);
    *n = (struct drop_node){.refs = 1, .count = 1};
    if (prefix.len > 0)
        memcpy(n->bytes, prefix.data, prefix.len);
    n->drop = (struct drop){slice_of(n->bytes, prefix.len), seq};
    n->priority = (hash64(prefix) ^ seq) * 0x9e3779b97f4a7c15ull;
    return n;
}

// The same node, to be changed: takes the caller's reference and gives one that is the only one.
static struct drop_node *own(struct drop_node *n)
{
    if (n->refs == 1)
        return n;
    struct drop_node *copy = node_new(n->drop.prefix, n->drop.seq);
    copy->left = node_ref(n->left);
    copy->right = node_ref(n->right);
    copy->count = n->count;
    n->refs--;
    return copy;
}

static int compare_drops(const struct drop *a, struct slice prefix, uint64_t seq)
{
    int order = slice_compare(a->prefix, prefix);
    return order != 0 ? order : (a->seq > seq) - (a->seq < seq);
}

// The first that is not before (prefix, seq), and how many are before it; NULL: none.
static const struct drop_node *lower_bound(
    const struct drop_set *set, struct slice prefix, uint64_t seq, uint32_t *before)
{
    const struct drop_node *found = NULL;
    *before = 0;
    for (const struct drop_node *n = set->root; n != NULL;) {
        if (compare_drops(&n->drop, prefix, seq) < 0) {
            *before += count_of(n->left) + 1;
            n = n->right;
        } else {
            found = n;
            n = n->left;
        }
    }
    return found;
}

static bool contains(const struct drop_set *set, struct slice prefix, uint64_t seq)
{
    uint32_t before;
    const struct drop_node *n = lower_bound(set, prefix, seq, &before);
    return n != NULL && compare_drops(&n->drop, prefix, seq) == 0;
}

// --- Changing ------------------------------------------------------------------------------------

static struct drop_node *rotate_right(struct drop_node *n)
{
    struct drop_node *top = n->left = own(n->left);
    n->left = top->right;
    top->right = n;
    update(n);
    update(top);
    return top;
}

static struct drop_node *rotate_left(struct drop_node *n)
{
    struct drop_node *top = n->right = own(n->right);
    n->right = top->left;
    top->left = n;
    update(n);
    update(top);
    return top;
}

static struct drop_node *insert(struct drop_node *at, struct drop_node *added)
{
    if (at == NULL)
        return added;
    at = own(at);
    if (compare_drops(&at->drop, added->drop.prefix, added->drop.seq) > 0) {
        at->left = insert(at->left, added);
        if (at->left->priority > at->priority)
            return rotate_right(at);
    } else {
        at->right = insert(at->right, added);
        if (at->right->priority > at->priority)
            return rotate_left(at);
    }
    update(at);
    return at;
}

// Two trees into one; all of left come before all of right.
static struct drop_node *join(struct drop_node *left, struct drop_node *right)
{
    if (left == NULL || right == NULL)
        return left != NULL ? left : right;
    if (left->priority > right->priority) {
        left = own(left);
        left->right = join(left->right, right);
        update(left);
        return left;
    }
    right = own(right);
    right->left = join(left, right->left);
    update(right);
    return right;
}

// It is there.
static struct drop_node *delete (struct drop_node *at, struct slice prefix, uint64_t seq)
{
    int order = compare_drops(&at->drop, prefix, seq);
    if (order == 0) {
        struct drop_node *joined = join(node_ref(at->left), node_ref(at->right));
        node_unref(at);
        return joined;
    }
    at = own(at);
    if (order > 0)
        at->left = delete (at->left, prefix, seq);
    else
        at->right = delete (at->right, prefix, seq);
    update(at);
    return at;
}

static void use_length(struct drop_set *set, size_t length, bool more)
{
    uint32_t i = 0;
    while (i < set->length_count && set->lengths[i].length != length)
        i++;
    if (i == set->length_count) {
        set->lengths = xrealloc(set->lengths, (i + 1) * sizeof *set->lengths);
        set->lengths[set->length_count++] = (struct drop_length){(uint32_t)length, 0};
    }
    set->lengths[i].uses += more ? 1 : UINT32_MAX;
    if (set->lengths[i].uses == 0)
        set->lengths[i] = set->lengths[--set->length_count];
}

void drop_set_add(struct drop_set *set, struct slice prefix, uint64_t seq)
{
    if (contains(set, prefix, seq))
        return;
    set->root = insert(set->root, node_new(prefix, seq));
    set->count++;
    use_length(set, prefix.len, true);
}

void drop_set_remove(struct drop_set *set, struct slice prefix, uint64_t seq)
{
    if (!contains(set, prefix, seq))
        return;
    use_length(set, prefix.len, false);
    set->count--;
    set->root = delete (set->root, prefix, seq); // prefix may be that of the node
}

void drop_set_share(struct drop_set *to, const struct drop_set *from)
{
    ENSURE(to->root == NULL && to->lengths == NULL);
    *to = *from;
    node_ref(to->root);
    to->lengths = xmalloc((from->length_count + 1) * sizeof *to->lengths);
    if (from->length_count > 0)
        memcpy(to->lengths, from->lengths, from->length_count * sizeof *to->lengths);
}

void drop_set_release(struct drop_set *set)
{
    node_unref(set->root);
    free(set->lengths);
    *set = (struct drop_set){0};
}

// --- Looking -------------------------------------------------------------------------------------

uint64_t drop_set_find(const struct drop_set *set, struct slice key, uint64_t seq)
{
    uint64_t found = 0;
    uint32_t before;
    if (seq == UINT64_MAX)
        return 0;
    for (uint32_t i = 0; i < set->length_count; i++) {
        if (set->lengths[i].length > key.len)
            continue;
        struct slice prefix = slice_of(key.data, set->lengths[i].length);
        const struct drop_node *n = lower_bound(set, prefix, seq + 1, &before);
        if (n != NULL && slice_equal(n->drop.prefix, prefix) && (found == 0 || n->drop.seq < found))
            found = n->drop.seq;
    }
    return found;
}

uint64_t drop_set_newest(
    const struct drop_set *set, struct slice smallest, struct slice largest, uint64_t max_seq)
{
    uint64_t found = 0;
    size_t common = slice_common_prefix(smallest, largest);
    for (uint32_t i = 0; i < set->length_count; i++) {
        if (set->lengths[i].length > common)
            continue;
        struct slice prefix = slice_of(smallest.data, set->lengths[i].length);
        uint32_t before;
        const struct drop_node *n = lower_bound(set, prefix, max_seq, &before);
        const struct drop *d = n != NULL ? &n->drop : NULL;
        if (d == NULL || compare_drops(d, prefix, max_seq) != 0)
            d = before > 0 ? drop_set_at(set, before - 1) : NULL;
        if (d != NULL && slice_equal(d->prefix, prefix) && d->seq > found)
            found = d->seq;
    }
    return found;
}

const struct drop *drop_set_at(const struct drop_set *set, uint32_t at)
{
    ENSURE(at < set->count);
    const struct drop_node *n = set->root;
    while (at != count_of(n->left)) {
        bool right = at > count_of(n->left);
        at -= right ? count_of(n->left) + 1 : 0;
        n = right ? n->right : n->left;
    }
    return &n->drop;
}

uint32_t drop_set_from(const struct drop_set *set, struct slice key)
{
    uint32_t before;
    lower_bound(set, key, 0, &before);
    return before;
}

static void walk(const struct drop_node *n, drop_set_walk_cb walk_cb, void *arg)
{
    if (n == NULL)
        return;
    walk(n->left, walk_cb, arg);
    walk_cb(arg, &n->drop);
    walk(n->right, walk_cb, arg);
}

static void add_to(void *arg, const struct drop *d)
{
    drop_set_add(arg, d->prefix, d->seq);
}

void drop_set_add_all(struct drop_set *to, const struct drop_set *from)
{
    if (to->count > 0) {
        drop_set_walk(from, add_to, to);
        return;
    }
    drop_set_release(to);
    drop_set_share(to, from);
}

void drop_set_walk(const struct drop_set *set, drop_set_walk_cb walk_cb, void *arg)
{
    walk(set->root, walk_cb, arg);
}
