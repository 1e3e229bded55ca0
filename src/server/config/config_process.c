// Rows: the log, the process, and what administrators may do.
#include "server/config/config_row.h"

static const struct choice log_levels[] = {{"debug", LOG_DEBUG}, {"verbose", LOG_VERBOSE},
    {"notice", LOG_NOTICE}, {"warning", LOG_WARNING}, {NULL}};
static const struct choice enables[] = {
    {"no", ENABLE_NO}, {"yes", ENABLE_YES}, {"local", ENABLE_LOCAL}, {NULL}};

const struct directive config_process_rows[] = {
    {"loglevel", .type = DIRECTIVE_ENUM, .effect = EFFECT_LOG_LEVEL, .initial = "notice",
        .choices = log_levels, .field = FIELD(log.level),
        .help = "The least important lines that are written."},
    {"logfile", .type = DIRECTIVE_STRING, .flags = DIRECTIVE_IMMUTABLE, .initial = "",
        .field = FIELD(log.file), .allowed = "a path",
        .help = "Where log lines go; empty: standard output. Opened for each line, so that it may "
                "be rotated at any time."},
    {"pidfile", .type = DIRECTIVE_STRING, .flags = DIRECTIVE_IMMUTABLE, .initial = "",
        .field = FIELD(pidfile), .allowed = "a path",
        .help = "A file that holds the process id while the server runs; empty: none."},
    {"enable-debug-command", .type = DIRECTIVE_ENUM, .flags = DIRECTIVE_IMMUTABLE, .initial = "no",
        .choices = enables, .field = FIELD(security.debug_command),
        .help = "Whether DEBUG may be used; local: by clients of this machine."},
    {"enable-protected-configs", .type = DIRECTIVE_ENUM, .flags = DIRECTIVE_IMMUTABLE,
        .initial = "no", .choices = enables, .field = FIELD(security.protected_configs),
        .help = "Whether CONFIG SET may change protected directives; local: by clients of this "
                "machine."},
    {"include", .type = DIRECTIVE_WORDS, .flags = DIRECTIVE_FILE_ONLY | DIRECTIVE_INCLUDE,
        .allowed = "a path; its last part may be a pattern with * ? [",
        .help = "Reads another file at this place. Later lines win."},
    {NULL},
};
