"""However the functions of a layer or loss are called and wrapped, they get what they take, and give what they say.

The kinds: a decorator above a function; a profiler that puts a wrapper in a class; lengths by position; a forward that
a subclass overrides; layers within a layer outside of training. Each over every layer, in every way to call it.
"""

import functools
import threading
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Composite, Concat, Recurrent, Residual, Sequential
from lamina.core.calls import definer, takes
from lamina.errors import ArgumentError, StreamError
from lamina.kinds.random import fixed_draws
from lamina.layers import GRU, LSTM, BatchNorm, Dense, Dropout, Embedding, SimpleRNN
from lamina.testing.cases.every import layer_cases, loss_cases

RNG = np.random.default_rng(0)
LENGTHS = np.array([2, 4, 1])
X = RNG.standard_normal((3, 4, 3))
# One case of each class is enough here: what is wrapped is the class's.
CASES = {type(case.make()): case for case in layer_cases()}
RANDOM = {"Dropout", "RecurrentDropout"}  # whose forward draws another mask each time


def values_of(case: Any) -> list[Any]:
    return [RNG.standard_normal(one) if isinstance(one, tuple) else np.array(one) for one in case.inputs or [(4, 5, 3)]]


def built_of(layer: Any, values: list[Any], state: Any = ()) -> Any:
    layer.build(*(value.shape for value in values), dtype="float64", seed=0)
    return layer


def made(case: Any, cls: type | None = None) -> tuple[Any, list[Any]]:
    """Return a built layer of a case, or of another class with the same settings, and inputs for it."""
    layer = case.make()
    if cls is not None:
        layer.__class__ = cls
    values = values_of(case)
    states = case.options.get("state")
    values += [
        RNG.standard_normal(one) if isinstance(one, tuple) else one
        for one in (states if isinstance(states, list) else [states] if states else [])
    ]
    return built_of(layer, values), values


def outcome(layer: Any, values: list[Any], lengths: Any = None) -> list[np.ndarray]:
    """Return what every way to call a layer gives, and the gradients."""
    options = {} if lengths is None else {"lengths": lengths}
    arrays = [layer.as_input(value, index) for index, value in enumerate(values)]
    y, saved = layer.forward(*arrays, **options)
    each = y if isinstance(y, tuple) else (y,)
    dy = tuple(np.cos(np.arange(one.size, dtype=one.dtype)).reshape(one.shape) for one in each)
    layer.zero_grad()
    dx = layer.backward(dy if isinstance(y, tuple) else dy[0], saved)
    called, inferred = layer(*values, **options), layer.infer(*arrays, **options)
    found = [*each]
    for several in (called, inferred, dx):
        found += [one for one in (several if isinstance(several, tuple) else (several,)) if one is not None]
    return [np.array(one) for one in found] + [parameter.grad.copy() for parameter in layer.parameters()]


def lengths_of(case: Any, layer: Any, values: list[Any]) -> Any:
    timed = values[0].ndim > 2 or (values[0].ndim == 2 and layer.reads_integers(0))
    return np.arange(len(values[0])) % values[0].shape[1] + 1 if timed else None


