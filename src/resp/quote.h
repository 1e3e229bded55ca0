// quote: text with shell-like quotes <-> arguments. For inline commands and configuration lines,
// and to show bytes to people.
#ifndef VARVE_RESP_QUOTE_H
#define VARVE_RESP_QUOTE_H

#include "base/buf.h"

// Splits a line at blanks. "..." understands \n \r \t \b \a \xHH and \ before any other character;
// '...' only \'. A closing quote must be followed by a blank or the end. The arguments are copied,
// unescaped, to *text (cleared first); *args is a heap array of *cap that grows. Returns how many
// arguments there are, or -1 for unbalanced quotes.
int quote_split(struct slice line, struct buf *text, struct slice **args, int *cap);
// Appends s in double quotes, everything unprintable escaped: what quote_split turns back into s.
void quote_append(struct buf *out, struct slice s);

#endif
