// Walking the keys: SCAN, KEYS, RANDOMKEY.
//
// SCAN goes in key order, so each key is seen at most once, keys that stay are seen, and a literal
// prefix of the pattern is sought and left again. COUNT is keys looked at, as in Redis; a call
// looks at no more than it may in one go, whatever COUNT says, and then hands out a cursor, which a
// client must expect anyway. So does a call that has gone over many deleted keys: what is not there
// must not hold the loop. Nor must a pattern that takes long: then the call ends before the key
// that it would not have come to an end with, and if that is the first one, its reply is a stream
// (stream_match.c). The cursor stands for the last key looked at (cursors.h); it is remembered when
// the attempt is over.
//
// KEYS is a stream (stream_keys.c), but for a pattern that is just a key, and inside EXEC.
//
// RANDOMKEY: of a small database, one of all keys. Of a large one the engine draws (draw.c), each
// key as likely as any other; where nearly all that it hits is gone, it is the next key that is
// there.
#include "base/random.h"
#include "commands/dispatch.h"
#include "commands/families.h"
#include "commands/parts/glob.h"
#include "commands/stream_keys.h"
#include "commands/stream_match.h"
#include "types/walk.h"

enum {
    SCAN_COUNT_DEFAULT = 10,
    SCAN_COUNT_MAX = 10000,       // keys looked at in one call
    SCAN_BYTES_MAX = 1024 * 1024, // of reply
    SCAN_STEPS_MAX = 200000,      // of matching: about half a millisecond
    RANDOM_SMALL = 100,           // keys up to which all are looked at
    RANDOM_LOOKED = 10000,        // keys looked at, expired ones too
};

struct scan {
    struct slice after; // the cursor's place
    bool resumed;
    int64_t count;
    struct slice pattern; // empty data: all
    bool filtered, exact, no_such_type;
    enum value_type type; // TYPE_NONE: all
    struct slice prefix;  // literal, in commands->work
};

static bool parse_cursor(struct call *call, struct slice arg, struct scan *scan)
{
    uint64_t number;
    *scan = (struct scan){.count = SCAN_COUNT_DEFAULT};
    arg = call_cursor(arg);
    if (arg.len == 0)
        return true;
    if (number_parse_uint(arg, &number)) {
        if (number == 0)
            return true;
        scan->resumed = cursors_find(&call->commands->cursors, number, &scan->after);
        if (scan->resumed)
            return true;
    }
    call_error(call, "ERR invalid cursor");
    return false;
}

static void parse_type(struct scan *scan, struct slice name)
{
    scan->no_such_type = true;
    for (int type = TYPE_STRING; type <= TYPE_STREAM; type++)
        if (slice_equal_nocase(name, value_type_name((enum value_type)type))) {
            scan->type = (enum value_type)type;
            scan->no_such_type = false;
        }
}

