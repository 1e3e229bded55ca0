#!/usr/bin/env python3
"""Style as a failing test: what the house rules say and a compiler does not check.

    check.py [ROOT]             prints each breach with its place, and 'N passed, N failed' rules
    check.py --graph [ROOT]     prints the include graph as src/README.md must show it

The first part of this file is the law, as data: who may include whom, sizes, words from elsewhere.
Each rule is a function with its name before it. test_check.py shows each of them to fail.
"""

import collections
import fnmatch
import os
import re
import sys

from tree import Tree

# --- The law -------------------------------------------------------------------------------------

# What each layer may include, besides its own headers. "." is main.c.
LAYERS = {
    "base": [],
    "resp": ["base"],
    "engine": ["base"],
    "types": ["base", "engine"],
    "commands": ["base", "resp", "engine", "types"],
    "os": ["base", "engine"],
    "server": ["base", "resp", "engine", "types", "commands", "os"],
    "http": ["base", "server"],
    ".": ["base", "engine", "types", "commands", "os", "server", "http"],
}

# The headers of a layer that other layers may include; one that is not here shows all but its
# *_impl.h.
PUBLIC = {
    "engine": ["engine.h", "env.h", "exec.h", "format.h", "options.h", "reader.h", "stats.h"],
    "os": ["os.h"],
}

# A wing is a folder of a layer, and this is what each may include of its layer besides itself.
# "ground" are the files at the layer's root that lie below its wings; all other files there are the
# root, which sees everything and which no wing may see.
WINGS = {
    "engine": {
        "ground": [],
        "record": ["ground"],
        "log": ["ground", "record"],
        "memtable": ["ground", "record"],
        "table": ["ground", "record"],
        "version": ["ground", "record", "log", "table"],
        "compaction": ["ground", "record", "table", "version"],
    },
    "commands": {
        "parts": [],
        "ground": ["parts"],
        "collections": ["ground", "parts"],
    },
    "server": {
        "config": [],
        "ground": ["config"],
        "loop": ["ground", "config"],
        "info": ["ground", "config"],
        "commands": ["ground", "config", "loop", "info"],
    },
}
GROUND = {
    "commands": [
        "call",
        "command.h",
        "dispatch.h",
        "families.h",
        "session.h",
        "stream.h",
        "table.h",
        "watch.h",
    ],
    "engine": ["env", "exec", "filename", "format", "options", "stats.h"],
    "server": ["saves.h", "server.h"],
}

# Who includes a layer's central state stays at its root, everybody else moves into a wing: so each
# source at the root includes it, itself or through another header of the root.
CENTRAL_STATE = {"engine": "state.h"}

FILE_CALLS = re.compile(
    r"(?<![\w.>])(open|openat|creat|fopen|freopen|pread|preadv2?|pwrite|pwritev2?|fsync|fdatasync"
    r"|rename|renameat|unlink|unlinkat|stat|fstat|lstat|fstatat|mkdir|rmdir|opendir|readdir"
    r"|truncate|ftruncate|fallocate|posix_fallocate|flock|statvfs|uv_fs_\w+)\("
)
# The log file, the configuration file, the pid file, and what cgroups and /proc tell: text that is
# read or written once, not data.
FILE_CALLS_ALLOWED = re.compile(
    r"^src/(os/.*|main\.c|server/(config/(log_file|config\w*|cgroup)|loop/listen|info/\w+)\.c)$"
)

FOLDER_SOURCES_MAX = 25
SOURCE_LINES_MAX = 1200
HEADER_LINES_MAX = 199
# The normative text of the disk format, which is not to be torn apart.
HEADER_LINES_MORE = {"src/engine/format.h": 255}
LINE_MAX = 100

# What callers of the library use need not be called here.
LIBRARY = ("src/engine/engine.h", "src/engine/blocking.h")

# Names in comments that are not ours: files and functions of Redis, of libraries, of the system.
FOREIGN_FILES = {"networking.c"}
FOREIGN_WORDS = {"x86_64"}

C_FILES = ("src/*.c", "src/*.h", "tests/*.c", "tests/*.h", "bench/*.c", "bench/*.h")
TEXTS = C_FILES + ("*.md", "*.py", "*.js", "*.sh", "*meson.build", "meson_options.txt", "scripts/*")
FILE_NAME = re.compile(r"(?<![\w/.*<-])[\w./*-]*[\w*]\.(?:c|h|py|js|md)\b(?!\.\w)")
FOLDER_NAME = re.compile(r"`([\w./-]+/)`")
CALL = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\(\)")
# Words of one case with an underscore: nobody writes those without meaning something of the code.
CODE_WORD = re.compile(
    r"(?<![\w./*-])([a-z][a-z0-9]*(?:_[a-z0-9]+)+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b(?!\.\w)(?![*/-])"
)

