// What recovery knows of the log beyond its records: whose segments they are, which segment goes on
// behind which, when a new timeline begins, and what only a later version understands. Each refusal
// names the file and leaves the directory as it was.
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/engine.h"
#include "engine/filename.h"
#include "engine/log/segment.h"
#include "engine/stats.h"
#include "tests/engine/golden_text.h"
#include "tests/sim/sim_exec.h"

struct machine {
    struct sim_env *env;
    struct sim_exec *exec;
    struct engine *engine;
    struct txn *txn;
};

static engine_accept_cb accept_cb; // of the next opening

static int open_machine(struct machine *m, struct error *err)
{
    struct engine_options options = {
        .dir = "db",
        .env = sim_env_env(m->env),
        .exec = sim_exec_exec(m->exec),
        .memory_budget = 256 * 1024,
        .write_buffer_size = 4 * 1024,
        .fsync = FSYNC_ALWAYS,
        .accept = accept_cb,
    };
    int status = engine_open(&options, &m->engine, err);
    if (status == OK)
        m->txn = txn_new(m->engine);
    return status;
}

static struct machine new_machine(uint64_t seed)
{
    struct machine m = {.env = sim_env_new(seed)};
    m.exec = sim_exec_new(m.env, seed);
    cr_assert_eq(open_machine(&m, NULL), OK);
    return m;
}

static void close_machine(struct machine *m)
{
    txn_free(m->txn);
    cr_assert_eq(engine_close(m->engine, NULL), OK);
}

// As kill -9: everything written is there, and nothing else happens.
static void kill_machine(struct machine *m)
{
    sim_env_crash_at(m->env, sim_env_operations(m->env));
    sim_exec_hold(m->exec, LANE_FLUSH, false);
    txn_free(m->txn);
    engine_close(m->engine, NULL);
    sim_exec_free(m->exec);
    sim_env_crash(m->env);
    m->exec = sim_exec_new(m->env, 1);
}

static void free_machine(struct machine *m)
{
    sim_exec_free(m->exec);
    sim_env_free(m->env);
}

static void put(struct machine *m, unsigned i)
{
    char key[32];
    txn_begin(m->txn);
    txn_put(m->txn, slice_of(key, (size_t)snprintf(key, 32, "key %u", i)), slice_cstr("value"),
        (struct slice){0}, 0);
    cr_assert_eq(engine_blocking_commit(m->engine, m->txn), OK);
    txn_reset(m->txn);
}

static void expect_keys(struct machine *m, unsigned count)
{
    char key[32];
    struct row row;
    for (unsigned i = 0; i <= count; i++) {
        txn_begin(m->txn);
        cr_assert_eq(engine_blocking_get(m->engine, m->txn,
                         slice_of(key, (size_t)snprintf(key, 32, "key %u", i)), &row),
            i < count ? OK : NOT_FOUND, "key %u of %u", i, count);
        txn_reset(m->txn);
    }
}

// The segments that are there, by number.
static size_t segments_of(struct sim_env *env, uint64_t numbers[16])
{
    struct dir_entry *files;
    size_t count = golden_files(env, &files), found = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        if (filename_parse(files[i].name, &number) != FILENAME_LOG)
            continue;
        size_t at = found++;
        for (; at > 0 && numbers[at - 1] > number; at--)
            numbers[at] = numbers[at - 1];
        numbers[at] = number;
    }
    free(files);
    return found;
}

static struct segment_reader read_segment(struct sim_env *env, uint64_t number)
{
    char path[FILENAME_PATH_SIZE];
    struct segment_reader r;
    struct segment_record record;
    bool torn;
    filename_log(path, "db", number);
    cr_assert_eq(segment_open(&r, sim_env_env(env), path, LOG_MAGIC, number, UINT64_MAX, NULL), OK);
    while (segment_next(&r, path, &record, &torn, NULL) == OK)
        ;
    return r;
}

static uint64_t timeline_of(struct sim_env *env, uint64_t number)
{
    struct segment_reader r = read_segment(env, number);
    segment_close(&r);
    return r.lineage.timeline;
}

static uint64_t newest(struct sim_env *env)
{
    uint64_t numbers[16];
    size_t count = segments_of(env, numbers);
    while (count > 1) { // the last may have been made ahead
        struct segment_reader r = read_segment(env, numbers[count - 1]);
        bool touched = segment_is_touched(&r);
        segment_close(&r);
        if (touched)
            break;
        count--;
    }
    return numbers[count - 1];
}

