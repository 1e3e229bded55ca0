// glob: pattern matching in linear space and, for patterns with one star, linear time. Only the
// last star is ever tried again: if what stands behind it can be matched at all, then with the text
// that the earlier stars left over. So there is no recursion for a client to drive deep, and the
// worst case is pattern length times text length.
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

// Matches c against the class whose '[' is at p[-1]; *behind is set to what follows the class.
static bool class_matches(
    const uint8_t *p, const uint8_t *end, uint8_t c, bool ignore_case, const uint8_t **behind)
{
    bool negated = p < end && *p == '^', found = false;
    c = fold(c, ignore_case);
    if (negated)
        p++;
    while (p < end && *p != ']') {
        if (*p == '\\' && end - p >= 2) {
            found |= fold(p[1], ignore_case) == c;
            p += 2;
        } else if (end - p >= 3 && p[1] == '-') {
            uint8_t low = fold(p[0], ignore_case), high = fold(p[2], ignore_case);
            found |= low <= high ? c >= low && c <= high : c >= high && c <= low;
            p += 3;
        } else {
            found |= fold(*p, ignore_case) == c;
            p++;
        }
    }
    *behind = p < end ? p + 1 : end;
    return found != negated;
}

// Matches one byte against the pattern's next element, which is no star.
static bool element_matches(
    const uint8_t **pattern, const uint8_t *end, uint8_t c, bool ignore_case)
{
    const uint8_t *p = *pattern;
    if (*p == '?') {
        *pattern = p + 1;
        return true;
    }
    if (*p == '[')
        return class_matches(p + 1, end, c, ignore_case, pattern);
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
    while (t < t_end) {
        if (p < p_end && *p == '*') {
            star = ++p;
            resume = t;
        } else if (p < p_end && element_matches(&p, p_end, *t, ignore_case)) {
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
