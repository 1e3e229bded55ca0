#!/usr/bin/env python3
"""Style as a failing test: what the house rules say and a compiler does not check. Prints what breaks a rule, and 'N passed, N failed'.

Rules: includes point one way between the layers of src (src/README.md); a folder's private headers stay in it; system calls on files are
made by os/ alone (and by the few files of the server named below, which have no engine around them yet); sizes of files; names;
nothing unfinished; every source is built, so that no test is left out.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What each layer may include, besides its own headers. "engine" is its public headers only, "engine/*" also the rest.
LAYERS = {
    "base": [],
    "engine": ["base"],
    "resp": ["base"],
    "types": ["base", "engine"],
    "commands": ["base", "engine", "resp", "types"],
    "os": ["base", "engine"],
    "server": ["base", "engine", "resp", "types", "commands", "os"],
    "http": ["base", "server"],
    ".": ["base", "engine", "types", "commands", "os", "server", "http"],
}

# The headers of a layer that others may include; a layer that is not here shows all but its *_impl.h.
PUBLIC = {
    "engine": ["engine.h", "env.h", "exec.h", "format.h", "options.h", "stats.h"],
    "os": ["os.h"],
}

FILE_CALLS = re.compile(
    r"(?<![\w.>])(open|openat|creat|fopen|freopen|pread|preadv2?|pwrite|pwritev2?|fsync|fdatasync|rename|renameat|unlink|unlinkat|stat|fstat|lstat"
    r"|fstatat|mkdir|rmdir|opendir|readdir|truncate|ftruncate|fallocate|posix_fallocate|flock|statvfs|uv_fs_\w+)\("
)
# The log file, the configuration file, the pid file, and what cgroups and /proc tell: text that is read or written once, not data.
FILE_CALLS_ALLOWED = re.compile(
    r"^src/(os/.*|main\.c|server/(config/(log_file|config\w*|cgroup)|loop/listen|info/\w+)\.c)$"
)

SOURCE_LINES_MAX = 1200
HEADER_LINES_MAX = 250
LINE_MAX = 160

problems = []


def problem(rule, path, line, text):
    problems.append(rule)
    print("%s:%d: %s: %s" % (path, line, rule, text))


def tracked(*patterns):
    out = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
        + list(patterns),
        check=True,
        capture_output=True,
    ).stdout.decode()
    return sorted(p for p in out.split("\0") if p and os.path.isfile(os.path.join(ROOT, p)))


def lines_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def layer_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else "."


def without_comment(line):
    return re.sub(r'"(\\.|[^"\\])*"', '""', line).split("//")[0]


def check_includes(path, lines):
    layer = layer_of(path)
    for number, line in enumerate(lines, 1):
        match = re.match(r'#include "([^"]+)"', line)
        if not match:
            continue
        target = match.group(1)
        folder, _, header = target.partition("/")
        if not header or not os.path.isfile(os.path.join(ROOT, "src", target)):
            problem("includes", path, number, "%s is no path from src/" % target)
        elif folder == layer:
            continue
        elif folder not in LAYERS.get(layer, []):
            problem("layers", path, number, "%s/ must not see %s" % (layer, target))
        elif header not in PUBLIC.get(folder, [header]) or header.endswith("_impl.h"):
            problem("private headers", path, number, "%s is private to %s/" % (target, folder))


def check_file_calls(path, lines):
    if FILE_CALLS_ALLOWED.match(path):
        return
    for number, line in enumerate(lines, 1):
        match = FILE_CALLS.search(without_comment(line))
        if match and not re.match(r"\s*(static )?[\w*]+ \**%s\(" % match.group(1), line):
            problem("file calls", path, number, "%s belongs to src/os" % match.group(1))


def check_size(path, lines):
    limit = HEADER_LINES_MAX if path.endswith(".h") else SOURCE_LINES_MAX
    if len(lines) > limit:
        problem(
            "sizes",
            path,
            len(lines),
            "%d lines, at most %d: look for the second module inside" % (len(lines), limit),
        )
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX:
            problem("sizes", path, number, "a line of %d characters" % len(line))


def check_words(path, lines):
    for number, line in enumerate(lines, 1):
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            problem("unfinished", path, number, line.strip())
        if re.match(r"\s*/\*", line):
            problem("comments", path, number, "comments begin with //")
        if re.search(r"\btypedef\b.*_t;", line) or re.search(
            r"\b(struct|enum|union) \w+_t\b", line
        ):
            problem("names", path, number, "names ending in _t belong to POSIX")
        if line != line.rstrip() or "\t" in line:
            problem("white space", path, number, "tab or trailing blank")


def check_guard(path, lines):
    if not path.endswith(".h"):
        return
    guard = "VARVE_" + re.sub(r"[/.]", "_", path.split("/", 1)[1]).upper()
    if path.startswith("src/") and "#define " + guard not in lines:
        problem("guards", path, 1, "expected the include guard " + guard)


def check_built(path):
    if not path.endswith(".c"):
        return
    folder, name = os.path.split(path)
    stem = name[:-2]
    builds = [
        "meson.build",
        folder + "/meson.build",
        os.path.join(os.path.dirname(folder), "meson.build"),
    ]
    named = "".join("\n".join(lines_of(p)) for p in tracked(*builds))
    if not any(
        text in named
        for text in ("'%s'" % name, "/%s'" % name, "'%s'" % stem, "'%s'" % stem.partition("_")[2])
    ):
        problem("unbuilt", path, 1, "no meson.build names it")


def main():
    rules = [
        "includes",
        "layers",
        "private headers",
        "file calls",
        "sizes",
        "unfinished",
        "comments",
        "names",
        "white space",
        "guards",
        "unbuilt",
    ]
    for path in tracked("src/**.c", "src/**.h", "src/*.c"):
        lines = lines_of(path)
        check_includes(path, lines)
        check_file_calls(path, lines)
        check_guard(path, lines)
    for path in tracked(
        "src/**.c", "src/**.h", "tests/**.c", "tests/**.h", "bench/**.c", "bench/**.h"
    ):
        lines = lines_of(path)
        check_size(path, lines)
        check_words(path, lines)
        check_built(path)
    broken = set(problems)
    print("%d passed, %d failed" % (len(rules) - len(broken), len(broken)))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