// path: what the error names.
static void expect_refused_for(struct machine *m, int status, const char *path)
{
    struct error err = {0};
    struct buf before = {0}, after = {0};
    FILE *f = open_memstream((char **)&before.data, &before.len);
    golden_dump(m->env, f);
    fclose(f);
    cr_assert_eq(open_machine(m, &err), status, "%s", err.text);
    cr_assert_str_eq(err.file, path, "%s", err.text);
    f = open_memstream((char **)&after.data, &after.len);
    golden_dump(m->env, f);
    fclose(f);
    cr_assert(slice_equal(buf_slice(&before), buf_slice(&after)), "a refused start wrote");
    free(before.data);
    free(after.data);
}

static void expect_refused(struct machine *m, int status, uint64_t number)
{
    char path[FILENAME_PATH_SIZE];
    filename_log(path, "db", number);
    expect_refused_for(m, status, path);
}

Test(recovery_log, a_timeline_begins_after_a_crash_and_goes_on_after_a_clean_end)
{
    struct machine m = new_machine(1);
    put(&m, 0);
    cr_assert_eq(timeline_of(m.env, newest(m.env)), 1);
    close_machine(&m);
    cr_assert_eq(open_machine(&m, NULL), OK);
    put(&m, 1);
    cr_assert_eq(timeline_of(m.env, newest(m.env)), 1);
    kill_machine(&m);
    cr_assert_eq(open_machine(&m, NULL), OK);
    put(&m, 2);
    cr_assert_eq(timeline_of(m.env, newest(m.env)), 2);
    close_machine(&m);
    // a life that wrote nothing may have given numbers away all the same
    cr_assert_eq(open_machine(&m, NULL), OK);
    kill_machine(&m);
    cr_assert_eq(open_machine(&m, NULL), OK);
    put(&m, 3);
    cr_assert_eq(timeline_of(m.env, newest(m.env)), 3);
    expect_keys(&m, 4);
    close_machine(&m);
    free_machine(&m);
}

Test(recovery_log, restarts_leave_no_empty_segments)
{
    struct machine m = new_machine(1);
    uint64_t numbers[16];
    put(&m, 0);
    for (int i = 0; i < 5; i++) {
        close_machine(&m);
        cr_assert_eq(open_machine(&m, NULL), OK);
        expect_keys(&m, 1);
    }
    close_machine(&m);
    cr_assert_leq(segments_of(m.env, numbers), 2, "the one with the record, the last one");
    free_machine(&m);
}

// A database of a few keys takes a few small files, however often it is started and stopped, and
// each start reads the log of the last lives only. rest_ms: 0 is too short for any flush.
static void live_often(bool killed, uint64_t rest_ms)
{
    struct machine m = new_machine(1);
    uint64_t numbers[16], used = 0;
    for (unsigned i = 0; i < 40; i++) {
        struct engine_stats stats;
        put(&m, i);
        sim_exec_run_for(m.exec, rest_ms);
        if (killed)
            kill_machine(&m);
        else
            close_machine(&m);
        cr_assert_eq(open_machine(&m, NULL), OK);
        engine_get_stats(m.engine, &stats);
        cr_assert_leq(stats.recovered_records, rest_ms > 0 ? 3 : 7);
        sim_exec_run_for(m.exec, rest_ms);
        cr_assert_leq(segments_of(m.env, numbers), rest_ms > 0 ? 3 : 9, "replayed, this, the next");
        if (i == 9)
            used = sim_env_disk_used(m.env);
    }
    cr_assert_leq(sim_env_disk_used(m.env), used + 8192, "%llu, %llu after ten lives",
        (unsigned long long)sim_env_disk_used(m.env), (unsigned long long)used);
    expect_keys(&m, 40);
    close_machine(&m);
    free_machine(&m);
}

Test(recovery_log, disk_and_replay_do_not_grow_with_restarts)
{
    live_often(false, 100);
    live_often(true, 100);
    live_often(false, 0);
    live_often(true, 0);
}

Test(recovery_log, a_segment_of_another_database_is_refused)
{
    struct machine m = new_machine(1), other = new_machine(2);
    put(&m, 0);
    put(&other, 0);
    close_machine(&m);
    close_machine(&other);
    uint64_t number = newest(m.env);
    cr_assert_eq(newest(other.env), number);
    char path[FILENAME_PATH_SIZE];
    struct buf bytes = {0};
    filename_log(path, "db", number);
    cr_assert_eq(sim_env_read_file(other.env, path, &bytes), OK);
    sim_env_write_file(m.env, path, buf_slice(&bytes));
    expect_refused(&m, CORRUPT, number);
    buf_release(&bytes);
    free_machine(&m);
    free_machine(&other);
}