RULES = {}


def rule(name):
    def add(function):
        RULES[name] = function
        return function

    return add


# --- Who includes whom ---------------------------------------------------------------------------


def layer_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else "."


def wing_of(path):
    """A wing's name, "ground" or "root"; "" in a layer without wings."""
    layer = layer_of(path)
    if layer not in WINGS:
        return ""
    parts = path.split("/")
    if len(parts) > 3:
        return parts[2]
    grounds = GROUND.get(layer, [])
    return "ground" if parts[2] in grounds or os.path.splitext(parts[2])[0] in grounds else "root"


def includes_of_src(tree):
    """(path, line, target's path) of all includes between files of src that are there."""
    for path in tree.matching("src/*.c", "src/*.h"):
        for number, target in tree.includes(path):
            if "/" in target and "src/" + target in tree.files:
                yield path, number, "src/" + target


@rule("includes")
def check_includes(tree):
    for path in tree.matching("src/*.c", "src/*.h"):
        for number, target in tree.includes(path):
            if "/" not in target or "src/" + target not in tree.files:
                yield path, number, "%s is no path from src/" % target


@rule("layers")
def check_layers(tree):
    for path, number, target in includes_of_src(tree):
        layer, other = layer_of(path), layer_of(target)
        if other not in [layer] + LAYERS.get(layer, []):
            yield path, number, "%s must not see %s" % (layer, target)
    for path in tree.matching("src/*.c", "src/*.h"):
        if layer_of(path) not in LAYERS:
            yield path, 1, "%s is no layer" % os.path.dirname(path)


@rule("wings")
def check_wings(tree):
    for path, number, target in includes_of_src(tree):
        layer, wing, other = layer_of(path), wing_of(path), wing_of(target)
        if layer_of(target) != layer or wing in ("root", "", other):
            continue
        if other not in WINGS[layer].get(wing, []):
            yield path, number, "%s/%s must not see %s" % (layer, wing, target)
    for path in tree.matching("src/*.c", "src/*.h"):
        if path.count("/") > 2 and path.split("/")[2] not in WINGS.get(layer_of(path), {}):
            yield path, 1, "%s is no wing" % os.path.dirname(path)


@rule("circles")
def check_circles(tree):
    """What includes are really there, so that the tables above cannot allow a circle."""
    arrows = collections.defaultdict(dict)
    for path, number, target in includes_of_src(tree):
        ends = [(layer_of(p) + "/" + wing_of(p)).rstrip("/") for p in (path, target)]
        if ends[0] != ends[1]:
            arrows[ends[0]].setdefault(ends[1], (path, number))
    for node in list(arrows):
        for other in list(arrows[node]):
            back = way(arrows, other, node)
            # Told once for each circle, from its smallest name.
            if back and node == min(back):
                path, number = arrows[node][other]
                yield path, number, "a circle: " + " -> ".join([node] + back)


def way(arrows, start, end):
    """The nodes of a shortest way from start to end, both included; None if there is none."""
    came_from = {start: None}
    queue = collections.deque([start])
    while queue:
        node = queue.popleft()
        if node == end:
            nodes = []
            while node is not None:
                nodes.insert(0, node)
                node = came_from[node]
            return nodes
        for other in arrows.get(node, {}):
            if other not in came_from:
                came_from[other] = node
                queue.append(other)
    return None


@rule("private headers")
def check_private_headers(tree):
    for path, number, target in includes_of_src(tree):
        folder = os.path.dirname(target)
        other = layer_of(target)
        if target.endswith("_impl.h") and folder != os.path.dirname(path):
            yield path, number, "%s is private to %s/" % (target, folder)
        elif layer_of(path) != other and other in PUBLIC:
            if target[len("src/" + other + "/") :] not in PUBLIC[other]:
                yield path, number, "%s is private to %s/" % (target, other)


@rule("central state")
def check_central_state(tree):
    for layer, state in CENTRAL_STATE.items():
        folder = "src/" + layer
        for path in tree.matching(folder + "/*.c"):
            if wing_of(path) == "root" and not reaches(tree, path, folder + "/" + state):
                yield path, 1, "without %s it belongs into a wing" % state


def reaches(tree, path, header):
    """Whether a file includes the header, itself or through headers of its folder."""
    seen, todo = set(), [path]
    while todo:
        for _, target in tree.includes(todo.pop()):
            target = "src/" + target
            if os.path.dirname(target) == os.path.dirname(header) and target not in seen:
                seen.add(target)
                todo += [target] if target in tree.files else []
    return header in seen


