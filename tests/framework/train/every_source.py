"""The same ragged rows, given to a trainer in every way: what the tests of sources train on, and beside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.layers import GRU, Dense
from lamina.optimizers import Adam

RNG = np.random.default_rng(7)
ROWS, TIME, FEATURES, CLASSES, SIZE, EPOCHS = 22, 5, 2, 3, 4, 3
LENGTHS = RNG.integers(1, TIME + 1, ROWS)
LENGTHS[[0, 9]] = TIME  # a batch without a full row would be cut by those that come as sequences
VALID = np.arange(TIME) < LENGTHS[:, None]
X = RNG.normal(size=(ROWS, TIME, FEATURES)) * VALID[..., None]
Y = RNG.integers(0, CLASSES, (ROWS, TIME)) * VALID
W = RNG.uniform(0.5, 2, (ROWS, TIME)) * VALID
PLACES = [slice(start, start + SIZE) for start in range(0, ROWS, SIZE)]


def tagger() -> Any:
    model = lamina.Sequential(GRU(3, return_sequences=True), Dense(CLASSES))
    model.build((None, None, FEATURES), seed=1, dtype="float64")
    return model


def adam(parameters: Any) -> Adam:
    return Adam(parameters, lr=0.05)


def trainer_of(model: Any, **options: Any) -> lamina.Trainer:
    return lamina.Trainer(model, optimizer=adam, metrics="accuracy", **options)


def in_four() -> Iterator[Any]:
    for place in PLACES:
        yield X[place], Y[place], LENGTHS[place], W[place]


class Iterable:
    """Batches that begin anew, without a length."""

    def __iter__(self) -> Iterator[Any]:
        return in_four()


class Counted(Iterable):
    def __len__(self) -> int:
        return len(PLACES)


class Sequences:
    """Rows by index, each as long as it is."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> Any:
        end = LENGTHS[row]
        return X[row, :end], Y[row, :end], W[row, :end]


def mapped(folder: Path, **arrays: Any) -> dict[str, Any]:
    """Return arrays that lie on the disk, read by ``np.load``."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in arrays}


def opened(folder: Path, **arrays: Any) -> dict[str, Any]:
    """Return arrays that lie on the disk, opened as ``np.memmap``."""
    found = {}
    for name, array in arrays.items():
        path = folder / f"{name}.raw"
        array.tofile(path)
        found[name] = np.memmap(path, array.dtype, "r", shape=array.shape)
    return found


def of_h5py(folder: Path, **arrays: Any) -> dict[str, Any]:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    file = h5py.File(folder / "data.h5", "w")
    return {name: file.create_dataset(name, data=array, chunks=True) for name, array in arrays.items()}


def of_torch(**arrays: Any) -> Any:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
    return torch, {name: torch.from_numpy(array) for name, array in arrays.items()}


def loader(folder: Path) -> Any:
    torch, there = of_torch(x=X, y=Y, lengths=LENGTHS, w=W)
    rows = torch.utils.data.TensorDataset(there["x"], there["y"], there["lengths"], there["w"])
    return torch.utils.data.DataLoader(rows, batch_size=SIZE)


def torch_rows(folder: Path) -> Any:
    torch, there = of_torch(x=X, y=Y, w=W)

    class OwnDataset(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, row: int) -> Any:
            return tuple(there[name][row, : LENGTHS[row]] for name in "xyw")

    return OwnDataset()


def lists(*arrays: Any) -> list[list[Any]]:
    return [[row[:end] for row, end in zip(array, LENGTHS, strict=True)] for array in arrays]


Kind = Callable[[Path], dict[str, Any]]


def stored(place: Callable[..., dict[str, Any]], *names: str) -> Kind:
    """Return a kind of source of which the arrays of these names lie on a disk."""

    def given(folder: Path) -> dict[str, Any]:
        there = {"x": X, "y": Y, "lengths": LENGTHS, "sample_weight": W}
        return there | place(folder, **{name: there[name] for name in names})

    return given


def of_lists(folder: Path) -> dict[str, Any]:
    return dict(zip(("x", "y", "sample_weight"), lists(X, Y, W), strict=True))


def in_turns(folder: Path) -> dict[str, Any]:
    """Return one generator of three turns of the data, of which each epoch takes one."""
    return {"x": (one for _ in range(EPOCHS) for one in in_four()), "steps_per_epoch": len(PLACES)}


# Of rows: the trainer puts together the batches, in its own order.
BY_ROWS: dict[str, Kind] = {
    "arrays": stored(lambda _: {}),
    "np.memmap": stored(opened, "x"),
    "np.load, all of them": stored(mapped, "x", "y", "lengths", "sample_weight"),
    "h5py": stored(of_h5py, "x", "y"),
    "lists of sequences": of_lists,
    "rows by index": lambda _: {"x": Sequences()},
    "a torch Dataset": lambda folder: {"x": torch_rows(folder)},
}
# Of batches, which come as they are.
BY_BATCHES: dict[str, Kind] = {
    "an iterable": lambda _: {"x": Iterable()},
    "an iterable with a length": lambda _: {"x": Counted()},
    "a function that returns a generator": lambda _: {"x": in_four},
    "a function that returns a list": lambda _: {"x": lambda: list(in_four())},
    "an iterable, by steps_per_epoch": lambda _: {"x": Iterable(), "steps_per_epoch": len(PLACES)},
    "a generator, by steps_per_epoch": in_turns,
    "a torch DataLoader": lambda folder: {"x": loader(folder)},
}
# What comes as sequences is as long as the longest of its batch: other products, and so rounding.
CUT = ("lists of sequences", "rows by index", "a torch Dataset")


def by_hand(orders: list[Any]) -> Any:
    """Return a model that was trained by a loop of the test's own, which takes the rows in these orders."""
    model, loss = tagger(), lamina.losses.SoftmaxCrossEntropy()
    optimizer = adam(model.parameters())
    for order in orders:
        for place in PLACES:
            rows = order[place]
            prediction, saved = model.forward(X[rows], lengths=LENGTHS[rows])
            optimizer.zero_grad()
            _, loss_saved = loss.forward(prediction, Y[rows], lengths=LENGTHS[rows], mask=W[rows])
            model.backward(loss.backward(loss_saved), saved)
            optimizer.step()
    return model


def assert_same_weights(model: Any, wanted: Any, exact: bool = True) -> None:
    for name, array in wanted.state_dict().items():
        found = model.state_dict()[name]
        if exact:
            np.testing.assert_array_equal(found, array, err_msg=name)
        else:
            np.testing.assert_allclose(found, array, rtol=1e-9, atol=1e-12, err_msg=name)


def threads_left() -> list[Any]:
    """Return the threads of ours that are still there."""
    return [one for one in threading.enumerate() if one.name == "lamina-batches"]
