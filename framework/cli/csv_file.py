"""Sequences read from a .csv file in long form: a line for each step of each row."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lamina.cli.npz import NumpyArray
from lamina.cli.raw import Raw, RawFile, as_labels
from lamina.errors import DataError, MissingPackageError, unknown

__all__ = ["read_csv"]

#: What columns are called where an option does not say.
_USUAL = {"id": "id", "time": "time", "target": "target"}


def read_csv(path: Path, source: str, task: str, wanted: dict[str, Any], needs_target: bool = True) -> RawFile:
    """Return the rows of a .csv file, in the order in which they first occur, each in the order of its times.

    Parameters
    ----------
    path : Path
    source : str
        As the user wrote it, for messages.
    task : {"classify", "tag", "regress", "forecast"}
    wanted : dict
        The columns by what they are: ``id``, ``time``, a list ``features`` and a list ``target``; None, or missing,
        is the usual one.
    needs_target : bool
        Whether a file without the target's column is refused.

    Raises
    ------
    MissingPackageError
        If pandas is not installed.
    UnknownNameError
        If there is no column of a name.
    DataError
        If a line is not as it should be; it is named.
    """
    header = _header(path, source)
    columns = _choose(header, wanted, task, source, needs_target)
    features, targets = columns["features"], columns["target"]
    inputs = [*features, *targets] if task == "forecast" else features
    numbers = list(dict.fromkeys([*inputs, *(targets if needs_target and task == "regress" else [])]))
    table = _table(path, source)
    lines = table.index.to_numpy() + 2  # the header is line 1
    values = {name: _numbers(table[name], name, lines, source) for name in numbers}
    codes, ids = _rows(table, columns["id"], lines, source)
    order = np.lexsort((_times(table, columns["time"], codes, lines, source), codes))
    codes = codes[order]
    counts = np.bincount(codes)
    first = np.cumsum(counts) - counts
    step = np.arange(len(codes)) - np.repeat(first, counts)
    x = np.zeros((len(ids), counts.max(), len(inputs)))
    for place, name in enumerate(inputs):
        x[codes, step, place] = values[name][order]
    y: NumpyArray | None = None
    if needs_target and targets and task != "forecast":
        if task == "regress":
            each = [values[name][order] for name in targets]
        else:
            texts = table[targets[0]]
            _require_all(texts, targets[0], lines, source)
            each = [as_labels(str(text).strip() for text in texts)[order]]
        if task == "tag":
            y = np.zeros(x.shape[:2], each[0].dtype)
            y[codes, step] = each[0]
        else:
            for name, column in zip(targets, each, strict=True):
                other = column != column[first][codes]
                if other.any():
                    line, row = lines[order][other.argmax()], ids[codes[other.argmax()]]
                    raise DataError(
                        f"{source!r}, line {line}: expected one {name!r} for all steps of row {row!r}, got "
                        f"{column[other.argmax()].item()!r}"
                    )
            y = np.stack([column[first] for column in each], axis=1) if task == "regress" else each[0][first]
    lengths = None if (counts == counts[0]).all() else counts
    names = tuple(targets or features) if task in ("regress", "forecast") else ()
    return RawFile(Raw(x, lengths, y, f"{source!r}: {'/'.join(targets)}", ids), columns=columns, targets=names)


def _header(path: Path, source: str) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream), [])
    except FileNotFoundError as error:
        raise DataError(f"{source!r}: there is no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{source!r}: no readable .csv file ({error})") from error
    if not header or not all(name.strip() for name in header):
        raise DataError(f"{source!r}, line 1: expected a name for each column, got {','.join(header)!r}")
    for place, name in enumerate(header):
        if name in header[:place]:
            raise DataError(f"{source!r}, line 1: expected columns of different names, got {name!r} twice")
    return header


def _choose(header: list[str], wanted: dict[str, Any], task: str, source: str, needs_target: bool) -> dict[str, Any]:
    """Return which column is what; those of a forecast's inputs are its features and its targets."""

    def known(name: str) -> str:
        if name not in header:
            raise unknown(f"column in {source!r}:", name, header)
        return name

    found: dict[str, Any] = {}
    for what in ("id", "time"):
        name = wanted.get(what) or (_USUAL[what] if _USUAL[what] in header else None)
        found[what] = None if name is None else known(name)
    if found["id"] is None and task != "forecast":
        raise DataError(f"{source!r}: no column 'id' that says which row a line is of: name it with --id")
    target = wanted.get("target")
    if target is None:
        target = [_USUAL["target"]] if _USUAL["target"] in header else []
    if not target and task != "forecast" and needs_target:
        raise DataError(f"{source!r}: no column 'target': name it with --target")
    if needs_target or task == "forecast":
        target = [known(name) for name in target]
    if len(target) > 1 and task in ("classify", "tag"):
        raise DataError(f"{source!r}: expected one target for --task {task}, got {', '.join(target)}")
    features = wanted.get("features")
    taken = {found["id"], found["time"], *target}
    features = [name for name in header if name not in taken] if features is None else list(map(known, features))
    twice = [name for name in features if name in taken or features.count(name) > 1]
    if twice:
        raise DataError(f"{source!r}: column {twice[0]!r} is named twice, as a feature and beside that")
    if not features and not (target and task == "forecast"):
        raise DataError(f"{source!r}: no column is left for the features")
    return {**found, "features": features, "target": target}


