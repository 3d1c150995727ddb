"""Write `pyrite/vision/data/weights.json`: the facts of torchvision's published weights.

    python tools/weights_table.py [FILE]

Needs torchvision 0.28 beside torch. Of each model that Pyrite has: the name of its enum, and of
each of its weights the file, sizes, metrics, the preset of transforms and the set of categories.
What torchvision says in sentences is left out.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pyrite.vision import models as ours

TARGET = Path(ours.__file__).parent.parent / "data" / "weights.json"
BASE = "https://download.pytorch.org/models/"


def torchvision_models() -> Any:
    """torchvision's models, also where it was built for another torch."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for op in ("nms", "qnms"):
        library.define(f"{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision import models

    library._destroy()
    return models


def plain(value: Any) -> Any:
    """Interpolation modes by name."""
    return getattr(value, "value", value)


def preset(transforms: Any) -> list[Any]:
    """The name of a preset and its arguments."""
    keywords = transforms.keywords if isinstance(transforms, partial) else {}
    made = transforms.func if isinstance(transforms, partial) else transforms
    return [made.__name__, {key: plain(value) for key, value in keywords.items()}]


def table(theirs: Any) -> dict[str, Any]:
    """The file's content."""
    lists: dict[tuple[str, ...], str] = {}
    rows: dict[str, Any] = {}
    for name in ours.list_models():
        found = theirs.get_model_weights(name)
        weights = {}
        for member in found:
            meta = {k: v for k, v in member.meta.items() if k != "_docs"}
            for key in ("categories", "keypoint_names"):
                if meta.get(key):
                    words = tuple(meta[key])
                    meta[key] = lists.setdefault(words, f"{key} {len(words)}")
            file = member.url.removeprefix(BASE)
            weights[member.name] = {"file": file, "transforms": preset(member.transforms), **meta}
        rows[name] = {"enum": found.__name__, "default": found.DEFAULT.name, "weights": weights}
    return {"base": BASE, "lists": {key: [*words] for words, key in lists.items()}, "models": rows}


def written(content: dict[str, Any]) -> str:
    """JSON with a line for each list and each of the weights."""
    line = partial(json.dumps, ensure_ascii=False, sort_keys=True)
    lists = ",\n".join(f"  {line(key)}: {line(value)}" for key, value in content["lists"].items())
    rows = []
    for name, row in content["models"].items():
        inner = ",\n".join(
            f"   {line(key)}: {line(value)}" for key, value in row["weights"].items()
        )
        head = f'"enum": {line(row["enum"])}, "default": {line(row["default"])}'
        rows.append(f'  {line(name)}: {{{head}, "weights": {{\n{inner}}}}}')
    models = ",\n".join(rows)
    base = line(content["base"])
    return f'{{"base": {base},\n "lists": {{\n{lists}}},\n "models": {{\n{models}}}}}\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, default=TARGET)
    text = written(table(torchvision_models()))
    parser.parse_args().file.write_text(text, encoding="utf-8")
    print(f"{len(text)} characters")


if __name__ == "__main__":
    main()
