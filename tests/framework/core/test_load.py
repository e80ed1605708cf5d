"""Files that anyone may have written: refused in one line that names them, before time or memory is spent."""

import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import lamina
from lamina import Sequential
from lamina.core.initializers import Initializer
from lamina.core.model_file import checksum_of
from lamina.errors import CheckpointError, NonFiniteWarning, UnknownNameError
from lamina.layers import BatchNorm, Dense, Dropout

SECONDS, MEGABYTES = 5, 512


def write(path: Path, architecture: Any, shapes: Any = ((None, None, 2),), arrays: Any = None, **entries: str) -> Path:
    """Write a file as an attacker would: whatever it says, its checksum is right."""
    metadata = {
        "lamina_format": "1",
        "architecture": architecture if isinstance(architecture, str) else json.dumps(architecture),
        "input_shapes": json.dumps(shapes),
        "dtype": "float32",
        "facts": "{}",
        "ties": "{}",
        "frozen": "[]",
    } | entries
    arrays = {} if arrays is None else arrays
    save_file(arrays, path, {**metadata, "checksum": checksum_of(arrays, metadata)})
    return path


def layer(name: str, **config: Any) -> dict[str, Any]:
    return {"layer": name, "config": config}


def stack(*layers: Any) -> dict[str, Any]:
    return layer("Sequential", layers=list(layers))


def twice_each(times: int) -> Any:
    def level(number: int) -> Any:
        return stack(level(number + 1), {"same": number + 1}) if number < times else layer("Tanh")

    return level(0)


def deep(depth: int) -> Any:
    found = layer("Tanh")
    for _ in range(depth):
        found = stack(found)
    return found


def twins(times: int) -> Any:
    found = layer("Recurrent", cell=layer("LSTMCell", units=1), return_sequences=True)
    for _ in range(times):
        cells = [layer("LSTMCell", units=1), layer("RepeatVector", count=2), found, layer("LastStep")]
        cell = layer("StackedCells", cells=cells)
        found = layer("Bidirectional", layer=layer("Recurrent", cell=cell, return_sequences=True))
    return found


def advised(depth: int) -> Any:
    """Return what would be tried with a time axis at every depth, were anyone there to be advised."""
    start = layer("Reshape", shape=[-1, 1]), layer("SimpleRNN", units=1)
    found = stack(*start, layer("LastStep"))
    for _ in range(depth):
        found = stack(*start, found)
    return found


def residuals(depth: int, layers: int) -> Any:
    """Return what is looked through at every depth."""
    found = stack(*[layer("Tanh")] * layers)
    for _ in range(depth):
        found = layer("Residual", inner=found)
    return found


def side(blocks: Any) -> dict[str, Any]:
    return layer("Dense", units=2, w_initializer={"initializer": "Side", "config": {"blocks": blocks}})


