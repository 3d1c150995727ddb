"""Nested containers of Tensors: what the transforms of `func` take and return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Rebuild = Callable[[Iterator[Any]], Any]


def flatten(tree: Any) -> tuple[list[Any], Rebuild]:
    """The leaves in order, and a function that builds the same containers around other leaves.

    Tuples (named ones too), lists and dicts are containers; all else, None too, is a leaf.
    """
    if isinstance(tree, dict):
        keys, kind = list(tree), type(tree)
        leaves, build = flatten(list(tree.values()))
        return leaves, lambda it: _as_dict(kind, tree, zip(keys, build(it), strict=True))
    if not isinstance(tree, tuple | list):
        return [tree], next
    parts = [flatten(item) for item in tree]
    kind = type(tree)
    make = kind._make if hasattr(kind, "_make") else kind
    leaves = [leaf for part, _ in parts for leaf in part]
    return leaves, lambda it: make([build(it) for _, build in parts])


def _as_dict(kind: Any, like: Any, items: Any) -> Any:
    factory = getattr(like, "default_factory", None)
    return kind(factory, items) if factory is not None else kind(items)


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with `function` applied to each leaf."""
    leaves, build = flatten(tree)
    return build(iter([function(leaf) for leaf in leaves]))


def spread(prefix: Any, tree: Any) -> list[Any] | None:
    """A value for each leaf of `tree` from a tree that may end earlier; None if they differ."""
    if isinstance(prefix, tuple | list | dict):
        if not isinstance(tree, type(prefix)) or len(prefix) != len(tree):
            return None
        keys = prefix if isinstance(prefix, dict) else range(len(prefix))
        if isinstance(prefix, dict) and set(prefix) != set(tree):
            return None
        found: list[Any] = []
        for key in tree if isinstance(tree, dict) else keys:
            part = spread(prefix[key], tree[key])
            if part is None:
                return None
            found += part
        return found
    return [prefix] * len(flatten(tree)[0])
