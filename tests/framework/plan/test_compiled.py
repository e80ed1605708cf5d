"""lamina.compile: a step as a function, on the engine."""

import copy

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina

BATCH, STEPS, FEATURES, CLASSES = 6, 5, 3, 4


def made(backend="numba", dtype="float64", layer=None):
    model = lamina.Sequential(layer or lamina.layers.GRU(7), lamina.layers.Dense(CLASSES))
    model.build((None, None, FEATURES), seed=0, backend=backend, dtype=dtype)
    return model, lamina.optimizers.SGD(model.parameters(), lr=0.1, momentum=0.5)


def data(rows=BATCH, steps=STEPS, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, steps, FEATURES)), rng.integers(0, CLASSES, rows), rng.integers(0, steps + 1, rows)


def by_hand(model, optimizer, x, y, lengths=None):
    loss = lamina.losses.SoftmaxCrossEntropy()
    optimizer.zero_grad()
    prediction, saved = model.forward(model.as_input(x), lengths=lengths)
    value, kept = loss.forward(prediction, y)
    model.backward(loss.backward(kept), saved, input_gradient=False)
    optimizer.step()
    return float(value)


@pytest.mark.parametrize("ragged", [False, True, "by turns"])
def test_steps_are_those_of_the_loop_written_out(ragged):
    (model, optimizer), (other, its) = made(), made("numpy")
    step = lamina.compile(model, "softmax_cross_entropy", optimizer)
    # Smaller and larger batches than the first, and the same again.
    for seed, rows in enumerate((BATCH, BATCH, BATCH, 3, BATCH, BATCH, 9, 9, 1, 9, 9, BATCH)):
        x, y, lengths = data(rows, seed=seed)
        lengths = lengths if ragged is True or (ragged and seed % 3 == 1) else None
        expected = by_hand(other, its, x, y, lengths)
        assert step(x, y, lengths) == pytest.approx(expected, rel=1e-12)
    for mine, others in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(mine.numpy(), others.numpy(), rtol=1e-10, atol=1e-14)
    assert optimizer.steps == its.steps


def test_other_steps_and_dtypes_are_planned_when_they_come():
    (model, optimizer), (other, its) = made(dtype="float32"), made("numpy", "float32")
    step = lamina.compile(model, "softmax_cross_entropy", optimizer)
    for steps, dtype in ((5, "float64"), (9, "float32"), (5, "float32"), (1, "int64")):
        x, y, _ = data(steps=steps, seed=steps)
        assert step(x.astype(dtype), y) == pytest.approx(by_hand(other, its, x.astype(dtype), y), rel=1e-5)


def test_lists_are_arrays_too():
    model, optimizer = made()
    x, y, _ = data()
    twin, its = made()
    first = lamina.compile(model, "softmax_cross_entropy", optimizer)(x.tolist(), y.tolist())
    assert first == lamina.compile(twin, "softmax_cross_entropy", its)(x, y)


