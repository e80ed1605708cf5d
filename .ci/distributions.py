"""Look into the wheel and the sdist of a folder: pure Python, nothing missing, nothing that should not be there."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# It was 1.5 MB before formats of others, ranks and scikit-learn's estimators had rooms. A quarter of it are data sets,
# which no compression makes smaller.
MOST = 2 * 2**20
SOURCES = {
    "framework": "lamina",
    "layers": "lamina/layers",
    "optimizers": "lamina/optimizers",
    "backends": "lamina/backends",
}
# Of source code and data alone.
SUFFIXES = {".py", ".typed", ".npz", ".md", ".cu", ".cuh"}


def tracked() -> list[str]:
    """Return the files of the product, as git has them, or as they lie where there is no git."""
    listed = subprocess.run(["git", "ls-files", *SOURCES], cwd=ROOT, capture_output=True, text=True)
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


def wrong_in_wheel(path: Path) -> list[str]:
    """Return what is wrong with a wheel."""
    wrong = [] if path.name.endswith("-py3-none-any.whl") else [f"{path.name}: is not pure Python by its name"]
    if (size := path.stat().st_size) >= MOST:
        wrong.append(f"{path.name}: {size} bytes, and it must stay under {MOST}")
    names = set(zipfile.ZipFile(path).namelist())
    for source in tracked():
        folder, _, rest = source.partition("/")
        if f"{SOURCES[folder]}/{rest}" not in names:
            wrong.append(f"{path.name}: lacks {source}")
    for name in names:
        if ".dist-info/" not in name and (Path(name).suffix not in SUFFIXES or not name.startswith("lamina/")):
            wrong.append(f"{path.name}: holds {name}")
    return wrong


def wrong_in_sdist(path: Path) -> list[str]:
    """Return what is wrong with an sdist."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = [*tracked(), "pyproject.toml", "README.md", "LICENSE", "PKG-INFO"]
    wrong = [f"{path.name}: lacks {name}" for name in needed if name not in names]
    bad = (".so", ".pyd", ".dylib", ".pyc", ".o")
    return wrong + [f"{path.name}: holds {name}" for name in names if name.endswith(bad)]


def main(folder: Path) -> int:
    """Say what is wrong with both, and how large they are."""
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        print(f"expected one wheel and one sdist in {folder}, found {len(wheels)} and {len(sdists)}", file=sys.stderr)
        return 1
    print(f"wheel: {wheels[0].stat().st_size} bytes, sdist: {sdists[0].stat().st_size} bytes")
    wrong = wrong_in_wheel(wheels[0]) + wrong_in_sdist(sdists[0])
    print(*wrong, sep="\n", file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
