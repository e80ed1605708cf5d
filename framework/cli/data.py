"""The data of a command: a data set that ships with Lamina, or a .npz, .csv or .ts file, for one of the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lamina.cli.csv_file import read_csv
from lamina.cli.memory import DEFAULT
from lamina.cli.npz import NumpyArray, check_lengths, check_sequences, read_arrays
from lamina.cli.part import Data, Part, fingerprint, hold_out, require_part, require_range
from lamina.cli.raw import Raw, RawFile
from lamina.cli.targets import as_data
from lamina.cli.ts_file import read_ts
from lamina.errors import ArgumentError, DataError, unknown

__all__ = [
    "FILE_HELP",
    "Data",
    "Part",
    "fingerprint",
    "hold_out",
    "read",
    "read_raw",
    "require_part",
    "require_range",
]

FILE_HELP = """\
FILE.npz holds x (batch, time, features) and y (batch,), and where rows differ in length, lengths (batch,). Labels
are whole numbers or strings; class_names, an array of strings, says what the labels 0, 1, ... are called. A test
part is x_test, y_test and lengths_test; x_train, y_train and lengths_train are other names for the first three.
To tag, y is (batch, time); to regress, numbers (batch,) or (batch, outputs); to forecast, x alone is read, also
(time,) or (time, features).

