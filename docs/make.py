"""Build the site: run the code of every page, draw its pictures, and write it to ``runs/docs/html``.

    python docs/make.py                   # everything; a warning is an error
    python docs/make.py --only speed gpu  # run the code of these pages alone, without the site
    python docs/make.py --skip-missing    # pages whose packages are not installed are shown without being run

Needs the packages of the ``docs`` extra, and the pages that compare with other frameworks those of ``parity``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import pages

ROOT = pages.ROOT
OUT = ROOT / "runs" / "docs"
# What pages lead to, by paths that begin with `../`.
BESIDE = ("benchmarks", "examples", "framework", "layers", "optimizers", "backends", "tests")


def run(path: Path, folder: Path) -> tuple[str, float, str | None]:
    """Run a page's code, and return its name, the seconds it took and what is wrong with it."""
    start = time.perf_counter()
    try:
        pages.run(pages.read(path), folder)
    except pages.PageError as error:
        return path.stem, time.perf_counter() - start, str(error)
    return path.stem, time.perf_counter() - start, None


def run_pages(chosen: list[pages.Page], folder: Path, jobs: int) -> bool:
    """Run the code of pages, each in a process of its own, and say how it went."""
    right = True
    folders = [folder / "runs" / page.name for page in chosen]
    with ProcessPoolExecutor(jobs, max_tasks_per_child=1) as pool:
        for name, seconds, wrong in pool.map(run, [page.path for page in chosen], folders):
            print(f"{name}: {seconds:.1f} s" if wrong is None else f"{name}: WRONG\n{wrong}", flush=True)
            right = right and wrong is None
    return right


def stage(folder: Path, chosen: list[pages.Page]) -> Path:
    """Lay out what Sphinx reads: the pages, the pictures that they made, and the reference."""
    import reference

    source = folder / "tree" / "docs"
    shutil.rmtree(folder / "tree", ignore_errors=True)
    shutil.copytree(pages.FOLDER, source, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in BESIDE:
        (folder / "tree" / name).symlink_to(ROOT / name)
    for page in chosen:
        made = folder / "runs" / page.name / "pictures"
        shutil.copytree(made, source / "pictures", dirs_exist_ok=True)
        text = pages.with_measures(page, made.parent)
        (source / page.path.name).write_text(text, encoding="utf-8")
    api = source / "api.md"
    api.write_text(reference.linked(api.read_text(encoding="utf-8")), encoding="utf-8")
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        if (ROOT / name).is_file():
            text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
            (source / name.lower()).write_text(text, encoding="utf-8")
    reference.write(source / "reference")
    return source


def main(arguments: list[str] | None = None) -> int:
    """Build the site, and return what a shell takes as success."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT, help="where to (default: runs/docs)")
    parser.add_argument("--jobs", type=int, default=2, help="how many pages are run at a time (default: 2)")
    parser.add_argument("--only", nargs="+", metavar="PAGE", help="run these pages, and build nothing")
    parser.add_argument("--skip-missing", action="store_true", help="do not run pages whose packages are missing")
    given = parser.parse_args(arguments)
    chosen = [page for page in pages.every() if not given.only or page.name in given.only]
    for page in list(chosen):
        if missing := page.missing():
            print(f"{page.name}: {', '.join(missing)} not installed: not run", file=sys.stderr)
            if not given.skip_missing:
                return 1
            chosen.remove(page)
    out = given.out.resolve()
    shutil.rmtree(out / "runs", ignore_errors=True)
    if not run_pages(chosen, out, given.jobs):
        return 1
    if given.only:
        return 0
    source = stage(out, chosen)
    shutil.rmtree(out / "html", ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-j", str(given.jobs), "-c", pages.FOLDER]
    done = subprocess.run([*map(str, command), "-d", str(out / "doctrees"), str(source), str(out / "html")])
    if done.returncode == 0:
        print(f"wrote {out / 'html' / 'index.html'}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
