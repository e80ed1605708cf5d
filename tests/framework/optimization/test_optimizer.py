"""What every optimizer has: runs over flat storage, frozen weights, clipping, state."""

import copy
import pickle
from typing import Any, ClassVar

import numpy as np
import pytest

from lamina import Optimizer, Parameter, Sequential
from lamina.errors import ArgumentError, CheckpointError, NotBuiltError
from lamina.layers import Dense, SimpleRNN
from lamina.optimizers import SGD, AdaGrad


class Recorder(Optimizer):
    """Keeps what it was called with; adds 1 to every weight and to its state."""

    def __init__(self, parameters: Any, lr: float = 1.0, **settings: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        super().__init__(parameters, lr, **settings)

    def create_state(self, backend: Any, data: Any) -> dict[str, Any]:
        return {"count": backend.zeros(data.shape, data.dtype)}

    def update(self, backend: Any, data: Any, grad: Any, state: Any) -> None:
        self.calls.append((data.shape, grad.copy(), grad.flags.writeable))
        data += 1
        state["count"] += 1


class Shaped(Recorder):
    elementwise: ClassVar[bool] = False


@pytest.fixture
def model() -> Sequential:
    model = Sequential(SimpleRNN(2), Dense(3))
    model.build((None, None, 2), backend="numpy", dtype="float64", seed=0)
    return model


def values(model: Sequential) -> dict[str, Any]:
    return model.state_dict()


def test_a_whole_model_is_one_call_over_one_flat_array(model: Sequential) -> None:
    optimizer, before = Recorder(model.parameters()), values(model)
    for number, parameter in enumerate(model.parameters()):
        parameter.grad += number
    optimizer.step()
    ((shape, grad, _),) = optimizer.calls
    assert shape == (4 + 4 + 2 + 6 + 3,)
    assert grad.tolist() == [0] * 4 + [1] * 4 + [2] * 2 + [3] * 6 + [4] * 3
    assert all((after == before[name] + 1).all() for name, after in values(model).items())
    assert optimizer.steps == 1


def test_an_optimizer_may_ask_for_each_parameter_in_its_shape(model: Sequential) -> None:
    optimizer = Shaped(model.parameters())
    optimizer.step()
    assert [shape for shape, *_ in optimizer.calls] == [(2, 2), (2, 2), (2,), (2, 3), (3,)]
    assert (optimizer.state_dict()["parameters"]["1.w"]["count"] == np.ones((2, 3))).all()


def test_only_the_parameters_given_are_updated_in_as_few_calls_as_possible(model: Sequential) -> None:
    w_x, w_h, _, _, b = model.parameters()
    optimizer, before = Recorder([b, w_h, w_x, w_h]), values(model)
    optimizer.step()
    assert [shape for shape, *_ in optimizer.calls] == [(8,), (3,)]
    changed = {name for name, after in values(model).items() if (after != before[name]).any()}
    assert changed == {"0.w_x", "0.w_h", "1.b"}


def test_a_frozen_parameter_stays_and_its_state_with_it_until_it_is_freed(model: Sequential) -> None:
    optimizer, before = Recorder(model.parameters(), clip_value=0.5, clip_norm=100.0), values(model)
    frozen = model[0].w_h  # type: ignore[attr-defined]
    frozen.trainable = False
    for parameter in model.parameters():
        parameter.grad += 3
    optimizer.step()
    assert (frozen.grad == 3).all()  # not even clipped
    after, counts = values(model), optimizer.state_dict()["parameters"]
    for name in before:
        assert (after[name] == before[name] + (name != "0.w_h")).all()
        assert (counts[name]["count"] == (name != "0.w_h")).all()
    frozen.trainable = True
    optimizer.step()
    assert (values(model)["0.w_h"] == before["0.w_h"] + 1).all()
    assert (optimizer.state_dict()["parameters"]["0.w_h"]["count"] == 1).all()
    assert (optimizer.state_dict()["parameters"]["1.w"]["count"] == 2).all()


def test_a_model_that_is_frozen_altogether_is_left_alone(model: Sequential) -> None:
    optimizer, before = SGD(model.parameters(), 0.1, clip_norm=1.0), values(model)
    for parameter in model.parameters():
        parameter.trainable = False
        parameter.grad += 1
    optimizer.step()
    assert all((after == before[name]).all() for name, after in values(model).items())


def test_clipping_bounds_elements_first_and_then_the_norm(model: Sequential) -> None:
    parameters = model.parameters()
    optimizer = Recorder(parameters, clip_value=2.0, clip_norm=1.0)
    parameters[0].grad = [[5.0, 0.0], [0.0, 0.0]]
    parameters[4].grad = [0.0, -9.0, 1.0]
    optimizer.step()
    (_, grad, _), *_ = optimizer.calls
    # (2, -2, 1) has norm 3.
    np.testing.assert_allclose(grad[[0, 17, 18]], [2 / 3, -2 / 3, 1 / 3], rtol=1e-15)
    assert grad[1:17].tolist() == [0] * 16


def test_zero_grad_clears_all_gradients(model: Sequential) -> None:
    optimizer = SGD(model.parameters(), 0.1)
    model.parameters()[0].trainable = False
    for move in (False, True):
        for parameter in model.parameters():
            parameter.grad += 1
        if move:
            model.to("reference")
        optimizer.zero_grad()
        assert not any(parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize("cls", [Recorder, Shaped])
@pytest.mark.parametrize("part", ["model", "first layer", "last layer"])
def test_the_state_follows_a_model_that_moves_or_a_part_of_it(model: Sequential, cls: Any, part: str) -> None:
    optimizer, before = cls(model.parameters()), values(model)
    model[1].b.trainable = False  # type: ignore[attr-defined]
    optimizer.step()
    model[1].b.trainable = True  # type: ignore[attr-defined]
    {"model": model, "first layer": model[0], "last layer": model[1]}[part].to("reference")
    optimizer.step()
    for name, after in values(model).items():
        assert (after == before[name] + (1 if name == "1.b" else 2)).all()
    counts = optimizer.state_dict()["parameters"]
    assert {name: set(own["count"].ravel()) for name, own in counts.items()} == {
        name: {1.0 if name == "1.b" else 2.0} for name in before
    }
    assert (optimizer.steps, optimizer.lr) == (2, 1.0)


def test_the_state_follows_into_another_dtype(model: Sequential) -> None:
    optimizer = Recorder(model.parameters())
    optimizer.step()
    model.to("numpy", dtype="float32")
    optimizer.step()
    assert {own["count"].dtype for own in optimizer.state_dict()["parameters"].values()} == {np.dtype("float32")}
    assert all((own["count"] == 2).all() for own in optimizer.state_dict()["parameters"].values())


@pytest.mark.parametrize("cls", [Recorder, Shaped])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copied_pair_of_model_and_optimizer_trains_on_its_own(model: Sequential, cls: Any, duplicate: Any) -> None:
    optimizer, before = cls(model.parameters()), values(model)
    optimizer.step()
    other_model, other = duplicate((model, optimizer))
    other.step()
    assert all((after == before[name] + 1).all() for name, after in values(model).items())
    assert all((after == before[name] + 2).all() for name, after in values(other_model).items())
    assert (optimizer.state_dict()["parameters"]["1.w"]["count"] == 1).all()
    assert (other.state_dict()["parameters"]["1.w"]["count"] == 2).all()
    other_model.parameters()[0].grad += 1
    other.zero_grad()
    assert not other_model.parameters()[0].grad.any()


def test_a_state_dict_is_a_copy_by_path_and_goes_on_where_it_was_taken(model: Sequential) -> None:
    optimizer = AdaGrad(model.parameters(), 0.5, initial_accumulator=1.0)
    for parameter in model.parameters():
        parameter.grad += 2
    optimizer.step()
    weights, state = model.state_dict(), optimizer.state_dict()
    assert (state["steps"], state["lr"]) == (1, 0.5)
    assert list(state["parameters"]) == ["0.w_x", "0.w_h", "0.b", "1.w", "1.b"]
    assert state["parameters"]["1.w"]["accumulator"].tolist() == np.full((2, 3), 5.0).tolist()
    optimizer.lr = 0.25
    optimizer.step()
    assert state["parameters"]["1.w"]["accumulator"].tolist() == np.full((2, 3), 5.0).tolist()
    expected = model.state_dict()

    model.load_state_dict(weights)
    other = AdaGrad(model.parameters(), 9.0)
    state["lr"] = 0.25
    other.load_state_dict(state)
    state["parameters"]["1.w"]["accumulator"][...] = 0
    other.step()
    assert (other.steps, other.lr) == (2, 0.25)
    assert all((after == expected[name]).all() for name, after in values(model).items())


def test_a_state_that_does_not_fit_is_named_in_full_and_changes_nothing(model: Sequential) -> None:
    optimizer = SGD(model.parameters(), 0.1, momentum=0.5)
    for parameter in model.parameters():
        parameter.grad += 1
    optimizer.step()
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    del state["parameters"]["0.w_x"]
    state["parameters"]["0.b"] = {"momentum": np.zeros(2)}
    state["parameters"]["1.b"]["velocity"] = np.zeros(4)
    with pytest.raises(CheckpointError) as caught:
        optimizer.load_state_dict({**state, "steps": 9})
    assert str(caught.value) == (
        "state does not fit SGD: missing 0.w_x/velocity; missing 0.b/velocity; unexpected 0.b/momentum; "
        "1.b/velocity: expected (3,), got (4,)"
    )
    with pytest.raises(CheckpointError, match=r"^state does not fit SGD: no steps or lr$"):
        optimizer.load_state_dict({"parameters": before["parameters"]})
    after = optimizer.state_dict()
    assert (after["steps"], after["lr"]) == (1, 0.1)
    for name, own in before["parameters"].items():
        assert (after["parameters"][name]["velocity"] == own["velocity"]).all()


def test_two_models_with_the_same_names_have_no_state_dict_in_common() -> None:
    layers = [Dense(2), Dense(2)]
    for layer in layers:
        layer.build((None, 2))
    optimizer = SGD([p for layer in layers for p in layer.parameters()], 0.1, momentum=0.5)
    optimizer.step()
    with pytest.raises(CheckpointError) as caught:
        optimizer.state_dict()
    assert str(caught.value) == "SGD: two parameters are named 'w': build them as parts of one model"


def test_a_model_that_is_not_built_has_nothing_to_optimize() -> None:
    with pytest.raises(NotBuiltError, match=r"^Sequential is not built: call build\(shape\) first$"):
        SGD(Sequential(Dense(2)).parameters(), 0.1)
    for parameters in ([], iter([]), [Parameter((2,))]):
        with pytest.raises(NotBuiltError) as caught:
            SGD(parameters, 0.1)
        assert str(caught.value) == "SGD: the model has no parameters yet: call model.build(shape) first"


def test_what_are_no_parameters_is_refused(model: Sequential) -> None:
    for wrong, message in (
        (model.parameters, "SGD: expected model.parameters(), got method"),
        (model[1], "SGD: expected model.parameters(), got Dense"),
        (model, "SGD: expected Parameters, got SimpleRNN"),
        (model.state_dict(), "SGD: expected Parameters, got str"),
    ):
        with pytest.raises(ArgumentError) as caught:
            SGD(wrong, 0.1)  # type: ignore[arg-type]
        assert str(caught.value) == message


@pytest.mark.parametrize("name", ["lr", "clip_norm", "clip_value"])
@pytest.mark.parametrize("value", [0, -0.1, float("nan"), float("inf"), "0.1", True])
def test_settings_out_of_range_are_refused(model: Sequential, name: str, value: Any) -> None:
    for cls in (SGD, AdaGrad):
        with pytest.raises(ArgumentError) as caught:
            cls(model.parameters(), **{"lr": 0.1, name: value})
        assert str(caught.value) == f"{cls.__name__}: expected {name} to be a number above 0, got {value!r}"


def test_an_optimizer_that_lacks_its_update_says_so(model: Sequential) -> None:
    class Unfinished(Optimizer):
        pass

    optimizer = Unfinished(model.parameters(), 0.1)
    assert optimizer.state_dict()["parameters"]["1.b"] == {}
    with pytest.raises(NotImplementedError, match=r"^Unfinished does not define update$"):
        optimizer.step()


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Nothing is clipped unless that is asked for.
    assert defaults(Optimizer) == {"clip_norm": None, "clip_value": None, "groups": None}
