// glob: pattern matching in linear space and, for patterns with one star, linear time. Only the
// last star is ever tried again: if what stands behind it can be matched at all, then with the text
// that the earlier stars left over. So there is no recursion for a client to drive deep, and the
// worst case is pattern length times text length.
//
// A class is one element of the pattern, however long it is written: it is read once into a bitmap,
// and a few of the last ones are kept while a text is matched. So '*[bbb...]' with a class of
// 40,000 bytes costs as much as '*b'.
//
// That worst case is seconds for one key ('*?????...x' of 30,000 on a key of 60,000), so a match
// can be left after any number of steps and gone on with: a step is one element held against one
// byte, or one member of a class read, and costs some nanoseconds. Who cannot leave it (a
// transaction) has glob_match change to another way when a match takes long: for each byte of the
// text, all elements at once, 64 in a machine word (shift-and, Baeza-Yates and Gonnet 1992). In the
// example this is some ten milliseconds.
//
// Where Redis is lenient so are we: a class without its bracket runs to the end of the pattern, a
// backslash at the end is a backslash, a range may be written backwards. And an empty text is
// matched by the empty pattern only: that "*" means all keys, the empty one too, is known to the
// callers (glob_is_all), while "**" leaves it out.
#include "commands/parts/glob.h"

#include <limits.h>
#include <stdlib.h>

#include "base/alloc.h"

