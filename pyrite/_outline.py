"""`python -m pyrite inspect FILE` and `diff A B`: what checkpoints hold, and how they differ.

`inspect` reads a checkpoint's pickle, and the head of a safetensors file, but no tensor. Whatever
the pickle asks for becomes a record of its name and parts, so nothing of the file's is run, and
files of whole models, which `load` refuses, can be looked at.
"""

from __future__ import annotations

import argparse
import io
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open

from . import _torch_names as names
from ._archive import MAGIC, Archive
from ._dtypes import dtype
from ._pickle import SafeUnpickler
from ._tensor import Tensor
from .serialization import load

_WIDTH = 60  # of values that are no tensors
_INNER = {"_modules", "_parameters", "_buffers"}  # parts of a module that its keys do not show
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_ERRORS = (OSError, RuntimeError, ValueError, pickle.UnpicklingError, SafetensorError)


@dataclass(eq=False)
class Outline:
    """A tensor that was not read.

    Attributes:
        dtype: its name.
        shape: the sizes.
        note: layout, parameter, or the device that it was saved from.
        nbytes: of its elements.
    """

    dtype: str
    shape: tuple[int, ...]
    note: str = ""
    nbytes: int = 0


@dataclass(eq=False)
class Thing:
    """What a pickle would have made of a class: the name, and what it would have got."""

    path: str
    parts: list[Any] = field(default_factory=list)

    def append(self, item: Any) -> None:
        """An item that the pickle would have put in; so for the others."""
        self.parts.append(item)

    extend = update = lambda self, items: self.parts.append([*items])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.parts.append({key: value})


def _word(kind: Any) -> str:
    """The name of a dtype, also of one that Pyrite does not have."""
    return kind.name if isinstance(kind, dtype) else str(getattr(kind, "path", kind)).split(".")[-1]


def _tensor(ref: Any, offset: int, size: Any, stride: Any, *rest: Any) -> Outline:
    kinds = [r for r in rest[2:3] if isinstance(r, dtype | names.Global)]
    kind = kinds[0] if kinds else ref.kind.build if isinstance(ref.kind.build, dtype) else ref.kind
    width = kind.itemsize if isinstance(kind, dtype) else 1
    names.check_view(ref.nbytes // width, offset, tuple(size), tuple(stride))
    place = "" if ref.location == "cpu" else ref.location
    return Outline(_word(kind), tuple(size), place, prod(size) * width)


def _noted(note: str, inner: Any, *_: Any) -> Any:
    if isinstance(inner, Outline):
        inner.note = f"{inner.note} {note}".strip()
    return inner


def _subclass(build: Any, kind: Any, args: Any, state: object) -> Any:
    if type(build) is not names.Global:
        raise ValueError(f"a tensor that is built by {build!r}")
    return build(*args)


def _sparse(kind: Any, parts: Any) -> Outline:
    values, size = (parts[1], parts[2]) if len(parts) < 5 else (parts[2], parts[3])
    return Outline(values.dtype, tuple(size), f"{kind}".rpartition(".")[2], values.nbytes)


_BUILDERS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor,
    "torch._utils._rebuild_parameter": partial(_noted, "parameter"),
    "torch._utils._rebuild_parameter_with_state": partial(_noted, "parameter"),
    "torch._tensor._rebuild_from_type_v2": _subclass,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch.serialization._get_layout": str,
    "torch.device": lambda *parts: ":".join(map(str, parts)),
}


class _Reader(SafeUnpickler):
    """Records in place of objects."""

    def find_class(self, module: str, name: str) -> Any:
        path = names.normal_path(module, name)
        if path in _BUILDERS:
            return names.Global(path, _BUILDERS[path])
        if path in names.GLOBALS:
            return names.GLOBALS[path]
        return names.Global(path, lambda *parts: Thing(path, [*parts]))

    def _container(self, *kinds: type) -> Any:
        target = self.stack[-1]
        return target if isinstance(target, Thing) else super()._container(*kinds)

    def load_newobj(self) -> None:
        args, kind = self.stack.pop(), self.stack.pop()
        if type(kind) is not names.Global:
            raise ValueError(f"a new {kind!r}")
        self.stack.append(kind(*args))

    def load_build(self) -> None:
        target = self.stack[-2]
        if isinstance(target, Thing):
            target.append(self.stack.pop())
        elif isinstance(target, Outline):
            self.stack.pop()
        else:
            super().load_build()

    dispatch = SafeUnpickler.dispatch | {
        pickle.NEWOBJ[0]: load_newobj, pickle.BUILD[0]: load_build,
    }  # fmt: skip