def _table(path: Path, source: str) -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MissingPackageError(
            f"{source!r}: pandas is not installed, which reads .csv files; pip install -e '.[data]' ({error})"
        ) from error
    options: dict[str, Any] = {
        "index_col": False,
        "skip_blank_lines": False,  # the numbers of lines
        "keep_default_na": False,  # a class may be called NA
        "na_values": [""],
        "encoding": "utf-8-sig",
        "dtype": str,  # how numbers are read is no business of pandas: each version has its own rounding
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            table = pandas.read_csv(path, **options)
    except (pandas.errors.ParserError, pandas.errors.ParserWarning, UnicodeDecodeError, OSError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(f"{source!r}: no readable .csv file ({reason})") from error
    table = table.dropna(how="all")
    if not len(table):
        raise DataError(f"{source!r}: holds no line below the header")
    return table


def _numbers(column: Any, name: str, lines: NumpyArray, source: str) -> NumpyArray:
    _require_all(column, name, lines, source)
    texts = column.to_numpy(object)
    try:
        values: NumpyArray = texts.astype(np.float64)
    except ValueError:
        for line, text in zip(lines, texts, strict=True):
            if not _is_number(text):
                where = f"{source!r}, line {line}"
                raise DataError(f"{where}: expected a number in column {name!r}, got {text!r}") from None
        raise
    wrong = ~np.isfinite(values)
    if wrong.any():
        line, value = lines[wrong.argmax()], values[wrong.argmax()]
        raise DataError(f"{source!r}, line {line}: expected a finite number in column {name!r}, got {value}")
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _require_all(column: Any, name: str, lines: NumpyArray, source: str) -> None:
    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(f"{source!r}, line {lines[missing.argmax()]}: no value in column {name!r}")


def _rows(table: Any, name: str | None, lines: NumpyArray, source: str) -> tuple[NumpyArray, tuple[str, ...]]:
    """Return of which row each line is, and what the rows are called."""
    if name is None:
        return np.zeros(len(table), np.intp), ("0",)
    _require_all(table[name], name, lines, source)
    codes, ids = table[name].factorize()
    return codes, tuple(str(one) for one in ids)


def _times(table: Any, name: str | None, codes: NumpyArray, lines: NumpyArray, source: str) -> NumpyArray:
    """Return by what the lines of a row are sorted: numbers, or dates."""
    if name is None:
        return np.arange(len(table))
    import pandas

    column = table[name]
    _require_all(column, name, lines, source)
    times = pandas.to_numeric(column, errors="coerce")
    if times.isna().iloc[0]:
        times = pandas.to_datetime(column, errors="coerce", format="ISO8601", utc=True)
    if times.isna().any():
        place = times.isna().to_numpy().argmax()
        raise DataError(
            f"{source!r}, line {lines[place]}: expected numbers, or dates such as 2024-01-31, in column {name!r}, got "
            f"{column.iloc[place]!r}"
        )
    values: NumpyArray = times.to_numpy() if times.dtype.kind in "iuf" else times.astype("int64").to_numpy()
    twice = pandas.DataFrame({"row": codes, "time": values}).duplicated().to_numpy()
    if twice.any():
        place = twice.argmax()
        raise DataError(f"{source!r}, line {lines[place]}: the row has a step of {name} {column.iloc[place]!r} already")
    return values
