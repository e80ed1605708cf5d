"""What a ``compose`` does with operators and slices, against PyTorch's autograd on each row alone, without padding."""

import numpy as np
import pytest

import lamina
from lamina import Composite
from lamina.layers import Add, Divide, Lambda, Multiply, Power, Rescaling, Select, Slice, Split, Subtract
from lamina.losses import MeanSquaredError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

LENGTHS = {"full": None, "ragged": [6, 1, 4, 5], "an empty row": [3, 0, 6, 2]}

# Of h and k (batch, time, 4), one (batch, time, 1), v and w (batch, 4).
EXPRESSIONS = (
    "h + k",
    "h - k",
    "h * k",
    "h / (2 + k * k)",
    "h + 1",
    "1 - h",
    "h - 0.5",
    "3 * h * 2",
    "h / 4",
    "2 / (1 + h ** 2)",
    "-h",
    "h ** 3",
    "h + v",
    "v - h",
    "v * h",
    "h / (1 + v * v)",
    "v / (1 + h * h)",
    "h * one",
    "one - h",
    "one * v",
    "h[:, -1]",
    "h[:, 0]",
    "h[:, 2]",
    "h[:, -3]",
    "h[:, -1] * v + w",
    "h[:, :2]",
    "h[:, 2:]",
    "h[:, 1:4]",
    "h[:, :-1]",
    "h[:, 1:-1]",
    "h[:, -2:]",
    "h[:, -4:-1]",
    "h[:, ::2]",
    "h[:, 1::2]",
    "h[:, ::-1]",
    "h[:, 3::-1]",
    "h[:, -1:0:-2]",
    "h[..., :3]",
    "h[..., 1::2]",
    "h[..., ::-1]",
    "h[:, :, 1:3]",
    "h[:, -1, 1:]",
    "h[:, 1:, -2:]",
    "v[:, 1:3]",
    "v[..., -1:]",
    "h[:]",
    "h[:, 1:] - h[:, :-1]",
    "(1 - h[..., :2]) * k[..., 2:] + h[..., :2] * h[:, -1, 2:]",
)


class Said(Composite):
    """What an expression says, of three sequences and two vectors."""

    def __init__(self, text: str) -> None:
        self.text = text

    def compose(self, t, h, k, one, v, w):
        return eval(self.text, {"h": h, "k": k, "one": one, "v": v, "w": w})


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_and_its_gradients(text, lengths, backend):
    from tests.parity.twin import Twin, padded

    ends = LENGTHS[lengths]
    model, rng = Said(text), np.random.default_rng(3)
    model.build(*[(None, None, 4)] * 2, (None, None, 1), *[(None, 4)] * 2, dtype="float64", backend=backend)
    inputs = [rng.standard_normal(shape) for shape in ((4, 6, 4), (4, 6, 4), (4, 6, 1), (4, 4), (4, 4))]
    given = None if ends is None else (*[np.array(ends)] * 3, None, None)
    if ends is not None:
        for x in inputs[:3]:
            for row, end in enumerate(ends):
                x[row, end:] = 0  # which nothing may be divided by
    y, saved = model.forward(*inputs, lengths=given)
    twin = Twin(model)
    (rows,) = twin.outputs(inputs, given)
    np.testing.assert_allclose(y, padded(rows, y.shape), rtol=1e-13, atol=1e-13)
    for row, own in enumerate(rows.each):
        assert not y[row, own.shape[1] :].any() or y.ndim < 3
    np.testing.assert_array_equal(model(*inputs, lengths=given), y)
    # The gradient of half the sum of squares is y itself.
    dx = model.backward(y, saved)
    leaves, half = twin_gradients(twin, inputs, given)
    assert half is not None
    for own, wanted in zip(dx, leaves, strict=True):
        np.testing.assert_allclose(np.zeros(wanted.shape) if own is None else own, wanted, rtol=1e-12, atol=1e-13)
    if y.ndim == 3 and ends is not None:
        after = model.output_lengths(given)
        assert after.tolist() == [own.shape[1] for own in rows.each]


def twin_gradients(twin, inputs, lengths):
    """Return the inputs' gradients of half the sum of squares of each row's valid steps, 0 past its end, by PyTorch."""
    from tests.parity.twin import _cut, _gathered
    from tests.parity.twin_rows import Pass

    cut, leaves = _cut(inputs, lengths, gradients=True)
    rows = Pass({}, len(inputs[0]))(twin.model, *cut)
    half = sum((row**2).sum() for row in rows.each) / 2
    half.backward()
    return [_gathered(x, own) for x, own in zip(inputs, leaves, strict=True)], half.item()


class Ids(Composite):
    """The next of each row's classes, from those before: integers are sliced as they are."""

    def __init__(self, classes: int) -> None:
        self.table, self.head = lamina.layers.Embedding(classes, 3), lamina.layers.Dense(2)

    def compose(self, t, ids):
        return t(self.head, t(self.table, ids[:, :-1]) + t(self.table, ids[:, 1:]))


