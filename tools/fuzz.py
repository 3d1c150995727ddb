"""Random programs, line by line on PyTorch and on Pyrite, compared after every line.

    python tools/fuzz.py --programs 20000 --seed 0 [--jobs 2] [--shrink]

A program (see `fuzz_programs.py`) runs on three machines side by side: PyTorch, Pyrite and the
reference, which is PyTorch with every floating dtype lifted to float64. After each line all live
tensors are compared: whether both raise and the class of the error, dtype, shape, requires_grad,
is_leaf, version counter, which tensors share memory and where in it they lie, values, and `.grad`.
A program ends at its first difference.

Values. Integer and boolean tensors must be equal. Floating ones must hold
|ours - reference| <= 2 * |torch - reference| + 1 ulp of the largest intermediate. |torch -
reference| is the largest error in the tensor. The intermediates are the line's operands and
results, what the operators inside it return and, where the line computes gradients, all live
tensors and all gradients on the way, each with the ulp of its own dtype. Where torch or the
reference is not finite, ours must equal torch's. Results in float64 have no better reference:
they must agree with torch's within 16 ulp of the largest intermediate.

Same inputs. After a line has been compared, torch's values are written into the memory of the
other two, behind the back of autograd. So every line starts from the same numbers in all three:
an error is charged to the line that makes it, a comparison, a rounding to half precision or to
integers, a sort and a floor see the same operands, and no criterion has to be loosened for them.
Literals are multiples of 1/64, exact in every floating dtype; a cast to a narrower type is the
identity in the reference (its rounding counts as an error of both).

Errors. A class counts as equal if Python code that names a built-in class catches both alike
(torch's NotImplementedError is a RuntimeError). Version counters are compared by what they grow
after a tensor was made: torch's own results start at 0 or 1.

Known departures end a program and are counted in the summary: `REFUSALS` and `SLIPS`, where
PyTorch alone raises; a view that tensordot makes of its own product under no_grad, which PyTorch
then refuses to write; an integer division by zero in place, which PyTorch leaves half done;
gradients made with create_graph that PyTorch alone marks as requiring a gradient though it is
zero everywhere, or that it alone does not mark, where tensors without elements are about. Not
compared: lines for which torch has no kernel on the CPU ("not implemented for 'Half'"), strides
of gradients and of tensors that are nobody's view, the order of equal elements in a sort,
repeated indices of a scatter, writes into overlapping windows of `unfold`, `requires_grad_` of a
tensor that has views, views made under no_grad of what needs a gradient, resizing `out=` while
views of it live.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import fuzz_programs  # noqa: E402

import pyrite  # noqa: E402

Program = list[str]
DIGITS = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}
FLOATS = {torch.float64, torch.float32, torch.float16, torch.bfloat16}
NAME = re.compile(r"\bx\d+\b")
CALL = re.compile(r"(?:T|T\.nn\.functional|T\.autograd|\)|\bx\d+|\])\.([a-z]\w*)\(")


class Lifted:
    """torch's namespace with every floating dtype replaced by float64."""

    def __init__(self, module: Any = torch) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.module, name)
        if isinstance(value, torch.dtype):
            return torch.float64 if value in FLOATS else value
        return value

    def tensor(self, data: Any, dtype: Any = None, requires_grad: bool = False) -> torch.Tensor:
        return torch.tensor(data, dtype=dtype, requires_grad=requires_grad)


def has_memory(t: torch.Tensor) -> bool:
    """Whether there are elements to read (a gradient of zeros may have none)."""
    return t.numel() > 0 and not t._is_zerotensor()


LACKS = re.compile("not implemented for '|does not support bool")  # no kernel on the CPU


class Watch(TorchDispatchMode):
    """Notes the largest finite element that any operator returns, derivatives included."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for t in out if isinstance(out, tuple | list) else (out,):
            if isinstance(t, torch.Tensor) and t.dtype.is_floating_point and has_memory(t):
                big = t.abs().max().item()
                if self.peak < big < np.inf:
                    self.peak = big
        return out


class Difference(Exception):
    """What differs: its kind, and both sides in words."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)
        self.kind, self.text = kind, text


class Departure(Exception):
    """The program ends here by a known departure, which the summary counts."""


