#!/usr/bin/env python3
"""Shows each rule of check.py to fail: a small house in a temporary directory, in which all rules
pass, gets one breach at a time, and exactly the rule that it breaks must say so.

    test_check.py               one line a case that went wrong, and 'N passed, N failed'
"""

import os
import sys
import tempfile
from unittest import mock

import check
from tree import Tree


def header(path, *lines):
    """A header of the house: path is from src/."""
    guard = "VARVE_" + path.replace("/", "_").replace(".", "_").upper()
    return "\n".join(["#ifndef " + guard, "#define " + guard, *lines, "#endif", ""])


def source(*lines):
    return "\n".join(lines + ("",))


# All rules pass here, though much of it looks like a breach: those lines say why they are none.
HOUSE = {
    ".clang-format": "BasedOnStyle: LLVM\nColumnLimit: 100\n",
    "README.md": "\n".join(
        [
            "# A house",
            "`src/base/slice.c` has `slice_twice()`, and [a link](https://example.org/%s)." % "x",
            "https://example.org/" + "x" * 100,
            "",
            "| a row of a table | %s |" % ("stays in one line " * 10),
            "",
            "```",
            "a line of code " * 10 + "stays as it is",
            "```",
            "Folders: `base/`, `src/engine/`. Files: `tests/base/test_MODULE.c`, `slice*.c`.",
            "",
        ]
    ),
    "meson.build": "sources = ['main.c']\n",
    "src/main.c": source(
        '#include "engine/engine.h"',
        '#include "os/os.h"',
        '#include "server/server.h"',
        "int main(void)",
        "{",
        "    return engine_open() + os_open() + server_run();",
        "}",
    ),
    "src/base/meson.build": "lib = ['slice.c']\n",
    "src/base/slice.h": header(
        "base/slice.h",
        "// Twice as long; slice.c says how. Built from SLICE_TWO, and TWO for short.",
        "int slice_twice(int len);",
        "#define SLICE_TWO slice_two()",
        "// Only a macro calls it.",
        "int slice_two(void);",
        "// Only a table names it.",
        "int slice_in_table(int len);",
    ),
    "src/base/slice.c": source(
        '#include "base/slice.h"',
        "int slice_twice(int len)",
        "{",
        '    const char *text = "open(path) // and /* are no calls and no comments";',
        "    return text[0] == '\"' ? 0 : SLICE_TWO * len; // rename(path) neither",
        "}",
        "int slice_two(void)",
        "{",
        "    return 2;",
        "}",
        "int slice_in_table(int len)",
        "{",
        "    return len;",
        "}",
        "static int (*const table[])(int) = {slice_in_table};",
    ),
    "src/engine/meson.build": "".join(
        "'%s.c'\n" % name
        for name in ["env", "engine", "flush", "record/entry", "log/wal", "table/block"]
    ),
    "src/engine/engine.h": header("engine/engine.h", "int engine_open(void);"),
    "src/engine/engine.c": source(
        '#include "engine/engine.h"',
        '#include "engine/flush.h"',
        "int engine_open(void)",
        "{",
        "    return flush_all(0);",
        "}",
    ),
    "src/engine/state.h": header("engine/state.h", '#include "engine/log/wal.h"'),
    "src/engine/flush.h": header(
        "engine/flush.h", '#include "engine/state.h"', "int flush_all(int n);"
    ),
    "src/engine/flush.c": source(
        '#include "engine/flush.h"',
        '#include "engine/table/block.h"',
        "int flush_all(int n)",
        "{",
        "    return block_size() + wal_size() + env_now() + n;",
        "}",
    ),
    "src/engine/env.h": header("engine/env.h", "int env_now(void);"),
    "src/engine/env.c": source(
        '#include "engine/env.h"', "int env_now(void)", "{", "    return 0;", "}"
    ),
    "src/engine/record/entry.h": header(
        "engine/record/entry.h", '#include "engine/env.h"', "int entry_size(void);"
    ),
    "src/engine/record/entry.c": source(
        '#include "engine/record/entry.h"',
        '#include "engine/record/entry_impl.h"',
        "int entry_size(void)",
        "{",
        "    return env_now();",
        "}",
    ),
    "src/engine/record/entry_impl.h": header("engine/record/entry_impl.h"),
    "src/engine/log/wal.h": header("engine/log/wal.h", "int wal_size(void);"),
    "src/engine/log/wal.c": source(
        '#include "engine/log/wal.h"',
        '#include "engine/record/entry.h"',
        "int wal_size(void)",
        "{",
        "    return entry_size();",
        "}",
    ),
    "src/engine/table/block.h": header("engine/table/block.h", "int block_size(void);"),
    "src/engine/table/block.c": source(
        '#include "engine/table/block.h"', "int block_size(void)", "{", "    return 1;", "}"
    ),
    "src/os/meson.build": "lib = ['os.c']\n",
    "src/os/os.h": header("os/os.h", "int os_open(void);"),
    "src/os/os_table.h": header("os/os_table.h"),
    "src/os/os.c": source(
        '#include "os/os.h"',
        '#include "engine/env.h"',
        "int os_open(void)",
        "{",
        '    return open("file", 0);',
        "}",
    ),
    "src/server/meson.build": "lib = ['server.c', 'config/config.c', 'loop/turn.c']\n",
    "src/server/server.h": header(
        "server/server.h",
        '#include "server/config/config.h"',
        "// VARVE_MAX_OPEN_FILES sets a directive.",
        "int server_run(void);",
    ),
    "src/server/server.c": source(
        '#include "server/server.h"',
        '#include "base/slice.h"',
        '#include "server/loop/turn.h"',
        "int server_run(void)",
        "{",
        "    return slice_twice(config_load()) + turn_end();",
        "}",
    ),
    "src/server/config/config.h": header("server/config/config.h", "int config_load(void);"),
    "src/server/config/config.c": source(
        '#include "server/config/config.h"',
        "int config_load(void)",
        "{",
        '    return "max-open-files"[0];',
        "}",
    ),
    "src/server/loop/turn.h": header("server/loop/turn.h", "int turn_end(void);"),
    "src/server/loop/turn.c": source(
        '#include "server/loop/turn.h"',
        '#include "server/server.h"',
        "int turn_end(void)",
        "{",
        "    return 0;",
        "}",
    ),
    "tests/base/meson.build": "test('slice', 'test_slice.c')\n",
    "tests/base/test_slice.c": source('#include "base/slice.h"'),
    "tests/summary.py": '"""Sums: main() prints them."""\n\n\ndef main():\n    pass\n',
    "scripts/test": "#!/usr/bin/env bash\n# Runs tests/summary.py.\n",
}


