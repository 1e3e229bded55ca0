// config_row: what a directive is. Private to the config modules and ../commands/cmd_config.c. To
// find a directive, look in the table of its group:
//   config_network.c   addresses, ports, clients, limits
//   config_process.c   logging, the process, administration
//   config_storage.c   data directory, durability, memory, and the engine's own
//   config_unused.c    known, accepted, without effect (config_unused_replication.c: of replication
//                      and cluster)
//   config_refused.c   known, and refused because ignoring them would betray who wrote them
#ifndef VARVE_SERVER_CONFIG_CONFIG_ROW_H
#define VARVE_SERVER_CONFIG_CONFIG_ROW_H

#include "server/config/config.h"

enum directive_type {
    DIRECTIVE_BOOL,    // yes or no
    DIRECTIVE_INT,     // its field may have 4 or 8 bytes, and so for the next three
    DIRECTIVE_MEMORY,  // bytes with an optional unit
    DIRECTIVE_OCTAL,   // file permissions
    DIRECTIVE_PERCENT, // bytes, or a percentage: negative
    DIRECTIVE_ENUM,    // the number of a choice
    DIRECTIVE_STRING,  // without a zero byte; field: char *
    DIRECTIVE_BYTES,   // any bytes; field: struct slice
    DIRECTIVE_WORDS,   // any number of words, joined by a space
    DIRECTIVE_SPECIAL, // what `special` makes of the words
};

enum directive_treatment {
    TREAT_HONOURED,
    // no effect; shown by CONFIG GET; one warning names what was given and differs from the default
    TREAT_ACCEPTED,
    TREAT_REFUSED, // only the default may be given
};

enum directive_flags {
    DIRECTIVE_IMMUTABLE = 1 << 0, // only at start
    DIRECTIVE_PROTECTED = 1 << 1, // at run time only with enable-protected-configs
    DIRECTIVE_HIDDEN = 1 << 2,    // CONFIG GET shows it only by its full name
    DIRECTIVE_FILE_ONLY = 1 << 3, // no value that CONFIG GET could show (loadmodule, user ...)
    DIRECTIVE_FIXED = 1 << 4,     // shows its default whatever was given; CONFIG SET takes no other
    DIRECTIVE_ZERO_OK = 1 << 5,   // 0 although below min
    DIRECTIVE_OWN = 1 << 6,       // Varve's, unknown to Redis
    DIRECTIVE_INCLUDE = 1 << 7,   // no value: reads a file in its place
    DIRECTIVE_EMPTY_OK = 1 << 8,  // it may stand without a value: an empty one
    // Of an accepted one: who changes it at run time waits for something that will not come, so
    // CONFIG SET takes only what asks for nothing: the value as it is, the default, an empty one.
    DIRECTIVE_PROMISE = 1 << 9,
};

// What a value changed by CONFIG SET asks of the running server. Most ask for nothing: whoever uses
// such a setting reads it each time. The server does what is asked (apply_effect in cmd_config.c);
// this folder only says it, and so need not know the server.
enum directive_effect {
    EFFECT_NONE,
    EFFECT_FSYNC,           // the engine's policy
    EFFECT_COMPACTION_RATE, // the engine's limit
    EFFECT_MEMORY,          // the engine's share of the budget
    EFFECT_LIMITS,          // up to when collections count as small
    EFFECT_LOG_LEVEL,
    EFFECT_LISTEN,      // listen anew; may fail
    EFFECT_DESCRIPTORS, // make room for so many clients; may fail
};

// Makes the canonical text of a value out of words. old: the text so far; more: the directive was
// given before, by this source or another, and this line may add to it. False: *why says what is
// wrong.
typedef bool (*directive_special_cb)(const char *old, bool more, const struct slice *words,
    int count, struct buf *out, const char **why);

// What CONFIG GET shows where that is not what was given.
typedef void (*directive_show_cb)(const struct settings *settings, struct buf *out);

// Puts a value into the settings that is no plain field.
typedef void (*directive_store_cb)(struct settings *settings, const char *text);

struct choice {
    const char *name; // NULL: the end
    int value;
};

struct directive {
    const char *name;
    const char *alias; // Redis' older name, NULL: none
    enum directive_type type;
    enum directive_treatment treatment;
    enum directive_effect effect;
    uint32_t flags;
    const char *initial; // the default, as CONFIG GET shows it
    int64_t min, max;    // of numbers; max 0: none
    const struct choice *choices;
    struct {
        size_t offset, size; // in struct settings; size 0: none
    } field;
    directive_special_cb special;
    directive_store_cb store; // instead of field
    directive_show_cb show;
    int words_per_line;  // CONFIG REWRITE spreads the words over lines of so many; 0: one line
    const char *allowed; // of specials: for messages and help
    const char *help;    // for refused rows: why
    // what the log says at the start when the value is not the default; NULL: nothing
    const char *caveat;
};

#define FIELD(member)                                                                              \
    {                                                                                              \
        offsetof(struct settings, member), sizeof(((struct settings *)0)->member)                  \
    }

// --- Rows ----------------------------------------------------------------------------------------

struct directive_group {
    const char *title;
    const struct directive *rows; // ends with a NULL name
};
extern const struct directive config_network_rows[], config_client_rows[], config_process_rows[],
    config_storage_rows[];
extern const struct directive config_engine_rows[], config_unused_rows[],
    config_unused_replication_rows[];
extern const struct directive config_refused_rows[];

const struct directive_group *config_groups(void); // ends with a NULL title
int config_row_count(void);
const struct directive *config_row(int index);
int config_find(struct slice name); // by name or alias, ignoring case; -1: none
// The value as CONFIG GET shows it, with a zero behind it; data is NULL: it has none.
struct slice config_row_value(const struct config *config, int index);

#endif