# Where PyTorch alone refuses, by the text of its error.
REFUSALS = {
    "modified by an inplace operation: [": "PyTorch saves what Pyrite does not need",
    "Trying to backward through the graph a second time": "PyTorch saves what Pyrite does not need",
    "derivative for aten::": "PyTorch has no derivative",
    "the derivative for": "PyTorch has no derivative",
}
# The same, where it is a backward that raises: PyTorch's formulas fail at operands they allow.
SLIPS = {
    "on a bool tensor is not supported": "PyTorch's gradient of atan2 negates a bool operand",
    "doesn't match the broadcast shape": "PyTorch's gradient of clamp with wider limits",
    "can't be cast to the desired output type": "PyTorch's gradient of addcdiv by integers",
}


class Run:
    """One program on the three machines.

    Attributes:
        theirs, ours, lifted: the live tensors of each machine by name.
        second: whether gradients of gradients have been asked for.
        expanded: whether a tensor with an expanded dimension has been met.
        reference: whether the reference is still there; it ends where it raises alone.
        slopes: the largest gradient that passed a hook of the reference, as an ulp.
        peak: the largest element that an operator of the reference returned in this line.
    """

    def __init__(self) -> None:
        self.theirs: dict[str, Any] = {}
        self.ours: dict[str, Any] = {}
        self.lifted: dict[str, Any] = {}
        self.scopes = [{"T": torch}, {"T": pyrite}, {"T": Lifted()}]
        self.reference, self.second, self.expanded = True, False, False
        self.slopes = self.peak = 0.0
        self.seen: dict[str, tuple[int, int]] = {}
        self.versions: dict[str, tuple[int, int]] = {}

    # ---- one line

    def step(self, line: str) -> bool:
        """Run and compare one line; False if it does not count (its operands are not there)."""
        if any(n not in self.theirs for n in self.operands(line)):
            return False
        self.second = self.second or "create_graph" in line
        before, self.peak = self.units(self.operands(line)), 0.0
        error = self.execute(0, line, self.theirs)
        if isinstance(error, RuntimeError) and LACKS.search(str(error)):
            return False
        mine = self.execute(1, line, self.ours)
        if error is not None and mine is None:
            self.refused(line, str(error))
        if (
            mine is not None
            and "ZeroDivisionError" in str(error)
            and re.search(r"_\(|[/%]= ", line)
        ):
            raise Departure("both refuse to divide an integer by zero, PyTorch half-way")
        if mine is not None and error is None and "input of MatmulBackward0" in str(mine):
            raise Departure("PyTorch's product of 2-D and 3-D operands saves a copy")
        if type_of(error) is not type_of(mine):
            raise Difference("error", f"torch {told(error)}, pyrite {told(mine)}")
        if error is None and self.reference:
            torch.set_default_dtype(torch.float64)
            with Watch() as watch:
                self.reference = self.execute(2, self.copied(line), self.lifted) is None
            self.peak = watch.peak
            torch.set_default_dtype(torch.float32)
        if error is not None and ("backward(" in line or "autograd.grad(" in line):
            raise Departure("both refuse a backward, which leaves some gradients behind")
        self.compare(line, before)
        return True

    def refused(self, line: str, error: str) -> None:
        """Departure if PyTorch alone refuses a line for a known reason."""
        slopes = "backward(" in line or "autograd.grad(" in line
        for text, reason in (REFUSALS | SLIPS if slopes else REFUSALS).items():
            if text in error:
                raise Departure(reason)
        live = {id(t) for t in self.theirs.values()}
        for t in map(self.theirs.get, self.operands(line)):
            if "no_grad mode" in error and t._is_view() and id(t._base) not in live:
                raise Departure("PyTorch's tensordot under no_grad gives a view of its own product")

    def execute(self, machine: int, line: str, scope: dict[str, Any]) -> Exception | None:
        try:
            exec(line, self.scopes[machine], scope)
        except Exception as error:  # noqa: BLE001 every error is compared
            return error
        return None

    def operands(self, line: str) -> list[str]:
        made = line.split(" = ", 1)[0] if re.match(r"(with .*: )?x\d+(, x\d+)*,? = ", line) else ""
        return [n for n in NAME.findall(line) if n not in NAME.findall(made)]

    def copied(self, line: str) -> str:
        """The line for the reference: a cast that copies copies there too."""
        made = re.match(r"(?:with .*: )?(x\d+) = (x\d+)\.(to|type_as)\((.*)\)$", line)
        if made and self.theirs[made[1]] is not self.theirs[made[2]]:
            kind = made[4] if made[3] == "to" else f"{made[4]}.dtype"
            return line[: made.end(1)] + f" = {made[2]}.to({kind}, copy=True)"
        return line

    # ---- comparing

    def compare(self, line: str, before: float) -> None:
        for scope in (self.theirs, self.ours, self.lifted):
            for name in [n for n, t in scope.items() if t is None]:
                del scope[name]
        if set(self.theirs) != set(self.ours):
            raise Difference("names", f"{set(self.theirs) ^ set(self.ours)}")
        slopes = "backward(" in line or "autograd.grad(" in line
        for name, t in self.theirs.items():
            self.traits(name, t, self.ours[name])
        self.memory()
        changed = [n for n, t in self.theirs.items() if self.seen.get(n) != (id(t), t._version)]
        if not slopes:
            unit = max(before, self.units({*changed, *self.operands(line)}))
        else:
            unit = max(self.units(self.theirs), self.units(self.theirs, grads=True), self.slopes)
        for name in self.theirs:
            self.values(name, self.theirs[name], self.ours[name], self.lifted.get(name), unit)
        if slopes:
            for name, t in self.theirs.items():
                self.gradients(name, t, unit)
        self.watch(changed)

    def traits(self, name: str, t: Any, o: Any) -> None:
        first, mine = self.versions.setdefault(name, (t._version, o._version))
        for trait, a, b in (
            ("dtype", str(t.dtype)[6:], o.dtype.name), ("shape", tuple(t.shape), tuple(o.shape)),
            ("requires_grad", t.requires_grad, o.requires_grad),
            ("is_leaf", is_leaf(t), is_leaf(o)), ("version", t._version - first, o._version - mine),
        ):  # fmt: skip
            if trait == "requires_grad" and a != b:
                self.again(a)
            if a != b:
                raise Difference(trait, f"{name}: torch {a}, pyrite {b}")

    def again(self, theirs: bool) -> None:
        """Departure if one side alone marks a second derivative that is known to be zero."""
        if self.second and theirs:
            raise Departure("PyTorch records a second derivative that is zero everywhere")
        if self.second and any(not t.numel() for t in self.theirs.values()):
            raise Departure("PyTorch records no second derivative through what has no elements")

    def memory(self) -> None:
        """Which tensors share memory, and how each lies in it."""
        first: dict[int, str] = {}
        homes: dict[int, str] = {}
        for name, t in self.theirs.items():
            o = self.ours[name]
            if not t.numel():
                continue
            self.expanded = self.expanded or 0 in t.stride()
            a = first.setdefault(t.untyped_storage().data_ptr(), name)
            b = homes.setdefault(root(o.array if o.storage is None else o.storage.root), name)
            if a != b:
                raise Difference("aliasing", f"{name} shares memory: torch {a}, pyrite {b}")
            if a != name:
                there, here = place(t, self.theirs[a]), place(o, self.ours[a])
                if there != here and there[0] == here[0] and self.expanded:
                    raise Departure("the order of dimensions of what expanded operands give")
                if there != here:
                    raise Difference("strides", f"{name} in {a}: torch {there}, pyrite {here}")

    def values(self, name: str, t: Any, o: Any, r: Any, unit: float) -> None:
        """Compare the values of one tensor and give all machines torch's."""
        if r is not None and self.reference and r.dtype.is_floating_point:
            exact = r.data  # a counter of its own: the write below is not counted
        else:
            exact = None
        a, b = array_of(t), o.array
        if a.tobytes() == np.ascontiguousarray(b).tobytes():
            pass
        elif a.dtype.kind in "biu":
            if not np.array_equal(a, b):
                raise Difference("values", f"{name}: torch {a.tolist()}, pyrite {b.tolist()}")
        else:
            c = None if exact is None else exact.numpy()
            kind = str(t.dtype)[6:]
            unit = max(unit, spacing(self.peak, DIGITS[kind]))
            judge(name, kind, a.astype("float64"), b.astype("float64"), c, unit)
            overwrite(b, a)
        if exact is not None and kind_needs(t) and tuple(exact.shape) == tuple(t.shape):
            overlap = any(s == 0 and n > 1 for s, n in zip(exact.stride(), exact.shape))
            if not overlap and has_memory(exact):
                exact.copy_(t.detach())

    def gradients(self, name: str, t: Any, unit: float) -> None:
        if not (t.is_leaf if is_leaf(t) in (True, False) else False) and not t.retains_grad:
            return
        a, b = t.grad, self.ours[name].grad
        if (a is None) != (b is None):
            raise Difference("grad", f"{name}.grad: torch {a}, pyrite {b}")
        if a is None:
            return
        if a.requires_grad != b.requires_grad:
            self.again(a.requires_grad)
        for trait in ("shape", "requires_grad"):
            if getattr(a, trait) != getattr(b, trait):
                raise Difference("grad", f"{name}.grad.{trait}: torch {a}, pyrite {b}")
        if str(a.dtype)[6:] != b.dtype.name:
            raise Difference("grad", f"{name}.grad: torch {a.dtype}, pyrite {b.dtype}")
        r = self.lifted.get(name)
        try:
            self.values(f"{name}.grad", a, b, None if r is None else r.grad, unit)
        except Difference as difference:
            raise Difference("grad values", difference.text) from None

    # ---- intermediates

    def units(self, names: Iterable[str], grads: bool = False) -> float:
        """One ulp of the largest element of the tensors, each in its own dtype."""
        unit = 0.0
        for name in names:
            t = self.theirs[name]
            if grads:
                t = t.grad if is_leaf(t) is True or t.retains_grad else None
            if t is not None and t.numel():
                unit = max(unit, ulp(t))
        return unit

    def watch(self, changed: list[str]) -> None:
        """Let the reference tell the size of every gradient that passes a new tensor."""
        for name in changed:
            t = self.theirs[name]
            self.seen[name] = (id(t), t._version)
            r = self.lifted.get(name)
            if r is not None and is_leaf(r) in (True, False) and r.requires_grad:
                digits = DIGITS.get(str(t.dtype)[6:], 23)
                if r.grad_fn is None:
                    r.register_hook(lambda g, digits=digits: self.passed((g,), digits))
                else:
                    r.grad_fn.register_prehook(lambda gs, digits=digits: self.passed(gs, digits))

    def passed(self, gradients: Iterable[torch.Tensor | None], digits: int) -> None:
        for g in gradients:
            if g is not None and g.numel():
                self.slopes = max(self.slopes, spacing(g.detach().abs().max().item(), digits))


