"""Run ``examples/tour.py`` as a notebook, and write that, and a page of it, with all that it showed.

    python docs/make_notebook.py               # writes runs/tour.ipynb and runs/tour.html
    python docs/make_notebook.py --out FOLDER
    python docs/make_notebook.py --source FILE    # another one with # %% between its cells

Needs the packages of the ``notebook`` extra.
"""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "examples" / "tour.py"


def cells(text: str) -> list[tuple[str, str]]:
    """Return the kind, "markdown" or "code", and the text of each cell of a file with ``# %%`` between them.

    The file's docstring is the first of them.
    """
    found = [("markdown", ast.get_docstring(ast.parse(text)) or "")]
    for block in ("\n" + text).split("\n# %%")[1:]:
        mark, _, body = block.partition("\n")
        if mark.strip() == "[markdown]":
            body = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines())
            found.append(("markdown", body))
        else:
            found.append(("code", body.strip()))
    return [(kind, body) for kind, body in found if body]


def notebook(text: str) -> Any:
    """Return a notebook of a file's cells, not run yet."""
    from nbformat import v4

    make = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    made = v4.new_notebook(cells=[make[kind](body) for kind, body in cells(text)])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return made


def run(made: Any, folder: Path) -> Any:
    """Run a notebook's cells in a folder, in a kernel of their own, and return it; raises where a cell does."""
    from nbclient import NotebookClient

    where = {"metadata": {"path": str(folder)}}
    return NotebookClient(made, timeout=600, resources=where, coalesce_streams=True).execute()


def page(made: Any, title: str) -> str:
    """Return a notebook as an HTML page."""
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter().from_notebook_node(made, {"metadata": {"name": title}})
    return str(body)


def main(arguments: list[str] | None = None) -> None:
    """Write the notebook and its page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "runs", help="where to write them (default: runs)")
    parser.add_argument("--source", type=Path, default=SOURCE, help="what to run (default: examples/tour.py)")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    import nbformat

    made = run(notebook(given.source.read_text(encoding="utf-8")), given.out)
    file = given.out / given.source.name
    nbformat.write(made, file.with_suffix(".ipynb"))
    file.with_suffix(".html").write_text(page(made, given.source.stem), encoding="utf-8")
    print(f"wrote {file.with_suffix('.ipynb')} and {file.with_suffix('.html')}")


if __name__ == "__main__":
    main()
