"""Models equal their PyTorch twins: every case of the registry, and models nested by hand.

The twin runs each row alone, cut to its length. So lengths, padding, and what parts hand on to each other are compared
with something that has none of these.
"""

import inspect

import numpy as np
import pytest

import lamina
from lamina import losses, optimizers
from lamina.losses import CTC, SoftmaxCrossEntropy
from lamina.testing.cases import layer_cases, loss_cases, optimizer_cases

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")

from tests.parity.twin import NotExpressible, Rows, Twin  # noqa: E402 (torch is known to be there)
from tests.parity.twin_compare import compare_outputs, compare_steps, compare_training  # noqa: E402
from tests.parity.twin_losses import LOSSES, Projection, loss_of  # noqa: E402
from tests.parity.twin_optimizers import OPTIMIZERS  # noqa: E402
from tests.parity.twin_rows import BASES, LAYERS  # noqa: E402

pytestmark = pytest.mark.parity
CASES = {case.name: case for case in layer_cases()}
# Where padding is taken for data, rows that are cut to their lengths are other data.
TAKE_PADDING = ("Concat-time", "Flatten", "Permute", "Reshape", "Sequential-flat")


def is_timed(x):
    return x.ndim > 2 or (x.ndim == 2 and x.dtype.kind in "iu")


def built(model, inputs, seed=0):
    """Return a model built for inputs, in float64, with weights that are all other than they start."""
    rng = np.random.default_rng(seed)
    model.build(*[(None, *x.shape[1:]) for x in inputs], dtype="float64", seed=seed)
    for name, parameter in model.named_parameters().items():
        values = 0.5 * rng.standard_normal(parameter.shape)
        parameter.data = parameter.numpy() + (abs(values) if name.endswith("variance") else values)
    return model


def arrays_of(case):
    """Return the inputs that a case of the registry is checked with, and ragged lengths where it has some."""
    rng = np.random.default_rng(1)
    state = case.options.get("state", ())
    shapes = (*case.inputs, *(state if isinstance(state, list) else [state] if state else []))
    inputs = [x if isinstance(x, np.ndarray) else rng.standard_normal(x) for x in shapes]
    batch, time = inputs[0].shape[0], inputs[0].shape[1] if is_timed(inputs[0]) else 0
    lengths = np.array([time, *rng.integers(0, time + 1, batch)])[:batch] if time else None
    if lengths is not None and batch > 2:
        lengths[-1] = 0
    return inputs, lengths


def shapes_of(model):
    given = model.output_shape
    return given if isinstance(given[0], tuple) else (given,)


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("name", CASES)
def test_case(equal, name, ragged):
    inputs, lengths = arrays_of(CASES[name])
    if ragged and lengths is None:
        pytest.skip("no time axis")
    lengths = lengths if ragged else None
    model = built(CASES[name].make(), inputs)
    part = f"twin, {name.split('-')[0]}"
    if ragged and name in TAKE_PADDING:
        with pytest.raises(NotExpressible):
            Twin(model).outputs(inputs, lengths)
        return
    compare_outputs(equal, part, model, inputs, lengths)
    outputs = model(*inputs, lengths=lengths)
    rng = np.random.default_rng(2)
    targets = tuple(rng.standard_normal(y.shape) for y in (outputs if isinstance(outputs, tuple) else (outputs,)))
    loss = tuple(Projection() for _ in targets)
    compare_training(equal, part, model, inputs, lengths, loss, targets)


@pytest.mark.parametrize("kind", ["full", "ragged", "mask", "ragged mask"])
@pytest.mark.parametrize("case", loss_cases(), ids=lambda case: case.name)
def test_loss(equal, case, kind):
    rng = np.random.default_rng(3)
    loss, target = case.make(), case.target
    prediction = rng.standard_normal(case.shape)
    target = rng.standard_normal(case.shape) if target is None else target
    lengths = mask = None
    if "ragged" in kind:
        if len(case.shape) != 3:
            pytest.skip("lengths need (batch, time, features)")
        time = case.shape[1]  # the cases of CTC have labels that fit into these
        lengths = np.array([time // 2, 0, time, *rng.integers(1, time + 1, case.shape[0])])[: case.shape[0]]
    if "mask" in kind:
        if isinstance(loss, CTC):
            pytest.skip("CTC takes no mask")
        mask = rng.choice([0.0, 0.5, 1.0, 2.0], case.shape[:-1])
    options = {} if mask is None else {"mask": mask}
    value, saved = loss.forward(prediction, target, lengths=lengths, **options)
    gradient = loss.backward(saved)
    ends = [None] * len(prediction) if lengths is None else lengths
    each = [
        torch.tensor(row[None] if end is None else row[None, :end]) for row, end in zip(prediction, ends, strict=True)
    ]
    rows = Rows(tuple(row.requires_grad_() for row in each), (lengths is not None,) * len(each))
    expected = loss_of(loss, rows, target, mask)
    expected.backward()
    part = f"twin, {type(loss).__name__}"
    equal(part, np.float64(value), expected.detach())
    wanted = np.zeros(case.shape)
    for place, row in enumerate(each):
        if row.grad is not None:
            (wanted[place] if lengths is None else wanted[place, : row.shape[1]])[...] = row.grad[0]
    equal(part, gradient, wanted)


@pytest.mark.parametrize("case", optimizer_cases(), ids=lambda case: case.name)
def test_optimizer(equal, case):
    inputs = [np.random.default_rng(4).standard_normal((6, 3))]
    model = built(lamina.layers.Dense(4), inputs)
    labels = np.arange(6) % 4
    compare_steps(
        equal, f"twin, {case.name.split('-')[0]}", model, inputs, None, SoftmaxCrossEntropy(), labels,
        case.make(model.parameters()), steps=20,
    )  # fmt: skip


# What is neither is a fault of this list, or a part that the twin has to learn.
ABSTRACT = {"Composite": "is expressed by its own wiring", "Stream": "is no layer"}


def test_every_part_is_expressed():
    known = {name: lamina.Layer.registry.find(name) for name in lamina.Layer.registry.names()}
    ours = {name: cls for name, cls in known.items() if cls.__module__.startswith("lamina.")}
    assert len(ours) >= 50
    missing = [name for name, cls in ours.items() if cls not in LAYERS and not issubclass(cls, tuple(BASES))]
    assert not missing
    for parts, base, table in ((losses, lamina.Loss, LOSSES), (optimizers, lamina.Optimizer, OPTIMIZERS)):
        classes = [one for one in vars(parts).values() if inspect.isclass(one) and issubclass(one, base)]
        assert len(classes) > 6
        assert set(classes) <= set(table)