// Of the same database, put back from a time that the manifest does not know, or does know better.
static void change_timeline(struct sim_env *env, uint64_t number, uint64_t timeline)
{
    char path[FILENAME_PATH_SIZE];
    struct buf bytes = {0};
    struct segment_reader r = read_segment(env, number);
    segment_close(&r);
    r.lineage.timeline = timeline;
    filename_log(path, "db", number);
    cr_assert_eq(sim_env_read_file(env, path, &bytes), OK);
    segment_header_encode(bytes.data, LOG_MAGIC, number, &r.lineage);
    sim_env_write_file(env, path, buf_slice(&bytes));
    buf_release(&bytes);
}

Test(recovery_log, timelines_do_not_go_back_nor_ahead_of_the_manifest)
{
    struct machine m = new_machine(1);
    put(&m, 0);
    kill_machine(&m);
    uint64_t first = newest(m.env);
    cr_assert_eq(open_machine(&m, NULL), OK);
    put(&m, 1);
    close_machine(&m);
    uint64_t second = newest(m.env);
    change_timeline(m.env, second, 3);
    expect_refused(&m, CORRUPT, second);
    change_timeline(m.env, second, 1);
    change_timeline(m.env, first, 2);
    expect_refused(&m, CORRUPT, second);
    change_timeline(m.env, second, 2);
    cr_assert_eq(open_machine(&m, NULL), OK);
    expect_keys(&m, 2);
    close_machine(&m);
    free_machine(&m);
}

// Two lives in the log: the second one's segment is named by the version, not by the first's seal.
Test(recovery_log, the_segment_that_goes_on_after_a_restart_is_missed)
{
    for (int clean = 0; clean < 2; clean++) {
        struct machine m = new_machine(1);
        char path[FILENAME_PATH_SIZE];
        put(&m, 0);
        if (clean)
            close_machine(&m);
        else
            kill_machine(&m);
        cr_assert_eq(open_machine(&m, NULL), OK);
        put(&m, 1);
        kill_machine(&m);
        uint64_t last = newest(m.env);
        filename_log(path, "db", last);
        cr_assert_eq(sim_env_remove_file(m.env, path), OK);
        expect_refused(&m, MISSING, last);
        free_machine(&m);
    }
}

// A log of several segments, which no flush has taken away.
static struct machine long_log(uint64_t numbers[16], size_t *count)
{
    struct machine m = new_machine(1);
    sim_exec_hold(m.exec, LANE_FLUSH, true);
    unsigned i = 0;
    do
        put(&m, i++);
    while ((*count = segments_of(m.env, numbers)) < 4 && i < 500);
    cr_assert_eq(*count, 4);
    kill_machine(&m);
    *count = segments_of(m.env, numbers);
    return m;
}

Test(recovery_log, a_sealed_segment_wants_its_successor)
{
    uint64_t numbers[16];
    size_t count;
    struct machine m = long_log(numbers, &count);
    char path[FILENAME_PATH_SIZE];
    struct segment_reader r = read_segment(m.env, numbers[0]);
    segment_close(&r);
    cr_assert(r.sealed && r.seal.next == numbers[1]);
    filename_log(path, "db", numbers[1]);
    struct buf bytes = {0};
    cr_assert_eq(sim_env_read_file(m.env, path, &bytes), OK);
    cr_assert_eq(sim_env_remove_file(m.env, path), OK);
    expect_refused(&m, MISSING, numbers[1]);
    for (int half = 0; half < 2; half++) { // zeros, and a header whose second part is lost
        struct buf lost = {0};
        buf_append(&lost, bytes.data, bytes.len);
        memset(lost.data + (half ? 32 : 0), 0, lost.len - (half ? 32 : 0));
        sim_env_write_file(m.env, path, buf_slice(&lost));
        expect_refused(&m, CORRUPT, numbers[1]);
        buf_release(&lost);
    }
    // a record behind the seal
    sim_env_write_file(m.env, path, buf_slice(&bytes));
    filename_log(path, "db", numbers[0]);
    buf_clear(&bytes);
    cr_assert_eq(sim_env_read_file(m.env, path, &bytes), OK);
    struct buf record = {0};
    segment_append(&record, numbers[0], r.offset, r.seal.last_seq + 1, 0, 0, slice_cstr("x"));
    cr_assert_leq(r.offset + record.len, bytes.len);
    memcpy(bytes.data + r.offset, record.data, record.len);
    sim_env_write_file(m.env, path, buf_slice(&bytes));
    expect_refused(&m, CORRUPT, numbers[0]);
    buf_release(&record);
    buf_release(&bytes);
    free_machine(&m);
}

