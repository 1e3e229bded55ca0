// engine_bench: the engine's workloads, and the same on LevelDB.
//
// Each store runs the list of workloads in a process of its own; with several rounds the stores
// take turns (A B A B), so that a change of the machine's speed meets both. What is printed is the
// median over the rounds, and the ratio of medians. fill workloads begin with an empty directory,
// the others use what is there; before a workload the store may finish its background work, which
// is not timed. Write amplification is what the process wrote (wchar of /proc/self/io, so the log
// is in it) over keys and values written; space amplification is the directory's size over the live
// keys and values, both at the end of the workload.
#include <ctype.h>
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/histogram.h"
#include "base/random.h"
#include "bench/store.h"

enum { MAX_WORKLOADS = 16, MAX_ROUNDS = 15, MAX_STORES = 2, KEY_SIZE_MAX = 1024 };

struct settings {
    uint64_t num, reads;
    unsigned key_size, value_size, batch, rounds;
    struct store_options store;
    const char *start, *end; // of scan
    const char *workloads[MAX_WORKLOADS];
    unsigned workload_count;
    const struct store_ops *stores[MAX_STORES];
    unsigned store_count;
    uint64_t seed;
};

struct result {
    double ops_per_second;
    double p50_us, p99_us, p999_us, max_us;
    double write_amplification, space_amplification; // 0: does not apply
};

struct run {
    const struct settings *settings;
    const struct store_ops *ops;
    struct store *store;
    struct random random;
    struct histogram latency; // ns
    uint8_t *value_pool;      // incompressible halves, compressible halves
    uint64_t done, user_bytes;
};

