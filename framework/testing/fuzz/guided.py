"""``python -m lamina.testing.fuzz.guided KIND``: hostile files that libFuzzer finds, led by the lines that they reach.

It needs the package atheris, and begins with files that `lamina.testing.fuzz` makes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lamina.errors import MissingPackageError
from lamina.testing.fuzz.reading import FAILED
from lamina.testing.fuzz.run import KINDS

__all__ = ["TARGETS", "main", "with_checksum"]

# What has a checksum.
_SEALED = ("model files", "checkpoints")


def with_checksum(content: bytes) -> bytes:
    """Return a safetensors file with the checksum of what it holds, so that it is not that alone which is tried.

    What is no such file stays as it is.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    from lamina.core.model_file import checksum_of

    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        metadata = dict(header["__metadata__"])
        metadata.pop("checksum", None)
        header["__metadata__"] = metadata | {"checksum": checksum_of(load(content), metadata)}
        text = json.dumps(header).encode()
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return content
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _sealed(attempt: Callable[[Any, Path], str]) -> Callable[[bytes, Path], str]:
    """Return what tries a file whose checksum is made right first."""
    return lambda content, folder: attempt(with_checksum(content), folder)


#: By the kind of file: what makes the first ones, and what tries one; checksums are made right before.
TARGETS: dict[str, tuple[Callable[[np.random.Generator], bytes], Callable[[bytes, Path], str]]] = {
    name: (KINDS[name].make, _sealed(KINDS[name].attempt) if name in _SEALED else KINDS[name].attempt)
    for name in ("model files", "checkpoints", "npz", "csv", "ts")
}


def main() -> int:
    """Try files until so many were tried; the first that fails is kept, and printed."""
    parser = argparse.ArgumentParser(prog="python -m lamina.testing.fuzz.guided", description=main.__doc__)
    parser.add_argument("kind", choices=list(TARGETS))
    parser.add_argument("--runs", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--begin-with", type=int, default=300, help="so many files (default: %(default)s)")
    given = parser.parse_args()
    try:
        import atheris
    except ImportError as error:
        raise MissingPackageError("lamina.testing.fuzz.guided: needs atheris: pip install -e '.[fuzz]'") from error
    make, attempt = TARGETS[given.kind]
    make(np.random.default_rng(0))  # loads what is needed
    atheris.instrument_all()
    folder = Path(tempfile.mkdtemp(prefix="lamina-fuzz-"))
    (folder / "first").mkdir()
    for number in range(given.begin_with):
        (folder / "first" / str(number)).write_bytes(make(np.random.default_rng((given.seed, number))))

    def target(content: bytes) -> None:
        found = attempt(content, folder)
        if found.startswith(FAILED):
            raise AssertionError(found)

    limits = [f"-runs={given.runs}", f"-seed={given.seed}", "-timeout=5", "-rss_limit_mb=2048", "-max_len=65536"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={folder}/", str(folder / "first")], target)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