def spacing(value: float, digits: int) -> float:
    """One ulp of a value with so many binary digits behind the point."""
    if not np.isfinite(value) or value == 0:
        return 0.0
    return float(2.0 ** (np.floor(np.log2(abs(value))) - digits))


def ulp(t: torch.Tensor) -> float:
    if not t.dtype.is_floating_point:
        return spacing(float(t.abs().max()) if t.dtype != torch.bool else 1.0, 23)
    a = t.detach().double()
    finite = a[a.isfinite()]
    return spacing(finite.abs().max().item(), DIGITS[str(t.dtype)[6:]]) if finite.numel() else 0.0


def is_leaf(t: Any) -> Any:
    """Whether a tensor is a leaf, or the class of the error that a stale view raises."""
    try:
        return t.is_leaf
    except RuntimeError:
        return RuntimeError


def type_of(error: Exception | None) -> type | None:
    kind = None if error is None else type(error)
    if kind is not None and issubclass(kind, RuntimeError):
        return RuntimeError
    return kind


def told(error: Exception | None) -> str:
    return "runs" if error is None else f"{type(error).__name__}: {str(error)[:160]}"


def kind_needs(t: torch.Tensor) -> bool:
    """Whether the reference's values can be off torch's."""
    return t.dtype.is_floating_point and t.numel() > 0


