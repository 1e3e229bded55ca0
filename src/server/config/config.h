// config: directives -> settings, in Redis' syntax and with its names. Every directive that Redis
// 7.0.15 knows and the engine's own are rows of the tables listed in config_row.h; the command
// line, files, the environment, --help, CONFIG GET, SET and REWRITE, --check-config and the sample
// file all derive from them. Loop only, and main before it.
#ifndef VARVE_SERVER_CONFIG_CONFIG_H
#define VARVE_SERVER_CONFIG_CONFIG_H

#include <stdio.h>

#include "base/buf.h"
#include "engine/env.h"
#include "server/config/settings.h"

struct config;
struct directive;

// Command line, file with its includes, environment. OK: go on; END: what was asked for has been
// printed (--help, --version, --check-config, --sample-config), exit 0; else a failure: err has the
// one line to print, which names the source, the line, the directive and what is allowed. Later
// sources win: file, environment, command line.
int config_load(int argc, char **argv, struct config **out, struct error *err);
// The same with the outside given: for tests.
int config_load_from(struct env *env, int argc, char **argv, char **environment, FILE *out_file,
    struct config **out, struct error *err);
// All defaults.
struct config *config_new(struct env *env);
void config_free(struct config *config);
struct settings *config_settings(struct config *config);
// The absolute path of the file that was read; "" without one.
const char *config_file(const struct config *config);
// The sink that settings.log asks for; one a process.
struct logger *config_logger(struct config *config);
// To be called when CONFIG SET has changed loglevel.
void config_logger_update(struct config *config);
// One line for all that was given and has no effect, and one for each value that comes with a
// caveat; none if there is nothing to tell.
void config_warn(struct config *config, struct logger *logger);
// A path as Redis would open it: from `dir`. Heap.
char *config_path(const struct config *config, const char *path);
// pidfile: written when the server is ready, removed at its end. A failure is a warning in the log.
// Blocking.
void config_write_pidfile(struct config *config);
void config_remove_pidfile(struct config *config);

// The value of a directive as CONFIG GET shows it; NULL if no such directive has one.
const char *config_get(const struct config *config, const char *name);

// Called when the new values are in place: puts them into effect. False takes all back, with *why.
// Called again for what is taken back.
typedef bool (*config_apply_cb)(void *arg, const struct directive *row, const char **why);
// Sets all pairs or none. False: the error reply is in `error`, code and all. protected_ok: whether
// protected rows may be set. apply_cb may be NULL.
bool config_set(struct config *config, const struct slice *pairs, int count, bool protected_ok,
    struct buf *error, config_apply_cb apply_cb, void *arg);
// The values alone, for a job that rewrites the file. config_free.
struct config *config_copy(const struct config *config);
// Rewrites the file: comments and order stay, changed values replace their lines, others are added
// at the end. Blocking.
int config_rewrite(struct config *config, struct error *err);

void config_print_help(FILE *out);
void config_print_sample(FILE *out);

#endif