def added(path, *lines):
    """The file with lines behind its own; those of a header come before its last #endif."""
    text = HOUSE[path]
    if path.endswith(".h"):
        text = text[: text.rindex("#endif")]
        lines += ("#endif",)
    return {path: text + "\n".join(lines) + "\n"}


def replaced(path, old, new):
    assert old in HOUSE[path]
    return {path: HOUSE[path].replace(old, new)}


def made(path, *lines):
    """A new file; whatever is named like it counts as built."""
    folder = os.path.dirname(path)
    build = folder + "/meson.build"
    text = header(path[len("src/") :], *lines) if path.endswith(".h") else source(*lines)
    return {path: text, build: HOUSE.get(build, "") + "'%s'\n" % os.path.basename(path)}


def crowd(folder, build):
    names = ["many%d.c" % n for n in range(check.FOLDER_SOURCES_MAX)]
    files = {folder + "/" + name: "" for name in names}
    files[build] = HOUSE[build] + "".join("'%s'\n" % name for name in names)
    return files


def function(head, body):
    return (head, "{", "    " + body, "}")


WIDE = "words " * 17 + "words"
SLICE, ENGINE, FLUSH = "src/base/slice.c", "src/engine/engine.c", "src/engine/flush.c"
BLOCK, WAL = "src/engine/table/block.c", "src/engine/log/wal.c"

