"""The documentation holds: every `python` block runs, every local link leads somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
BLOCK = re.compile(r"(?ms)^```python\n(.*?)^```$")
SHELL = re.compile(r"(?ms)^```sh\n(.*?)^```$")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")


def blocks(page: Path) -> str:
    """The page's blocks in one source, on their own lines, so that a traceback fits the page."""
    text = page.read_text(encoding="utf-8")
    lines = [""] * (text.count("\n") + 1)
    for match in BLOCK.finditer(text):
        first = text.count("\n", 0, match.start(1))
        code = match[1].splitlines()
        lines[first : first + len(code)] = code
    return "\n".join(lines)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p).strip()], ids=lambda p: p.name)
def test_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page's blocks run in order in one namespace, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks(page), str(page), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_setup_commands_are_one_line_each() -> None:
    """CI runs these two lines as they stand."""
    shell = SHELL.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    train, tests = shell[0].splitlines(), shell[1].splitlines()
    assert len(train) == len(tests) == 1
    assert train[0].endswith("examples/digits.py")
    assert tests[0].endswith("python -m pytest")
