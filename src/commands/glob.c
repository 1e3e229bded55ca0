// glob: pattern matching in linear space and, for patterns with one star, linear time. Only the
// last star is ever tried again: if what stands behind it can be matched at all, then with the text
// that the earlier stars left over. So there is no recursion for a client to drive deep, and the
// worst case is pattern length times text length.
//
// A class is one element of the pattern, however long it is written: it is read once into a bitmap,
// and a few of the last ones are kept while a text is matched. So '*[bbb...]' with a class of
// 40,000 bytes costs as much as '*b'.
//
// Where Redis is lenient so are we: a class without its bracket runs to the end of the pattern, a
// backslash at the end is a backslash, a range may be written backwards. And an empty text is
// matched by the empty pattern only: that "*" means all keys, the empty one too, is known to the
// callers (glob_is_all), while "**" leaves it out.
#include "commands/glob.h"

static uint8_t fold(uint8_t c, bool ignore_case)
{
    return ignore_case && c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

enum { CLASSES_KEPT = 8 };

struct char_class {
    const uint8_t *start, *behind; // of the class, behind its '['; what follows it
    uint64_t members[4];           // of folded bytes; of a negated class those that it excludes
    bool negated;
};

struct classes {
    struct char_class kept[CLASSES_KEPT];
    unsigned count, next;
};

static void add_range(struct char_class *k, uint8_t a, uint8_t b)
{
    unsigned low = a < b ? a : b, high = a < b ? b : a;
    uint64_t from = ~0ull << low % 64, to = ~0ull >> (63 - high % 64);
    for (unsigned i = low / 64; i <= high / 64; i++)
        k->members[i] |= (i == low / 64 ? from : ~0ull) & (i == high / 64 ? to : ~0ull);
}

static void read_class(struct char_class *k, const uint8_t *p, const uint8_t *end, bool ignore_case)
{
    *k = (struct char_class){.start = p, .negated = p < end && *p == '^'};
    p += k->negated;
    while (p < end && *p != ']') {
        bool escaped = *p == '\\' && end - p >= 2, range = !escaped && end - p >= 3 && p[1] == '-';
        uint8_t first = fold(p[escaped], ignore_case);
        add_range(k, first, range ? fold(p[2], ignore_case) : first);
        p += escaped ? 2 : range ? 3 : 1;
    }
    k->behind = p < end ? p + 1 : end;
}

// Matches c against the class whose '[' is at p[-1]; *behind is set to what follows the class.
static bool class_matches(struct classes *classes, const uint8_t *p, const uint8_t *end, uint8_t c,
    bool ignore_case, const uint8_t **behind)
{
    struct char_class *k = NULL;
    for (unsigned i = 0; i < classes->count && k == NULL; i++)
        if (classes->kept[i].start == p)
            k = &classes->kept[i];
    if (k == NULL) {
        k = &classes->kept[classes->next];
        read_class(k, p, end, ignore_case);
        classes->next = (classes->next + 1) % CLASSES_KEPT;
        classes->count += classes->count < CLASSES_KEPT;
    }
    *behind = k->behind;
    c = fold(c, ignore_case);
    return ((k->members[c / 64] >> c % 64 & 1) != 0) != k->negated;
}

// Matches one byte against the pattern's next element, which is no star.
static bool element_matches(struct classes *classes, const uint8_t **pattern, const uint8_t *end,
    uint8_t c, bool ignore_case)
{
    const uint8_t *p = *pattern;
    if (*p == '?') {
        *pattern = p + 1;
        return true;
    }
    if (*p == '[')
        return class_matches(classes, p + 1, end, c, ignore_case, pattern);
    if (*p == '\\' && end - p >= 2)
        p++;
    *pattern = p + 1;
    return fold(*p, ignore_case) == fold(c, ignore_case);
}

bool glob_match(struct slice pattern, struct slice text, bool ignore_case)
{
    const uint8_t *p = pattern.data, *p_end = p + pattern.len, *t = text.data,
                  *t_end = t + text.len;
    if (text.len == 0)
        return pattern.len == 0;
    // behind the last star, and the text it is tried from next
    const uint8_t *star = NULL, *resume = NULL;
    struct classes classes;
    classes.count = classes.next = 0;
    while (t < t_end) {
        if (p < p_end && *p == '*') {
            star = ++p;
            resume = t;
        } else if (p < p_end && element_matches(&classes, &p, p_end, *t, ignore_case)) {
            t++;
        } else if (star != NULL) {
            p = star;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < p_end && *p == '*')
        p++;
    return p == p_end;
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