static uint8_t fold(uint8_t c, bool ignore_case)
{
    return ignore_case && c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static void add_range(struct glob_class *k, uint8_t a, uint8_t b)
{
    unsigned low = a < b ? a : b, high = a < b ? b : a;
    uint64_t from = ~0ull << low % 64, to = ~0ull >> (63 - high % 64);
    for (unsigned i = low / 64; i <= high / 64; i++)
        k->members[i] |= (i == low / 64 ? from : ~0ull) & (i == high / 64 ? to : ~0ull);
}

// Goes on reading the class as long as there are steps: true when it has been read.
static bool read_class(struct glob_class *k, const uint8_t *end, bool ignore_case, unsigned *steps)
{
    const uint8_t *p = k->behind;
    for (; p < end && *p != ']' && *steps > 0; --*steps) {
        bool escaped = *p == '\\' && end - p >= 2, range = !escaped && end - p >= 3 && p[1] == '-';
        uint8_t first = fold(p[escaped], ignore_case);
        add_range(k, first, range ? fold(p[2], ignore_case) : first);
        p += escaped ? 2 : range ? 3 : 1;
    }
    k->read = p == end || *p == ']';
    k->behind = k->read && p < end ? p + 1 : p;
    return k->read;
}

// The class that begins at p, behind its '[', as far as it has been read.
static struct glob_class *find_class(struct glob *g, const uint8_t *p, const uint8_t *end)
{
    for (unsigned i = 0; i < g->class_count; i++)
        if (g->classes[i].start == p)
            return &g->classes[i];
    struct glob_class *k = &g->classes[g->class_next];
    bool negated = p < end && *p == '^';
    *k = (struct glob_class){.start = p, .behind = p + negated, .negated = negated};
    g->class_next = (g->class_next + 1) % GLOB_CLASSES;
    g->class_count += g->class_count < GLOB_CLASSES;
    return k;
}

// Matches one byte against the pattern's next element, which is no star, and goes behind that.
static enum glob_answer match_element(
    struct glob *g, const uint8_t **pattern, const uint8_t *end, uint8_t c, unsigned *steps)
{
    const uint8_t *p = *pattern;
    c = fold(c, g->ignore_case);
    if (*p == '?') {
        *pattern = p + 1;
        return GLOB_YES;
    }
    if (*p == '[') {
        struct glob_class *k = find_class(g, p + 1, end);
        if (!k->read && !read_class(k, end, g->ignore_case, steps))
            return GLOB_MORE;
        *pattern = k->behind;
        return ((k->members[c / 64] >> c % 64 & 1) != 0) != k->negated ? GLOB_YES : GLOB_NO;
    }
    if (*p == '\\' && end - p >= 2)
        p++;
    *pattern = p + 1;
    return fold(*p, g->ignore_case) == c ? GLOB_YES : GLOB_NO;
}

void glob_begin(struct glob *g, struct slice pattern, struct slice text, bool ignore_case)
{
    g->pattern = pattern;
    g->text = text;
    g->ignore_case = ignore_case;
    g->at = pattern.data;
    g->text_at = text.data;
    g->star = g->resume = NULL;
    g->class_count = g->class_next = 0;
}

enum glob_answer glob_go_on(struct glob *g, unsigned *steps)
{
    const uint8_t *p = g->at, *p_end = g->pattern.data + g->pattern.len, *t = g->text_at,
                  *t_end = g->text.data + g->text.len;
    if (g->text.len == 0)
        return g->pattern.len == 0 ? GLOB_YES : GLOB_NO;
    while (*steps > 0 && t < t_end) {
        --*steps;
        if (p < p_end && *p == '*') {
            g->star = ++p;
            g->resume = t;
            continue;
        }
        enum glob_answer matches = p < p_end ? match_element(g, &p, p_end, *t, steps) : GLOB_NO;
        if (matches == GLOB_MORE)
            break;
        if (matches == GLOB_YES) {
            t++;
        } else if (g->star != NULL) {
            p = g->star;
            t = ++g->resume;
        } else {
            return GLOB_NO;
        }
    }
    for (; *steps > 0 && t == t_end && p < p_end && *p == '*'; --*steps)
        p++;
    g->at = p;
    g->text_at = t;
    if (t < t_end || (p < p_end && *p == '*'))
        return GLOB_MORE;
    return p == p_end ? GLOB_YES : GLOB_NO;
}

// --- In one go -----------------------------------------------------------------------------------

// Bit i of a row stands for "the first i elements have been matched". A byte moves every such bit
// one on where element i takes the byte, and leaves it where a star stands before that element.
struct bits {
    size_t words;
    uint64_t *takes[256]; // by each byte; bit i + 1 for element i
    uint64_t *any;        // of elements that take every byte: not in the 256 rows
    uint64_t *stays;
    uint64_t *now, *next;
    uint64_t *memory;
};

static void set_bit(uint64_t *row, size_t i)
{
    row[i / 64] |= 1ull << i % 64;
}

static void bits_init(struct bits *b, size_t elements_max)
{
    b->words = elements_max / 64 + 1;
    b->memory = xcalloc(260 * b->words, sizeof(uint64_t));
    for (int c = 0; c < 256; c++)
        b->takes[c] = b->memory + (size_t)c * b->words;
    b->any = b->memory + 256 * b->words;
    b->stays = b->any + b->words;
    b->now = b->stays + b->words;
    b->next = b->now + b->words;
}

// Puts the pattern's elements in. Returns how many there are; more than `most`: no match.
static size_t bits_read(struct bits *b, struct glob *g, size_t most)
{
    const uint8_t *p = g->pattern.data, *end = p + g->pattern.len;
    size_t n = 0;
    while (p < end) {
        if (*p == '*' || *p == '?') {
            if (*p == '?' && ++n <= most)
                set_bit(b->any, n);
            if (*p++ == '*')
                set_bit(b->stays, n);
        } else if (++n <= most) {
            const uint8_t *behind = p;
            unsigned steps = UINT_MAX; // a class is read by the first byte that asks
            for (unsigned c = 0; c < 256; c++) {
                behind = p;
                if (match_element(g, &behind, end, (uint8_t)c, &steps) == GLOB_YES)
                    set_bit(b->takes[c], n);
            }
            p = behind;
        }
        if (n > most)
            return n;
    }
    return n;
}

static void bits_take(struct bits *b, uint8_t c)
{
    const uint64_t *takes = b->takes[c], *now = b->now;
    uint64_t *next = b->next;
    next[0] = (now[0] << 1 & (takes[0] | b->any[0])) | (now[0] & b->stays[0]);
    for (size_t w = 1; w < b->words; w++) {
        uint64_t moved = now[w] << 1 | now[w - 1] >> 63;
        next[w] = (moved & (takes[w] | b->any[w])) | (now[w] & b->stays[w]);
    }
    b->next = b->now;
    b->now = next;
}

bool glob_match_hard(struct slice pattern, struct slice text, bool ignore_case)
{
    struct bits b;
    struct glob g;
    if (text.len == 0)
        return pattern.len == 0;
    glob_begin(&g, pattern, text, ignore_case);
    bits_init(&b, text.len);
    size_t n = bits_read(&b, &g, text.len);
    b.words = n <= text.len ? n / 64 + 1 : 0; // those that are of use
    set_bit(b.now, 0);
    for (size_t i = 0; i < text.len && n <= text.len; i++)
        bits_take(&b, text.data[i]);
    bool matches = n <= text.len && (b.now[n / 64] >> n % 64 & 1) != 0;
    free(b.memory);
    return matches;
}

bool glob_match(struct slice pattern, struct slice text, bool ignore_case)
{
    enum { STEPS_MIN = 10000, STEPS_FACTOR = 16 };
    struct glob g;
    size_t easy = STEPS_MIN + STEPS_FACTOR * (pattern.len + text.len);
    unsigned steps = easy < UINT_MAX ? (unsigned)easy : UINT_MAX;
    glob_begin(&g, pattern, text, ignore_case);
    enum glob_answer answer = glob_go_on(&g, &steps);
    return answer == GLOB_MORE ? glob_match_hard(pattern, text, ignore_case) : answer == GLOB_YES;
}

size_t glob_prefix(struct slice pattern, uint8_t *out, bool *exact)
{
    size_t len = 0, i = 0;
    while (i < pattern.len && strchr("*?[", pattern.data[i]) == NULL) {
        if (pattern.data[i] == '\\' && i + 1 < pattern.len)
            i++;
        out[len++] = pattern.data[i++];
    }
    // strchr finds the terminator too: a NUL byte ends the prefix early, which is only slower.
    *exact = i == pattern.len;
    return len;
}

bool glob_is_all(struct slice pattern)
{
    return pattern.len == 1 && pattern.data[0] == '*';
}
