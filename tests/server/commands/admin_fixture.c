#include "admin_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "commands/call.h"
#include "os/os.h"
#include "resp/quote.h"
#include "server/commands/rows.h"
#include "server/saves.h"
#include "tests/server/config/config_fixture.h"
#include "types/spread.h"

static struct fixture *current;
static struct buf written;

// --- The engine ----------------------------------------------------------------------------------

void engine_get_stats(const struct engine *engine, struct engine_stats *out)
{
    *out = current->engine.stats;
}

static void begin(struct fake_job *job, void (*done_cb)(void *arg, int status), void *arg)
{
    *job = (struct fake_job){done_cb, arg, job->started + 1};
}

void engine_flush(struct engine *engine, void (*done_cb)(void *arg, int status), void *arg)
{
    begin(&current->engine.flush, done_cb, arg);
}

void engine_compact(struct engine *engine, void (*done_cb)(void *arg, int status), void *arg)
{
    begin(&current->engine.compact, done_cb, arg);
}

int engine_write_status(const struct engine *engine, struct error *err)
{
    return current->engine.failed ? READ_ONLY : OK;
}

void engine_set_fsync(struct engine *engine, enum fsync_policy policy)
{
    current->engine.fsync = policy;
}

void engine_set_compaction_rate_limit(struct engine *engine, uint64_t bytes_per_second)
{
    current->engine.rate_limit = bytes_per_second;
}

void engine_set_memory_budget(struct engine *engine, uint64_t bytes)
{
    current->engine.stats.memory_budget = bytes;
}

void fixture_end(struct fake_job *job, int status)
{
    cr_assert_not_null(job->done_cb);
    void (*done_cb)(void *arg, int status) = job->done_cb;
    job->done_cb = NULL;
    done_cb(job->arg, status);
}

// --- Types and commands --------------------------------------------------------------------------

void databases_set_limits(struct databases *dbs, const struct databases_limits *limits)
{
}

// No key here is a large collection.
void spread_walk_open(struct spread_walk *w, struct databases_view *v, uint64_t id,
    enum spread_sub sub, struct slice from)
{
}

void spread_walk_close(struct spread_walk *w)
{
}

int spread_walk_next(struct spread_walk *w, struct slice *name, struct slice *value)
{
    return END;
}

int databases_number(const struct databases *dbs)
{
    return 16;
}

int64_t databases_key_count(struct databases_view *v, int db, int64_t *in_doubt)
{
    return current->keys[db];
}

int keys_get(struct databases_view *v, enum lookup how, struct slice key, struct value *out)
{
    if (!slice_equal(key, slice_cstr("here")))
        return NOT_FOUND;
    *out = (struct value){.type = TYPE_STRING, .bytes = slice_cstr("twelve bytes")};
    return OK;
}

void *commands_server(struct commands *c)
{
    return &current->server;
}

void commands_get_keyspace_stats(const struct commands *c, struct keyspace_stats *out)
{
    *out = (struct keyspace_stats){.hits = 3, .misses = 4, .changes = current->changes};
}

void commands_each_stat(const struct commands *c, command_stats_visit_cb visit_cb, void *arg)
{
    visit_cb(arg, "config|get", &(struct command_stats){4, 10, 1, 2});
}

void commands_each_error(const struct commands *c, command_error_visit_cb visit_cb, void *arg)
{
    visit_cb(arg, "ERR", 7);
}

void call_defer(struct call *call, struct slice data, call_effect_cb effect_cb)
{
    effect_cb(call->commands, call->session, data);
}

int call_error(struct call *call, const char *text)
{
    reply_error(call->reply, text);
    return OK;
}

int call_syntax_error(struct call *call)
{
    return call_error(call, "ERR syntax error");
}

int call_subcommand_syntax_error(struct call *call)
{
    return call_error(call, "ERR unknown subcommand or wrong number of arguments");
}

bool call_int(struct call *call, struct slice arg, int64_t *out)
{
    *out = 0;
    return true;
}