def array_of(t: torch.Tensor) -> np.ndarray[Any, Any]:
    t = t.detach().resolve_neg()
    if t.dtype == torch.bfloat16:
        return t.clone().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return t.clone().numpy()  # a view from NumPy would forbid torch to resize the memory


def root(array: Any) -> int:
    """The address of the memory that an array is part of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.__array_interface__["data"][0]


def place(t: Any, other: Any) -> tuple[int, list[int]]:
    steps = [s for s, n in zip(t.stride(), t.shape) if n > 1]
    return t.data_ptr() - other.data_ptr(), steps


def overwrite(target: Any, values: Any) -> None:
    """Write into an array's memory, be it marked read-only."""
    if target.flags.writeable:
        target[...] = values
        return
    base = target
    while isinstance(base.base, np.ndarray):
        base = base.base
    if base.flags.writeable and target.size and 0 not in target.strides:
        raw = (ctypes.c_char * base.nbytes).from_address(base.__array_interface__["data"][0])
        start = target.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        np.ndarray(target.shape, target.dtype, raw, start, target.strides)[...] = values


def judge(name: str, kind: str, a: Any, b: Any, c: Any, unit: float) -> None:
    """The criterion, for torch's, our and the reference's values of one tensor."""
    odd = ~np.isfinite(a)
    if c is not None:
        odd = odd | ~np.isfinite(c)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if not bool(np.all(same[odd])):
        raise Difference("values", f"{name}: torch {a.tolist()}, pyrite {b.tolist()}")
    a, b, c = a[~odd], b[~odd], None if c is None else c[~odd]
    if kind == "float64" or c is None:
        unit = max(unit, max((spacing(v, DIGITS[kind]) for v in np.abs(a)), default=0.0))
        error, bound = np.abs(a - b), 16 * unit
    else:
        error, bound = np.abs(b - c), 2 * np.abs(a - c).max(initial=0.0) + unit
    if not bool(np.all(error <= bound)):
        i = int(np.argmax(error))
        raise Difference(
            "values",
            f"{name} ({kind}): torch {a[i]!r}, pyrite {b[i]!r}, reference "
            f"{'-' if c is None else repr(c[i])}; error {error[i]:.3g} over {bound:.3g}",
        )


