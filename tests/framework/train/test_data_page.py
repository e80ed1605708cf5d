"""The table of docs/data.md: each cell is tried, and says what is seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError, DataError, LaminaError, ShapeError
from lamina.layers import GRU, Dense, Standardize
from lamina.testing.ending import EndAfter, Ended
from lamina.testing.ranks import run_ranks
from lamina.train.batch_feed import BatchFeed
from lamina.train.feeds import ArrayFeed, RowFeed
from lamina.train.fitting import feed_of
from tests.framework.train.every_source import (
    CLASSES,
    FEATURES,
    LENGTHS,
    PLACES,
    ROWS,
    SIZE,
    VALID,
    Iterable,
    W,
    X,
    Y,
    in_four,
    mapped,
)

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
TABLE = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", PAGE, re.MULTILINE)]
KINDS = TABLE[0][1:]
CELLS = [(line[0].strip("`"), kind, cell) for line in TABLE[2:] for kind, cell in zip(KINDS, line[1:], strict=True)]
LABELS = Y[:, 0]


class Rows:
    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> Any:
        return X[row], Y[row], W[row]


class Labelled(Rows):
    def __getitem__(self, row: int) -> Any:
        return X[row], int(LABELS[row])


def labelled() -> Any:
    return ((X[place], LABELS[place]) for place in PLACES)


def given(kind: str, folder: Path, labels: bool = False) -> dict[str, Any]:
    """Return data of a kind: a target for each step, or with ``labels`` for each row."""
    beside = {"y": LABELS} if labels else {"y": Y, "lengths": LENGTHS, "sample_weight": W}
    found: dict[str, Any] = {
        "arrays in memory": lambda: {"x": X, **beside},
        "arrays on a disk": lambda: {**mapped(folder, x=X), **beside},
        "rows by index": lambda: {"x": Labelled() if labels else Rows()},
        "batches that begin anew": lambda: {"x": labelled if labels else Iterable()},
        "batches once": lambda: {"x": labelled() if labels else in_four()},
    }[kind]()
    return found


class Seen(lamina.Layer):
    """y = x; keeps the first number of each row of each batch that is trained on, and of each that is not."""

    def __init__(self) -> None:
        self.trained: list[list[float]] = []
        self.measured: list[list[float]] = []
        self.steps: list[int] = []

    def build(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any) -> Any:
        self.trained.append(x[:, 0, 0].tolist())
        self.steps.append(x.shape[1])
        return x, None

    def infer(self, x: Any, **options: Any) -> Any:
        self.measured.append(x[:, 0, 0].tolist())
        return x

    def backward(self, dy: Any, saved: Any) -> Any:
        return dy

    def stream(self, x: Any, **options: Any) -> Any:
        self.steps.append(x.shape[1])
        return x, None, None

    def stream_state(self, batch: int) -> Any:
        return None


FIRSTS = sorted(X[:, 0, 0].tolist())


def trained(data: dict[str, Any], *, steps: bool = True, first: Any = None, **options: Any) -> tuple[Any, Any]:
    """Fit, and return what was seen, and the trainer."""
    seen = Seen()
    layers = [first] if first is not None else []
    model = lamina.Sequential(*layers, seen, GRU(3, return_sequences=steps), Dense(CLASSES))
    model.build((None, None, FEATURES), seed=0, dtype="float64")
    trainer = lamina.Trainer(model, optimizer="sgd")
    trainer.fit(**data, **{"epochs": 1, "verbose": False} | options)
    return seen, trainer


def flat(batches: list[list[float]]) -> list[float]:
    return [value for batch in batches for value in batch]


def read(kind: str, folder: Path) -> str:
    feed = feed_of(lamina.Sequential(Dense(2)), **given(kind, folder))
    return "all at once" if isinstance(feed, ArrayFeed) else "a batch at a time"


def seen_before_nan(kind: str, folder: Path, row: int) -> list[float]:
    """Return the rows that were trained on before NaN in one of them was found."""
    bad = X.copy()
    bad[row, 0, 0] = np.nan

    class Bad(Labelled):
        def __getitem__(self, row: int) -> Any:
            return bad[row], int(LABELS[row])

    def batches() -> Any:
        return ((bad[place], LABELS[place]) for place in PLACES)

    data: dict[str, Any] = {
        "arrays in memory": {"x": bad, "y": LABELS},
        "arrays on a disk": {**mapped(folder, x=bad), "y": LABELS},
        "rows by index": {"x": Bad()},
        "batches that begin anew": {"x": batches},
        "batches once": {"x": batches()},
    }[kind]
    seen = Seen()
    model = lamina.Sequential(seen, GRU(3), Dense(CLASSES))
    model.build((None, None, FEATURES), seed=0, dtype="float64")
    options = {} if "batches" in kind else {"batch_size": SIZE, "shuffle": False}
    with pytest.raises(DataError):
        lamina.Trainer(model).fit(**data, epochs=1, **options, verbose=False)
    return flat(seen.trained)


def checked(kind: str, folder: Path) -> str:
    assert seen_before_nan(kind, folder, 0) == []
    found = seen_before_nan(kind, folder, ROWS - 1)
    if not found:
        return "all rows before training"
    assert found == X[: PLACES[-1].start, 0, 0].tolist()
    return "the first batch before training"


def shuffle(kind: str, folder: Path) -> str:
    seen, _ = trained(given(kind, folder), **({} if kind == "batches once" else {"epochs": 2}))
    if "batches" in kind:
        assert flat(seen.trained)[:ROWS] == X[:, 0, 0].tolist()  # as they come
        trained(given(kind, folder), shuffle=True)  # raises
    first, second = flat(seen.trained)[:ROWS], flat(seen.trained)[ROWS:]
    assert first != second
    assert sorted(first) == sorted(second) == FIRSTS
    seen, _ = trained(given(kind, folder), shuffle=False)
    assert flat(seen.trained) == X[:, 0, 0].tolist()
    return "a new order each epoch"


def batch_size(kind: str, folder: Path) -> str:
    seen, trainer = trained(given(kind, folder), batch_size=5)
    assert [len(one) for one in seen.trained] == [5, 5, 5, 5, 2]
    _, trainer = trained(given(kind, folder))
    return f"{trainer.model.facts['training']['batch_size']} rows if not given"


def bucket(kind: str, folder: Path) -> str:
    seen, _ = trained(given(kind, folder), batch_size=SIZE, bucket=True) if "batches" not in kind else (None, None)
    if seen is None:
        trained(given(kind, folder), bucket=True)  # raises
    assert sorted(flat(seen.trained)) == FIRSTS
    longest = dict(zip(X[:, 0, 0], LENGTHS, strict=True))
    assert seen.steps == [max(longest[value] for value in batch) for batch in seen.trained]
    return "by lengths"


def epochs(kind: str, folder: Path) -> str:
    if kind == "batches once":
        with pytest.raises(ArgumentError, match="epochs: expected 1 for what can be gone through once, got 2"):
            trained(given(kind, folder), epochs=2)
        seen, _ = trained(given(kind, folder))
        assert sorted(flat(seen.trained)) == FIRSTS
        return "1"
    seen, _ = trained(given(kind, folder), epochs=3)
    for turn in range(3):
        assert sorted(flat(seen.trained)[turn * ROWS : (turn + 1) * ROWS]) == FIRSTS
    assert len(flat(seen.trained)) == 3 * ROWS
    return "all batches each" if "batches" in kind else "all rows each"


def steps_per_epoch(kind: str, folder: Path) -> str:
    seen, trainer = trained(given(kind, folder), steps_per_epoch=2, epochs=2)
    assert flat(seen.trained) == X[: 4 * SIZE, 0, 0].tolist()
    assert len(trainer.history) == 2
    try:
        seen, _ = trained(given(kind, folder), steps_per_epoch=4, epochs=3)
    except DataError as error:
        assert str(error) == "x: expected 4 batches an epoch, got 2"
        return "goes on, and raises at the end"
    assert flat(seen.trained) == [*X[:, 0, 0], *X[:, 0, 0]]
    return "goes on, and begins anew at the end"


def validation_split(kind: str, folder: Path) -> str:
    seen, trainer = trained(given(kind, folder), validation_split=0.25)
    held = flat(seen.measured)
    assert len(held) == round(0.25 * ROWS)
    assert sorted(held + flat(seen.trained)) == FIRSTS
    assert "val_loss" in trainer.history.keys()  # noqa: SIM118
    return "a share of the rows"


def stratify(kind: str, folder: Path) -> str:
    data = given(kind, folder, labels=True)
    seen, _ = trained(data, steps=False, validation_split=0.5, stratify=True)
    of = dict(zip(X[:, 0, 0], LABELS, strict=True))
    counts = np.bincount([of[value] for value in flat(seen.measured)], minlength=CLASSES)
    assert (abs(counts - np.bincount(LABELS, minlength=CLASSES) / 2) < 1).all()
    return "by the targets"


def validation_data(kind: str, folder: Path) -> str:
    data = given(kind, folder)
    several = tuple(data.get(name) for name in ("x", "y", "lengths", "sample_weight"))
    _, trainer = trained({"x": X[:4], "y": Y[:4]}, epochs=2, validation_data=several if "y" in data else data["x"])
    assert len(trainer.history["val_loss"]) == 2
    lengths = None if kind == "rows by index" else LENGTHS
    found = trainer.evaluate(X, Y, lengths=lengths, sample_weight=W)["loss"]
    assert trainer.history["val_loss"][-1] == pytest.approx(found, rel=1e-12)
    return "each epoch"


def truncate(kind: str, folder: Path) -> str:
    data = given(kind, folder)
    data = {name: value for name, value in data.items() if name not in ("lengths", "sample_weight")}
    if "batches" in kind:

        def full() -> Any:
            return ((X[place], Y[place]) for place in PLACES)

        data["x"] = full() if kind == "batches once" else full
    options = {} if "batches" in kind else {"batch_size": SIZE, "shuffle": False}
    model = lamina.Sequential(GRU(3, return_sequences=True), Dense(CLASSES))
    model.build((None, None, FEATURES), seed=0, dtype="float64")
    trainer = lamina.Trainer(model, optimizer="sgd")
    trainer.fit(**data, epochs=1, truncate=2, **options, verbose=False)
    assert trainer.optimizer.steps == len(PLACES) * 3  # of five steps: 2, 2 and 1
    return "chunks of each batch"


def standardize(kind: str, folder: Path) -> str:
    layer = Standardize()
    data = {"x": Rows()} if kind == "rows by index" else given(kind, folder)
    trained(data, first=layer)
    inside = X[VALID] if kind != "rows by index" else X.reshape(-1, FEATURES)
    np.testing.assert_allclose(
        layer.mean.numpy() + layer.mean_rest.numpy(), inside.mean(axis=0), rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(layer.deviation.numpy(), inside.std(axis=0), rtol=1e-10)
    return "measures all rows first"


def balanced(kind: str, folder: Path) -> str:
    options = {"steps": False, "epochs": 2} | ({} if "batches" in kind else {"shuffle": False, "batch_size": SIZE})
    options |= {"epochs": 1} if kind == "batches once" else {}
    passes = []
    with pytest.MonkeyPatch.context() as patch:
        for one in (ArrayFeed, BatchFeed, RowFeed):
            patch.setattr(one, "counted", lambda feed, counted=one.counted: passes.append(1) or counted(feed))
        _, trainer = trained(given(kind, folder, labels=True), class_weight="balanced", **options)
    weights = ROWS / (CLASSES * np.bincount(LABELS, minlength=CLASSES))
    _, twin = trained(given(kind, folder, labels=True), class_weight=weights, **options)
    assert trainer.history["loss"] == pytest.approx(twin.history["loss"], rel=1e-12)
    for name, array in twin.model.state_dict().items():
        np.testing.assert_allclose(trainer.model.state_dict()[name], array, rtol=1e-12, atol=1e-14)
    return "by the targets, read once more" if passes else "by the targets"


def checkpoint(kind: str, folder: Path) -> str:
    def run(left: int) -> tuple[list[float], Any]:
        seen, end = Seen(), EndAfter()
        end.left = left
        model = lamina.Sequential(seen, GRU(3, return_sequences=True), Dense(CLASSES))
        model.build((None, None, FEATURES), seed=0, dtype="float64")
        trainer = lamina.Trainer(model, optimizer="sgd", callbacks=end)
        options = {} if "batches" in kind else {"batch_size": SIZE}
        kept = {"checkpoint": folder / "run", "every": 1} if left else {}
        with suppress(Ended):
            trainer.fit(**given(kind, folder), epochs=1, verbose=False, **options, **kept)
        return flat(seen.trained), trainer

    whole, expected = run(0)
    first, _ = run(3)  # its checkpoint is that after the second step
    second, trainer = run(-1)
    assert first == whole[: 3 * SIZE]
    if second == whole:
        assert trainer.optimizer.steps == len(PLACES) + 2
        return "begins the epoch again"
    assert second == whole[2 * SIZE :] and trainer.history["loss"] == expected.history["loss"]
    return "goes on after the step"


def communicator(kind: str, folder: Path) -> str:
    taken: list[list[float]] = [[], []]

    def run(one: Any) -> str:
        own = folder / f"rank-{one.rank}"
        own.mkdir()
        feed = feed_of(lamina.Sequential(Dense(2)), **given(kind, own))
        seen = Seen()
        model = lamina.Sequential(seen, GRU(3, return_sequences=True), Dense(CLASSES))
        model.build((None, None, FEATURES), seed=0, dtype="float64")
        trainer = lamina.Trainer(model, optimizer="sgd", communicator=one)
        options = {} if "batches" in kind else {"batch_size": SIZE}
        trainer.fit(**given(kind, own), epochs=1, verbose=False, **options)
        taken[one.rank] = flat(seen.trained)
        ways = {ArrayFeed: "takes its rows", RowFeed: "reads its rows", BatchFeed: "reads all"}
        return f"each rank {ways[type(feed)]}"

    (found, other) = run_ranks(2, run)
    assert found == other and min(map(len, taken)) > 0
    assert sorted(flat(taken)) == FIRSTS  # each row on one of them
    return found


TRIED: dict[str, Callable[[str, Path], str]] = {
    "read": read,
    "checked": checked,
    "shuffle": shuffle,
    "batch_size": batch_size,
    "bucket": bucket,
    "epochs": epochs,
    "steps_per_epoch": steps_per_epoch,
    "validation_split": validation_split,
    "stratify=True": stratify,
    "validation_data": validation_data,
    "truncate": truncate,
    "Standardize": standardize,
    "checkpoint": checkpoint,
    "communicator": communicator,
    'class_weight="balanced"': balanced,
}


def test_every_line_of_the_table_is_tried_for_five_kinds() -> None:
    assert [line[0].strip("`") for line in TABLE[2:]] == list(TRIED)
    assert len(CELLS) == len(TRIED) * 5


@pytest.mark.parametrize(("line", "kind", "cell"), CELLS, ids=[f"{line}, {kind}" for line, kind, _ in CELLS])
def test_a_cell_says_what_is_seen(line: str, kind: str, cell: str, tmp_path: Path) -> None:
    try:
        found = TRIED[line](kind, tmp_path)
    except (ArgumentError, ShapeError) as error:
        assert isinstance(error, LaminaError)
        name = {"stratify=True": "validation_split|stratify", 'class_weight="balanced"': "class_weight"}.get(line, line)
        assert re.search(name if line != "validation_data" else "validation data", str(error))
        found = "refused"
    assert found == cell