# (the rule that is broken, what is planted, the files that change)
BREACHES = [
    ("includes", "no path from src", added(SLICE, '#include "slice.h"')),
    ("includes", "a file that is not there", added(SLICE, '#include "base/silce.h"')),
    ("layers", "base sees os", added(SLICE, '#include "os/os.h"')),
    (
        "layers",
        "engine sees resp",
        made("src/resp/reply.h") | added(BLOCK, '#include "resp/reply.h"'),
    ),
    ("layers", "a floor that is in no table", made("src/cellar/box.h")),
    ("wings", "a wing sees its neighbour", added(BLOCK, '#include "engine/log/wal.h"')),
    (
        "wings",
        "the ground sees a wing",
        added("src/engine/env.c", '#include "engine/table/block.h"'),
    ),
    (
        "wings",
        "a wing sees the root",
        made("src/engine/memtable/memtable.c", '#include "engine/engine.h"'),
    ),
    (
        "wings",
        "info sees loop",
        made("src/server/info/info.c", '#include "server/loop/turn.h"'),
    ),
    ("wings", "a folder that is in no table", made("src/base/deep/hole.c")),
    (
        "circles",
        "the table allows what goes round",
        added(BLOCK, '#include "engine/log/wal.h"') | added(WAL, '#include "engine/table/block.h"'),
    ),
    ("private headers", "a wing's", added(FLUSH, '#include "engine/record/entry_impl.h"')),
    ("private headers", "a layer's", added("src/server/server.c", '#include "os/os_table.h"')),
    (
        "central state",
        "a source at the root that needs no state",
        replaced(ENGINE, "engine/flush.h", "engine/table/block.h"),
    ),
    ("graph", "an arrow too many", {"src/README.md": "```\nbase -> os\n```\n"}),
    ("file calls", "outside of os", replaced(SLICE, "return len;", "return fsync(len);")),
    ("crowded folders", "a layer", crowd("src/base", "src/base/meson.build")),
    ("crowded folders", "a wing", crowd("src/server/loop", "src/server/meson.build")),
    ("sizes", "a header", added("src/os/os.h", *["// more"] * check.HEADER_LINES_MAX)),
    ("sizes", "a source", added(SLICE, *["// more"] * check.SOURCE_LINES_MAX)),
    ("columns", "a comment", added(SLICE, "// " + WIDE)),
    ("columns", "a literal", added(SLICE, 'static char *const table_of[] = {"%s"};' % ("x" * 99))),
    ("columns", "a README", added("README.md", WIDE)),
    ("columns", "code without a fence", added("README.md", "    " + WIDE)),
    ("columns", "Python", added("tests/summary.py", "# " + WIDE)),
    ("columns", "a script", added("scripts/test", "echo " + WIDE)),
    ("columns", "a build file", added("meson.build", "# " + WIDE)),
    ("columns agree", "with clang-format", {".clang-format": "ColumnLimit: 120\n"}),
    ("unfinished", "in a source", added(SLICE, "// TODO: all of it")),
    ("comments", "of the older kind", added(SLICE, "/* old */")),
    ("names", "that belong to POSIX", added(SLICE, "typedef int length_t;")),
    ("white space", "at a line's end", added(SLICE, "// so ")),
    ("white space", "a tab", added("tests/summary.py", "#\tso")),
    ("guards", "another file's", replaced("src/os/os.h", "VARVE_OS_OS_H", "VARVE_OS_H")),
    ("unbuilt", "a source", {"src/base/left_out.c": ""}),
    ("unbuilt", "a test", {"tests/base/test_left_out.c": ""}),
    ("dead functions", "no caller", added(SLICE, *function("int slice_of(int n)", "return n;"))),
    (
        "dead functions",
        "declared, and called by itself",
        added("src/base/slice.h", "int slice_of(int n);")
        | added(SLICE, *function("int slice_of(int n)", "return slice_of(n);")),
    ),
    (
        "dead functions",
        "two that call each other",
        added(
            SLICE,
            *function("int slice_of(int n)", "return slice_to(n);"),
            *function("int slice_to(int n)", "return slice_of(n);"),
        ),
    ),
    (
        "dead functions",
        "called by a test only",
        added(SLICE, *function("int slice_of(int n)", "return n;"))
        | added("tests/base/test_slice.c", *function("int main(void)", "return slice_of(1);")),
    ),
    (
        "dead functions",
        "named in a comment, a literal and as a member",
        added(SLICE, *function("int slice_of(int n)", "return n;"))
        | replaced(BLOCK, "return 1;", 'return "slice_of"[0] + x->slice_of; // slice_of()'),
    ),
    (
        "dead functions",
        "another file's static has its name",
        added(SLICE, *function("int slice_of(int n)", "return n;"))
        | added(
            BLOCK,
            *function("static int slice_of(int n)", "return n;"),
            "static int (*const other_table[])(int) = {slice_of};",
        ),
    ),
    (
        "dead functions",
        "shielded from a macro",
        added(SLICE, *function("int(slice_of)(int n)", "return n;")),
    ),
    (
        "dead functions",
        "inline in a header",
        added("src/base/slice.h", *function("static inline int slice_of(int n)", "return n;")),
    ),
    ("names of files", "a source", added(SLICE, "// As in gone.c.")),
    ("names of files", "one in another folder", added(SLICE, "// As in os/slice.h.")),
    ("names of files", "some sources", added(SLICE, "// As in gone*.c.")),
    ("names of files", "in a README", added("README.md", "See `base/gone.h`.")),
    ("names of files", "a folder", added("README.md", "See `src/gone/`.")),
    ("names of files", "in a script", added("scripts/test", "# See gone.py.")),
    ("names of files", "in a docstring", {"tests/summary.py": '"""See gone.py."""\n'}),
    ("names in comments", "a function", added(SLICE, "// As slice_gone does.")),
    ("names in comments", "a short function", added(SLICE, "// As gone() does.")),
    ("names in comments", "no function, a parameter", added(SLICE, "// As len() does.")),
    ("names in comments", "a constant", added(SLICE, "// As SLICE_GONE says.")),
    ("names in comments", "a directive", added(SLICE, "// As VARVE_GONE_FILES says.")),
    ("names in comments", "in a README", added("README.md", "As `slice_gone` does.")),
    ("names in comments", "in a docstring", {"tests/summary.py": '"""As slice_gone does."""\n'}),
]

