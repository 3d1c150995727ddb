"""`python -m pyrite port`: a script is rewritten name by name, and what is lacking is listed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pyrite.__main__ import main
from pyrite._port import port, translate

SCRIPT = '''\
# Trains on torch; torch.nn stays in this comment.
"""Docstring: import torch"""
import os, torch
import torch.nn as nn
import torch.nn.functional as F   # noqa
from torch import optim
from torch.optim.lr_scheduler import (
    StepLR,
    NoSuchScheduler as S,
)
from torch.utils.data import DataLoader, TensorDataset
import torchvision

torch.backends.cudnn.benchmark = True
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Net(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.1),
                                    nn.Linear(width, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def main() -> float:
    torch.manual_seed(0)
    x = torch.randn(120, 4); y = (x.sum(dim=1) > 0).long()   # ümläut before torch.nothing
    s = "naïve torch.nn"; z = torch.zeros(1)
    loader = DataLoader(TensorDataset(x, y), batch_size=30, shuffle=True)
    model = Net().to(DEVICE)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    schedule = StepLR(optimizer, step_size=5)
    for epoch in range(8):
        for a, b in loader:
            loss = F.cross_entropy(model(a.to(DEVICE)), b)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        schedule.step()
    torch.save(model.state_dict(), os.environ["OUT"])
    return loss.item()


def unused() -> None:
    torch.no_such_thing(torch.ones(2)); torchvision.nowhere.model()


if __name__ == "__main__":
    print(f"{main():.4f} {torch.__name__}")
'''


def test_a_training_script_is_ported_and_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script, out = tmp_path / "train.py", tmp_path / "new.py"
    script.write_text(SCRIPT, encoding="utf-8", newline="")
    assert main(["port", str(script), "-o", str(out)]) == 1
    report = capsys.readouterr().out.splitlines()
    assert report == [
        f"{script}:9: torch.optim.lr_scheduler.NoSuchScheduler is not in Pyrite",
        f"{script}:49: torch.no_such_thing is not in Pyrite",
        f"{script}:49: torchvision.nowhere.model is not in Pyrite",
        f"{out} written; 3 names to replace",
    ]
    new = out.read_text(encoding="utf-8")
    assert script.read_text(encoding="utf-8") == SCRIPT
    changed = {
        "import os, torch": "import os, pyrite",
        "from torch import optim": "from pyrite import optim",
        "from torch.utils.data import": "from pyrite.utils.data import",
        "import torch.nn.functional as F   # noqa": "import pyrite.nn.functional as F   # noqa",
        "import torchvision\n": "import pyrite.vision\n",
        's = "naïve torch.nn"; z = torch.zeros(1)': 's = "naïve torch.nn"; z = pyrite.zeros(1)',
        "torchvision.nowhere.model": "pyrite.vision.nowhere.model",
    }
    for before, after in changed.items():
        assert before in SCRIPT
        assert after in new
    assert new.startswith(
        '# Trains on torch; torch.nn stays in this comment.\n"""Docstring: import'
    )
    assert "# ümläut before torch.nothing" in new
    assert len(new.splitlines()) == len(SCRIPT.splitlines())

    out.write_text(new.replace("    NoSuchScheduler as S,\n", ""), encoding="utf-8")
    monkeypatch.setenv("OUT", str(tmp_path / "net.pt"))
    done = subprocess.run([sys.executable, str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loss, name = done.stdout.split()
    assert name == "pyrite"
    assert float(loss) < 0.5
    assert (tmp_path / "net.pt").is_file()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import torch\ntorch.ones(2)\n", "import pyrite\npyrite.ones(2)\n"),
        ("import torch as th\nth.ones(2)\n", "import pyrite as th\nth.ones(2)\n"),
        ("import torch.nn\ntorch.nn.ReLU()\n", "import pyrite.nn\npyrite.nn.ReLU()\n"),
        ("from torch import *\nones(2)\n", "from pyrite import *\nones(2)\n"),
        ("from torch.nn import(ReLU)\n", "from pyrite.nn import(ReLU)\n"),
        ("from \\\n  torch import nn\n", "from \\\n  pyrite import nn\n"),
        ("x = 1; import torch; torch.e\r\n", "x = 1; import pyrite; pyrite.e\r\n"),
        ("é = 'ß'; import torch; é = torch.e\n", "é = 'ß'; import pyrite; é = pyrite.e\n"),
        (
            "try:\n    import torch\nexcept ImportError:\n    torch = None\n",
            "try:\n    import pyrite as torch\nexcept ImportError:\n    torch = None\n",
        ),
        (
            "import torch.nn\ndef f(torch): return torch\n",
            "import pyrite.nn, pyrite as torch\ndef f(torch): return torch\n",
        ),
        ("import torch\npyrite = torch\n", "import pyrite as torch\npyrite = torch\n"),
        ("import torchtune\nfrom .torch import x\n", "import torchtune\nfrom .torch import x\n"),
        ("import torch\nf'{torch.e:.2f} torch'\n", "import pyrite\nf'{pyrite.e:.2f} torch'\n"),
        ("import torch\ntorch \\\n .e\n", "import pyrite\npyrite \\\n .e\n"),
        ("import torchvision.datasets as d\n", "import pyrite.vision.datasets as d\n"),
        ("x.torch.y\n", "x.torch.y\n"),
        ("import torch\ntorch = torch\n", "import pyrite as torch\ntorch = torch\n"),
        ("import torch\nf(torch=1)(torch)\n", "import pyrite\nf(torch=1)(pyrite)\n"),
    ],
)  # fmt: skip
def test_forms(before: str, after: str) -> None:
    assert port(before).text == after
    assert port(before).lacking == []


