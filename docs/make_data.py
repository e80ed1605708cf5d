"""Remake the data files in ``framework/data/sets`` from their published sources.

The sources are files inside three packages, which need not be installed::

    pip download --no-deps --only-binary :all: aeon scikit-learn statsmodels
    unzip -j 'aeon-*.whl' '*/JapaneseVowels_TRAIN.ts' '*/JapaneseVowels_TEST.ts' -d sources
    unzip -j 'scikit_learn-*.whl' '*/digits.csv.gz' -d sources
    unzip -j 'statsmodels-*.whl' '*/sunspots.csv' -d sources
    python docs/make_data.py sources            # write the files
    python docs/make_data.py sources --check    # compare with the files that are there

The same sources give the same bytes wherever Python is linked with the same zlib. A different zlib may
compress the same arrays into other bytes, so ``--check`` compares the arrays.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import sys
import zipfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Arrays: TypeAlias = dict[str, np.ndarray[Any, Any]]

DATA = Path(__file__).resolve().parent.parent / "framework" / "data" / "sets"


def parse_vowels(path: Path, split: str) -> Arrays:
    """Read one ``.ts`` file of Japanese Vowels.

    After a line ``@data``, each line is one utterance: 12 channels and the speaker's number, joined by
    colons; a channel is its values over time, joined by commas, with at most six decimals.

    Parameters
    ----------
    path : Path
        The ``.ts`` file.
    split : str
        Prefix of the arrays' names, ``"train"`` or ``"test"``.

    Returns
    -------
    dict
        ``*_low`` (12, steps) uint16 and ``*_high`` (12, steps) int8, all utterances end to end, where
        high * 65536 + low is the printed value in millionths; ``*_lengths`` (batch,) uint8;
        ``*_labels`` (batch,) uint8, speaker 1 as 0.
    """
    utterances, lengths, labels = [], [], []
    for line in path.read_text(encoding="utf-8").split("@data", 1)[1].split():
        *channels, speaker = line.split(":")
        micro = np.array([[_scaled(text, 6) for text in channel.split(",")] for channel in channels])
        utterances.append(micro)
        lengths.append(micro.shape[1])
        labels.append(int(speaker) - 1)
    whole = np.concatenate(utterances, axis=1)
    # The low 16 bits are noise that no compression shrinks; apart from them the rest compresses well.
    return {
        f"{split}_low": (whole & 0xFFFF).astype("<u2"),
        f"{split}_high": (whole >> 16).astype("i1"),
        f"{split}_lengths": np.array(lengths, "u1"),
        f"{split}_labels": np.array(labels, "u1"),
    }


def _scaled(text: str, decimals: int) -> int:
    """Return a printed decimal times 10^decimals, refusing one that has more of them."""
    scaled = Decimal(text).scaleb(decimals)
    if scaled != int(scaled):
        raise ValueError(f"expected at most {decimals} decimals, got {text!r}")
    return int(scaled)


def parse_digits(path: Path) -> Arrays:
    """Read ``digits.csv.gz``: 64 pixels and the digit on each line.

    Parameters
    ----------
    path : Path
        The gzipped CSV file.

    Returns
    -------
    dict
        ``pixels`` (batch, 8, 8) uint8 from 0 to 16, top row first; ``labels`` (batch,) uint8.
    """
    with gzip.open(path, "rt", encoding="ascii") as lines:
        table = np.loadtxt(lines, delimiter=",", dtype="u1")
    return {"pixels": table[:, :-1].reshape(-1, 8, 8), "labels": table[:, -1]}


def parse_sunspots(path: Path) -> Arrays:
    """Read ``sunspots.csv``: after a line of names, a year and its value, with at most one decimal.

    Parameters
    ----------
    path : Path
        The CSV file.

    Returns
    -------
    dict
        ``years`` (time,) uint16, each one more than the last; ``tenths`` (time,) uint16, ten times the values.
    """
    rows = [line.split(",") for line in path.read_text(encoding="ascii").split()[1:]]
    years = np.array([int(year) for year, _ in rows], "<u2")
    if not (np.diff(years) == 1).all():
        raise ValueError("expected a row for each year, in order")
    return {"years": years, "tenths": np.array([_scaled(value, 1) for _, value in rows], "<u2")}


def pack(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Return the arrays as a compressed ``.npz`` whose bytes depend on nothing else.

    ``numpy.savez_compressed`` records the operating system in each entry; here date, system and
    permissions are fixed.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        What to store, in this order.

    Returns
    -------
    bytes
        The file's content.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix
            entry.external_attr = 0o644 << 16
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), (1, 0), allow_pickle=False)
            archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return packed.getvalue()


def same_arrays(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> bool:
    """Tell whether a stored file holds exactly these arrays, dtypes included."""
    with np.load(path, allow_pickle=False) as stored:
        return sorted(stored.files) == sorted(arrays) and all(
            stored[name].dtype == array.dtype and np.array_equal(stored[name], array) for name, array in arrays.items()
        )


def main() -> int:
    """Write or check the data files; return the process's exit status."""
    parser = argparse.ArgumentParser(description="Remake Lamina's data files from their published sources.")
    parser.add_argument("sources", type=Path, help="folder of the two .ts files, digits.csv.gz and sunspots.csv")
    parser.add_argument("--out", type=Path, default=DATA, help="folder of the data files")
    parser.add_argument("--check", action="store_true", help="compare with the files there, write nothing")
    arguments = parser.parse_args()

    sources: Path = arguments.sources
    vowels = {
        **parse_vowels(sources / "JapaneseVowels_TRAIN.ts", "train"),
        **parse_vowels(sources / "JapaneseVowels_TEST.ts", "test"),
    }
    made = {
        "japanese_vowels.npz": vowels,
        "digits.npz": parse_digits(sources / "digits.csv.gz"),
        "sunspots.npz": parse_sunspots(sources / "sunspots.csv"),
    }

    status = 0
    for name, arrays in made.items():
        path: Path = arguments.out / name
        content = pack(arrays)
        if not arguments.check:
            path.write_bytes(content)
            verdict = "written"
        elif not same_arrays(path, arrays):
            verdict, status = "DIFFERENT", 1
        else:
            verdict = "same bytes" if path.read_bytes() == content else "same arrays, compressed differently"
        print(f"{name}: {verdict}, {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")
    return status


if __name__ == "__main__":
    sys.exit(main())
