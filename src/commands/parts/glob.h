// glob: Redis' patterns: * ? [a-z] [^a] and backslash, over bytes.
#ifndef VARVE_COMMANDS_PARTS_GLOB_H
#define VARVE_COMMANDS_PARTS_GLOB_H

#include "base/slice.h"

enum { GLOB_CLASSES = 8 };

struct glob_class {
    const uint8_t *start, *behind; // of the class, behind its '['; what follows it, when it is read
    uint64_t members[4];           // of folded bytes; of a negated class those that it excludes
    bool negated, read;
};

// A match that is under way. Fields are glob.c's.
struct glob {
    struct slice pattern, text;
    bool ignore_case;
    const uint8_t *at, *text_at;             // what comes next
    const uint8_t *star, *resume;            // behind the last star, and the text it is tried from
    struct glob_class classes[GLOB_CLASSES]; // the last ones
    unsigned class_count, class_next;
};

enum glob_answer { GLOB_NO, GLOB_YES, GLOB_MORE };

// Borrows pattern and text until the answer.
void glob_begin(struct glob *g, struct slice pattern, struct slice text, bool ignore_case);
// Takes up to *steps steps, of some nanoseconds each, and takes them off: GLOB_MORE: they were not
// enough, call again.
enum glob_answer glob_go_on(struct glob *g, unsigned *steps);
// The same in one go: no more than text times pattern / 64 machine words, whatever they are.
bool glob_match(struct slice pattern, struct slice text, bool ignore_case);
// How it does that once the usual way takes long. Takes memory of up to 32 bytes a byte of text.
bool glob_match_hard(struct slice pattern, struct slice text, bool ignore_case);
// The bytes every match begins with, unescaped, into out (at least pattern.len bytes). *exact: the
// pattern is just these bytes.
size_t glob_prefix(struct slice pattern, uint8_t *out, bool *exact);
// Whether the pattern matches everything: "*".
bool glob_is_all(struct slice pattern);

#endif