class Handed:
    """An array of another library's, which has DLPack alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("kind", ["DLPack", "PyTorch"])
def test_arrays_of_other_libraries_are_arrays_too(kind):
    of = Handed
    if kind == "PyTorch":
        torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
        of = lambda array: torch.tensor(array, requires_grad=array.dtype.kind == "f")  # noqa: E731
    (model, optimizer), (other, its) = made(), made()
    step, same = (lamina.compile(one, "softmax_cross_entropy", own) for one, own in ((model, optimizer), (other, its)))
    for arrays in (data()[:2], data()):
        assert step(*map(of, arrays)) == same(*arrays)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x, y, n: (x, y + CLASSES, n), lamina.errors.DataError, "expected labels from 0 to 3"),
        (lambda x, y, n: (x, -1 - y, n), lamina.errors.DataError, "expected labels from 0 to 3"),
        (lambda x, y, n: (x[..., :2], y, n), lamina.errors.ShapeError, "expected last axis 3"),
        (lambda x, y, n: (x, y[:2], n), lamina.errors.ShapeError, "expected (labels of shape|6 rows)"),
        (lambda x, y, n: (x, y, n + 99), lamina.errors.ShapeError, "expected lengths from 0 to 5"),
        (lambda x, y, n: (x[0], y, None), lamina.errors.ShapeError, "expected"),
    ],
)
@pytest.mark.parametrize("known", [False, True])
def test_what_does_not_fit_raises_and_changes_nothing(change, error, message, known):
    model, optimizer = made()
    step = lamina.compile(model, "softmax_cross_entropy", optimizer)
    x, y, lengths = data()
    if known:
        step(x, y, lengths)
    before, steps = [parameter.numpy() for parameter in model.parameters()], optimizer.steps
    with pytest.raises(error, match=message):
        step(*change(x, y, lengths))
    assert optimizer.steps == steps
    for parameter, values in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.numpy(), values)


def test_the_rate_weights_and_what_is_trained_may_change_between_steps():
    (model, optimizer), (other, its) = made(), made("numpy")
    step = lamina.compile(model, "softmax_cross_entropy", optimizer)
    x, y, _ = data()
    for change in (
        lambda model, optimizer: None,
        lambda model, optimizer: setattr(optimizer, "lr", 0.01),
        lambda model, optimizer: setattr(model[0], "trainable", False),
        lambda model, optimizer: setattr(model[0], "trainable", True),
        lambda model, optimizer: setattr(model[1].b, "data", np.ones(CLASSES)),
        lambda model, optimizer: optimizer.load_state_dict(optimizer.state_dict()),
        lambda model, optimizer: setattr(optimizer, "clip_norm", 0.1),
        lambda model, optimizer: setattr(optimizer, "clip_norm", 0.05),
        lambda model, optimizer: setattr(optimizer, "clip_norm", None),
        lambda model, optimizer: setattr(optimizer, "momentum", 0.9),
        lambda model, optimizer: setattr(optimizer, "step", type(optimizer).step.__get__(optimizer)),
    ):
        change(model, optimizer)
        change(other, its)
        for _ in range(3):
            assert step(x, y) == pytest.approx(by_hand(other, its, x, y), rel=1e-9)
    assert optimizer.steps == its.steps


def test_a_copy_of_the_step_trains_a_copy_of_the_model():
    model, optimizer = made()
    step = lamina.compile(model, "softmax_cross_entropy", optimizer)
    x, y, _ = data()
    step(x, y)
    twin = copy.deepcopy(step)
    before = [parameter.numpy() for parameter in model.parameters()]
    assert twin(x, y) == twin(x, y) or twin.optimizer.steps == 3
    for parameter, values in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.numpy(), values)
    assert step(x, y) > 0


class Own(lamina.layers.LSTM):
    def forward(self, *inputs, **options):
        return super().forward(*inputs, **options)


def test_what_no_plan_can_be_made_of_is_told():
    model, optimizer = made(layer=Own(4))
    x, y, _ = data()
    with pytest.raises(lamina.errors.BackendError, match=r"compile: Own '0' has no compiled form"):
        lamina.compile(model, "softmax_cross_entropy", optimizer)(x, y)


def test_what_is_not_ready_is_told():
    model, optimizer = made("numpy")
    with pytest.raises(lamina.errors.BackendError, match="backend 'numpy' plans no steps: build the model on 'numba'"):
        lamina.compile(model, "softmax_cross_entropy", optimizer)
    with pytest.raises(lamina.errors.NotBuiltError, match="compile: the model has no parameters yet"):
        lamina.compile(lamina.Sequential(lamina.layers.Dense(2)), "mse", optimizer)
    with pytest.raises(lamina.errors.ArgumentError, match="optimizer"):
        lamina.compile(model, "mse", "sgd")


def test_a_setting_of_a_layer_or_of_the_loss_that_changes_is_seen():
    x, y, _ = data()
    found = []
    for compiled in (True, False):
        model = lamina.Sequential(lamina.layers.GRU(7), lamina.layers.LeakyReLU(0.1), lamina.layers.Dense(CLASSES))
        model.build((None, None, FEATURES), seed=0, backend="numba", dtype="float64")
        optimizer, loss = lamina.optimizers.SGD(model.parameters(), lr=0.1), lamina.losses.SoftmaxCrossEntropy()
        step = lamina.compile(model, loss, optimizer) if compiled else None
        values = []
        for slope, smoothing in ((0.1, 0.0), (0.9, 0.0), (0.9, 0.3)):
            model[1].slope, loss.label_smoothing = slope, smoothing
            if step is not None:
                values.append(step(x, y))
                continue
            optimizer.zero_grad()
            prediction, saved = model.forward(model.as_input(x))
            value, kept = loss.forward(prediction, y)
            model.backward(loss.backward(kept), saved)
            optimizer.step()
            values.append(float(value))
        found.append(values)
    np.testing.assert_allclose(*found, rtol=1e-11)