int call_help(struct call *call, const char *const *lines)
{
    reply_simple(call->reply, lines[0]);
    return OK;
}

// --- The server ----------------------------------------------------------------------------------

void server_reset_counters(struct server *s)
{
    current->reset++;
}

int server_listen_again(struct server *s, struct error *err)
{
    return current->listen_ok ? OK : error_set(err, IO, NULL, 0, 0, "no such address");
}

int server_fit_descriptors(struct server *s, int maxclients, unsigned *files)
{
    return current->descriptors < maxclients ? current->descriptors : maxclients;
}

bool server_is_local(const struct session *session)
{
    return current->local;
}

uint64_t server_client_memory(const struct server *s)
{
    return 0;
}

uint64_t server_rate_per_second(const struct rate *r)
{
    return 0;
}

void server_stop(struct server *s, int exit_status)
{
    current->stopped++;
}

static void keep_job(struct exec *exec, enum exec_lane lane, struct job *job)
{
    cr_assert_eq(lane, LANE_FILES);
    current->job = job;
}

void fixture_run_job(struct fixture *f)
{
    struct job *job = f->job;
    f->job = NULL;
    job->run(job);
    job->done(job);
}

struct fixture *fixture_new(const char *config_text)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    current = f;
    f->server.config = loaded(config_text, NULL, NULL);
    f->server.settings = config_settings(f->server.config);
    f->server.env = os_env();
    static const struct exec_ops exec_ops = {.submit = keep_job};
    f->exec.ops = &exec_ops;
    f->server.exec = &f->exec;
    f->listen_ok = true;
    f->descriptors = 100000;
    strcpy(f->server.identity.run_id, "0123456789abcdef0123456789abcdef01234567");
    saves_init(&f->server);
    return f;
}

void fixture_free(struct fixture *f)
{
    saves_release(&f->server);
    config_free(f->server.config);
    buf_release(&written);
    free(f);
}

// --- Running -------------------------------------------------------------------------------------

static const struct command *find(const struct command *rows, struct slice name)
{
    for (; rows->name != NULL; rows++)
        if (slice_equal_nocase(name, rows->name))
            return rows;
    return NULL;
}

static const struct command *find_any(const struct slice *words)
{
    const struct command *const tables[] = {
        cmd_config_rows, cmd_info_rows, cmd_server_rows, cmd_debug_rows};
    const struct command *row = NULL;
    for (size_t i = 0; row == NULL && i < sizeof tables / sizeof tables[0]; i++)
        row = find(tables[i], words[0]);
    if (row != NULL && row->subcommands != NULL)
        row = find(row->subcommands, words[1]);
    cr_assert_not_null(row);
    return row;
}

const char *run(struct fixture *f, const char *words)
{
    struct buf storage = {0};
    struct slice *argv = NULL;
    int cap = 0;
    int argc = quote_split(slice_cstr(words), &storage, &argv, &cap);
    const struct command *row = find_any(argv);
    cr_assert(row->arity > 0 ? argc == row->arity : argc >= -row->arity, "%s", words);
    buf_clear(&written);
    struct reply reply = {.out = &written, .proto = 2};
    struct databases_view view = {.db = 0};
    struct call call = {.command = row,
        .session = &f->session,
        .keys = &view,
        .reply = &reply,
        .argv = argv,
        .argc = argc,
        .in_exec = f->in_exec};
    cr_assert_eq(row->fn(&call), OK);
    f->stream = call.stream;
    buf_append_byte(&written, 0);
    written.len--;
    free(argv);
    buf_release(&storage);
    return (const char *)written.data;
}

int run_stream(struct fixture *f, const char **text)
{
    buf_clear(&written);
    struct reply reply = {.out = &written, .proto = 2};
    int status = f->stream->step(f->stream, &reply, 0, 1024);
    buf_append_byte(&written, 0);
    written.len--;
    *text = (const char *)written.data;
    return status;
}