def graph(tree):
    """The tables above as text, as far as the tree has what they name."""
    folders = {os.path.dirname(path) for path in tree.matching("src/*/*.[ch]")}
    lines = []
    for layer, seen in LAYERS.items():
        if "src/" + layer not in folders:
            continue
        seen = [other for other in seen if "src/" + other in folders]
        lines.append(arrow(layer, seen or ["nothing of ours"]))
        for wing, seen in WINGS.get(layer, {}).items():
            seen = seen or ["nothing of the " + layer]
            if wing == "ground":
                lines.append(arrow("    ground", seen + ["(%s)" % ground_headers(tree, layer)]))
            elif "src/%s/%s" % (layer, wing) in folders:
                lines.append(arrow("    " + wing, seen))
        if layer in WINGS:
            lines.append(arrow("    root", ["all of these"]))
    return lines + [arrow("main.c", ["all of these"])]


def arrow(name, seen):
    return "%-14s -> %s" % (name, " ".join(seen))


def ground_headers(tree, layer):
    headers = tree.matching("src/%s/*.h" % layer)
    return " ".join(os.path.basename(path) for path in headers if wing_of(path) == "ground")


@rule("graph")
def check_graph(tree):
    path = "src/README.md"
    if "\n".join(["```"] + graph(tree) + ["```"]) not in "\n".join(tree.lines(path)):
        yield path, 1, "the include graph is not what check.py --graph prints"


# --- What files are like -------------------------------------------------------------------------


@rule("file calls")
def check_file_calls(tree):
    for path in tree.matching("src/*.c", "src/*.h"):
        source = tree.source(path)
        own = source.declared.union(function.name for function in source.functions)
        for match in FILE_CALLS.finditer(source.code):
            if match.group(1) not in own and not FILE_CALLS_ALLOWED.match(path):
                number = source.line_of(match.start())
                yield path, number, "%s belongs to src/os" % match.group(1)


@rule("crowded folders")
def check_crowded_folders(tree):
    folders = collections.Counter(os.path.dirname(path) for path in tree.matching("src/*.c"))
    for folder, count in folders.items():
        if count > FOLDER_SOURCES_MAX:
            text = "%d sources, at most %d: it wants wings" % (count, FOLDER_SOURCES_MAX)
            yield folder, 1, text


@rule("sizes")
def check_sizes(tree):
    for path in tree.matching(*C_FILES):
        limit = HEADER_LINES_MAX if path.endswith(".h") else SOURCE_LINES_MAX
        limit = HEADER_LINES_MORE.get(path, limit)
        count = len(tree.lines(path))
        if count > limit:
            text = "%d lines, at most %d: look for the second module inside" % (count, limit)
            yield path, count, text


@rule("columns")
def check_columns(tree):
    for path in tree.matching(*TEXTS):
        markdown = path.endswith(".md")
        fenced = False
        for number, line in enumerate(tree.lines(path), 1):
            fenced ^= markdown and line.lstrip().startswith("```")
            # In Markdown a row of a table and a line of code stay what they are.
            exempt = markdown and (fenced or line.startswith("|"))
            if len(line) > LINE_MAX and not exempt and not unbreakable(line, markdown):
                yield path, number, "%d columns, at most %d" % (len(line), LINE_MAX)


def unbreakable(line, markdown):
    """Prose that is one word, a link perhaps."""
    match = re.match(r"\s*(//|#|-|\*|>)?\s*(\S+)$", line)
    return match is not None and (markdown or match.group(1) in ("//", "#"))


@rule("columns agree")
def check_columns_agree(tree):
    path = ".clang-format"
    for number, line in enumerate(tree.lines(path), 1):
        if line == "ColumnLimit: %d" % LINE_MAX:
            return
    yield path, 1, "ColumnLimit is not %d" % LINE_MAX


