"""Moving a model, and setting all of its weights."""

from typing import Any

import numpy as np
import pytest

from lamina import Composite, Sequential
from lamina.core.transfer import tie, ties
from lamina.errors import BackendError, CheckpointError, DTypeError, NotBuiltError, UnknownNameError
from lamina.layers import Dense, SimpleRNN


@pytest.fixture
def model() -> Sequential:
    model = Sequential(SimpleRNN(3), Dense(2))
    model.build((None, None, 2), backend="numpy", seed=0)
    return model


def test_moving_keeps_values_gradients_names_and_frozen_weights(model: Sequential) -> None:
    for number, parameter in enumerate(model.parameters()):
        parameter.grad += number + 1
    model[0].w_h.trainable = False  # type: ignore[attr-defined]
    before = {p.name: (p.numpy(), p.grad.copy(), p.trainable) for p in model.parameters()}
    old = model.parameters()[0].storage
    assert model.to("reference") is model
    assert {layer.backend.name for _, layer in model.walk()} == {"reference"}
    assert len({id(p.storage) for p in model.parameters()}) == 1
    assert model.parameters()[0].storage is not old
    for parameter in model.parameters():
        values, grad, trainable = before[parameter.name]
        assert parameter.data.tobytes() == values.tobytes()
        assert (parameter.grad == grad).all()
        assert parameter.trainable == trainable
    x = np.ones((1, 4, 2), "float32")
    assert model.forward(x)[0].shape == (1, 2)


def test_moving_to_another_dtype_rounds_once(model: Sequential) -> None:
    single = model.state_dict()
    model.to("numpy", dtype="float64")
    assert model.dtype == "float64"
    assert all(p.data.dtype == p.grad.dtype == np.float64 for p in model.parameters())
    assert all((model.state_dict()[name] == values).all() for name, values in single.items())
    model.to("numpy", dtype="float32")
    assert all(values.tobytes() == single[name].tobytes() for name, values in model.state_dict().items())
    assert model.to("numpy").dtype == "float32"


@pytest.mark.parametrize(
    ("backend", "dtype", "error"),
    [("nowhere", None, UnknownNameError), ("reference", "float16", DTypeError)],
)
def test_a_move_that_fails_changes_nothing(model: Sequential, backend: str, dtype: str | None, error: Any) -> None:
    storage = model.parameters()[0].storage
    with pytest.raises(error):
        model.to(backend, dtype=dtype)
    assert (model.backend.name, model.dtype) == ("numpy", "float32")
    assert model.parameters()[0].storage is storage


