"""The public door: names resolve, none is a stub, and the page of absent names is true."""

from __future__ import annotations

import ast
import fnmatch
import importlib
import operator
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyrite

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "pyrite").rglob("*.py"))

# Modules that torch has under the same path, without those that are made of classes only.
DOORS = (
    "", "accelerator", "autograd", "autograd.forward_ad", "autograd.functional", "autograd.graph",
    "amp", "compiler", "cpu", "cpu.amp", "cuda", "cuda.amp", "data", "distributions", "fft", "func",
    "hub", "jit", "library", "linalg", "masked",
    "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "optim", "optim.lr_scheduler",
    "random", "safetensors", "serialization", "signal.windows", "sparse", "special", "testing",
    "utils", "utils.checkpoint", "utils.data", "vision", "vision.datasets",
    "vision.models", "vision.models.feature_extraction", "vision.models.segmentation",
    "vision.ops", "vision.transforms",
    "vision.transforms.functional", "vision.transforms.v2", "vision.transforms.v2.functional",
    "vision.tv_tensors", "vision.utils",
)  # fmt: skip

# Of typing, of the package that reads the format, and partial functions.
FOREIGN = {
    "jit.Final", "safetensors.SafetensorError", "cuda.amp.custom_bwd", "cuda.amp.custom_fwd",
}  # fmt: skip

# Functions that only raise NotImplementedError: what a subclass has to write.
ABSTRACT = {
    "Function.forward", "Function.jvp", "Dataset.__getitem__", "Sampler.__iter__",
    "_open.method", "Constraint.check", "Transform._call", "Transform._inverse",
    "Transform.log_abs_det_jacobian", "Module.forward", "SparseTensor.as_plain",
    "Augmentation.augment", "_Sanitize.valid",
    "VisionDataset.__len__",
}  # fmt: skip
# Functions that only return an argument, and are right to do so.
SAME = {
    "resolve_conj",  # a conjugate is a copy: nothing is pending
    "RemovableHandle.__enter__", "NumpyBackend.to_host", "NumpyBackend.from_host",
    "Transform.forward_shape", "Transform.inverse_shape",  # elementwise until a subclass says more
    "Backend.shortcut",  # a backend that has none
    "unused", "export", "interface", "script_if_tracing", "annotate",  # marks of jit
    "Identity.forward", "Identity.transform", "Identity.compute_mask",
    "_SpectralNorm.right_inverse",
    "UninitializedTensorMixin.detach",
}  # fmt: skip


def door(path: str) -> Any:
    return importlib.import_module(f"pyrite.{path}".rstrip("."))


def shown(module: Any) -> list[str]:
    names = getattr(module, "__all__", None) or dir(module)
    return [n for n in names if not n.startswith("_")]


@pytest.mark.parametrize("path", DOORS)
def test_names_resolve_and_are_explained(path: str) -> None:
    """Each name is there, belongs to Pyrite, and functions and classes have docstrings."""
    module = door(path)
    for name in shown(module):
        value = getattr(module, name)
        home = value.__name__ if isinstance(value, types.ModuleType) else ""
        assert home.startswith("pyrite") or not home, f"{path}.{name} is the module {home}"
        if callable(value) and not isinstance(value, pyrite.dtype):
            home = getattr(value, "__module__", None) or "pyrite"
            foreign = f"{path}.{name}" in FOREIGN
            assert foreign or home.startswith("pyrite"), f"{path}.{name} comes from {home}"
            assert value.__doc__, f"{path}.{name} has no docstring"


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for file in FILES:
        pending: list[tuple[ast.AST, str]] = [(ast.parse(file.read_text(encoding="utf-8")), "")]
        while pending:
            node, prefix = pending.pop()
            for child in ast.iter_child_nodes(node):
                name = prefix
                if isinstance(child, ast.FunctionDef | ast.ClassDef):
                    name = f"{prefix}.{child.name}".lstrip(".")
                pending.append((child, name))
                if isinstance(child, ast.FunctionDef):
                    yield name, child