_Noreturn void bench_fail(const char *what, const char *detail)
{
    fprintf(stderr, "engine_bench: %s: %s\n", what, detail);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void make_key(const struct run *r, uint8_t *key, uint64_t number)
{
    unsigned size = r->settings->key_size;
    memset(key, '0', size);
    for (unsigned i = size; i > 0 && number > 0; number /= 10)
        key[--i] = (uint8_t)('0' + number % 10);
}

static struct slice make_value(struct run *r)
{
    return slice_of(r->value_pool + random_below(&r->random, 4096), r->settings->value_size);
}

enum write_kind { WRITE_SEQUENTIAL, WRITE_RANDOM, WRITE_DELETE };

static void write_many(struct run *r, enum write_kind kind)
{
    const struct settings *s = r->settings;
    uint8_t *bytes = xmalloc((size_t)s->batch * s->key_size);
    struct slice *keys = xcalloc(s->batch, sizeof *keys),
                 *values = xcalloc(s->batch, sizeof *values);
    for (uint64_t i = 0; i < s->num; i += s->batch) {
        for (unsigned j = 0; j < s->batch; j++) {
            uint8_t *key = bytes + (size_t)j * s->key_size;
            make_key(r, key, kind == WRITE_SEQUENTIAL ? i + j : random_below(&r->random, s->num));
            keys[j] = slice_of(key, s->key_size);
            values[j] = kind == WRITE_DELETE ? (struct slice){0} : make_value(r);
            r->user_bytes += keys[j].len + values[j].len;
        }
        uint64_t begin = now_ns();
        r->ops->write(r->store, keys, values, s->batch);
        histogram_add(&r->latency, now_ns() - begin);
        r->done += s->batch;
    }
    free(values);
    free(keys);
    free(bytes);
}

static void fillseq(struct run *r)
{
    write_many(r, WRITE_SEQUENTIAL);
}

static void fillrandom(struct run *r)
{
    write_many(r, WRITE_RANDOM);
}

static void deleterandom(struct run *r)
{
    write_many(r, WRITE_DELETE);
}

static void read_one(struct run *r, bool missing)
{
    uint8_t key[KEY_SIZE_MAX + 1];
    make_key(r, key, random_below(&r->random, r->settings->num));
    unsigned len = r->settings->key_size;
    if (missing)
        key[len++] = '.';
    size_t value_len = 0;
    uint64_t begin = now_ns();
    bool found = r->ops->get(r->store, slice_of(key, len), &value_len);
    histogram_add(&r->latency, now_ns() - begin);
    if (found && missing)
        bench_fail("readmissing", "an absent key was found");
    if (found && value_len != r->settings->value_size)
        bench_fail("readrandom", "a value has the wrong length");
    r->done++;
}

static void readrandom(struct run *r)
{
    for (uint64_t i = 0; i < r->settings->reads; i++)
        read_one(r, false);
}

static void readmissing(struct run *r)
{
    for (uint64_t i = 0; i < r->settings->reads; i++)
        read_one(r, true);
}

// One write to nine reads, in one thread on both sides: the engine's loop owns both.
static void readwhilewriting(struct run *r)
{
    uint8_t bytes[KEY_SIZE_MAX];
    for (uint64_t i = 0; i < r->settings->reads; i++) {
        if (i % 10 != 9) {
            read_one(r, false);
            continue;
        }
        make_key(r, bytes, random_below(&r->random, r->settings->num));
        struct slice key = slice_of(bytes, r->settings->key_size), value = make_value(r);
        uint64_t begin = now_ns();
        r->ops->write(r->store, &key, &value, 1);
        histogram_add(&r->latency, now_ns() - begin);
        r->user_bytes += key.len + value.len;
        r->done++;
    }
}

static void walk(struct run *r, struct slice from, struct slice end, bool backward, uint64_t most)
{
    uint64_t bytes = 0, begin = now_ns();
    uint64_t seen = r->ops->scan(r->store, from, end, backward, most, &bytes);
    histogram_add(&r->latency, now_ns() - begin);
    r->done += seen;
}

static void readseq(struct run *r)
{
    walk(r, (struct slice){0}, (struct slice){0}, false, UINT64_MAX);
}

static void readreverse(struct run *r)
{
    walk(r, (struct slice){0}, (struct slice){0}, true, UINT64_MAX);
}

static void seekrandom(struct run *r)
{
    uint8_t key[KEY_SIZE_MAX];
    uint64_t seeks = r->settings->reads / 10;
    for (uint64_t i = 0; i < seeks; i++) {
        make_key(r, key, random_below(&r->random, r->settings->num));
        walk(r, slice_of(key, r->settings->key_size), (struct slice){0}, false, 1);
    }
    r->done = seeks;
}

static void scan(struct run *r)
{
    walk(r, slice_cstr(r->settings->start), slice_cstr(r->settings->end), false, UINT64_MAX);
}

struct workload {
    const char *name;
    void (*run)(struct run *r);
    bool fresh, writes;
};

static const struct workload workloads[] = {
    {"fillseq", fillseq, true, true},
    {"fillrandom", fillrandom, true, true},
    {"overwrite", fillrandom, false, true},
    {"readrandom", readrandom, false, false},
    {"readmissing", readmissing, false, false},
    {"readseq", readseq, false, false},
    {"readreverse", readreverse, false, false},
    {"seekrandom", seekrandom, false, false},
    {"scan", scan, false, false},
    {"readwhilewriting", readwhilewriting, false, true},
    {"deleterandom", deleterandom, false, true},
};

static const struct workload *find_workload(const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        if (strcmp(workloads[i].name, name) == 0)
            return &workloads[i];
    }
    return NULL;
}

// Visits the files of dir: sums their sizes, and removes them if asked.
static uint64_t each_file(const char *dir, bool remove_them)
{
    DIR *d = opendir(dir);
    uint64_t total = 0;
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        struct buf path = {0};
        buf_printf(&path, "%s/%s", dir, e->d_name);
        struct stat st;
        if (stat((const char *)path.data, &st) == 0 && S_ISREG(st.st_mode)) {
            total += (uint64_t)st.st_blocks * 512;
            if (remove_them)
                unlink((const char *)path.data);
        }
        buf_release(&path);
    }
    if (d != NULL)
        closedir(d);
    return total;
}

static uint64_t written_bytes(void)
{
    FILE *f = fopen("/proc/self/io", "r");
    char line[128];
    unsigned long long value = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "wchar: %llu", &value) == 1)
            break;
    }
    if (f != NULL)
        fclose(f);
    return value;
}