def examine(program: Program) -> tuple[int, Difference | Departure | None]:
    """Run a program; the number of lines that ran and the first difference."""
    run, done = Run(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line in program:
            try:
                done += run.step(line)
            except (Difference, Departure) as found:
                return done + 1, found
            finally:
                torch.set_default_dtype(torch.float32)
    return done, None


def shrink(program: Program, kind: str) -> Program:
    """The shortest program, by leaving out lines, that still shows a difference of the kind."""

    def shows(candidate: Program) -> bool:
        found = examine(candidate)[1]
        return isinstance(found, Difference) and found.kind == kind

    for i in reversed(range(len(program))):
        candidate = program[:i] + program[i + 1 :]
        if shows(candidate):
            program = candidate
    return program


# ---- the command


def work(task: tuple[int, bool]) -> tuple[int, int, Counter[str], str, Any]:
    """One seed: lines run, ops by name, a departure, and (kind, text, program) of a difference."""
    seed, short = task
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = fuzz_programs.program(seed)
    done, found = examine(program)
    ops = Counter(name for line in program[:done] for name in CALL.findall(line))
    if isinstance(found, Departure):
        return seed, done, ops, str(found), None
    if found is None:
        return seed, done, ops, "", None
    if short:
        program = shrink(program, found.kind)
        again = examine(program)[1]
        found = again if isinstance(again, Difference) else found
    return seed, done, ops, "", (found.kind, found.text, program)


def start_worker() -> None:
    torch.set_num_threads(1)


def campaign(seeds: Iterable[int], jobs: int, short: bool) -> Iterable[Any]:
    tasks = [(seed, short) for seed in seeds]
    start_worker()
    if jobs == 1:
        yield from map(work, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, start_worker) as pool:
        yield from pool.imap(work, tasks, chunksize=20)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="the first program's seed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--shrink", action="store_true", help="shorten the programs that fail")
    args = parser.parse_args()
    kinds: Counter[str] = Counter()
    departures: Counter[str] = Counter()
    ops: Counter[str] = Counter()
    lines = 0
    seeds = range(args.seed, args.seed + args.programs)
    for seed, done, used, departure, failed in campaign(seeds, args.jobs, args.shrink):
        lines += done
        ops += used
        departures[departure] += bool(departure)
        if failed:
            kind, text, program = failed
            kinds[kind] += 1
            print(f"seed {seed}: {kind}: {text}")
            print("\n".join(f"    {line}" for line in program), flush=True)
    print(f"{'programs':24}{args.programs:>8}\n{'lines run':24}{lines:>8}")
    for name, n in ops.most_common():
        print(f"  {name:22}{n:>8}")
    print(f"{'differences':24}{sum(kinds.values()):>8}")
    for kind, n in kinds.most_common():
        print(f"  {kind:22}{n:>8}")
    print("ended early by a known departure")
    for reason, n in departures.most_common():
        print(f"  {n:>6}  {reason}") if reason else None
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
