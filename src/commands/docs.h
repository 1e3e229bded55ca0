// docs: the small languages of a command's row, and what COMMAND says of it.
//
// specs: where the keys are. Specs are separated by " | "; each is "FLAGS BEGIN FIND [(NOTES)]":
//   FLAGS  Redis' names with commas: "RO,access", "RW,access,update,variable_flags", "OW,update",
//          "RM,delete"
//   BEGIN  iN: argument N.  kWORD,N: behind WORD, searched from argument N (negative: backwards).
//          u: unknown
//   FIND   rLAST,STEP,LIMIT: a range.  nIDX,FIRST,STEP: a number of keys and then they.  u: unknown
//   GET: "RO,access i1 r0,1,0"     COPY: "RO,access i1 r0,1,0 | OW,update i2 r0,1,0"
//
// arguments: the tree that redis-cli shows as hints. An argument is NAME:TYPE and then, in any
// order, what applies:
//   TYPE   s string, i integer, d double, k key, p pattern, t unix-time, x pure-token, o oneof, b
//          block
//   #N     the key spec it belongs to          =TOKEN   the word before it ('TOKEN' where it has
//          spaces or signs)
//   @V     since version V                     ~V       deprecated since V
//   ?      optional    *  multiple    +  multiple, the token each time
//   (...)  the arguments inside a oneof or block
//   SET: "key:k#0 value:s condition:o?@2.6.12(nx:x=NX xx:x=XX) get:x=GET?@6.2.0 ..."
//
// tips, acl: words separated by spaces. history: "VERSION:TEXT;VERSION:TEXT".
#ifndef VARVE_COMMANDS_DOCS_H
#define VARVE_COMMANDS_DOCS_H

#include "commands/command.h"

enum { KEYS_MAX_SPECS = 4 };

// The reply of COMMAND INFO for one row; parent is NULL for a top-level command.
void docs_reply_info(struct reply *r, const struct command *row, const struct command *parent);
// The two values of COMMAND DOCS for one row: its name and the map.
void docs_reply_docs(struct reply *r, const struct command *row, const struct command *parent);
// Whether the row is in an ACL category, without the @; no row is in one that there is not.
bool docs_in_category(const struct command *row, const char *category, size_t len);
// Flags of a call's key, the number-th of its keys, as a set reply ("RO access"); for
// GETKEYSANDFLAGS.
void docs_reply_key_flags(
    struct reply *r, const struct command *row, const struct slice *argv, int argc, int number);
// Checks the row's texts, and those of its subcommands, against the languages above: NULL or what
// is wrong. Every row that is registered passes.
const char *docs_check(const struct command *row);

#endif
