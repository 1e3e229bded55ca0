#include "base/slice.h"

#include <strings.h>

bool slice_equal_nocase(struct slice s, const char *text)
{
    return strlen(text) == s.len && strncasecmp((const char *)s.data, text, s.len) == 0;
}