def passed_on(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def bare(function: Any) -> Any:
    """Return a decorated function that tells nothing of what it decorates."""
    return lambda self, *args, **kwargs: function(self, *args, **kwargs)


def required(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, x, *args, **kwargs)

    return wrapper


@pytest.mark.parametrize("decorate", [passed_on, bare, required])
@pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
def test_a_decorated_forward_gets_what_the_one_below_takes(cls: Any, decorate: Any) -> None:
    if cls.__name__ in RANDOM:
        pytest.skip("draws another mask each time")
    case = CASES[cls]
    state = np.random.default_rng(5).bit_generator.state
    RNG.bit_generator.state = state
    layer, values = made(case)
    lengths = lengths_of(case, layer, values)
    expected = outcome(layer, values, lengths)
    method = vars(definer(cls, "forward"))["forward"]
    # What BatchNorm's own function computes is training's: outside of it the framework runs another.
    for below in (method,) if cls is BatchNorm else (method, method.__wrapped__):
        decorated = type(cls.__name__, (cls,), {"forward": decorate(below)})
        RNG.bit_generator.state = state
        twin, values = made(case, decorated)
        for one, other in zip(outcome(twin, values, lengths), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
def test_a_profiler_may_put_a_wrapper_in_a_class(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if cls.__name__ in RANDOM:
        pytest.skip("draws another mask each time")
    case = CASES[cls]
    state = np.random.default_rng(5).bit_generator.state
    RNG.bit_generator.state = state
    layer, values = made(case)
    lengths = lengths_of(case, layer, values)
    expected = outcome(layer, values, lengths)
    counted: list[str] = []
    for name in ("forward", "backward", "infer", "build", "stream"):
        owner = definer(cls, name)
        below = vars(owner)[name]

        def counting(self: Any, *args: Any, below: Any = below, name: str = name, **kwargs: Any) -> Any:
            counted.append(name)
            return below(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, functools.wraps(below)(counting))
    RNG.bit_generator.state = state
    twin, values = made(case)
    for one, other in zip(outcome(twin, values, lengths), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert {"forward", "backward", "build"} <= set(counted)
    monkeypatch.undo()
    RNG.bit_generator.state = state
    twin, values = made(case)
    for one, other in zip(outcome(twin, values, lengths), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_profiled_model_trains_as_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained() -> list[np.ndarray]:
        model = Sequential(GRU(4, return_sequences=True), Residual(Dense(4)), LSTM(3), Dense(2))
        lamina.Trainer(model, "softmax_cross_entropy", "adam").fit(
            X, [0, 1, 1], lengths=LENGTHS, epochs=3, verbose=False
        )
        return list(model.state_dict().values())

    expected = trained()
    for cls in (GRU, LSTM, Dense, Residual, Sequential, lamina.losses.SoftmaxCrossEntropy):
        for name in ("forward", "backward"):
            owner = definer(cls, name)
            monkeypatch.setattr(owner, name, passed_on(vars(owner)[name]))
    for one, other in zip(trained(), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_call_by_super_is_a_part_of_its_own_call_alone() -> None:
    """y = 8 W x through three classes, each of which also calls another layer of its own class, and in two threads."""

    class One(Dense):
        def forward(self, x: Any) -> Any:
            y, saved = super().forward(x)
            return 2 * y, saved

        def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
            return super().backward(2 * dy, saved, input_gradient=input_gradient)

    class Two(One):
        other: Any = None

        def forward(self, x: Any) -> Any:
            if self.other is not None:
                beside, saved_beside = self.other.forward(x)
                assert (self.other.backward(beside, saved_beside) * 0 == 0).all()
            y, saved = super().forward(x)
            return 2 * y, saved

        def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
            return super().backward(2 * dy, saved, input_gradient=input_gradient)

    class Three(Two):
        def forward(self, x: Any) -> Any:
            y, saved = super().forward(x)
            return 2 * y, saved

        def backward(self, dy: Any, saved: Any, *, input_gradient: bool = True) -> Any:
            return super().backward(2 * dy, saved, input_gradient=input_gradient)

    layer = built_of(Three(2), [X[:, 0]])
    layer.other = built_of(Three(2), [X[:, 0]])
    w = layer.w.numpy()
    failures: list[Any] = []

    def run() -> None:
        try:
            for _ in range(50):
                y, saved = layer.forward(X[:, 0])
                np.testing.assert_allclose(y, 8 * X[:, 0] @ w, rtol=1e-12)
                np.testing.assert_allclose(layer.backward(y, saved), 64 * X[:, 0] @ w @ w.T, rtol=1e-12)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
def test_lengths_by_position_are_lengths_by_name(cls: Any) -> None:
    if cls.__name__ in RANDOM:
        pytest.skip("draws another mask each time")
    layer, values = made(CASES[cls])
    lengths = lengths_of(CASES[cls], layer, values)
    if lengths is None:
        pytest.skip("no time axis")
    arrays = [layer.as_input(value, index) for index, value in enumerate(values)]
    for call, given in ((layer, values), (layer.infer, arrays), (lambda *a, **k: layer.forward(*a, **k)[0], arrays)):
        for form in (lengths, lengths.tolist()):
            with fixed_draws():
                expected = call(*given, lengths=form)
                got = call(*given, form)
            for one, other in zip(
                *((two if isinstance(two, tuple) else (two,)) for two in (got, expected)), strict=True
            ):
                np.testing.assert_array_equal(one, other)
    with pytest.raises(ArgumentError, match="got lengths twice"):
        layer(*values, lengths, lengths=lengths)


@pytest.mark.parametrize("case", loss_cases(), ids=lambda case: case.name)
def test_a_loss_takes_by_position_what_it_takes_by_name(case: Any) -> None:
    loss = case.make()
    prediction = np.abs(RNG.standard_normal(case.shape)) / 10 + 0.1
    target = np.array(RNG.standard_normal(case.shape)) if case.target is None else np.array(case.target)
    if not takes(type(loss).forward.__wrapped__, "lengths") or prediction.ndim < 3:
        with pytest.raises((TypeError, ArgumentError, lamina.errors.ShapeError)):
            loss.forward(prediction, target, np.ones(len(prediction), int), None, None, None)
        return
    lengths = np.maximum(np.arange(len(prediction)) % prediction.shape[1], 1)
    try:
        expected = loss.forward(prediction, target, lengths=lengths)[0]
    except lamina.errors.LaminaError:
        pytest.skip("its case is one that such values do not fit")
    np.testing.assert_array_equal(loss.forward(prediction, target, lengths)[0], expected)


# A forward that a subclass overrides: twice what the class gives, in every way to call it.


def doubling(cls: Any) -> Any:
    def forward(self: Any, *inputs: Any, **options: Any) -> Any:
        y, saved = super(doubled, self).forward(*inputs, **options)
        return (tuple(2 * one for one in y) if isinstance(y, tuple) else 2 * y), saved

    doubled = type(cls.__name__, (cls,), {"forward": forward})
    return doubled


@pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
def test_an_overridden_forward_is_what_every_call_runs(cls: Any) -> None:
    case = CASES[cls]
    layer, values = made(case)
    arrays = [layer.as_input(value, index) for index, value in enumerate(values)]
    lengths = lengths_of(case, layer, values)
    for own in (None, lengths):
        plain = layer.infer(*arrays, lengths=own)
        layer.__class__ = doubling(cls)
        held = built_of(Sequential(layer), values) if len(values) == 1 else layer
        for got in (
            layer.infer(*arrays, lengths=own),
            layer(*values, lengths=own),
            held(*values, lengths=own),
            lamina.Trainer(held).predict(tuple(values) if len(values) > 1 else values[0], lengths=own),
        ):
            for one, expected in zip(
                *((two if isinstance(two, tuple) else (two,)) for two in (got, plain)), strict=True
            ):
                np.testing.assert_array_equal(one, 2 * expected)
        layer.__class__ = cls


class Own(Composite):
    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def compose(self, t: Any, x: Any) -> Any:
        return t(self.layer, x)


@pytest.mark.parametrize("cls", [SimpleRNN, GRU, LSTM])
@pytest.mark.parametrize(
    "hold",
    [
        Sequential,
        Own,
        lambda layer: Residual(Sequential(Dense(4), layer)),
        lambda layer: Concat(layer, Dense(1)),
        lambda layer: Bidirectional(layer),
    ],
    ids=["Sequential", "Composite", "Residual", "Concat", "Bidirectional"],
)
def test_containers_run_an_overridden_forward_and_refuse_to_stream_past_it(cls: Any, hold: Any) -> None:
    """The override gives zeros: the container's output is then what it makes of zeros."""

    class Zeros(cls):  # type: ignore[misc]
        def forward(self, *inputs: Any, **options: Any) -> Any:
            y, saved = super().forward(*inputs, **options)
            return 0 * y, saved

    layer = Zeros(3, return_sequences=True)
    model = built_of(hold(layer), [X])
    y = model.forward(X)[0]
    expected = X if isinstance(model, Residual) else 0
    np.testing.assert_array_equal(y[..., :3] - expected, 0)
    for other in (model(X), model.infer(X), lamina.Trainer(model).predict(X)):
        np.testing.assert_array_equal(other, y)
    with pytest.raises(StreamError):
        lamina.Stream(model)


def test_an_overridden_run_is_what_a_recurrent_layers_forward_runs() -> None:
    class Halved(GRU):
        def run(self, x: Any, states: Any, lengths: Any) -> Any:
            h, last, content = super().run(x, states, lengths)
            return h / 2, last, content

    layer, plain = (built_of(one(3, return_sequences=True), [X]) for one in (Halved, GRU))
    expected = plain(X) / 2
    for got in (layer(X), layer.forward(X)[0], layer.infer(X), in_sequential(layer)):
        np.testing.assert_array_equal(got, expected)


# Layers within a layer, outside of training.


class Leaky(lamina.Cell):
    """h' = (h + inner(x)) / 2."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.units = inner, 3

    def build(self, x: Any, h: Any) -> Any:
        self.inner.build(x)
        return h

    def forward(self, x: Any, h: Any) -> Any:
        y, saved = self.inner.forward(x)
        return (h + y) / 2, saved

    def backward(self, dh: Any, saved: Any) -> Any:
        return self.inner.backward(dh / 2, saved), dh / 2


def leaky_by_hand(x: np.ndarray) -> np.ndarray:
    h, steps = np.zeros((len(x), 3)), []
    for t in range(x.shape[1]):
        h = (h + x[:, t]) / 2
        steps.append(h)
    return np.stack(steps, 1)


def in_sequential(model: Any) -> Any:
    outer = Sequential(model)
    outer.build(X.shape, dtype="float64", backend=model.backend)
    return outer(X)


WAYS = {
    "call": lambda model: model(X),
    "infer": lambda model: model.infer(X),
    "predict": lambda model: lamina.Trainer(model).predict(X),
    "Sequential": in_sequential,
    "stream": lambda model: np.concatenate([lamina.Stream(model)(X[:, :4])], 1),
    "stream of steps": lambda model: np.stack([*map(lamina.Stream(model), X.swapaxes(0, 1))], 1),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("way", WAYS)
def test_a_cells_dropout_draws_in_training_alone(way: str, backend: str) -> None:
    model = Recurrent(Leaky(Dropout(0.5)), return_sequences=True)
    model.build(X.shape, dtype="float64", seed=0, backend=backend)
    np.testing.assert_allclose(WAYS[way](model), leaky_by_hand(X), rtol=1e-13)
    assert np.abs(model.forward(X)[0] - leaky_by_hand(X)).max() > 0.1


@pytest.mark.parametrize("way", WAYS)
def test_a_cells_running_statistics_move_in_training_alone(way: str) -> None:
    model = built_of(Recurrent(Leaky(BatchNorm(epsilon=1e-12)), return_sequences=True), [X])
    before = {name: value.copy() for name, value in model.state_dict().items()}
    np.testing.assert_allclose(WAYS[way](model), leaky_by_hand(X), rtol=1e-9)  # of a mean of 0, and a variance of 1
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    model.forward(X)
    assert any((value != before[name]).any() for name, value in model.state_dict().items())


class Hand(lamina.Layer):
    """A layer that runs the layers within it by their forward, as one of a user's would."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def build(self, shape: Any) -> Any:
        return self.inner.build(shape)

    def forward(self, x: Any, lengths: Any = None) -> Any:
        return self.inner.forward(x, lengths=lengths)

    def backward(self, dy: Any, saved: Any) -> Any:
        return self.inner.backward(dy, saved)


@pytest.mark.parametrize(
    "hold",
    [Hand, lambda one: Hand(Hand(one)), lambda one: Sequential(Hand(Residual(one)))],
    ids=["one", "two", "mixed"],
)
def test_layers_in_layers_of_ones_own_infer_outside_of_training(hold: Any) -> None:
    model = built_of(hold(Dropout(0.5)), [X])
    expected = 2 * X if isinstance(model, Sequential) else X
    for got in (model(X), model.infer(X), lamina.Trainer(model).predict(X)):
        np.testing.assert_array_equal(got, expected)
    assert (model.forward(X)[0] != expected).any()


def test_both_directions_infer_outside_of_training() -> None:
    class Dropping(GRU):
        """A GRU that drops what it gives, in training."""

        def __init__(self, units: int, **further: Any) -> None:
            super().__init__(units, **further)
            self.dropout = Dropout(0.5)

        def build(self, shape: Any, *states: Any) -> Any:
            output = super().build(shape, *states)
            return self.dropout.build(output)

        def forward(self, x: Any, *states: Any, lengths: Any = None) -> Any:
            y, saved = super().forward(x, *states, lengths=lengths)
            return self.dropout.forward(y)[0], saved

    model = built_of(Bidirectional(Dropping(3, return_sequences=True)), [X])
    plain = built_of(Bidirectional(GRU(3, return_sequences=True)), [X])
    plain.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(model(X), plain(X))
    np.testing.assert_array_equal(model(X, lengths=LENGTHS), plain(X, lengths=LENGTHS))
    assert (model.forward(X)[0] != plain(X)).any()


def test_embedding_and_a_recurrent_layer_both_get_lengths_by_position() -> None:
    model = Sequential(Embedding(9, 3), GRU(3))
    model.build((None, None), dtype="float64", seed=0)
    ids = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    alone = np.concatenate([model(ids[:1]), model(ids[1:, :2])])
    np.testing.assert_allclose(model(ids, [4, 2]), alone, rtol=1e-13)
    np.testing.assert_allclose(model(ids, lengths=[4, 2]), alone, rtol=1e-13)


def silent(function: Any) -> Any:
    """Decorate without a word of what is decorated."""

    def wrapper(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    return wrapper


class Centered(lamina.Layer):
    """x minus the mean of a row's valid steps."""

    def build(self, shape: Any) -> Any:
        return shape

    @silent
    def forward(self, x: Any, lengths: Any = None) -> Any:
        valid = np.ones(x.shape[:2]) if lengths is None else np.arange(x.shape[1]) < np.asarray(lengths)[:, None]
        valid = valid.astype(x.dtype)
        x = np.where(valid[..., None] == 0, 0, x).astype(x.dtype)
        weights = (valid / np.maximum(valid.sum(axis=1, keepdims=True), 1)).astype(x.dtype)[..., None]
        y = np.where(valid[..., None] == 0, 0, x - (x * weights).sum(axis=1, keepdims=True))
        return y.astype(x.dtype), (weights, valid[..., None])

    def backward(self, dy: Any, saved: Any) -> Any:
        weights, valid = saved
        dy = np.where(valid == 0, 0, dy).astype(dy.dtype)
        return dy * valid - (dy * valid).sum(axis=1, keepdims=True) * weights


class SumOfSquares(lamina.Loss):
    """A loss that leaves out steps, decorated."""

    @silent
    def forward(self, prediction: Any, target: Any, lengths: Any = None, mask: Any = None) -> Any:
        shape = prediction.shape[:-1]
        weights = self.step_weights(lamina.get_backend("numpy"), shape, prediction.dtype, lengths, mask)
        error = np.where(weights.reshape(*shape, 1) == 0, 0, prediction - target).astype(prediction.dtype)
        return (weights.reshape(*shape, 1) * error**2).sum(), (weights.reshape(*shape, 1), error)

    @silent
    def backward(self, saved: Any) -> Any:
        weights, error = saved
        return 2 * weights * error


def test_a_decorated_layer_that_takes_lengths_does_not_stream_step_by_step() -> None:
    layer = Centered()
    layer.build((None, None, 3), dtype="float64")
    for make in (lambda: lamina.Stream(layer), lambda: layer.stream_state(2)):
        with pytest.raises(StreamError, match="its forward takes lengths"):
            make()
    report = lamina.testing.check_layer(Centered(), (5, 4, 3))
    assert "padding" in report.passed


def test_a_decorated_loss_leaves_out_steps_in_every_way_that_a_plain_one_does() -> None:
    rng = np.random.default_rng(0)
    prediction, target, lengths = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 4, 2)), [4, 1, 2]
    valid = np.arange(4) < np.array(lengths)[:, None]
    expected = ((prediction - target) ** 2).sum(axis=-1)[valid].mean()
    assert SumOfSquares()(prediction, target, lengths=lengths) == pytest.approx(expected, rel=1e-12)
    model = lamina.layers.Tanh()
    model.build((None, None, 2), dtype="float64")
    figure = lamina.Trainer(model, SumOfSquares()).evaluate(np.arctanh(np.tanh(prediction)), target, lengths=lengths)
    wanted = ((np.tanh(prediction) - target) ** 2).sum(axis=-1)[valid].mean()
    assert figure["loss"] == pytest.approx(wanted, rel=1e-9)
    assert "left out" in lamina.testing.check_loss(SumOfSquares(), (5, 4, 3)).passed


def test_a_decorator_may_know_names_that_are_assigned_later() -> None:
    # By the alphabet, as Python keeps them, the one that holds nothing yet comes before the decorated function.
    def decorate(function: Any) -> Any:
        def wrapper(self: Any, *inputs: Any, **options: Any) -> Any:
            y, saved = function(self, *inputs, **options)
            return factor * y, saved

        return wrapper

    class Halved(lamina.Layer):
        def build(self, shape: Any) -> Any:
            return shape

        @decorate
        def forward(self, x: Any) -> Any:
            return x / 2, None

    factor = 6
    layer = Halved()
    layer.build((None, None, 1), dtype="float64")
    assert layer(np.ones((1, 2, 1)), lengths=[1]).tolist() == [[[3], [0]]]
