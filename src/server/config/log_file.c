// The log's lines: "PID:M DD Mon YYYY HH:MM:SS.mmm LEVEL TEXT" as Redis writes them, so that what
// parses its logs parses ours. M is the role (a master, as every Varve is), LEVEL one of . - * #
// from debug to warning.
//
// A line to a file is an open, a write behind what is there, and a close. Lines are rare (starts,
// stops, flushes, failures), and a tool that renames the file, or cuts it to nothing, needs to tell
// us nothing. Jobs log too: a mutex keeps the lines apart.
//
// Failures do not stop the server. When the file cannot be written, the first such line on standard
// output says why, and this and the following lines go there until the file can be written again.
#include "server/config/log_file.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

struct log_file {
    struct logger logger; // first: the sink gets a pointer to it
    pthread_mutex_t lock;
    struct env *env;
    char *path; // NULL: standard output
    bool failing;
};

static int append(struct log_file *log, const char *line, size_t len, struct error *err)
{
    struct env *env = log->env;
    struct file *f;
    int status = env_open(env, log->path, FILE_UPDATE, &f, err);
    if (status == NOT_FOUND)
        status = env_open(env, log->path, FILE_CREATE, &f, err);
    if (status != OK)
        return status;
    uint64_t size;
    status = env->ops->size(env, f, &size, err);
    struct slice piece = slice_of(line, len);
    if (status == OK)
        status = env->ops->write(env, f, size, &piece, 1, err);
    env_close(env, f);
    return status;
}

static void write_line(struct logger *logger, enum log_level level, const char *line)
{
    struct log_file *log = (struct log_file *)logger;
    int64_t now_ms = env_now_ms(log->env);
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm when;
    localtime_r(&seconds, &when);
    char date[64], text[1280];
    strftime(date, sizeof date, "%d %b %Y %H:%M:%S", &when);
    int len = snprintf(text, sizeof text, "%d:M %s.%03d %c %s\n", (int)getpid(), date,
        (int)(now_ms % 1000), ".-*#"[level], line);
    if (len >= (int)sizeof text) {
        len = (int)sizeof text - 1;
        text[len - 1] = '\n';
    }
    pthread_mutex_lock(&log->lock);
    struct error err = {0};
    bool failed = log->path != NULL && append(log, text, (size_t)len, &err) != OK;
    if (failed && !log->failing)
        fprintf(
            stdout, "The log cannot be written, it goes on here: %s: %s\n", log->path, err.text);
    log->failing = failed;
    if (failed || log->path == NULL) {
        fwrite(text, 1, (size_t)len, stdout);
        fflush(stdout);
    }
    pthread_mutex_unlock(&log->lock);
}

struct log_file *log_file_new(struct env *env, const char *path)
{
    struct log_file *log = xcalloc(1, sizeof *log);
    log->logger = (struct logger){LOG_NOTICE, write_line};
    pthread_mutex_init(&log->lock, NULL);
    log->env = env;
    log->path = path != NULL ? xstrdup(path) : NULL;
    return log;
}

void log_file_free(struct log_file *log)
{
    if (log == NULL)
        return;
    pthread_mutex_destroy(&log->lock);
    free(log->path);
    free(log);
}

struct logger *log_file_logger(struct log_file *log)
{
    return &log->logger;
}
