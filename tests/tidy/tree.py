"""What check.py reads: the files of a tree, and C sources taken apart into code, comments and
functions. No compiler is needed: outside of strings and comments, C that clang-format has
formatted is regular enough.
"""

import ast
import bisect
import fnmatch
import io
import os
import re
import subprocess
import tokenize

# Comments and literals; whichever begins first swallows the other.
PIECES = re.compile(
    "|".join(
        [
            r"(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)",
            r'"(?:\\.|[^"\\\n])*"',
            r"'(?:\\.|[^'\\\n])*'",
        ]
    ),
    re.DOTALL,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
# A name that is used: not a member's, which stands behind a dot or an arrow.
NAME = re.compile(r"(?<![\w.])(?<!->)[A-Za-z_]\w*")
PROTOTYPE = re.compile(r"\b(?!__attribute__)([A-Za-z_]\w*)\)?\s*\(")
WORD = re.compile(r"[A-Za-z_]\w*")
CALLED = re.compile(r"([A-Za-z_]\w*)\s*\(")


def blank(text):
    return re.sub(r"[^\n]", " ", text)


class Function:
    """A definition: its name, where it stands, and the names that its body uses."""

    def __init__(self, name, line, static, names):
        self.name = name
        self.line = line
        self.static = static
        self.names = names


class Source:
    """A C file taken apart. Lines of code are those of the file."""

    def __init__(self, text):
        self.comments = []  # (line, text)
        self.strings = []
        self.functions = []
        self.declared = set()  # functions that are declared here
        self.names = set()  # used outside of functions: in macros, tables, types
        self.line_starts = [0] + [match.end() for match in re.finditer("\n", text)]
        self.code = PIECES.sub(self.take_out, text)
        self.take_apart()

    def line_of(self, offset):
        return bisect.bisect_right(self.line_starts, offset)

    def take_out(self, match):
        piece = match.group()
        if match.lastgroup == "comment":
            self.comments += enumerate(piece.split("\n"), self.line_of(match.start()))
            return blank(piece)
        self.strings.append(piece)
        return piece[0] + " " * (len(piece) - 2) + piece[-1]

    def take_apart(self):
        """Walks over what stands outside of all braces: declarations, definitions, tables."""
        for directive in DIRECTIVE.findall(self.code):
            self.names.update(NAME.findall(directive))
        code = DIRECTIVE.sub(lambda match: blank(match.group()), self.code)
        began = at = 0
        while at < len(code):
            if code[at] == ";":
                self.take_declaration(code[began:at])
                began = at = at + 1
            elif code[at] == "{":
                end = closing_brace(code, at)
                head = code[began:at]
                if ")" in head and "=" not in head:
                    self.take_definition(head, began, code[at:end])
                    began = end
                at = end
            else:
                at += 1

    def take_declaration(self, text):
        match = PROTOTYPE.search(text)
        if match and not re.search(r"[={]|\btypedef\b", text):
            self.declared.add(match.group(1))
        else:
            self.names.update(NAME.findall(text))

    def take_definition(self, head, began, body):
        # The last parentheses hold the parameters; the name before them may be in parentheses of
        # its own, so that a macro does not see it. Macros may stand before all that.
        before = head[: opening_parenthesis(head)]
        match = re.search(r"\(?\b(\w+)\)?\s*$", before)
        self.names.update(NAME.findall(before[: match.start()]))
        static = re.search(r"\bstatic\b", before) is not None
        line = self.line_of(began + match.start(1))
        self.functions.append(Function(match.group(1), line, static, set(NAME.findall(body))))


def opening_parenthesis(head):
    """Where the last pair of parentheses opens."""
    depth = 0
    for at in range(len(head) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(head[at], 0)
        if depth == 0 and head[at] == "(":
            return at
    return 0


def closing_brace(code, at):
    depth = 0
    for brace in re.compile(r"[{}]").finditer(code, at):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.end()
    return len(code)


def python_prose(text):
    """Comments and docstrings, as (line, text)."""
    prose = [
        (token.start[0], token.string)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node):
            first = node.body[0]
            prose += enumerate(first.value.value.split("\n"), first.lineno)
    return prose


def python_words(text):
    prose = {line for line, _ in python_prose(text)}
    words = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            words.add(token.string)
        elif token.type == tokenize.STRING and token.start[0] not in prose:
            words.update(WORD.findall(token.string))
    return words


class Tree:
    """The files below a root that are tracked or could be; all of them where there is no git."""

    def __init__(self, root):
        self.root = root
        self.files = sorted(p for p in self.find() if os.path.isfile(os.path.join(root, p)))
        self.texts = {}
        self.sources = {}

    def find(self):
        if os.path.exists(os.path.join(self.root, ".git")):
            command = ["git", "-C", self.root, "ls-files", "-z", "--cached", "--others"]
            out = subprocess.run(command + ["--exclude-standard"], check=True, capture_output=True)
            return filter(None, out.stdout.decode().split("\0"))
        return (
            os.path.relpath(os.path.join(folder, name), self.root)
            for folder, _, names in os.walk(self.root)
            for name in names
        )

    def matching(self, *patterns):
        """Paths that fit one of the patterns, whose '*' also stands for slashes."""
        return [p for p in self.files if any(fnmatch.fnmatchcase(p, x) for x in patterns)]

    def text(self, path):
        if path not in self.texts:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
                self.texts[path] = file.read()
        return self.texts[path]

    def lines(self, path):
        return self.text(path).splitlines()

    def source(self, path):
        if path not in self.sources:
            self.sources[path] = Source(self.text(path))
        return self.sources[path]

    def includes(self, path):
        """(line, target) of what a C file includes from this tree."""
        for number, line in enumerate(self.lines(path), 1):
            match = re.match(r'#include "([^"]+)"', line)
            if match:
                yield number, match.group(1)

    def is_python(self, path):
        return path.endswith(".py") or re.match(r"#!.*python", self.text(path)) is not None

    def prose(self, path):
        """What is written for readers: comments, docstrings, all of a README, as (line, text)."""
        if path.endswith((".c", ".h")):
            return self.source(path).comments
        if path.endswith(".md"):
            return list(enumerate(self.lines(path), 1))
        if self.is_python(path):
            return python_prose(self.text(path))
        lines = enumerate(self.lines(path), 1)
        return [(number, line) for number, line in lines if line.lstrip().startswith("#")]

    def words(self, path):
        """All that a file names in code and literals: not what only its prose names."""
        if path.endswith((".c", ".h")):
            source = self.source(path)
            words = set(WORD.findall(source.code))
            for string in source.strings:
                words.update(WORD.findall(re.sub(r"\\.", " ", string)))
                # A directive can also be set by an environment variable.
                if re.match(r'"[a-z0-9-]+"$', string):
                    words.add("VARVE_" + string[1:-1].replace("-", "_").upper())
            return words
        if self.is_python(path):
            return python_words(self.text(path))
        return set(WORD.findall(re.sub(r"(?m)^\s*#.*", "", self.text(path))))

    def calls(self, path):
        """What a file calls, declares or defines as a function or a macro with arguments."""
        if path.endswith((".c", ".h")):
            return set(CALLED.findall(self.source(path).code))
        return self.words(path)