def test_a_move_to_a_backend_that_cannot_run_changes_nothing(model: Sequential, monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    monkeypatch.setattr("lamina.backends.registry._instances", {})
    with pytest.raises(BackendError, match="CuPy is not installed"):
        model.to("cupy")
    assert model.backend.name == "numpy"


def test_only_a_built_model_can_be_moved() -> None:
    with pytest.raises(NotBuiltError, match=r"^Dense is not built: call build\(shape\) first$"):
        Dense(2).to("reference")


def test_layers_that_are_not_built_stay_so() -> None:
    class Spare(Composite):
        def __init__(self) -> None:
            self.used, self.spare = Dense(2), Dense(3)

        def compose(self, t: Any, x: Any) -> Any:
            return t(self.used, x)

    model = Spare()
    model.build((None, 2), seed=0)
    model.to("reference")
    assert (model.used.is_built, model.spare.is_built) == (True, False)


def test_tied_weights_stay_tied_when_moved() -> None:
    model = Sequential(Dense(2), Dense(2))
    model.build((None, 2), seed=0)
    model[1].w = model[0].w  # type: ignore[attr-defined]
    model.to("reference", dtype="float64")
    model[0].w.data += 1  # type: ignore[attr-defined]
    assert model[1].w.data is model[0].w.data  # type: ignore[attr-defined]
    assert list(model.named_parameters()) == ["0.w", "0.b", "1.b"]


def test_state_dict_gives_copies_by_path(model: Sequential) -> None:
    state = model.state_dict()
    assert {name: values.shape for name, values in state.items()} == {
        "0.w_x": (2, 3), "0.w_h": (3, 3), "0.b": (3,), "1.w": (3, 2), "1.b": (2,),
    }  # fmt: skip
    state["0.w_x"][...] = 7
    assert not (model.state_dict()["0.w_x"] == 7).any()


def test_loading_a_state_copies_it(model: Sequential) -> None:
    state = {name: values.astype("float64") + 1 for name, values in model.state_dict().items()}
    storage = model.parameters()[0].storage
    model.load_state_dict(state)
    assert model.parameters()[0].storage is storage
    state["1.b"][...] = 9
    assert model[1].b.data.tolist() == [1, 1]  # type: ignore[attr-defined]
    assert model[1].b.data.dtype == np.float32  # type: ignore[attr-defined]


def test_a_part_loads_what_it_gave(model: Sequential) -> None:
    state = model[1].state_dict()
    assert list(state) == ["w", "b"]
    model[1].load_state_dict({name: values * 0 + 2 for name, values in state.items()})
    assert (model.state_dict()["1.w"] == 2).all()


def test_everything_wrong_is_named_at_once_and_nothing_is_changed(model: Sequential) -> None:
    before = model.state_dict()
    state: dict[str, Any] = {name: values + 1 for name, values in before.items()}
    del state["0.w_h"], state["0.b"]
    state["2.w"], state["extra"] = np.zeros(1), np.zeros(2)
    state["0.w_x"] = np.zeros((3, 2))
    state["1.b"] = np.array(["a", "b"])
    with pytest.raises(CheckpointError) as caught:
        model.load_state_dict(state)
    assert str(caught.value) == (
        "state does not fit Sequential; missing: 0.w_h, 0.b; unexpected: 2.w, extra; "
        "misshapen: 0.w_x (expected (2, 3), got (3, 2)); no numbers: 1.b (<U1)"
    )
    assert all((values == before[name]).all() for name, values in model.state_dict().items())


def test_only_a_built_model_can_be_loaded() -> None:
    for use in (Dense(2).state_dict, lambda: Dense(2).load_state_dict({})):
        with pytest.raises(NotBuiltError):
            use()


def test_ties_are_told_and_tied_again() -> None:
    models = []
    for _ in range(2):
        model = Sequential(Dense(2), Sequential(Dense(2), Dense(2)))
        model.build((None, 2), seed=0)
        models.append(model)
    tied, other = models
    tied[1][0].w = tied[0].w  # type: ignore[attr-defined, index]
    tied[1][1].b = tied[0].b  # type: ignore[attr-defined, index]
    assert ties(other) == {}
    assert ties(tied) == {"1.0.w": "0.w", "1.1.b": "0.b"}
    tie(other, ties(tied))
    assert ties(other) == ties(tied)
    assert other[1][0].w is other[0].w  # type: ignore[attr-defined, index]
    with pytest.raises(CheckpointError, match=r"^Sequential: cannot tie '7\.w' to '0\.w': there is no such parameter$"):
        tie(other, {"7.w": "0.w"})


def test_many_wrong_names_are_counted_and_steer_nothing() -> None:
    model = Sequential(*[Dense(1) for _ in range(50)])
    model.build((None, 1), seed=0)
    with pytest.raises(CheckpointError) as caught:
        model.load_state_dict({f"{index}\x1b[31m": np.zeros(1) for index in range(30)})
    message = str(caught.value)
    assert message.isprintable()
    assert " and 80 more; unexpected: 0\\x1b[31m, " in message and message.endswith(" and 10 more")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ({"1.w": "1.w"}, "that is tied to '1.w'"),
        ({"1.w": "0.w", "0.w": "1.w"}, "that is tied to '1.w'"),
        ({"2.w": "1.w", "1.w": "0.w"}, "that is tied to '0.w'"),
        ({"1.w": "0.b"}, "their shapes differ, (2, 2) and (2,)"),
        ({"1.c": "0.w"}, "there is no such parameter"),
        ({"1.w": "0.c"}, "there is no such parameter"),
    ],
)
def test_ties_that_make_no_sense_are_refused_and_change_nothing(paths: Any, message: str) -> None:
    model = Sequential(Dense(2), Dense(2), Dense(2))
    model.build((None, 2), seed=0)
    before = model.named_parameters()
    with pytest.raises(CheckpointError) as caught:
        tie(model, {"2.b": "0.b", **paths})
    assert str(caught.value).startswith("Sequential: cannot tie ") and str(caught.value).endswith(message)
    assert model.named_parameters() == before