# By name: the architecture, the input's shapes, and what the message says.
HUGE: dict[str, tuple[Any, Any, str]] = {
    "units": (layer("Dense", units=5 * 10**7), [[None, 4]], "does not fit Dense; missing: w, b"),
    "features": (layer("Dense", units=2**31 - 1), [[None, 2**31 - 1]], "numbers a row"),
    "rows": (layer("Embedding", rows=2**31 - 1, units=2**20), [[None, 4]], "does not fit Embedding; missing: w"),
    "recurrent": (layer("LSTM", units=10**7), [[None, None, 4]], "does not fit LSTM; missing: w_x, w_h, b"),
    "orthogonal": (layer("SimpleRNN", units=20_000), [[None, None, 4]], "does not fit SimpleRNN"),
    "repeat": (layer("RepeatVector", count=10**9), [[None, 4]], "expected at most 67108864 numbers a row"),
    "parts": (layer("Split", parts=10**9), [[None, 10**9]], "Split: expected parts to be 65536 at most"),
    "outputs": (
        stack(*[layer("Split", parts=65536), layer("Concat", branches=[])] * 500),
        [[None, 65536]],
        "inputs and outputs of layers",
    ),
    "inputs": (layer("Concat", branches=[]), [[None, 1]] * 210_000, "inputs and outputs of layers"),
    "steps": (layer("MaxPool1D", pool=2**31 - 1), [[None, 5, 2]], "expected to reach over"),
    "dilated": (layer("MaxPool1D", pool=2**31 - 1, dilation=2**31 - 1), [[None, 5, 2]], "expected to reach over"),
    "cut": (
        layer("Conv1DTranspose", units=1, kernel_size=1, padding=[10**9, 10**9]),
        [[None, 5, 2]],
        "expected at least 2000000001 time steps",
    ),
    "dilated convolution": (
        layer("Conv1D", units=1, kernel_size=2, dilation=10**9),
        [[None, None, 1]],
        "expected to reach over at most 16777216 numbers, got 2000000001 steps of (batch, time, 1)",
    ),
    "padded": (layer("AveragePool1D", pool=10**8, padding="same"), [[None, None, 2]], "expected to reach over"),
    "causal": (
        layer("Conv1D", units=1, kernel_size=2, dilation=10**8, padding="causal"),
        [[None, None, 2]],
        "expected to reach over",
    ),
    "padded by number": (layer("Conv1D", units=1, kernel_size=1, padding=10**9), [[None, None, 2]], "to reach over"),
    "transposed": (
        layer("Conv1DTranspose", units=1, kernel_size=1, stride=10**9),
        [[None, None, 2]],
        "expected to reach over",
    ),
    "transposed and dilated": (
        layer("Conv1DTranspose", units=1, kernel_size=2, dilation=10**9),
        [[None, None, 2]],
        "expected to reach over",
    ),
    "axes": (layer("Reshape", shape=[2**31 - 1] * 40), [[None, 2]], "Reshape: expected a shape such as"),
    "flat": (stack(*[layer("Tanh")] * 60_000), [[None, 2]], "architecture: expected at most "),
    "same": (twice_each(24), [[None, 2]], "at most 10000 layers and initializers"),
    "deep": (deep(70), [[None, 2]], "layers at most 64 deep"),
    "deeper": ("[" * 100_000, [[None, 2]], "too deep in each other"),
    "twins": (twins(18), [[None, None, 1]], "at most 10000 layers and initializers"),
    "twins built": (twins(9), [[None, None, 1]], "does not fit Bidirectional"),
    "advised": (advised(30), [[None, 1]], "expected (batch, time, features), got (batch, 1)"),
    "deep and wide": (stack(residuals(58, 9_900), layer("Dense", units=3)), [[None, 2]], "does not fit Sequential"),
    "many twins": (
        stack(*[layer("Bidirectional", layer=layer("LSTM", units=1, return_sequences=True))] * 3_000),
        [[None, None, 2]],
        "does not fit Sequential",
    ),
    "blocks": (side([0.5] * 190_000), [[None, 4]], "does not fit Dense; missing: w, b"),
    "values": ("[" + "[]," * 2_000_000 + "1]", [[None, 2]], "architecture: expected at most 200000 values"),
    "name": (layer("Tanh", **{"x" * 10**6: 1}), [[None, 2]], "layer 'Tanh': "),
}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("name", HUGE)
def test_what_asks_for_much_is_refused_soon_and_in_little_memory(tmp_path: Path, name: str) -> None:
    architecture, shapes, message = HUGE[name]
    path = write(tmp_path / "m", architecture, shapes)
    before, started = peak(), time.perf_counter()
    with pytest.raises(CheckpointError) as caught:
        lamina.load(path)
    assert time.perf_counter() - started < SECONDS
    assert peak() - before < MEGABYTES
    text = str(caught.value)
    assert text.startswith(repr(str(path))) and message in text, text
    assert "\n" not in text and len(text) < 2000


def test_no_weight_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index, case in enumerate(lamina.testing.cases.layer_cases()):
        model = case.make()
        if any("cases" in type(one).__module__ for _, one in model.walk()) or isinstance(model, lamina.layers.Lambda):
            continue
        model.build(*(one if isinstance(one, tuple) else one.shape for one in case.inputs), seed=index)
        model.save(tmp_path / str(index))

    def drawn(*_: Any) -> Any:
        raise AssertionError("a weight was drawn")

    initializers = [Initializer.registry.find(name) for name in Initializer.registry.names()]
    for cls in initializers:
        monkeypatch.setattr(cls, "__call__", drawn)
    paths = sorted(tmp_path.iterdir())
    assert len(paths) > 100
    for path in paths:
        again = lamina.load(path)
        state, stored = again.state_dict(), load_file(path)
        assert state.keys() == stored.keys()
        assert all(state[name].tobytes() == array.tobytes() for name, array in stored.items())
        assert again.is_built