static struct result run_workload(struct run *r, const struct workload *w)
{
    const struct settings *s = r->settings;
    if (w->fresh) {
        r->ops->close(r->store);
        each_file(s->store.dir, true);
        r->store = r->ops->open(&s->store);
    } else {
        r->ops->settle(r->store);
    }
    memset(&r->latency, 0, sizeof r->latency);
    r->done = 0;
    r->user_bytes = 0;
    uint64_t wrote = written_bytes(), begin = now_ns();
    w->run(r);
    double seconds = (double)(now_ns() - begin) / 1e9;

    struct result result = {
        .ops_per_second = (double)r->done / seconds,
        .p50_us = (double)histogram_percentile(&r->latency, 50) / 1e3,
        .p99_us = (double)histogram_percentile(&r->latency, 99) / 1e3,
        .p999_us = (double)histogram_percentile(&r->latency, 99.9) / 1e3,
        .max_us = (double)r->latency.max / 1e3,
    };
    if (w->writes) {
        result.write_amplification = (double)(written_bytes() - wrote) / (double)r->user_bytes;
        // Random fills write 1 - 1/e of the keys.
        double live = w->fresh ? (strcmp(w->name, "fillseq") == 0 ? 1 : 0.632) : 0;
        double bytes = live * (double)s->num * (s->key_size + s->value_size);
        result.space_amplification = bytes > 0 ? (double)each_file(s->store.dir, false) / bytes : 0;
    }
    return result;
}

// In a child process: all workloads on one store; results go through the pipe.
static void run_store(const struct settings *s, const struct store_ops *ops, int out)
{
    struct run r = {.settings = s, .ops = ops, .random = {s->seed}};
    size_t pool = 4096 + s->value_size;
    r.value_pool = xmalloc(pool);
    for (size_t i = 0; i < pool; i++)
        r.value_pool[i] = (i / 64) % 2 ? (uint8_t)random_next(&r.random) : (uint8_t)(' ' + i % 64);
    mkdir(s->store.dir, 0777);
    r.store = ops->open(&s->store);
    for (unsigned i = 0; i < s->workload_count; i++) {
        struct result result = run_workload(&r, find_workload(s->workloads[i]));
        if (write(out, &result, sizeof result) != (ssize_t)sizeof result)
            bench_fail("pipe", "short write");
    }
    ops->close(r.store);
    each_file(s->store.dir, true);
    rmdir(s->store.dir);
    free(r.value_pool);
}

static void run_in_child(
    const struct settings *s, const struct store_ops *ops, struct result *results)
{
    int ends[2];
    if (pipe(ends) != 0)
        bench_fail("pipe", "cannot be made");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_store(s, ops, ends[1]);
        exit(0);
    }
    close(ends[1]);
    for (unsigned i = 0; i < s->workload_count; i++) {
        if (read(ends[0], &results[i], sizeof results[i]) != (ssize_t)sizeof results[i])
            bench_fail(ops->name, "its process ended early");
    }
    close(ends[0]);
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        bench_fail(ops->name, "its process failed");
}

static int by_speed(const void *a, const void *b)
{
    double x = ((const struct result *)a)->ops_per_second,
           y = ((const struct result *)b)->ops_per_second;
    return (x > y) - (x < y);
}

static void print_cell(double value)
{
    if (value > 0)
        printf(" %6.2f", value);
    else
        printf(" %6s", "-");
}