// Reads what is in the log and in tables, and says no.
static int read_and_refuse(struct engine *e, void *arg, struct error *err)
{
    struct txn *txn = txn_new(e);
    struct row row;
    txn_begin(txn);
    cr_assert_eq(engine_blocking_get(e, txn, slice_cstr("key 0"), &row), OK);
    cr_assert_eq(engine_blocking_get(e, txn, slice_cstr("key 1"), &row), OK);
    cr_assert_eq(engine_blocking_get(e, txn, slice_cstr("key 2"), &row), NOT_FOUND);
    txn_free(txn);
    return error_set(err, MISUSE, NULL, 0, 0, "not today");
}

Test(recovery_log, a_start_that_the_owner_refuses_writes_nothing)
{
    for (int clean = 0; clean < 2; clean++) {
        struct machine m = new_machine(1);
        put(&m, 0);
        cr_assert_eq(engine_blocking_flush(m.engine), OK);
        put(&m, 1);
        if (clean)
            close_machine(&m);
        else
            kill_machine(&m);
        accept_cb = read_and_refuse;
        expect_refused_for(&m, MISUSE, "");
        accept_cb = NULL;
        cr_assert_eq(open_machine(&m, NULL), OK);
        expect_keys(&m, 2);
        close_machine(&m);
        free_machine(&m);
    }
}

// --- What a later version writes -----------------------------------------------------------------

// A database of one key whose log goes on with this payload, in a record of this type.
static struct machine with_record(
    const uint8_t *payload, size_t len, uint8_t type, uint64_t *number)
{
    struct machine m = new_machine(1);
    char path[FILENAME_PATH_SIZE];
    put(&m, 0);
    kill_machine(&m);
    *number = newest(m.env);
    struct segment_reader r = read_segment(m.env, *number);
    segment_close(&r);
    struct buf bytes = {0}, record = {0};
    filename_log(path, "db", *number);
    cr_assert_eq(sim_env_read_file(m.env, path, &bytes), OK);
    segment_frame(&record, 2, 0, 0, slice_of(payload, len));
    record.data[31] = type;
    segment_sum(record.data, *number, r.offset);
    memcpy(bytes.data + r.offset, record.data, record.len);
    sim_env_write_file(m.env, path, buf_slice(&bytes));
    buf_release(&bytes);
    buf_release(&record);
    return m;
}

static void expect_newer(const uint8_t *payload, size_t len, uint8_t type)
{
    uint64_t number;
    struct machine m = with_record(payload, len, type, &number);
    expect_refused(&m, NEWER_FORMAT, number);
    free_machine(&m);
}

Test(recovery_log, what_only_a_later_version_understands_is_refused_as_such)
{
    const uint8_t add[] = {RECORD_PUT, 1, 'a', 1, 'b', RECORD_ADD, 1, 'c', 2},
                  range[] = {RECORD_DROP_RANGE, 1, 'a', 1, 'b'}, unknown[] = {9, 1, 'a'},
                  flags[] = {RECORD_DELETE | RECORD_MORE, 1, 1, 'a'},
                  good[] = {RECORD_PUT, 1, 'a', 1, 'b'};
    expect_newer(add, sizeof add, SEGMENT_DATA);
    expect_newer(range, sizeof range, SEGMENT_DATA);
    expect_newer(unknown, sizeof unknown, SEGMENT_DATA);
    expect_newer(flags, sizeof flags, SEGMENT_DATA);
    expect_newer(good, sizeof good, SEGMENT_OPTIONAL - 1);
}

Test(recovery_log, what_may_be_skipped_is_skipped_and_takes_its_number)
{
    const uint8_t notes[] = {RECORD_PUT, 5, 'k', 'e', 'y', ' ', '1', 5, 'v', 'a', 'l', 'u', 'e',
        RECORD_NOTE, 3, 0, 'x', 'y', 0xff, 0, 0};
    uint64_t number;
    struct machine m = with_record(notes, sizeof notes, SEGMENT_DATA, &number);
    cr_assert_eq(open_machine(&m, NULL), OK);
    expect_keys(&m, 2);
    // numbers 2 to 4 were taken; a flush of what has been replayed knows it
    cr_assert_eq(engine_blocking_flush(m.engine), OK);
    put(&m, 2);
    txn_begin(m.txn);
    struct row row;
    cr_assert_eq(engine_blocking_get(m.engine, m.txn, slice_cstr("key 2"), &row), OK);
    cr_assert_eq(row.seq, 5);
    txn_reset(m.txn);
    kill_machine(&m);
    cr_assert_eq(open_machine(&m, NULL), OK);
    expect_keys(&m, 3);
    close_machine(&m);
    free_machine(&m);

    m = with_record(notes, sizeof notes, SEGMENT_OPTIONAL, &number); // the whole record
    cr_assert_eq(open_machine(&m, NULL), OK);
    expect_keys(&m, 1);
    close_machine(&m);
    free_machine(&m);
}
