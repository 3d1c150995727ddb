"""`python -m pyrite port`: a PyTorch script's imports and names rewritten for Pyrite.

The script is parsed, never run. Edits go by the parser's exact positions, so that formatting,
strings and comments stay as they are, and no edit adds or removes a line.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import io
import json
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._files import atomic_write

# Packages and what stands for them; the longest that fits a name counts.
ROOTS = {
    "torch": "pyrite", "torchvision": "pyrite.vision", "torchaudio": "pyrite.audio",
    "torchtext": "pyrite.text", "lightning": "pyrite.train", "lightning.pytorch": "pyrite.train",
    "pytorch_lightning": "pyrite.train",
}  # fmt: skip
_MAGIC = re.compile(r"^([ \t]*)[%!?].*", re.MULTILINE)
_LINE_END = re.compile(rb"\r\n|\r|\n")


def translate(path: str) -> str | None:
    """The dotted name in Pyrite for one of `ROOTS`' packages; None for other packages' names."""
    fits = [root for root in ROOTS if path == root or path.startswith(root + ".")]
    root = max(fits, key=len, default=None)
    return None if root is None else ROOTS[root] + path[len(root) :]


def is_there(path: str) -> bool:
    """Whether Pyrite has what a dotted name of PyTorch names."""
    words = (translate(path) or path).split(".")
    value = importlib.import_module(words[0])
    for i, word in enumerate(words[1:], 2):
        try:
            value = getattr(value, word)
        except (AttributeError, ImportError):
            try:
                value = importlib.import_module(".".join(words[:i]))
            except ImportError:
                return False
    return True


@dataclass
class Ported:
    """The new text, and what Pyrite lacks of it as (line, PyTorch's name)."""

    text: str
    lacking: list[tuple[int, str]]


@dataclass
class _Script:
    """What a first walk over the tree found.

    Attributes:
        paths: names that imports bind -> what they stand for, in PyTorch's dotted names.
        renamed: those of them that get another name in the new text.
        taken: names that anything but such imports binds.
    """

    paths: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def read(self, tree: ast.AST) -> None:
        bare = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                bare += self._bind(node)
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self.taken.add(node.id)
            elif isinstance(node, ast.arg):
                self.taken.add(node.arg)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self.taken.add(node.name)
        if "pyrite" not in self.taken:
            self.renamed = {n: ROOTS[n] for n in bare if n not in self.taken}

    def _bind(self, node: ast.Import | ast.ImportFrom) -> list[str]:
        """Note what an import binds; the packages that it binds under their own name."""
        package, bare = _module(node), []
        for alias in node.names:
            path = f"{package}.{alias.name}" if package else alias.name
            name = alias.asname or (alias.name if package else alias.name.split(".")[0])
            if translate(path) is None:
                self.taken.add(name)
            elif package or alias.asname:
                self.paths[name] = path
            else:
                self.paths[name] = name
                bare.append(name)
        return bare

    def path_of(self, node: ast.expr) -> str | None:
        """The dotted name that an expression stands for."""
        if isinstance(node, ast.Name):
            return self.paths.get(node.id)
        if isinstance(node, ast.Attribute):
            before = self.path_of(node.value)
            return None if before is None else f"{before}.{node.attr}"
        return None


def _module(node: ast.Import | ast.ImportFrom) -> str:
    if isinstance(node, ast.Import):
        return ""
    return "." if node.level else node.module or "."


class _Porter(ast.NodeVisitor):
    """Collects the edits of a script and what is lacking."""

    def __init__(self, text: str, script: _Script) -> None:
        self.script = script
        self.source = text.encode()
        self.starts = [0, *[m.end() for m in _LINE_END.finditer(self.source)]]
        self.edits: list[tuple[int, int, str]] = []
        self.lacking: set[tuple[int, str]] = set()
        self.misplaced = False  # Python before 3.12 may misplace what stands in an f-string

    def edit(self, node: Any, new: str, length: int | None = None) -> None:
        """Put `new` in place of a node, or of so many of its bytes."""
        start = self.starts[node.lineno - 1] + node.col_offset
        end = self.starts[node.end_lineno - 1] + node.end_col_offset
        self.edits.append((start, end if length is None else start + length, new))

    def check(self, node: Any, path: str) -> None:
        if not is_there(path):
            self.lacking.add((node.lineno, path))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            new, name = translate(alias.name), alias.name.split(".")[0]
            if new is None:
                continue
            self.check(alias, alias.name)
            if alias.asname is None and name not in self.script.renamed:
                extra = "" if new == ROOTS[name] else f"{new}, "
                new = f"{extra}{ROOTS[name]} as {name}"
            self.edit(alias, new, len(alias.name))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = _module(node)
        new = translate(module)
        if new is None:
            return
        start = self.starts[node.lineno - 1] + node.col_offset
        found = re.compile(rb"from[\s\\]+([\w.]+)").match(self.source, start)
        if found is not None:
            self.edits.append((*found.span(1), new))
        for alias in node.names:
            path = module if alias.name == "*" else f"{module}.{alias.name}"
            self.check(alias, path)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self.script.path_of(node)
        if path is None:
            self.generic_visit(node)
            return
        self.check(node, path)
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute) and self.script.path_of(inner) not in ROOTS:
            inner = inner.value
        self._rename(inner)

    def visit_Name(self, node: ast.Name) -> None:
        self._rename(node)

    def _rename(self, node: ast.expr) -> None:
        name: ast.expr = node
        while isinstance(name, ast.Attribute):
            name = name.value
        if not isinstance(name, ast.Name) or name.id not in self.script.paths:
            return
        new = self.script.renamed.get(name.id, name.id)
        if node is not name or new != name.id:
            start = self.starts[name.lineno - 1] + name.col_offset
            self.misplaced |= not self.source.startswith(name.id.encode(), start)
            self.edit(node, new)

    def result(self) -> str:
        source = self.source
        for start, end, new in sorted(self.edits, reverse=True):
            source = source[:start] + new.encode() + source[end:]
        return source.decode()