def test_a_loaded_model_is_as_one_built_with_seed_0(tmp_path: Path) -> None:
    model = Sequential(Dense(8), Dropout(0.5), BatchNorm(), Dense(2))
    model.build((None, 3), seed=0)
    model.save(tmp_path / "m")
    loaded: Any = lamina.load(tmp_path / "m")
    x = np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
    assert loaded[1].draws == model[1].draws == {"seed": 0, "calls": 0}  # type: ignore[attr-defined]
    assert (loaded.forward(x)[0] == model.forward(x)[0]).all()
    assert [p.trainable for p in loaded.parameters()] == [p.trainable for p in model.parameters()]
    assert len({id(p.storage) for p in loaded.parameters()}) == 1


DENSE = {"w": np.zeros((2, 2), np.float32), "b": np.zeros(2, np.float32)}
ONE = layer("Dense", units=2)


def tied() -> Iterator[tuple[dict[str, Any], str]]:
    yield {"b": "b"}, "that is tied to 'b'"
    yield {"b": "nowhere"}, "there is no such parameter"
    yield {"nowhere": "b"}, "there is no such parameter"
    yield {"": "b"}, "there is no such parameter"
    yield {"b": "w"}, "their shapes differ"
    yield {"w": "b", "b": "w"}, "that is tied to"
    yield {"\x1b[2J": "b"}, "cannot tie '\\x1b[2J'"
    yield {"b": 3}, "something else than names"
    yield {"b": ["w"]}, "something else than names"
    yield {"_record": "b"}, "there is no such parameter"


@pytest.mark.parametrize(("ties", "message"), list(tied()), ids=str)
def test_ties_that_make_no_sense_are_refused(tmp_path: Path, ties: Any, message: str) -> None:
    path = write(tmp_path / "m", ONE, [[None, 2]], DENSE, ties=json.dumps(ties))
    with pytest.raises(CheckpointError) as caught:
        lamina.load(path)
    assert str(caught.value).startswith(f"{str(path)!r}: ") and message in str(caught.value)


def test_ties_in_a_chain_or_a_circle_are_refused(tmp_path: Path) -> None:
    three = stack(*[layer("Dense", units=2, use_bias=False)] * 3)
    arrays = {"0.w": DENSE["w"], "1.w": DENSE["w"]}
    assert len(lamina.load(write(tmp_path / "m", three, [[None, 2]], arrays, ties='{"2.w": "0.w"}')).parameters()) == 2
    for ties in (
        '{"1.w": "0.w", "2.w": "1.w"}',
        '{"1.w": "2.w", "2.w": "1.w"}',
        '{"0.w": "1.w", "1.w": "2.w", "2.w": "0.w"}',
    ):
        with pytest.raises(CheckpointError):
            lamina.load(write(tmp_path / "m", three, [[None, 2]], arrays, ties=ties))


@pytest.mark.parametrize("names", [["c"], ["w", "\x1b[31m"], ["0.w"], [""], [str(number) for number in range(100)]])
def test_frozen_names_that_are_none_are_refused_by_name(tmp_path: Path, names: list[str]) -> None:
    path = write(tmp_path / "m", ONE, [[None, 2]], DENSE, frozen=json.dumps(names))
    with pytest.raises(CheckpointError) as caught:
        lamina.load(path)
    wrong = sorted(name for name in names if name not in DENSE)[0]
    assert str(caught.value).startswith(f"{str(path)!r}: frozen: Dense has no parameter {wrong!r}")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_is_warned_of_by_name(tmp_path: Path, value: float) -> None:
    model = Sequential(Dense(2), Dense(2))
    model.build((None, 2), seed=0)
    model[1].w.data[0, 1] = value  # type: ignore[attr-defined]
    path = tmp_path / "m"
    model.save(path)
    what = "NaN" if np.isnan(value) else "infinity"
    message = f"^{str(path)!r}: its parameter '1.w' holds {what}$"
    with pytest.warns(NonFiniteWarning, match=message) as caught:
        loaded = lamina.load(path)
    assert caught[0].filename == __file__
    assert not np.isfinite(loaded.state_dict()["1.w"]).all()
    with pytest.warns(NonFiniteWarning, match=message):
        loaded.load_weights(path)


def test_a_weight_too_large_for_the_dtype_is_warned_of(tmp_path: Path) -> None:
    model = Dense(1)
    model.build((None, 1), dtype="float64")
    model.w.data[:] = 1e300
    model.save(tmp_path / "m")
    assert lamina.load(tmp_path / "m").dtype == "float64"
    with pytest.warns(NonFiniteWarning, match="its parameter 'w' holds infinity$"):
        lamina.load(tmp_path / "m", dtype="float32")