def test_no_function_is_a_stub() -> None:
    """None only raises NotImplementedError or hands an argument back."""
    stubs, same = set(), set()
    for name, function in functions():
        body = function.body[ast.get_docstring(function) is not None :]
        if len(body) != 1:
            continue
        if isinstance(body[0], ast.Raise) and "NotImplementedError" in ast.unparse(body[0]):
            stubs.add(name)
        given = {a.arg for a in function.args.posonlyargs + function.args.args}
        value = body[0].value if isinstance(body[0], ast.Return) else None
        if isinstance(value, ast.Name) and value.id in given:
            same.add(name)
    assert stubs == ABSTRACT
    assert same == SAME


def test_errors_speak_of_pyrite() -> None:
    """No error names a path of torch, but where files and scripts of torch are read."""
    readers = {"_port.py", "_pickle.py", "_torch_names.py", "serialization.py", "_archive.py"}
    found = [
        f"{file.name}:{raised.lineno}"
        for file in FILES
        if file.name not in readers
        for raised in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(raised, ast.Raise)
        for text in ast.walk(raised)
        if isinstance(text, ast.Constant) and re.search(r"\btorch\.", str(text.value))
    ]
    assert found == []


# ---- docs/absent.md

SPACES = (
    "", "Tensor", "nn", "nn.functional", "nn.init", "nn.utils", "optim", "optim.lr_scheduler",
    "utils.data", "linalg", "fft", "special", "distributions", "autograd", "func", "random",
    "nn.Module", "optim.Optimizer", "jit", "amp", "onnx",
)  # fmt: skip
# What torch's own files import and `dir` shows.
NOISE = {"Any", "TYPE_CHECKING"}


def listed() -> list[str]:
    """The names of the page's tables, from their first columns."""
    text = (ROOT / "docs" / "absent.md").read_text(encoding="utf-8")
    columns = re.findall(r"(?m)^\| (`.*?) \|", text)
    return [name for column in columns for name in re.findall(r"`([^`]+)`", column)]


def there(root: Any, path: str) -> bool:
    """Whether a dotted path leads somewhere."""
    head, _, rest = path.partition(".")
    return hasattr(root, head) and (not rest or there(getattr(root, head), rest))


def torch_names(torch: Any, space: str) -> list[str]:
    owner = operator.attrgetter(space)(torch) if space else torch
    names = None if isinstance(owner, type) else getattr(owner, "__all__", None)
    found = []
    for n in names or dir(owner):
        if n.startswith("_") or n in NOISE or not hasattr(owner, n):
            continue
        value = getattr(owner, n)
        home = value.__name__ if isinstance(value, types.ModuleType) else value
        home = home if isinstance(home, str) else getattr(value, "__module__", None) or "torch"
        if not isinstance(value, types.ModuleType) and str(home).startswith("torch"):
            found.append(f"{space}.{n}".lstrip("."))
    return found


def covered(path: str, patterns: list[str]) -> bool:
    forms = {path, path.removeprefix("Tensor."), path.removeprefix("nn.")}
    return any(fnmatch.fnmatchcase(form, p) for p in patterns for form in forms)


def test_listed_names_are_absent() -> None:
    for name in listed():
        if "*" not in name:
            assert not there(pyrite, name), f"{name} is there"
            assert "." in name or not hasattr(pyrite.Tensor, name), f"Tensor.{name} is there"


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's, of its own old names
def test_absent_names_are_listed() -> None:
    """What torch's public spaces show and Pyrite lacks is on the page; each pattern has a case."""
    torch = pytest.importorskip("torch", reason="torch, whose names are compared, is not installed")
    patterns = listed()
    missing = [
        path
        for space in (*SPACES, "cuda", "distributed")
        for path in torch_names(torch, space)
        if not there(pyrite, path)
    ]
    assert [path for path in missing if not covered(path, patterns)] == []
    unused = [p for p in patterns if "*" in p and not any(covered(m, [p]) for m in missing)]
    assert unused == []