def port(text: str, parsed: str | None = None) -> Ported:
    """A script rewritten; `parsed`: the same lines in a form that Python can parse.

    Raises:
        SyntaxError: the script is no valid Python.
    """
    tree = ast.parse(text if parsed is None else parsed)
    script = _Script()
    script.read(tree)
    porter = _Porter(text, script)
    porter.visit(tree)
    if porter.misplaced:  # keep the name that the script uses: `import pyrite as torch`
        script.renamed = {}
        porter = _Porter(text, script)
        porter.visit(tree)
    return Ported(porter.result(), sorted(porter.lacking))


def _port_script(data: bytes) -> tuple[bytes, list[str]]:
    """A file's new bytes, in its own encoding and line ends, and what is lacking, by line."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    ported = port(data.decode(encoding))
    return ported.text.encode(encoding), [f"{line}: {name}" for line, name in ported.lacking]


def _port_notebook(data: bytes) -> tuple[bytes, list[str]]:
    """The same for a notebook, whose cells are read as one script; magics are left alone."""
    notebook = json.loads(data)
    cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    texts = ["".join(cell["source"]) + "\n" for cell in cells]
    whole = "".join(texts)
    ported = port(whole, _MAGIC.sub(r"\1pass", whole))
    lines, places = iter(ported.text.splitlines(keepends=True)), []
    for number, (cell, text) in enumerate(zip(cells, texts, strict=True), 1):
        count = len(text.splitlines())
        places += [f"cell {number}, line {i}" for i in range(1, count + 1)]
        new = [next(lines) for _ in range(count)]
        new[-1] = new[-1][:-1]
        cell["source"] = new if isinstance(cell["source"], list) else "".join(new)
    report = [f"{places[line - 1]}: {name}" for line, name in ported.lacking]
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode(), report


def add_command(commands: Any) -> None:
    """Add `port` to the command line."""
    command = commands.add_parser(
        "port", help="rewrite a PyTorch script's imports and names, and list what is lacking",
        description="Write a copy of a PyTorch script or notebook with the imports and names of "
        "torch, torchvision, torchaudio, torchtext and Lightning changed to Pyrite's, and list by "
        "line the names that Pyrite lacks. The script is not run; methods of its objects are not "
        "checked. Exit status: 0, or 1 if names are lacking, or 2 if nothing could be written.",
    )  # fmt: skip
    command.add_argument("script", metavar="SCRIPT", type=Path, help="a .py or .ipynb file")
    where = "the new file (default: SCRIPT with _pyrite in its name)"
    command.add_argument("-o", "--output", metavar="OUT", type=Path, help=where)
    command.add_argument("--force", action="store_true", help="overwrite OUT if it is there")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    script: Path = arguments.script
    output: Path = arguments.output or script.with_stem(f"{script.stem}_pyrite")
    try:
        if output.resolve() == script.resolve() or (output.exists() and not arguments.force):
            raise FileExistsError(f"{output} would be overwritten; give -o OUT, or --force")
        data = script.read_bytes()
        rewrite = _port_notebook if script.suffix == ".ipynb" else _port_script
        new, lacking = rewrite(data)
        with atomic_write(output) as file:
            file.write(new)
    except (OSError, SyntaxError, ValueError, KeyError, RuntimeError) as error:
        print(f"nothing written: {script}: {error}", file=sys.stderr)
        return 2
    for line in _report(script, output, lacking):
        print(line)
    return 1 if lacking else 0


def _report(script: Path, output: Path, lacking: list[str]) -> Iterator[str]:
    for line in lacking:
        yield f"{script}:{line} is not in Pyrite"
    count = len({line.rpartition(" ")[2] for line in lacking})
    yield f"{output} written; " + (
        f"{count} name{'' if count == 1 else 's'} to replace" if count else "nothing is lacking"
    )