static void print_results(
    const struct settings *s, struct result all[MAX_STORES][MAX_WORKLOADS][MAX_ROUNDS])
{
    printf("%-17s %-8s %11s %9s %9s %9s %10s %6s %6s %6s\n", "workload", "store", "ops/s", "p50 us",
        "p99 us", "p99.9 us", "max us", "w-amp", "s-amp", "ratio");
    for (unsigned w = 0; w < s->workload_count; w++) {
        double speeds[MAX_STORES] = {0};
        for (unsigned i = s->store_count; i-- > 0;) {
            struct result *rounds = all[i][w];
            qsort(rounds, s->rounds, sizeof rounds[0], by_speed);
            struct result m = rounds[s->rounds / 2];
            speeds[i] = m.ops_per_second;
            printf("%-17s %-8s %11.0f %9.2f %9.2f %9.2f %10.0f", s->workloads[w],
                s->stores[i]->name, m.ops_per_second, m.p50_us, m.p99_us, m.p999_us, m.max_us);
            print_cell(m.write_amplification);
            print_cell(m.space_amplification);
            print_cell(i == 0 && s->store_count == 2 ? speeds[0] / speeds[1] : 0);
            printf("\n");
        }
    }
}

static const char usage[] =
    "engine_bench [options] [workload ...]\n"
    "  --stores LIST    varve, leveldb or varve,leveldb (default: all there are); the ratio is the "
    "first over the "
    "second\n"
    "  --num N          entries (1000000)             --reads N        of random reads (as --num)\n"
    "  --key N          bytes of a key (16)           --value N        bytes of a value (100)\n"
    "  --batch N        writes in a batch (1)         --cache BYTES    of the block cache (64 "
    "MiB)\n"
    "  --write-buffer BYTES  of a memtable (16 MiB)   --bloom N        bits a key (10)\n"
    "  --block BYTES    of a data block (4096)        --compress       zstd here, snappy there\n"
    "  --sync           every write is synced         --rounds N       interleaved, the median "
    "counts (3)\n"
    "  --start KEY --end KEY  of the workload scan    --dir DIR        (a new one in the temporary "
    "directory)\n"
    "  --clean-rows     keep flushed memtables for reads, as the server does; the peer has no such "
    "thing\n"
    "  --seed N\n"
    "workloads: fillseq fillrandom overwrite readrandom readmissing readseq readreverse seekrandom "
    "scan "
    "readwhilewriting\n"
    "           deleterandom (default: all)\n";

_Noreturn static void bad_usage(void)
{
    fputs(usage, stderr);
    exit(2);
}

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
    char *end;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end != '\0' || !isdigit((unsigned char)text[0]) || v < min || v > max) {
        fprintf(stderr, "engine_bench: '%s' is not a number from %llu to %llu\n", text,
            (unsigned long long)min, (unsigned long long)max);
        exit(2);
    }
    return v;
}

static void choose_stores(struct settings *s, const char *list)
{
    static const struct store_ops *const known[] = {
        &store_varve,
#ifdef HAVE_LEVELDB
        &store_leveldb,
#endif
    };
    s->store_count = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (list == NULL || strstr(list, known[i]->name) != NULL)
            s->stores[s->store_count++] = known[i];
    }
    if (s->store_count == 0)
        bad_usage();
}