@rule("unfinished")
def check_unfinished(tree):
    for path in tree.matching(*C_FILES):
        for number, line in enumerate(tree.lines(path), 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                yield path, number, line.strip()


@rule("comments")
def check_comments(tree):
    for path in tree.matching(*C_FILES):
        for number, line in enumerate(tree.lines(path), 1):
            if re.match(r"\s*/\*", line):
                yield path, number, "comments begin with //"


@rule("names")
def check_names(tree):
    for path in tree.matching(*C_FILES):
        for number, line in enumerate(tree.lines(path), 1):
            if re.search(r"\btypedef\b.*_t;|\b(struct|enum|union) \w+_t\b", line):
                yield path, number, "names ending in _t belong to POSIX"


@rule("white space")
def check_white_space(tree):
    for path in tree.matching(*TEXTS):
        for number, line in enumerate(tree.lines(path), 1):
            if line != line.rstrip() or "\t" in line:
                yield path, number, "tab or trailing blank"


@rule("guards")
def check_guards(tree):
    for path in tree.matching("src/*.h"):
        guard = "VARVE_" + re.sub(r"[/.]", "_", path.split("/", 1)[1]).upper()
        if "#define " + guard not in tree.lines(path):
            yield path, 1, "expected the include guard " + guard


@rule("unbuilt")
def check_unbuilt(tree):
    for path in tree.matching("src/*.c", "tests/*.c", "bench/*.c"):
        folder, name = os.path.split(path)
        places = {"", folder, os.path.dirname(folder)}
        builds = [os.path.join(place, "meson.build") for place in places]
        named = "".join(tree.text(build) for build in builds if build in tree.files)
        stem = name[:-2]
        forms = ("'%s'" % name, "/%s'" % name, "'%s'" % stem, "'%s'" % stem.partition("_")[2])
        if not any(form in named for form in forms):
            yield path, 1, "no meson.build names it"


# --- What nobody needs, and what is not there ----------------------------------------------------


@rule("dead functions")
def check_dead_functions(tree):
    """A function lives if main, a table, a macro or a function that lives uses it. The compiler
    sees to static ones in sources; these may have the same name in several files."""
    uses, roots, defined = collections.defaultdict(set), {"main"}, []
    for path in tree.matching("src/*.c", "src/*.h", "bench/*.c", "bench/*.h"):
        source = tree.source(path)
        own = set()
        if path.endswith(".c"):
            own = {function.name for function in source.functions if function.static}

        def names(found):
            return {(path, name) if name in own else name for name in found}

        roots |= names(source.names)
        for function in source.functions:
            (name,) = names([function.name])
            uses[name] |= names(function.names)
            if path.startswith("bench/"):
                roots.add(name)
            elif name == function.name:
                defined.append((path, function))
    for header in LIBRARY:
        if header in tree.files:
            roots |= tree.source(header).declared
    alive, todo = set(), list(roots)
    while todo:
        name = todo.pop()
        if name not in alive:
            alive.add(name)
            todo += uses[name]
    for path, function in defined:
        if function.name not in alive:
            yield path, function.line, "nothing calls %s" % function.name


@rule("names of files")
def check_names_of_files(tree):
    """Comments and READMEs name files that are there; 'test_MODULE.c' is any of its kind."""
    folders = {
        "/".join(p.split("/")[:n]) + "/" for p in tree.files for n in range(1, p.count("/") + 1)
    }
    for path in tree.matching(*TEXTS):
        for number, line in tree.prose(path):
            for name in FILE_NAME.findall(line):
                if name not in FOREIGN_FILES and not names_one_of(name, tree.files):
                    yield path, number, "there is no %s" % name
            if path.endswith(".md"):
                for name in FOLDER_NAME.findall(line):
                    if not names_one_of(name, folders):
                        yield path, number, "there is no folder %s" % name


def names_one_of(name, paths):
    pattern = re.sub(r"^(\.\.?/)+", "", name)
    if any(("/" + path).endswith("/" + pattern) for path in paths):
        return True
    pattern = "*/" + re.sub(r"\b[A-Z]+\b|(?<=_)[A-Z]+(?=\.)", "*", pattern)
    return "*" in pattern[2:] and any(fnmatch.fnmatchcase("/" + path, pattern) for path in paths)


@rule("names in comments")
def check_names_in_comments(tree):
    """What looks like a name of the code is one: a function's, a field's, a directive's."""
    known, called = set(FOREIGN_WORDS), set(FOREIGN_WORDS)
    for path in tree.matching(*TEXTS):
        known.add(os.path.splitext(os.path.basename(path))[0])
        if not path.endswith(".md"):
            known |= tree.words(path)
            called |= tree.calls(path)
    # A constant may be called without its prefix.
    known |= {part for word in known if word.isupper() for part in endings(word)}
    for path in tree.matching(*TEXTS):
        for number, line in tree.prose(path):
            strangers = [name + "()" for name in CALL.findall(line) if name not in called]
            strangers += [name for name in CODE_WORD.findall(line) if name not in known]
            for name in strangers:
                yield path, number, "there is no %s" % name


def endings(word):
    parts = word.split("_")
    return ("_".join(parts[n:]) for n in range(1, len(parts)))


def check(tree):
    """All breaches: (rule, path, line, text)."""
    return [(name,) + breach for name, function in RULES.items() for breach in function(tree)]


def main():
    words = sys.argv[1:]
    here = os.path.dirname(os.path.abspath(__file__))
    show_graph = "--graph" in words
    roots = [word for word in words if word != "--graph"]
    tree = Tree(roots[0] if roots else os.path.dirname(os.path.dirname(here)))
    if show_graph:
        print("\n".join(graph(tree)))
        return 0
    breaches = check(tree)
    for name, path, line, text in breaches:
        print("%s:%d: %s: %s" % (path, line, name, text))
    failed = len({breach[0] for breach in breaches})
    print("%d passed, %d failed" % (len(RULES) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