def _storage(pid: Any) -> names.StorageRef:
    match pid:
        case ("storage", names.Global() as kind, str(key), str(place), int(numel), *_):
            if numel >= 0:
                known = isinstance(kind.build, dtype | None)
                return names.StorageRef(kind if known else _bytes(kind), key, place, numel)
    raise ValueError(f"a storage by the id {str(pid)[:200]}")


def _bytes(kind: names.Global) -> names.Global:
    """A storage class of a dtype that Pyrite does not have, as bytes under its own name."""
    return names.Global(kind.path.removesuffix("Storage"), None)


def outline(path: Path) -> Any:
    """What a .pt, .pth or .safetensors file holds, with an `Outline` for each tensor.

    Raises:
        OSError: the file cannot be read.
        RuntimeError, ValueError, SafetensorError: it is damaged, or no checkpoint.
    """
    with open(path, "rb") as file:
        head = file.read(16)
        if path.suffix == ".safetensors" or (head[8:9] == b"{" and not head.startswith(MAGIC)):
            return _safetensors(path)
        if not head.startswith(MAGIC):
            return _legacy(file, path)
        archive = Archive(file, str(path))
        return _read(io.BytesIO(archive.read("data.pkl")), path)


def _read(file: BinaryIO, path: Path) -> Any:
    storage: Any = _storage  # an id in place of the bytes
    return _Reader(file, str(path), storage, encoding="utf-8").load()


def _legacy(file: BinaryIO, path: Path) -> Any:
    """Before PyTorch 1.6: a number, the version and the system, then the object."""
    file.seek(0)
    for _ in range(3):
        _read(file, path)
    return _read(file, path)


