#include "fixture.h"

#include "base/alloc.h"
#include "base/ensure.h"
#include "commands/stream.h"

enum { WORDS_MAX = 64, ATTEMPTS_MAX = 100000 };

static struct fixture *of_env(struct env *env)
{
    return LIST_ENTRY(env, struct fixture, env);
}

static int64_t now_ms(struct env *env)
{
    return of_env(env)->now_ms;
}

static uint64_t now_us(struct env *env)
{
    return of_env(env)->now_us++;
}

static const struct env_ops env_ops = {.now_ms = now_ms, .now_us = now_us};

static struct slice requirepass(void *server)
{
    const struct fixture *f = server;
    return slice_cstr(f->password != NULL ? f->password : "");
}

static int64_t max_bulk(void *server)
{
    return ((struct fixture *)server)->max_bulk;
}

static void open_upper(struct fixture *f)
{
    struct error err = {0};
    ENSURE(databases_open(f->engine, FIXTURE_DATABASES, f->seed++, &f->databases, &err) == OK);
    struct commands_options options = {
        .engine = f->engine,
        .databases = f->databases,
        .env = &f->env,
        .memory_budget = 64 * 1024 * 1024,
        .server = f,
        .requirepass = requirepass,
        .max_bulk = max_bulk,
    };
    f->commands = commands_new(&options);
    f->txn = txn_new(f->engine);
    session_init(f->commands, &f->session, 1);
}

static void close_upper(struct fixture *f)
{
    session_release(f->commands, &f->session);
    txn_free(f->txn);
    commands_free(f->commands);
    databases_free(f->databases);
}

void fixture_open(struct fixture *f)
{
    *f = (struct fixture){.now_ms = 1700000000000, .now_us = 1, .max_bulk = 512 * 1024 * 1024};
    f->env.ops = &env_ops;
    f->engine = mini_new();
    open_upper(f);
}

void fixture_close(struct fixture *f)
{
    close_upper(f);
    mini_free(f->engine);
    buf_release(&f->reply);
}

void fixture_restart(struct fixture *f)
{
    close_upper(f);
    open_upper(f);
}

static void ready(void *arg)
{
    ++*(unsigned *)arg;
}

static void drain(struct stream *stream, struct reply *reply)
{
    unsigned arrivals = 0;
    int status;
    while ((status = stream->step(stream, reply, 0, 64)) != END) {
        ENSURE(status == OK || status == WAIT);
        if (status == WAIT)
            stream->wait(stream, ready, &arrivals);
    }
    stream->close(stream);
}

void fixture_execute(struct fixture *f, struct session *s, const struct slice *argv, int argc)
{
    struct reply reply = {.out = &f->reply, .proto = s->proto};
    struct stream *stream;
    uint64_t seed = f->seed++;
    int status = WAIT;
    for (f->attempts = 0; status == WAIT; f->attempts++) {
        size_t before = f->reply.len;
        reply.max_len = f->reply_max > 0 ? before + f->reply_max : 0;
        txn_begin(f->txn);
        status = commands_execute(
            f->commands, s, f->txn, argv, argc, f->now_ms, seed, f->attempts == 0, &reply, &stream);
        ENSURE(status == OK || (status == WAIT && f->reply.len == before && stream == NULL &&
                                   f->attempts < ATTEMPTS_MAX));
    }
    txn_reset(f->txn);
    reply.max_len = 0;
    if (stream != NULL)
        drain(stream, &reply);
}

const char *run_as(struct fixture *f, struct session *s, const char *line)
{
    struct slice words[WORDS_MAX];
    int count = 0;
    for (const char *p = line; *p != '\0' && count < WORDS_MAX; p += *p == ' ') {
        bool quoted = *p == '"';
        size_t len = quoted ? strcspn(++p, "\"") : strcspn(p, " ");
        words[count++] = slice_of(p, len);
        p += len + quoted;
    }
    buf_clear(&f->reply);
    fixture_execute(f, s, words, count);
    buf_append_byte(&f->reply, '\0');
    f->reply.len--;
    return (const char *)f->reply.data;
}

const char *run(struct fixture *f, const char *line)
{
    return run_as(f, &f->session, line);
}