static bool parse_options(struct call *call, struct scan *scan)
{
    for (int i = 2; i < call->argc; i += 2) {
        if (i + 1 == call->argc) {
            call_syntax_error(call);
            return false;
        }
        struct slice arg = call->argv[i + 1];
        if (slice_equal_nocase(call->argv[i], "count")) {
            if (!call_int(call, arg, &scan->count))
                return false;
            if (scan->count < 1) {
                call_syntax_error(call);
                return false;
            }
        } else if (slice_equal_nocase(call->argv[i], "match")) {
            scan->pattern = arg;
            scan->filtered = !glob_is_all(arg);
        } else if (slice_equal_nocase(call->argv[i], "type")) {
            parse_type(scan, arg);
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

// What can be told without the pattern.
static bool is_candidate(const struct scan *scan, const struct walk_key *at)
{
    return !at->expired && !scan->no_such_type &&
           (scan->type == TYPE_NONE || at->value.type == scan->type);
}

static bool wanted(const struct scan *scan, const struct walk_key *at)
{
    return is_candidate(scan, at) && (!scan->filtered || glob_match(scan->pattern, at->key, false));
}

// The same as far as *steps go.
static enum glob_answer wanted_in_steps(
    const struct scan *scan, const struct walk_key *at, unsigned *steps)
{
    struct glob glob;
    if (!is_candidate(scan, at))
        return GLOB_NO;
    if (!scan->filtered)
        return GLOB_YES;
    glob_begin(&glob, scan->pattern, at->key, false);
    return glob_go_on(&glob, steps);
}

struct found {
    struct reply keys; // bulk strings, one behind the other
    struct buf bytes;
    struct buf last; // the last key looked at
    int64_t count;
    bool more;
    bool hard; // matching `last`, the only key looked at, takes long
};

static void add_found(struct found *found, struct slice key)
{
    reply_bulk(&found->keys, key);
    found->count++;
}

static int scan_walk(struct call *call, const struct scan *scan, struct found *found)
{
    struct walk walk;
    struct walk_key at;
    int64_t left = scan->count < SCAN_COUNT_MAX ? scan->count : SCAN_COUNT_MAX;
    // Behind a key comes that key with a zero byte.
    if (scan->resumed) {
        buf_append_slice(&found->last, scan->after);
        buf_append_byte(&found->last, 0);
    }
    struct slice from = buf_slice(&found->last);
    if (from.len > KEY_MAX) // then the walk begins at the key itself, which is passed over below
        from.len = KEY_MAX;
    walk_open(&walk, call->keys, scan->prefix, from, true);
    int status = walk_next(&walk, &at);
    bool skip = status == OK && scan->resumed && slice_equal(at.key, scan->after);
    if (skip)
        status = walk_next(&walk, &at);
    unsigned steps = SCAN_STEPS_MAX;
    for (bool first = true; status == OK; first = false) {
        enum glob_answer answer = call->in_exec ? (enum glob_answer)wanted(scan, &at)
                                                : wanted_in_steps(scan, &at, &steps);
        if (answer == GLOB_MORE && !first) { // `last` is the key before
            found->more = true;
            break;
        }
        if (answer == GLOB_YES)
            add_found(found, at.key);
        found->hard = answer == GLOB_MORE;
        left--;
        bool ends = at.gone || left <= 0 || found->bytes.len >= SCAN_BYTES_MAX || found->hard;
        if (ends || scan->filtered) {
            buf_clear(&found->last);
            buf_append_slice(&found->last, at.key);
        }
        if (!ends || !at.gone) // else whether there are more would cost as much again
            status = walk_next(&walk, &at);
        found->more = status == OK;
        if (ends)
            break;
    }
    walk_close(&walk);
    return status == END ? OK : status;
}

// A pattern without wildcards is one key, and no walk.
static int scan_exact(struct call *call, const struct scan *scan, struct found *found)
{
    struct walk_key at = {.key = scan->prefix};
    if (scan->prefix.len > KEY_MAX ||
        (scan->resumed && slice_compare(scan->prefix, scan->after) <= 0))
        return OK;
    int status = keys_get(call->keys, LOOKUP_QUIET, scan->prefix, &at.value);
    if (status == OK && wanted(scan, &at))
        add_found(found, at.key);
    return status == NOT_FOUND ? OK : status;
}

static int scan_command(struct call *call)
{
    struct scan scan;
    if (!parse_cursor(call, call->argv[1], &scan) || !parse_options(call, &scan))
        return OK;
    struct buf literal = {0};
    if (scan.filtered) {
        buf_reserve(&literal, scan.pattern.len + 1);
        literal.len = glob_prefix(scan.pattern, literal.data, &scan.exact);
    }
    scan.prefix = buf_slice(&literal);
    struct found found = {.keys = {.proto = call->reply->proto}};
    found.keys.out = &found.bytes;
    int status = OK;
    if (scan.exact)
        status = scan_exact(call, &scan, &found);
    else if (scan.prefix.len <= KEY_MAX)
        status = scan_walk(call, &scan, &found);
    int64_t cursor =
        status == OK && found.more ? call_next_cursor(call, buf_slice(&found.last)) : 0;
    if (status == OK && found.hard) {
        call->stream = stream_match_new(call, scan.pattern, buf_slice(&found.last), cursor);
    } else if (status == OK) {
        reply_array(call->reply, 2);
        reply_bulk_int(call->reply, cursor);
        reply_array(call->reply, found.count);
        buf_append_slice(call->reply->out, buf_slice(&found.bytes));
    }
    buf_release(&literal);
    buf_release(&found.bytes);
    buf_release(&found.last);
    return status;
}

// --- KEYS ----------------------------------------------------------------------------------------

static int keys_in_one_go(struct call *call, struct scan *scan)
{
    struct found found = {.keys = {.proto = call->reply->proto}};
    found.keys.out = &found.bytes;
    int status = OK;
    if (scan->exact) {
        status = scan_exact(call, scan, &found);
    } else if (scan->prefix.len <= KEY_MAX) {
        struct walk walk;
        struct walk_key at;
        walk_open(&walk, call->keys, scan->prefix, slice_of(NULL, 0), false);
        while ((status = walk_next(&walk, &at)) == OK)
            if (wanted(scan, &at))
                add_found(&found, at.key);
        walk_close(&walk);
        status = status == END ? OK : status;
    }
    if (status == OK) {
        reply_array(call->reply, found.count);
        buf_append_slice(call->reply->out, buf_slice(&found.bytes));
    }
    buf_release(&found.bytes);
    return status;
}

static int keys_command(struct call *call)
{
    struct scan scan = {.pattern = call->argv[1], .filtered = !glob_is_all(call->argv[1])};
    struct buf literal = {0};
    int status = OK;
    buf_reserve(&literal, scan.pattern.len + 1);
    if (scan.filtered)
        literal.len = glob_prefix(scan.pattern, literal.data, &scan.exact);
    scan.prefix = buf_slice(&literal);
    if (call->in_exec || scan.exact || scan.prefix.len > KEY_MAX)
        status = keys_in_one_go(call, &scan);
    else
        call->stream = stream_keys_new(call, scan.pattern, scan.prefix);
    buf_release(&literal);
    return status;
}

// --- RANDOMKEY -----------------------------------------------------------------------------------

// Reservoir sampling over the walk from `from` on.
static int pick_of_walk(struct call *call, struct slice from, bool first, struct buf *picked)
{
    struct random random = {call->seed};
    struct walk walk;
    struct walk_key at;
    uint64_t seen = 0;
    int status = OK;
    walk_open(&walk, call->keys, slice_of(NULL, 0), from, false);
    for (int looked = 0; looked < RANDOM_LOOKED && !(first && seen > 0); looked++) {
        status = walk_next(&walk, &at);
        if (status != OK)
            break;
        if (at.expired || random_below(&random, ++seen) != 0)
            continue;
        buf_clear(picked);
        buf_append_slice(picked, at.key);
    }
    walk_close(&walk);
    return status != OK && status != END ? status : seen > 0 ? OK : NOT_FOUND;
}

// What was drawn is mostly not there any more: the first key behind it that is, or else of all.
static int pick_near(struct call *call, struct buf *picked)
{
    struct buf place = {0};
    buf_append_slice(&place, buf_slice(picked));
    int status = pick_of_walk(call, buf_slice(&place), true, picked);
    if (status == NOT_FOUND && place.len > 0)
        status = pick_of_walk(call, slice_of(NULL, 0), true, picked);
    buf_release(&place);
    return status;
}

static int randomkey_command(struct call *call)
{
    struct buf picked = {0};
    int status = NOT_FOUND;
    int64_t in_doubt, count = databases_key_count(call->keys, call->keys->db, &in_doubt);
    if (count + in_doubt <= RANDOM_SMALL)
        status = pick_of_walk(call, slice_of(NULL, 0), false, &picked);
    if (status == NOT_FOUND && count + in_doubt > 0)
        status = walk_draw(call->keys, call->seed, &picked);
    if (status == NOT_FOUND && count + in_doubt > 0)
        status = pick_near(call, &picked);
    if (status == OK)
        reply_bulk(call->reply, buf_slice(&picked));
    else if (status == NOT_FOUND)
        reply_null(call->reply);
    buf_release(&picked);
    return status == NOT_FOUND ? OK : status;
}

const struct command scan_rows[] = {
    {
        .name = "scan",
        .fn = scan_command,
        .arity = -2,
        .flags = CMD_READONLY,
        .acl = "keyspace",
        .tips = "nondeterministic_output request_policy:special",
        .since = "2.8.0",
        .group = "generic",
        .complexity = "O(1) a call, O(N) in the keys for the whole walk",
        .summary = "Walk the keys a few at a time",
        .history = "6.0.0:Option `TYPE`.",
        .arguments = "cursor:i pattern:p=MATCH? count:i=COUNT? type:s=TYPE?@6.0.0",
    },
    {
        .name = "keys",
        .fn = keys_command,
        .arity = 2,
        .flags = CMD_READONLY,
        .acl = "keyspace dangerous",
        .tips = "request_policy:all_shards nondeterministic_output_order",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(N) in the keys that begin as the pattern does",
        .summary = "List all keys that match a pattern",
        .arguments = "pattern:p",
    },
    {
        .name = "randomkey",
        .fn = randomkey_command,
        .arity = 1,
        .flags = CMD_READONLY,
        .acl = "keyspace",
        .tips = "request_policy:all_shards nondeterministic_output",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(log N) in the keys of the database",
        .summary = "Pick any key",
    },
    {0},
};