static void parse(struct settings *s, int argc, char **argv)
{
    enum {
        STORES,
        NUM,
        READS,
        KEY,
        VALUE,
        BATCH,
        CACHE,
        WRITE_BUFFER,
        BLOOM,
        BLOCK,
        COMPRESS,
        SYNC,
        CLEAN_ROWS,
        ROUNDS,
        START,
        END,
        DIRECTORY,
        SEED
    };
    static const struct option options[] = {
        {"stores", required_argument, NULL, STORES},
        {"num", required_argument, NULL, NUM},
        {"reads", required_argument, NULL, READS},
        {"key", required_argument, NULL, KEY},
        {"value", required_argument, NULL, VALUE},
        {"batch", required_argument, NULL, BATCH},
        {"cache", required_argument, NULL, CACHE},
        {"write-buffer", required_argument, NULL, WRITE_BUFFER},
        {"bloom", required_argument, NULL, BLOOM},
        {"block", required_argument, NULL, BLOCK},
        {"compress", no_argument, NULL, COMPRESS},
        {"sync", no_argument, NULL, SYNC},
        {"clean-rows", no_argument, NULL, CLEAN_ROWS},
        {"rounds", required_argument, NULL, ROUNDS},
        {"start", required_argument, NULL, START},
        {"end", required_argument, NULL, END},
        {"dir", required_argument, NULL, DIRECTORY},
        {"seed", required_argument, NULL, SEED},
        {0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case STORES:
            choose_stores(s, optarg);
            break;
        case NUM:
            s->num = number(optarg, 1, 1ull << 40);
            break;
        case READS:
            s->reads = number(optarg, 1, 1ull << 40);
            break;
        case KEY:
            s->key_size = (unsigned)number(optarg, 8, KEY_SIZE_MAX);
            break;
        case VALUE:
            s->value_size = (unsigned)number(optarg, 0, 1 << 24);
            break;
        case BATCH:
            s->batch = (unsigned)number(optarg, 1, 100000);
            break;
        case CACHE:
            s->store.cache_bytes = number(optarg, 1 << 20, 1ull << 40);
            break;
        case WRITE_BUFFER:
            s->store.write_buffer_bytes = number(optarg, 1 << 16, 1ull << 32);
            break;
        case BLOOM:
            s->store.bloom_bits = (unsigned)number(optarg, 1, 40);
            break;
        case BLOCK:
            s->store.block_bytes = (unsigned)number(optarg, 512, 1 << 20);
            break;
        case COMPRESS:
            s->store.compress = true;
            break;
        case SYNC:
            s->store.sync = true;
            break;
        case CLEAN_ROWS:
            s->store.clean_rows = true;
            break;
        case ROUNDS:
            s->rounds = (unsigned)number(optarg, 1, MAX_ROUNDS);
            break;
        case START:
            s->start = optarg;
            break;
        case END:
            s->end = optarg;
            break;
        case DIRECTORY:
            s->store.dir = optarg;
            break;
        case SEED:
            s->seed = number(optarg, 0, UINT64_MAX);
            break;
        default:
            bad_usage();
        }
    }
    for (int i = optind; i < argc && s->workload_count < MAX_WORKLOADS; i++) {
        if (find_workload(argv[i]) == NULL)
            bad_usage();
        s->workloads[s->workload_count++] = argv[i];
    }
}

int main(int argc, char **argv)
{
    struct settings s = {
        .num = 1000000,
        .key_size = 16,
        .value_size = 100,
        .batch = 1,
        .rounds = 3,
        .store = {.cache_bytes = 64 << 20,
            .write_buffer_bytes = 16 << 20,
            .bloom_bits = 10,
            .block_bytes = 4096},
        .start = "",
        .end = "",
        .seed = 1,
    };
    choose_stores(&s, NULL);
    parse(&s, argc, argv);
    if (s.reads == 0)
        s.reads = s.num;
    for (size_t i = 0; s.workload_count == 0 && i < sizeof workloads / sizeof workloads[0]; i++)
        s.workloads[i] = workloads[i].name;
    while (s.workload_count < MAX_WORKLOADS && s.workloads[s.workload_count] != NULL)
        s.workload_count++;

    char made[] = "/tmp/engine-bench-XXXXXX";
    bool own_dir = s.store.dir == NULL;
    if (own_dir && (s.store.dir = mkdtemp(made)) == NULL)
        bench_fail("mkdtemp", made);
    static struct result all[MAX_STORES][MAX_WORKLOADS][MAX_ROUNDS];
    for (unsigned round = 0; round < s.rounds; round++) {
        for (unsigned i = 0; i < s.store_count; i++) {
            struct result results[MAX_WORKLOADS];
            run_in_child(&s, s.stores[i], results);
            for (unsigned w = 0; w < s.workload_count; w++)
                all[i][w][round] = results[w];
        }
    }
    printf("%llu entries of %u + %u bytes, batches of %u, cache %llu MiB, memtable %llu MiB, %u "
           "bits a key, %s, %s, %u "
           "rounds\n",
        (unsigned long long)s.num, s.key_size, s.value_size, s.batch,
        (unsigned long long)(s.store.cache_bytes >> 20),
        (unsigned long long)(s.store.write_buffer_bytes >> 20), s.store.bloom_bits,
        s.store.compress ? "compressed" : "not compressed", s.store.sync ? "synced" : "not synced",
        s.rounds);
    print_results(&s, all);
    return 0;
}
