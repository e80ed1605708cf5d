"""Model files: whole, checked, and matched with their architecture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import lamina
from lamina import Concat, Layer, Residual, Sequential
from lamina.core.load import load
from lamina.core.model_file import require_savable
from lamina.errors import CheckpointError, DTypeError, LaminaError, OutputError
from lamina.initializers import Normal
from lamina.layers import Dense, LastStep, SimpleRNN, Tanh


@pytest.fixture
def model() -> Sequential:
    shared = Dense(3, w_initializer=Normal(0.5), use_bias=False)
    model = Sequential(
        SimpleRNN(3, return_sequences=True, activation="relu", go_backwards=True),
        shared,
        Residual(shared),
        Concat(Tanh(), Sequential(Dense(2), Tanh())),
        LastStep(),
        Dense(2),
    )
    model.build((None, None, 2), dtype="float64", seed=3)
    model.facts.update(epochs=3, classes=["a", "b"])
    return model


@pytest.fixture
def path(model: Sequential, tmp_path: Path) -> Path:
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


X = np.random.default_rng(0).standard_normal((3, 5, 2))


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_loaded_model_is_the_saved_one(model: Sequential, path: Path, as_path: Any) -> None:
    loaded = load(as_path(path))
    assert repr(loaded) == repr(model)
    assert (loaded.dtype, loaded.facts, loaded.input_shapes) == ("float64", model.facts, model.input_shapes)
    state = loaded.state_dict()
    assert list(state) == list(model.state_dict())
    assert all(values.tobytes() == state[name].tobytes() for name, values in model.state_dict().items())
    assert (loaded(X, lengths=[5, 0, 2]) == model(X, lengths=[5, 0, 2])).all()
    assert loaded[1] is loaded[2].inner  # type: ignore[index]


def test_a_model_loads_on_the_backend_and_in_the_dtype_asked_for(model: Sequential, path: Path) -> None:
    loaded = load(path, backend="reference", dtype="float32")
    assert (loaded.backend.name, loaded.dtype) == ("reference", "float32")
    assert all(
        (loaded.state_dict()[name] == values.astype("float32")).all() for name, values in model.state_dict().items()
    )
    with lamina.use_backend("reference"):
        assert load(path).backend.name == "reference"
    with pytest.raises(DTypeError):
        load(path, dtype="float16")


def test_the_file_is_plain_safetensors_with_json_beside(model: Sequential, path: Path) -> None:
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        assert set(file.keys()) == set(model.state_dict())
        assert (file.get_tensor("5.w") == model.state_dict()["5.w"]).all()
    assert (metadata["lamina_format"], metadata["dtype"]) == ("1", "float64")
    assert json.loads(metadata["input_shapes"]) == [[None, None, 2]]
    assert json.loads(metadata["architecture"])["layer"] == "Sequential"


def test_weights_alone_load_into_a_model_of_the_same_architecture(model: Sequential, path: Path) -> None:
    other = load(path)
    for parameter in other.parameters():
        parameter.data *= 0
    other.facts.clear()
    other.load_weights(path)
    assert (other(X) == model(X)).all()
    assert other.facts == {}


def test_weights_that_do_not_fit_are_all_named_and_nothing_is_changed(model: Sequential, path: Path) -> None:
    other = Sequential(SimpleRNN(4, use_bias=False), Dense(3), Dense(2))
    other.build((None, None, 2), dtype="float64", seed=0)
    before = other.state_dict()
    with pytest.raises(CheckpointError) as caught:
        other.load_weights(path)
    assert str(caught.value) == (
        f"{str(path)!r} does not fit Sequential; missing: 1.b, 2.w, 2.b; unexpected: 0.b, 3.1.0.b, 3.1.0.w, 5.b, 5.w; "
        "misshapen: 0.w_x (expected (2, 4), got (2, 3)), 0.w_h (expected (4, 4), got (3, 3)), "
        "1.w (expected (4, 3), got (3, 3))"
    )
    assert all((values == before[name]).all() for name, values in other.state_dict().items())


def test_saving_where_it_cannot_be_written_leaves_nothing_and_the_old_file(model: Sequential, path: Path) -> None:
    before = path.read_bytes()
    for place in (path / "below.safetensors", path.parent / "missing" / "model.safetensors", path.parent):
        with pytest.raises(OutputError, match=r"^cannot write '"):
            model.save(place)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize("wrong", ["class", "argument", "fact"])
def test_a_model_that_no_file_can_hold_is_refused_before_anything_is_written(
    model: Sequential, path: Path, wrong: str
) -> None:
    class Unregistered(Tanh):
        pass

    before = path.read_bytes()
    if wrong == "class":
        model.layers.append(Unregistered())
        message = "Unregistered cannot be saved: decorate its class with @lamina.register"
    elif wrong == "argument":
        model[5].units = 1j  # type: ignore[attr-defined]
        message = "cannot write complex 1j into a model file"
    else:
        model.facts["when"] = object
        message = "cannot save the model's facts as JSON: Object of type type is not JSON serializable"
    with pytest.raises(CheckpointError) as caught:
        model.save(path)
    assert str(caught.value) == message
    assert path.read_bytes() == before
    if wrong != "fact":
        with pytest.raises(CheckpointError):
            require_savable(model)


def test_no_flipped_bit_goes_unseen(path: Path, tmp_path: Path) -> None:
    content, damaged = path.read_bytes(), tmp_path / "damaged"
    # Every byte of the header would take a minute; a stride that shares no factor with its period does.
    places = [*range(0, len(content), 7), *range(len(content) - 40, len(content))]
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        damaged.write_bytes(flipped)
        with pytest.raises(CheckpointError) as caught:
            load(damaged)
        assert str(caught.value).startswith(f"{str(damaged)!r}: ")
        assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(path: Path, tmp_path: Path) -> None:
    content, damaged = path.read_bytes(), tmp_path / "damaged"
    for size in [*range(0, len(content), 101), len(content) - 1]:
        damaged.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match="no readable safetensors file"):
            load(damaged)


def test_what_is_no_file_of_lamina_is_refused(tmp_path: Path) -> None:
    foreign, text = tmp_path / "foreign", tmp_path / "text"
    save_file({"w": np.zeros(2)}, foreign)
    text.write_text("no safetensors\n" * 9)
    (tmp_path / "empty").touch()
    for name, message in (
        ("missing", "there is no such file"),
        ("foreign", "a safetensors file, but not one that Lamina wrote"),
        ("text", "no readable safetensors file ("),
        ("empty", "no readable safetensors file ("),
        ("", "no readable safetensors file ("),  # the folder
    ):
        place = tmp_path / name
        for use in (load, lamina.load):
            with pytest.raises(CheckpointError) as caught:
                use(place)
            assert str(caught.value).startswith(f"{str(place)!r}: {message}")


def rewrite(path: Path, **changes: Any) -> None:
    """Write the file again with other metadata, its checksum made to match as an attacker would."""
    from lamina.core.model_file import checksum_of

    with safe_open(path, framework="numpy") as file:
        metadata, arrays = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata |= changes
    metadata.pop("checksum")
    save_file(arrays, path, {**metadata, "checksum": checksum_of(arrays, metadata)})


@pytest.mark.parametrize("written", ["2", "99", "1.5", "x", "\u00b2", "-1"])
def test_a_newer_format_is_refused_with_the_remedy(path: Path, written: str) -> None:
    rewrite(path, lamina_format=written)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{str(path)!r}: written in model format {written}, this Lamina reads up to 1; upgrade lamina"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "{"},
        {"architecture": "[]"},
        {"architecture": "3"},
        {"architecture": '{"layer": "Dense"}'},
        {"architecture": '{"layer": "Dense", "config": {"units": {"same": 7}}}'},
        {"architecture": '{"layer": "Dense", "config": {"units": -3}}'},
        {"architecture": '{"layer": "Dens", "config": {"units": 3}}'},
        {"architecture": '{"layer": ["Dense"], "config": {}}'},
        {"architecture": '{"layer": "Dense", "config": {"units": 3, "path": "x"}}'},
        {"architecture": '{"initializer": "Zeros", "config": {}}'},
        {"architecture": '{"layer": "Sequential", "config": {"layers": 3}}'},
        {"input_shapes": "3"},
        {"input_shapes": "null"},
        {"input_shapes": '{"a": 1}'},
        {"input_shapes": "[]"},
        {"input_shapes": "[[null, 2]]"},
        {"dtype": "float16"},
        {"facts": "{"},
        {"facts": "3"},
    ],
    ids=str,
)
def test_metadata_that_makes_no_model_is_refused_with_an_error_of_laminas(path: Path, changes: Any) -> None:
    rewrite(path, **changes)
    with pytest.raises(LaminaError) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_layer_that_is_not_registered_is_named(path: Path) -> None:
    rewrite(path, architecture='{"layer": "Transformer", "config": {}}')
    with pytest.raises(LaminaError, match=r"^unknown layer 'Transformer': "):
        load(path)


def test_a_layer_of_ones_own_comes_back_once_it_is_registered(tmp_path: Path) -> None:
    @lamina.register(name="tests.Twice")
    class Twice(Layer):
        def __init__(self, inner: Layer) -> None:
            self.inner = inner

        def build(self, shape: Any) -> Any:
            return self.inner.build(self.inner.build(shape))

    model = Twice(Dense(2))
    model.build((None, 2), seed=0)
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert type(loaded) is Twice
    assert (loaded.state_dict()["inner.w"] == model.state_dict()["inner.w"]).all()


@pytest.mark.parametrize("kind", ["attribute", "list", "dict", "tuple"])
def test_tied_weights_come_back_tied(tmp_path: Path, kind: str) -> None:
    @lamina.register(name=f"tests.Keeps{kind}")
    class Keeps(Layer):
        def build(self, shape: Any) -> Any:
            own = [lamina.Parameter((2,)), lamina.Parameter((2,))]
            if kind == "attribute":
                self.a, self.b = own
            else:
                self.own = {"list": own, "tuple": tuple(own), "dict": dict(enumerate(own))}[kind]
            return shape

    model = Sequential(Dense(2), Keeps())
    model.build((None, 2), seed=0)
    bias = model[0].b  # type: ignore[attr-defined]
    if kind == "attribute":
        model[1].b = bias  # type: ignore[attr-defined]
    elif kind == "tuple":
        model[1].own = (model[1].own[0], bias)  # type: ignore[attr-defined]
    else:
        model[1].own[1] = bias  # type: ignore[attr-defined]
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert list(loaded.named_parameters()) == list(model.named_parameters())
    assert len(loaded.parameters()) == 3
    loaded[0].b.data += 1  # type: ignore[index, attr-defined]
    assert [p.data.tolist() for p in loaded[1].own_parameters().values()] == [[0, 0], [1, 1]]  # type: ignore[index]


def test_frozen_parameters_stay_frozen(tmp_path):
    model = lamina.Sequential(lamina.layers.Dense(2), lamina.layers.Dense(2))
    model.build((None, 3))
    model.layers[0].w.trainable = False
    model.save(tmp_path / "m.safetensors")
    loaded = lamina.load(tmp_path / "m.safetensors")
    assert [p.name for p in loaded.parameters() if not p.trainable] == ["0.w"]