FILE.csv has a line for each step (with pip install -e '.[data]'): columns id (which row it is of), time, target,
and all others are features, unless options name them. FILE.ts is of the UEA archive's format. --test names the file
with the rows to test on."""

_TRAIN_NAMES = ("x", "y", "lengths")
_NAMES = (
    *_TRAIN_NAMES,
    *(f"{name}_{part}" for part in ("train", "test") for name in _TRAIN_NAMES),
    "class_names",
)
#: The series that ship with Lamina, to forecast.
_SERIES = ("sunspots",)


def read(
    source: str,
    task: str = "classify",
    columns: dict[str, Any] | None = None,
    test: str | None = None,
    memory: int = DEFAULT,
) -> Data:
    """Return the data set of that name, or what is in that file.

    Parameters
    ----------
    source : str
    task : {"classify", "tag", "regress", "forecast"}
    columns : dict, optional
        Which columns of a .csv file are what: see `read_csv`.
    test : str, optional
        A second file, whose rows are the test part.
    memory : int
        How many bytes the data of each file may take.

    Raises
    ------
    LaminaError
        If there is no such data set or file, or the file does not hold what it should.
    """
    columns = columns or {}
    path = Path(source)
    if path.suffix.lower() not in _READERS:
        if columns:
            raise ArgumentError(f"{source!r}: expected a .csv file to name columns of")
        if test is not None:
            raise ArgumentError(f"--test {test!r}: expected a .npz, .csv or .ts file beside it, got {source!r}")
        return _ship(path, source, task)
    found = read_raw(source, task, columns, memory=memory)
    if test is not None:
        if found.test is not None:
            raise ArgumentError(f"--test {test!r}: {source!r} has a test part already")
        if task == "forecast":
            raise ArgumentError(f"--test {test!r}: a forecast is tested on the end of each series")
        second = read_raw(test, task, found.columns, memory=memory)
        if found.train is None or second.train is None or second.test is not None:
            raise ArgumentError(f"--test {test!r}: expected rows alone, without parts")
        label = second.train.label if task == "regress" else f"{test!r}: y"
        found = replace(found, test=replace(second.train, label=label))
        _require_alike(found, test)
    return replace(as_data(found, task, source), memory=memory)


def read_raw(
    source: str,
    task: str,
    columns: dict[str, Any] | None = None,
    needs_target: bool = True,
    memory: int = DEFAULT,
) -> RawFile:
    """Return a file's rows as they stand in it.

    Parameters
    ----------
    source, task, columns, memory : as for `read`
    needs_target : bool
        Whether a file without targets is refused.

    Raises
    ------
    LaminaError
    """
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise ArgumentError(f"expected a .npz, .csv or .ts file, got {source!r}")
    if columns and suffix != ".csv":
        raise ArgumentError(f"{source!r}: expected a .csv file to name columns of")
    return _READERS[suffix](path, source, task, columns or {}, needs_target, memory)


def _ship(path: Path, source: str, task: str) -> Data:
    """Return a data set that ships with Lamina."""
    from lamina import datasets

    names = {"classify": datasets.names(), "forecast": _SERIES}.get(task, ())
    if path.suffix or len(path.parts) > 1 or not names:
        known = f"the name of a data set ({' or '.join(names)}) or " if names else ""
        raise ArgumentError(f"expected {known}a .npz file, a .csv or a .ts file, got {source!r}")
    if task == "forecast":
        if source not in _SERIES:
            raise unknown("series", source, _SERIES)
        series = datasets.sunspots("float64")
        raw = Raw(series.values[None, :, None], None, None, source)
        return as_data(RawFile(raw, targets=(source,)), task, source)
    found = datasets.load(source, dtype="float64")
    return Data(
        name=found.name,
        source=found.name,
        train=Part(found.x_train, found.y_train, found.lengths_train),
        test=Part(found.x_test, found.y_test, found.lengths_test),
        class_names=found.class_names,
    )


def _read_npz(path: Path, source: str, task: str, columns: dict[str, Any], needs_target: bool, memory: int) -> RawFile:
    arrays = read_arrays(path, _NAMES if task != "forecast" else ("x", "lengths"), memory)
    for name in _TRAIN_NAMES:
        if name in arrays and f"{name}_train" in arrays:
            raise DataError(f"{source!r}: holds both {name!r} and '{name}_train'; keep one of them")
        if f"{name}_train" in arrays:
            arrays[name] = arrays.pop(f"{name}_train")
    if task == "forecast" and "x" in arrays and arrays["x"].ndim in (1, 2):
        arrays["x"] = arrays["x"].reshape(1, len(arrays["x"]), -1)
    needs_target = needs_target and task != "forecast"
    found = RawFile(
        _read_part(arrays, "", source, needs_target),
        _read_part(arrays, "_test", source, needs_target),
        arrays.get("class_names"),
    )
    if found.train is None and found.test is None:
        raise DataError(f"{source!r}: holds no sequences; expected arrays named x and y, got {_listed(sorted(arrays))}")
    _require_alike(found, source)
    if (found.train is not None and found.test is not None) and (
        (found.train.lengths is None) != (found.test.lengths is None)
    ):
        raise DataError(f"{source!r}: holds lengths for one of its two parts only")
    return found


def _require_alike(found: RawFile, source: str) -> None:
    parts = [raw for raw in (found.train, found.test) if raw is not None]
    if len({raw.x.shape[2] for raw in parts}) > 1:
        sizes = " and ".join(str(raw.x.shape[2]) for raw in parts)
        raise DataError(f"{source!r}: x and x_test have {sizes} features")


def _read_part(arrays: dict[str, NumpyArray], ending: str, source: str, needs_target: bool) -> Raw | None:
    x_name, y_name, lengths_name = (f"{name}{ending}" for name in _TRAIN_NAMES)
    x, y, lengths = arrays.get(x_name), arrays.get(y_name), arrays.get(lengths_name)
    if x is None and y is None and lengths is None:
        return None
    if x is None or (y is None and needs_target):
        missing = x_name if x is None else y_name
        raise DataError(f"{source!r}: holds no array {missing!r}; there are {_listed(sorted(arrays))}")
    x = check_sequences(x, f"{source!r}: {x_name}")
    lengths = check_lengths(lengths, x, f"{source!r}: {lengths_name}", f"{source!r}: {x_name}")
    return Raw(x, lengths, y, f"{source!r}: {y_name}")


def _read_csv(path: Path, source: str, task: str, columns: dict[str, Any], needs_target: bool, memory: int) -> RawFile:
    return read_csv(path, source, task, columns, needs_target, memory)


def _read_ts(path: Path, source: str, task: str, columns: dict[str, Any], needs_target: bool, memory: int) -> RawFile:
    return read_ts(path, source, task if needs_target else "forecast", memory)


_READERS = {".npz": _read_npz, ".csv": _read_csv, ".ts": _read_ts}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