def test_a_name_that_the_parser_misplaces_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import torch\nx = torch.e, torch.pi\n"
    tree = ast.parse(text)
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "torch"]
    names[0].col_offset -= 1
    monkeypatch.setattr(ast, "parse", lambda _: tree)
    assert port(text).text == "import pyrite as torch\nx = torch.e, torch.pi\n"


def test_lightning_becomes_train() -> None:
    text = "import lightning as L\nfrom lightning.pytorch import Trainer\nL.pytorch.seed_everything"
    new = port(text).text
    assert new == "import pyrite.train as L\nfrom pyrite.train import Trainer\nL.seed_everything"
    assert translate("pytorch_lightning.callbacks") == "pyrite.train.callbacks"
    assert translate("torchmetrics") is None


def test_a_notebook_is_ported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def cell(kind: str, *source: str) -> dict[str, object]:
        return {"cell_type": kind, "metadata": {}, "source": list(source)}

    cells = [
        cell("markdown", "import torch"),
        cell("code", "%matplotlib inline\n", "!pip list\n", "import torch"),
        cell("code", "for i in range(2):\n", "    %time torch.ones(2)\n", "torch.nothing"),
    ]
    source = tmp_path / "n.ipynb"
    source.write_text(json.dumps({"cells": cells, "nbformat": 4}), encoding="utf-8")
    assert main(["port", str(source)]) == 1
    assert "cell 2, line 3: torch.nothing is not in Pyrite" in capsys.readouterr().out
    new = json.loads((tmp_path / "n_pyrite.ipynb").read_text(encoding="utf-8"))
    assert [c["source"] for c in new["cells"]] == [
        ["import torch"],
        ["%matplotlib inline\n", "!pip list\n", "import pyrite"],
        ["for i in range(2):\n", "    %time torch.ones(2)\n", "pyrite.nothing"],
    ]


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, out = tmp_path / "a.py", tmp_path / "a_pyrite.py"
    script.write_text("import torch\n")
    assert main(["port", str(script)]) == 0
    assert "nothing is lacking" in capsys.readouterr().out
    out.write_text("mine")
    assert main(["port", str(script)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["port", str(script), "-o", str(script), "--force"]) == 2
    assert (script.read_text(), out.read_text()) == ("import torch\n", "mine")
    assert main(["port", str(script), "--force"]) == 0
    assert out.read_text() == "import pyrite\n"
    script.write_text("import torch as\n")
    assert main(["port", str(script), "--force"]) == 2
    assert "invalid syntax" in capsys.readouterr().err
    assert out.read_text() == "import pyrite\n"


def test_encodings_and_line_ends_stay(tmp_path: Path) -> None:
    script, out = tmp_path / "a.py", tmp_path / "b.py"
    for data in (
        "# coding: latin-1\r\né = 1; import torch\r\n".encode("latin-1"),
        "\ufeffimport torch\r\n".encode(),
    ):
        script.write_bytes(data)
        assert main(["port", str(script), "-o", str(out), "--force"]) == 0
        assert out.read_bytes() == data.replace(b"torch", b"pyrite")
