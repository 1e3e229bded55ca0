#include "commands/command.h"

// session: texts that a client tells about itself. They are shown to people in lists of
// space-separated fields, so anything that could break a line or forge a field is refused, by HELLO
// SETNAME, CLIENT SETNAME and CLIENT SETINFO alike.

#include "base/alloc.h"

bool session_set_text(char **text, struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < '!' || value.data[i] > '~')
            return false;
    free(*text);
    *text = value.len > 0 ? xstrndup(value.data, value.len) : NULL;
    return true;
}
