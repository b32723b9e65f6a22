"""Which modules of a crate name which, and the circles among them.

The module tree is read as rustc reads it: from lib.rs or main.rs, by `mod` declarations. An edge is a path that begins with `crate`,
`self`, `super`, a child or an imported name, in a `use` or anywhere in the code. Re-exports are followed to the module that defines
what is named, so that a folder's mod.rs hides nothing. What is behind `#[cfg(test)]` does not count.

A module and the modules inside of it may name each other: Rust's privacy makes them one thing. Two modules side by side may not,
and neither may what is inside of them: the folder list then has an order.
"""

import collections
import dataclasses
import pathlib
import re

TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<comment>/\*)
  | (?P<raw>(?:br|cr|r)\#*")
  | (?P<string>[bc]?"(?:\\.|[^"\\])*")
  | (?P<char>b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\])')
  | (?P<lifetime>'\w+)
  | (?P<name>(?:r\#)?[^\W\d]\w*)
  | (?P<number>\d\w*)
  | (?P<path>::)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
COMMENT_EDGE = re.compile(r"/\*|\*/")
OPEN, CLOSE = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}
# An item that begins so ends with a semicolon at its own level, whatever braces it has.
ENDS_WITH_SEMICOLON = {"use", "let", "const", "static", "type", "extern"}
ENDS_WITH_BODY = {"fn", "mod", "impl", "struct", "enum", "union", "trait", "unsafe", "async", "macro_rules"}


def tokens(text: str) -> list[tuple[str, int]]:
    """Names, `::` and punctuation, each with its line; no comments, literals or lifetimes."""
    found, at, line = [], 0, 1
    while match := TOKEN.match(text, at):
        end = match.end()
        if match.lastgroup == "comment":
            end = end_of_comment(text, end)
        elif match.lastgroup == "raw":
            close = text.find('"' + "#" * match[0].count("#"), end)
            end = len(text) if close < 0 else close + 1 + match[0].count("#")
        elif match.lastgroup in ("name", "path", "other"):
            found.append((match[0].removeprefix("r#"), line))
        elif match.lastgroup in ("string", "char", "number"):
            found.append(("_", line))
        line += text.count("\n", at, end)
        at = end
    return found


def end_of_comment(text: str, at: int) -> int:
    """Comments nest."""
    depth = 1
    while depth and (edge := COMMENT_EDGE.search(text, at)):
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return at if not depth else len(text)


@dataclasses.dataclass
class Module:
    """A file, or a module inside of one."""

    path: tuple[str, ...]
    file: pathlib.Path
    children: set[str] = dataclasses.field(default_factory=set)
    # By the name that it has here: a path, as written.
    imports: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    # What it names, as written, with the line.
    named: list[tuple[tuple[str, ...], int]] = dataclasses.field(default_factory=list)


class Crate:
    """The module tree under a crate's root file."""

    def __init__(self, root: pathlib.Path):
        self.modules: dict[tuple[str, ...], Module] = {}
        self.read(root, (), root.parent)

    def read(self, file: pathlib.Path, path: tuple[str, ...], folder: pathlib.Path):
        """A file as the module `path`, and, from `folder`, the files that it declares."""
        Reader(self, tokens(file.read_text(errors="replace")), file, folder).module(path)

    def edges(self) -> dict[tuple, dict[tuple, tuple[pathlib.Path, int, str]]]:
        """By module: what it names, and the first place where it does."""
        found = collections.defaultdict(dict)
        for module in self.modules.values():
            for words, line in module.named:
                if (to := self.definition(module, words)) and not related(module.path, to):
                    found[module.path].setdefault(to, (module.file, line, "::".join(words)))
        return found

    def definition(self, module: Module, words: tuple[str, ...]) -> tuple[str, ...] | None:
        """The module that has what is named; `None` if another crate has it."""
        absolute = self.absolute(module, words)
        return None if absolute is None else self.follow(absolute)

    def absolute(self, module: Module, words: tuple[str, ...], left: int = 8) -> tuple[str, ...] | None:
        path, first = module.path, words[0]
        if first == "crate":
            return words[1:]
        if first in ("self", "super"):
            while words and words[0] in ("self", "super"):
                path = path[:-1] if words[0] == "super" else path
                words = words[1:]
            return path + words
        if first in module.children:
            return path + words
        # An import may stand on another one (`use crate::a; use a::B`), or have a crate's own name (`use log::log`).
        if first in module.imports and left:
            return self.absolute(module, module.imports[first] + words[1:], left - 1)
        return None

    def follow(self, absolute: tuple[str, ...]) -> tuple[str, ...]:
        """Through re-exports, to the deepest module of the path."""
        # Imports that name each other are no program; the bound is for a file that is being edited.
        for _ in range(32):
            deepest = absolute
            while deepest not in self.modules:
                deepest = deepest[:-1]
            rest, module = absolute[len(deepest) :], self.modules[deepest]
            imported = self.absolute(module, module.imports[rest[0]]) if rest and rest[0] in module.imports else None
            if imported is None or imported == absolute[: len(deepest) + 1]:
                return deepest
            absolute = imported + rest[1:]
        return deepest


def related(one: tuple, other: tuple) -> bool:
    """Whether one of them is inside of the other, or is it."""
    short = min(len(one), len(other))
    return one[:short] == other[:short]


class Reader:
    """Goes through a file's tokens once."""

    def __init__(self, crate: Crate, found: list[tuple[str, int]], file: pathlib.Path, folder: pathlib.Path):
        self.crate, self.tokens, self.file, self.folder, self.at = crate, found, file, folder, 0

    def word(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead][0] if self.at + ahead < len(self.tokens) else ""

    def module(self, path: tuple[str, ...]):
        """To the file's end, or to the brace that closes the module."""
        module = self.crate.modules[path] = Module(path, self.file)
        depth = 0
        while self.at < len(self.tokens):
            word = self.word()
            depth += {"{": 1, "}": -1}.get(word, 0)
            if depth < 0:
                self.at += 1
                break
            if word == "#":
                self.attribute()
            elif word == "pub" and self.word(1) == "(":
                self.at += 1
                self.group()
            elif word == "mod" and self.word(2) in (";", "{"):
                self.declaration(module)
            elif word == "use":
                self.use(module)
            elif self.is_path():
                self.inline(module)
            else:
                self.at += 1

    def attribute(self):
        """`#[…]`, and, if it is `cfg(test)`, what it stands at."""
        start = self.at
        self.at += 2 if self.word(1) == "!" else 1
        self.group()
        words = [word for word, _ in self.tokens[start : self.at]]
        if words[2:5] == ["cfg", "(", "test"] or words[2:7] == ["cfg", "(", "all", "(", "test"]:
            self.skip_item()

    def group(self):
        """Over a bracket and all that is in it."""
        depth = 0
        while self.at < len(self.tokens):
            depth += 1 if self.word() in OPEN else -1 if self.word() in CLOSE else 0
            self.at += 1
            if depth <= 0:
                return

    def skip_item(self):
        """Over an item, a statement, a field or an arm."""
        while self.word() == "#":
            self.at += 1
            self.group()
        if self.word() == "pub":
            self.at += 1
            if self.word() == "(":
                self.group()
        first = self.word()
        while self.at < len(self.tokens):
            word = self.word()
            if word in CLOSE:
                return
            if word in OPEN:
                self.group()
                if word == "{" and first in ENDS_WITH_BODY:
                    return
                continue
            self.at += 1
            if word == ";" or (word == "," and first not in ENDS_WITH_BODY | ENDS_WITH_SEMICOLON):
                return

    def declaration(self, module: Module):
        name, inside = self.word(1), self.word(2) == "{"
        module.children.add(name)
        self.at += 3
        if inside:
            outer, self.folder = self.folder, self.folder / name
            self.module(module.path + (name,))
            self.folder = outer
            return
        for file in (self.folder / f"{name}.rs", self.folder / name / "mod.rs"):
            if file.is_file():
                self.crate.read(file, module.path + (name,), self.folder / name)

    def use(self, module: Module):
        line = self.tokens[self.at][1]
        self.at += 1
        for words, name in self.tree(()):
            if words and words[0] == "":
                continue  # `::name` is another crate
            module.named.append((tuple(word for word in words if word != "*"), line))
            if name != "*":
                module.imports[name] = words
        self.at += 1

    def tree(self, before: tuple[str, ...]):
        """The paths of a `use`, each with the name that it has here; ends at `;`, `,` or `}`."""
        path = before
        while (word := self.word()) not in (";", ",", "}", ""):
            if word == "{":
                self.at += 1
                while self.word() not in ("}", ""):
                    yield from self.tree(path)
                    if self.word() == ",":
                        self.at += 1
                self.at += 1
                return
            if word == "as":
                name = self.word(1)
                self.at += 2
                yield bare(path), name
                return
            if word == "::":
                path = path or ("",)
            else:
                path += (word,)
            self.at += 1
        if path != before:
            yield bare(path), bare(path)[-1] if bare(path) else ""

    def is_path(self) -> bool:
        """Whether a path begins here that may lead into this crate."""
        return self.word(1) == "::" and self.word().isidentifier() and (self.at == 0 or self.word(-1) not in ("::", "."))

    def inline(self, module: Module):
        line, words = self.tokens[self.at][1], [self.word()]
        self.at += 1
        while self.word() == "::" and self.word(1).isidentifier():
            words.append(self.word(1))
            self.at += 2
        if self.word() == "::":
            self.at += 1
        module.named.append((tuple(words), line))


def bare(path: tuple[str, ...]) -> tuple[str, ...]:
    """`a::{self}` names `a`."""
    return path[:-1] if len(path) > 1 and path[-1] == "self" else path


def rings(graph: dict) -> list[list]:
    """Strongly connected components of more than one node (Tarjan), each sorted."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for to in graph.get(node, ()):
            if to not in index:
                visit(to)
            if to in stack:
                low[node] = min(low[node], low[to])
        if low[node] == index[node]:
            ring = []
            while not ring or ring[-1] != node:
                ring.append(stack.pop())
            if len(ring) > 1:
                found.append(sorted(ring))

    for node in list(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def circles(root: pathlib.Path) -> list[tuple[list[str], list[str]]]:
    """Modules that name each other, and where: at each level of the tree, with all that is inside of them."""
    edges = Crate(root).edges()
    levels = collections.defaultdict(lambda: collections.defaultdict(dict))
    for start, targets in edges.items():
        for to, place in targets.items():
            parent = next(n for n in range(len(start)) if start[n] != to[n])
            levels[start[:parent]][start[: parent + 1]].setdefault(to[: parent + 1], place)
    found = []
    for level in levels.values():
        for ring in rings(level):
            places = [
                f"{file}:{line} names {words}"
                for module in ring
                for to, (file, line, words) in level[module].items()
                if to in ring
            ]
            found.append((["::".join(module) for module in ring], places))
    return sorted(found)