WRONG: dict[str, tuple[Any, Any]] = {
    "two inputs": (layer("Tanh"), [[None, 2], [None, 2]]),
    "two inputs of a model": (stack(layer("Tanh")), [[None, 2], [None, 2]]),
    "no input": (layer("Tanh"), []),
    "units": (layer("Dense", units=10**18), [[None, 2]]),
    "rate": (layer("Dropout", rate=10**400), [[None, 2]]),
    "pool": (layer("MaxPool1D", pool=2**63), [[None, None, 2]]),
    "blocks": (side(3), [[None, 2]]),
    "no blocks": (side([]), [[None, 2]]),
    "nested blocks": (side([[1]]), [[None, 2]]),
    "a layer as initializer": (layer("Dense", units=2, w_initializer=layer("Tanh")), [[None, 2]]),
    "an initializer as layer": (stack({"initializer": "Zeros", "config": {}}), [[None, 2]]),
    "no cell": (layer("Recurrent", cell=layer("Dense", units=2)), [[None, None, 2]]),
    "axes": (layer("Permute", axes=[[1], {}]), [[None, None, 2]]),
    "function": (layer("Lambda", function="nobody named it"), [[None, 2]]),
    "function of a number": (layer("Lambda", function=3), [[None, 2]]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_layer_takes_is_the_files_fault(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "m", *WRONG[name])
    with pytest.raises(CheckpointError) as caught:
        lamina.load(path)
    assert str(caught.value).startswith(f"{str(path)!r}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("written", ["9" * 5000, "\u0661" * 12, "2\x1b[31m", "\u202e1"])
def test_a_format_of_many_digits_is_one_line(tmp_path: Path, written: str) -> None:
    path = write(tmp_path / "m", layer("Tanh"), [[None, 2]], lamina_format=written)
    with pytest.raises(CheckpointError, match="written in model format") as caught:
        lamina.load(path)
    assert str(caught.value).isascii() or written[0] == "\u0661"
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


STEERING = "\x1b[31m\u202e\x07\r\n"


@pytest.mark.parametrize("place", ["layer", "argument", "array", "path", "choice", "file"])
def test_no_message_steers_a_terminal(tmp_path: Path, place: str) -> None:
    path = tmp_path / (STEERING if place == "file" else "m")
    names = {
        "layer": layer(STEERING),
        "argument": layer("Dense", units=2, **{STEERING: 1}),
        "choice": layer("SimpleRNN", units=2, activation=STEERING),
    }
    arrays = {STEERING: np.zeros(2, np.float32)} if place == "array" else None
    write(path, names.get(place, ONE), [[None, None, 2]], arrays)
    with pytest.raises((CheckpointError, UnknownNameError)) as caught:
        lamina.load(path)
    assert str(caught.value).isprintable()


def test_shapes_are_compared_before_there_is_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(*_: Any) -> Any:
        raise AssertionError("memory was asked for")

    monkeypatch.setattr("lamina.core.build.Storage", made)
    for arrays in ({}, {"w": np.zeros((2, 3), np.float32)}, {**DENSE, "c": np.zeros(1, np.float32)}):
        with pytest.raises(CheckpointError, match=" does not fit Dense; "):
            lamina.load(write(tmp_path / "m", ONE, [[None, 2]], arrays))


def test_who_asks_for_a_backend_or_dtype_that_is_none_is_told_so_first(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        lamina.load(tmp_path / "missing", backend="nowhere")
    with pytest.raises(lamina.errors.DTypeError):
        lamina.load(tmp_path / "missing", dtype="float16")


@pytest.mark.parametrize("kind", ["deep", "wide", "rows", "reach"])
def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path, kind: str) -> None:
    model: Any = lamina.layers.Tanh()
    shape: tuple[int | None, ...] = (None, 2)
    if kind == "rows":
        model = Sequential(Dense(2), lamina.layers.RepeatVector(2**30))
    elif kind == "reach":
        model, shape = Sequential(lamina.layers.Conv1D(1, 2, dilation=2**25)), (None, None, 2)
    if kind == "deep":
        for _ in range(70):
            model = Sequential(model)
    elif kind == "wide":
        model = Sequential(*[lamina.layers.Tanh() for _ in range(10_001)])
    model.build(shape)
    with pytest.raises(
        CheckpointError, match=r"^cannot save the model: .*: expected (layers )?(at most|to reach over)"
    ):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())