def test_integers_are_sliced():
    model, rng = Ids(7), np.random.default_rng(0)
    model.build((None, None), dtype="float64", seed=0)
    ids, lengths = rng.integers(0, 7, (4, 5)), [5, 3, 1, 4]
    y, saved = model.forward(ids, lengths=lengths)
    assert y.shape == (4, 4, 2) and model.backward(y, saved) is None
    w, head = torch.tensor(model.table.w.numpy(), requires_grad=True), torch.tensor(model.head.w.numpy())
    total = torch.zeros((), dtype=torch.float64)
    for row, end in enumerate(lengths):
        own = torch.from_numpy(ids[row, :end])
        found = (w[own[:-1]] + w[own[1:]]) @ head + torch.tensor(model.head.b.numpy())
        np.testing.assert_allclose(y[row, : end - 1], found.detach(), rtol=1e-13)
        assert not y[row, max(end - 1, 0) :].any()
        total = total + (found**2).sum() / 2
    total.backward()
    np.testing.assert_allclose(model.table.w.grad, w.grad, rtol=1e-12)


# Layers by themselves, as `lamina.layers` has them: what PyTorch makes of the same inputs.
LAYERS = {
    "Add": (lambda: Add(broadcast=True), [(3, 5, 4), (3, 4)], lambda a, b: a + b[:, None]),
    "Multiply": (lambda: Multiply(broadcast=True), [(3, 5, 1), (3, 5, 4)], lambda a, b: a * b),
    "Subtract": (Subtract, [(3, 5, 4)] * 2, lambda a, b: a - b),
    "Divide": (Divide, [(3, 5, 4)] * 2, lambda a, b: a / b),
    "Rescaling": (lambda: Rescaling(-2, 3), [(3, 5, 4)], lambda a: 3 - 2 * a),
    "Power": (lambda: Power(3), [(3, 5, 4)], lambda a: a**3),
    "Slice": (lambda: Slice(1, -1, 2), [(3, 5, 4)], lambda a: a[:, 1:-1:2]),
    "Slice backwards": (lambda: Slice(None, None, -1), [(3, 5, 4)], lambda a: a.flip(1)),
    "Select": (lambda: Select(-2), [(3, 5, 4)], lambda a: a[:, -2]),
    "Select features": (lambda: Select(1, axis=-1), [(3, 5, 4)], lambda a: a[..., 1]),
    "Split": (lambda: Split([1, 3]), [(3, 5, 4)], lambda a: a.split([1, 3], -1)),
    "Split time": (lambda: Split(2, axis=1), [(3, 6, 4)], lambda a: a.chunk(2, 1)),
    "Lambda": (lambda: Lambda("sine"), [(3, 5, 4)], torch.sin),
    "Lambda inputs": (lambda: Lambda("mixture"), [(3, 5, 4)] * 2, lambda a, b: a * b[..., :1]),
}


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer(equal, backend, name):
    make, shapes, theirs = LAYERS[name]
    rng, layer = np.random.default_rng(2), make()
    layer.build(*shapes, backend=backend, dtype="float64")
    inputs = [rng.standard_normal(shape) for shape in shapes]
    y, saved = layer.forward(*inputs)
    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    y_t = theirs(*tensors)
    several = isinstance(y, tuple)
    dy = [rng.standard_normal(own.shape) for own in (y if several else (y,))]
    torch.autograd.backward(y_t, [torch.tensor(own) for own in dy])
    for own, wanted in zip(y if several else (y,), y_t if several else (y_t,), strict=True):
        equal(name, own, wanted)
    dx = layer.backward(tuple(dy) if several else dy[0], saved)
    for own, tensor in zip(dx if isinstance(dx, tuple) else (dx,), tensors, strict=True):
        equal(name, own, tensor.grad)


class GatedSum(Composite):
    """A gate over a recurrent layer, its last step and a vector: h = z a + (1 - z) b, as a user writes it."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.cell = lamina.layers.GRU(units, return_sequences=True)
        self.gate, self.sigmoid = lamina.layers.Dense(units), lamina.layers.Sigmoid()
        self.head = lamina.layers.Dense(2)

    def compose(self, t, x, v):
        h = t(self.cell, x)
        z = t(self.sigmoid, t(self.gate, h) + v)
        mixed = z * h + (1 - z) * h[:, -1]
        return t(self.head, mixed[:, 1:] - mixed[:, :-1] / 2)


def test_a_model_has_its_twins_gradients_and_trains_as_it_does(equal):
    from tests.parity.twin_compare import compare_outputs, compare_steps, compare_training

    def model():
        made = GatedSum(3)
        made.build((None, None, 2), (None, 3), dtype="float64", seed=1)
        return made

    rng, lengths = np.random.default_rng(4), (np.array([6, 2, 4, 3]), None)
    inputs, target = [rng.standard_normal((4, 6, 2)), rng.standard_normal((4, 3))], rng.standard_normal((4, 5, 2))
    compare_outputs(equal, "arithmetic", model(), inputs, lengths)
    compare_training(equal, "arithmetic", model(), inputs, lengths, MeanSquaredError(), target)
    trained = model()
    optimizer = lamina.optimizers.Adam(trained.parameters(), lr=0.01)
    compared, every = compare_steps(
        equal, "arithmetic", trained, inputs, lengths, MeanSquaredError(), target, optimizer
    )
    assert compared == every