# Tables that allow a circle, which the rule against circles must find by itself.
ROUND = {
    "engine": check.WINGS["engine"] | {"log": ["ground", "record", "table"], "table": ["log"]},
    "server": check.WINGS["server"],
}


def breaches_in(files, wings):
    """What check.py finds in a house of these files."""
    with tempfile.TemporaryDirectory() as root, mock.patch.object(check, "WINGS", wings):
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        # The graph is that of the tables, unless the case is about it.
        if "src/README.md" not in files:
            with open(os.path.join(root, "src/README.md"), "w", encoding="utf-8") as file:
                file.write("\n".join(["```", *check.graph(Tree(root)), "```", ""]))
        return check.check(Tree(root))


def expect(name, breaches, rules):
    found = {breach[0] for breach in breaches}
    if found == rules:
        return True
    print("%s: broken are %s, not %s" % (name, sorted(found) or "none", sorted(rules) or "none"))
    for rule, path, line, text in breaches:
        print("    %s:%d: %s: %s" % (path, line, rule, text))
    return False


def main():
    results = [expect("the house as it is", breaches_in(HOUSE, check.WINGS), set())]
    for rule, what, files in BREACHES:
        wings = ROUND if rule == "circles" else check.WINGS
        breaches = breaches_in(HOUSE | files, wings)
        results.append(expect("%s: %s" % (rule, what), breaches, {rule}))
    for rule in set(check.RULES) - {breach[0] for breach in BREACHES}:
        print("%s: no breach of it is planted" % rule)
        results.append(False)
    passed = sum(results)
    print("%d passed, %d failed" % (passed, len(results) - passed))
    return 0 if passed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
