// session: its life, and texts that a client tells about itself. They are shown to people in lists
// of space-separated fields, so anything that could break a line or forge a field is refused, by
// HELLO SETNAME, CLIENT SETNAME and CLIENT SETINFO alike.
#include "commands/session.h"

#include "base/alloc.h"
#include "commands/dispatch.h"
#include "commands/multi.h"

void session_init(struct commands *c, struct session *s, uint64_t id)
{
    bool open =
        c->options.requirepass == NULL || c->options.requirepass(c->options.server).len == 0;
    *s = (struct session){.id = id, .proto = 2, .authenticated = open};
    list_init(&s->watched);
}

void session_release(struct commands *c, struct session *s)
{
    multi_discard(s);
    watch_remove_all(&c->watches, s);
    free(s->name);
    free(s->lib_name);
    free(s->lib_ver);
    s->name = s->lib_name = s->lib_ver = NULL;
}

size_t session_memory(const struct session *s)
{
    size_t bytes = watch_memory(s);
    if (s->multi != NULL)
        bytes += sizeof *s->multi + s->multi->bytes;
    return bytes;
}

int session_queued(const struct session *s)
{
    return s->multi != NULL ? s->multi->count : -1;
}

bool session_set_text(char **text, struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < '!' || value.data[i] > '~')
            return false;
    free(*text);
    *text = value.len > 0 ? xstrndup(value.data, value.len) : NULL;
    return true;
}
