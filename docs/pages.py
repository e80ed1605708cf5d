"""The pages of the site as programs: their Python blocks, run in order, and what they say that is printed.

In a page a ``python`` block is run, in the namespace of those before it. A ``text`` block right after one is what it
prints, compared word by word: whole numbers as they are, numbers with a point to 5 %, and ``...`` is anything. What
follows ``text measured`` is what one machine printed at one time: its numbers may be any, and the site shows new ones.

    <!-- needs: torch, keras -->     packages without which the page is not run
    <!-- run: code -->               run, and not shown: what a reader has already, such as data
    <!-- not run: why -->            the next block is shown, and not run
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs"

_PART = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[\w+-]*)(?P<rest>[^\n]*)\n(?P<code>.*?)^(?P=fence)[ ]*$"
    r"|<!-- (?P<kind>needs|run|not run):(?P<note>.*?)-->"
    r"|(?P<prose>\S)",
    re.DOTALL | re.MULTILINE,
)
_WORD = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?\d+e[-+]?\d+|\d+|[^\W\d]+|\.\.\.|[^\w\s]")


class Block(NamedTuple):
    """Some lines of a page that are run.

    Attributes
    ----------
    line : int
        Where they begin, from 1.
    code : str
    printed : str or None
        What the page says that they print; None where it does not say.
    measured : bool
        Whether its numbers may be any.
    """

    line: int
    code: str
    printed: str | None = None
    measured: bool = False


class Page(NamedTuple):
    """A page's path, what it needs to be run, its blocks, and its other fenced blocks by language."""

    path: Path
    needs: tuple[str, ...]
    blocks: tuple[Block, ...]
    others: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The page's name, as a file without its suffix."""
        return self.path.stem

    def missing(self) -> list[str]:
        """Return the packages that the page needs and that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]

    def pictures(self) -> list[str]:
        """Return the paths of the pictures that its code has to make."""
        return re.findall(r"!\[[^\]]*\]\((pictures/[^)\s]+)\)", self.path.read_text(encoding="utf-8"))


def read(path: Path) -> Page:
    """Read a page."""
    text = path.read_text(encoding="utf-8")
    needs: list[str] = []
    blocks: list[Block] = []
    others: list[tuple[str, str]] = []
    skip = after = False
    for part in _PART.finditer(text):
        if part["prose"]:
            after = False
            continue
        line = text.count("\n", 0, part.start()) + 1
        if part["kind"] == "needs":
            needs += [name.strip() for name in part["note"].split(",")]
        elif part["kind"] == "not run":
            skip = True
        elif part["kind"] == "run":
            blocks.append(Block(line, part["note"].strip() + "\n"))
        elif part["language"] == "python" and not skip:
            blocks.append(Block(line + 1, part["code"]))
            after = True
            continue
        elif part["language"] == "text" and after:
            blocks[-1] = blocks[-1]._replace(printed=part["code"], measured=part["rest"].strip() == "measured")
        else:
            others.append((part["language"], part["code"]))
            skip = False
        after = False
    return Page(path, tuple(needs), tuple(blocks), tuple(others))


def every() -> list[Page]:
    """Return the pages that hold code to be run, in the order of their names."""
    return [page for path in sorted(FOLDER.glob("*.md")) if (page := read(path)).blocks]


def with_measures(page: Page, folder: Path) -> str:
    """Return a page's text with what its blocks have printed in a folder in place of what another machine measured."""
    text = page.path.read_text(encoding="utf-8")
    for block in page.blocks:
        if block.measured and block.printed and (file := folder / f"printed-{block.line}.txt").is_file():
            text = text.replace(block.printed, file.read_text(encoding="utf-8"))
    return text.replace("```text measured", "```text")


class PageError(Exception):
    """A block of a page raises, or prints something else than the page says."""


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def run(page: Page, folder: Path) -> dict[str, Any]:
    """Run a page's blocks in a folder, and return the names that they made.

    Raises
    ------
    PageError
        Naming the page and the line.
    """
    module = ModuleType(f"page_{page.name}")  # classes of a page that are pickled, or registered, need one
    sys.modules[module.__name__] = module
    names = vars(module)
    try:
        with _inside(folder):
            for block in page.blocks:
                _run_block(page, block, names)
            for picture in page.pictures():
                if not Path(picture).is_file():
                    raise PageError(f"{page.path.name}: no block makes {picture}")
    finally:
        del sys.modules[module.__name__]
    return names


def _run_block(page: Page, block: Block, names: dict[str, Any]) -> None:
    where = f"{page.path.name}, line {block.line}"
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * (block.line - 1) + block.code, str(page.path), "exec"), names)
    except Exception as error:
        raise PageError(f"{where}: {traceback.format_exc(limit=-3)}") from error
    if block.measured:
        Path(f"printed-{block.line}.txt").write_text(printed.getvalue(), encoding="utf-8")
    if block.printed is not None and not same(block.printed, printed.getvalue(), block.measured):
        raise PageError(f"{where}: the page says\n{block.printed}\nbut this is printed:\n{printed.getvalue()}")


def same(said: str, printed: str, measured: bool = False) -> bool:
    """Return whether what is printed is what a page says: see this module's docstring."""
    if measured:
        return re.sub(r"[-\d\s,.]+", " ", said).strip() == re.sub(r"[-\d\s,.]+", " ", printed).strip()
    words, found = _WORD.findall(said), _WORD.findall(printed)
    return _match(words, found)


def _match(words: list[str], found: list[str]) -> bool:
    """Compare words; three points are any number of them, the fewest that will do."""
    pieces: list[list[str]] = [[]]
    for word in words:
        if word == "...":
            pieces.append([])
        else:
            pieces[-1].append(word)
    at = 0
    for number, piece in enumerate(pieces):
        if number == len(pieces) - 1 and number:
            start = len(found) - len(piece)
            return start >= at and _alike(piece, found[start:])
        places = range(at, len(found) - len(piece) + 1) if number else range(at, at + 1)
        start = next((place for place in places if _alike(piece, found[place : place + len(piece)])), -1)
        if start < 0:
            return False
        at = start + len(piece)
    return at == len(found)


def _alike(words: list[str], found: list[str]) -> bool:
    return len(words) == len(found) and all(map(_equal, words, found))


def _equal(word: str, other: str) -> bool:
    if word == other:
        return True
    if not any(sign in word for sign in ".e") or not any(sign in other for sign in ".e"):
        return False
    try:
        return math.isclose(float(word), float(other), rel_tol=0.05, abs_tol=0.0)
    except ValueError:
        return False


if __name__ == "__main__":
    try:
        run(read(FOLDER / f"{sys.argv[1]}.md"), Path(sys.argv[2]))
    except PageError as error:
        sys.exit(str(error))