def _safetensors(path: Path) -> dict[str, Any]:
    known = {"F": "float", "I": "int", "U": "uint", "BF": "bfloat", "C": "complex"}
    found: dict[str, Any] = {}
    with safe_open(path, framework="np") as file:
        for name in file.keys():  # noqa: SIM118
            part = file.get_slice(name)
            code, shape = part.get_dtype(), tuple(part.get_shape())
            letters = code.rstrip("0123456789")
            bits = code[len(letters) :]
            kind = f"{known[letters]}{bits}" if letters in known and bits else code.lower()
            width = max(int(bits or 8) // 8, 1) if bits.isdigit() or not bits else 1
            found[name] = Outline(kind, shape, "", prod(shape) * width)
        if file.metadata():
            found["__metadata__"] = file.metadata()
    return found


# ---- names


def entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Dotted names and what is there: tensors, and other values, in the order of the file.

    A container is opened once, so files that hold themselves, or one thing a million times, end.
    """
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [("", value)]
    while todo:
        name, value = todo.pop()
        parts = _parts(value)
        if parts is None:
            yield name, value
        elif id(value) not in seen:
            seen.add(id(value))
            todo += [(_joined(name, key), part) for key, part in reversed([*parts])]


def _joined(name: str, key: Any) -> str:
    word = str(key) if isinstance(key, _PLAIN) else type(key).__name__
    return name if word in _INNER else f"{name}.{word}" if name else word


def _parts(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """Keys and values of a container; None for what is shown as one."""
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, Thing) and value.parts:
        dicts = [part for part in value.parts if isinstance(part, dict)]
        others = [part for part in value.parts if not isinstance(part, dict)]
        return [*enumerate(others), *(pair for part in dicts for pair in part.items())]
    if isinstance(value, list | tuple | set) and not all(isinstance(v, _PLAIN) for v in value):
        return enumerate(value)
    return None


def _shown(text: str) -> str:
    """Text without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _row(value: Any) -> tuple[str, str, str]:
    """Dtype or type, shape, and note or value."""
    if isinstance(value, Outline):
        return value.dtype, str(value.shape), value.note
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return str(value.dtype), str(tuple(value.shape)), type(value).__name__
    if isinstance(value, Thing):
        return value.path, "", ""
    length = f"({len(value)})" if isinstance(value, list | tuple | dict | set) else ""
    return type(value).__name__, length, _value(value)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        head = ", ".join(_value(v) for v in value[:6])
        return f"{head}, …" if len(value) > 6 else head
    if not isinstance(value, _PLAIN):
        return ""
    text = repr(value[:_WIDTH] if isinstance(value, str | bytes) else value)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    rows = [tuple(map(_shown, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


# ---- commands


def add_commands(commands: Any) -> None:
    """Add `inspect` and `diff` to the command line."""
    inspect = commands.add_parser(
        "inspect", help="list names, shapes and dtypes in a .pt, .pth or .safetensors file",
        description="List what a file holds. No tensor is read, and nothing of the file's is run.",
    )  # fmt: skip
    inspect.add_argument("file", metavar="FILE", type=Path)
    inspect.set_defaults(run=_inspect)
    diff = commands.add_parser(
        "diff", help="print the largest difference between the tensors of two files",
        description="Compare the tensors of two files by name. Exit status: 0 if no difference "
        "is larger than X, 1 if one is or a name or shape differs, 2 if a file cannot be read.",
    )  # fmt: skip
    diff.add_argument("first", metavar="A", type=Path)
    diff.add_argument("second", metavar="B", type=Path)
    diff.add_argument("--atol", metavar="X", type=float, default=0.0, help="default: 0")
    diff.set_defaults(run=_diff)


def _inspect(arguments: argparse.Namespace) -> int:
    try:
        found = [*entries(outline(arguments.file))]
    except _ERRORS as error:
        print(_shown(str(error)), file=sys.stderr)
        return 2
    _print_table([(name or "(the object)", *_row(value)) for name, value in found])
    tensors = [value for _, value in found if isinstance(value, Outline)]
    numbers, size = sum(prod(t.shape) for t in tensors), sum(t.nbytes for t in tensors)
    print(f"{len(tensors)} tensors, {numbers:,} numbers, {size:,} bytes")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    try:
        first, second = (_tensors(path) for path in (arguments.first, arguments.second))
    except _ERRORS as error:
        print(_shown(str(error)), file=sys.stderr)
        return 2
    rows, worst = [], 0.0
    for name in [*first, *(name for name in second if name not in first)]:
        if name not in first or name not in second:
            rows.append((name, "only in", str((arguments.second, arguments.first)[name in first])))
            worst = float("inf")
            continue
        text, size = _difference(first[name], second[name])
        rows.append((name, str(tuple(first[name].shape)), text))
        worst = max(worst, size)
    _print_table(rows or [("no tensors", "", "")])
    print(f"largest difference: {worst:.6g}")
    return int(worst > arguments.atol)


def _tensors(path: Path) -> dict[str, Tensor]:
    found = entries(load(path, map_location="cpu"))
    return {name: value for name, value in found if isinstance(value, Tensor)}


def _difference(a: Any, b: Any) -> tuple[str, float]:
    """In words and as a number; NaN at equal places is no difference, elsewhere an infinite one."""
    if a.shape != b.shape or a.layout is not b.layout:
        return f"shape {tuple(b.shape)} {b.layout} in the second", float("inf")
    kinds = "" if a.dtype is b.dtype else f"  {a.dtype.name} and {b.dtype.name}"
    a, b = (_wide(t.detach().to_dense()) for t in (a, b))
    apart = (a != b) & ~((a != a) & (b != b))
    if not bool(apart.any()):
        return f"0{kinds}", 0.0
    gap = (a - b).abs()[apart]
    largest = float("inf") if bool(gap.isnan().any()) else float(gap.max())
    scale = float(a.abs()[apart].nan_to_num(0.0).max())
    relative = f", relative {largest / scale:.3g}" if 0 < scale < float("inf") else ""
    return f"{largest:.6g}{relative}, {int(apart.sum())} of {a.numel()} differ{kinds}", largest


def _wide(value: Any) -> Any:
    return value.to("complex128") if value.is_complex() else value.double()
