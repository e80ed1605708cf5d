"""All of PyTorch's modules: what says each gives its numbers and gradients, or there is a reason why none does."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import lamina

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
from tests.parity.torch_modules import ELSEWHERE, LAZY, LOSSES, SAID, UNSAID  # noqa: E402 (it needs PyTorch)

pytestmark = pytest.mark.parity


def unsaid():
    return [name for names in UNSAID.values() for name in names.split()]


def test_every_module_is_said_or_has_a_reason(note):
    modules = {
        name for name, value in vars(torch.nn).items() if inspect.isclass(value) and issubclass(value, torch.nn.Module)
    }
    said = [*SAID, *LOSSES, *ELSEWHERE, *LAZY, "EmbeddingBag"]
    note(f"PyTorch's modules: {len(said)} of {len(modules)} are said; none is wrong")
    for reason, names in sorted(UNSAID.items(), key=lambda item: -len(item[1].split())):
        note(f"{len(names.split()):>4} not: {reason}")
    assert sorted([*said, *unsaid()]) == sorted(modules)


def test_how_many_are_said():
    assert (len(SAID), len(LOSSES), len(ELSEWHERE), len(LAZY)) == (35, 3, 38, 5)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_compared_elsewhere_is(name):
    room, part = ELSEWHERE[name].split(".")
    assert inspect.isclass(getattr(getattr(lamina, room), part))
    others = [path.read_text() for path in Path(__file__).parent.glob("t*.py") if "torch_modules" not in path.name]
    assert any(re.search(rf"nn\.{name}\b", text) and re.search(rf"\b{part}\b", text) for text in others)


@pytest.mark.parametrize("name", LAZY)
def test_what_is_lazy_is_said_as_what_is_not(name):
    assert name.removeprefix("Lazy") in {*SAID, *ELSEWHERE}


@pytest.mark.parametrize("name", SAID)
def test_module(equal, name):
    torch.manual_seed(0)
    pair = SAID[name]()
    module = pair.module.double().train(pair.training)
    count = pair.inputs
    numbers = np.random.default_rng(1)
    inputs = [numbers.standard_normal(pair.shape) for _ in range(count)]
    given = [torch.tensor(x, requires_grad=True) for x in inputs]
    y_t = module(*(x.swapaxes(1, 2) if pair.channels else x for x in given))
    y_t = y_t.swapaxes(1, 2) if pair.channels and y_t.ndim == 3 else y_t

    pair.layer.build(*[(None, *pair.shape[1:])] * count, dtype="float64", seed=0)
    if pair.weights is not None:
        pair.layer.load_state_dict(pair.weights({key: value.numpy() for key, value in module.state_dict().items()}))
    if not pair.training:
        equal(name, pair.layer(*inputs), y_t, pair.tolerance)
        return
    y, saved = pair.layer.forward(*inputs)
    equal(name, y, y_t, pair.tolerance)
    dy = numbers.standard_normal(y.shape)
    y_t.backward(torch.tensor(dy))
    dx = pair.layer.backward(dy, saved)
    for own, other in zip(dx if isinstance(dx, tuple) else (dx,), given, strict=True):
        equal(f"{name}, gradient", own, other.grad, pair.tolerance)


@pytest.mark.parametrize("name", LOSSES)
def test_loss(equal, name):
    theirs, ours = LOSSES[name]()
    numbers = np.random.default_rng(2)
    prediction, target = numbers.standard_normal((5, 4)) * 2, numbers.standard_normal((5, 4))
    given = torch.tensor(prediction, requires_grad=True)
    value_t = theirs(given, torch.tensor(target))
    value_t.backward()
    value, saved = ours.forward(prediction, target)
    equal(name, np.float64(value), value_t)
    equal(f"{name}, gradient", ours.backward(saved), given.grad)


def test_embedding_bag(equal):
    """Bags of ids are rows with lengths; an empty one gives 0."""
    table, bags = np.random.default_rng(3).standard_normal((7, 4)), [[1, 2, 4], [5], [], [4, 3, 2, 6]]
    module = torch.nn.EmbeddingBag.from_pretrained(torch.tensor(table), freeze=False, mode="mean")
    y_t = module(torch.tensor([one for bag in bags for one in bag]), torch.tensor([0, 3, 4, 4]))
    layer = lamina.Sequential(lamina.layers.Embedding(7, 4), lamina.layers.GlobalAveragePool1D())
    layer.build((None, None), dtype="float64")
    layer.load_state_dict({"0.w": table})
    ids, lengths = lamina.pad([np.array(bag, np.int64) for bag in bags])
    y, saved = layer.forward(ids, lengths=lengths)
    equal("EmbeddingBag", y, y_t)
    dy = np.random.default_rng(4).standard_normal(y.shape)
    y_t.backward(torch.tensor(dy))
    layer.backward(dy, saved, input_gradient=False)
    equal("EmbeddingBag, gradient", dict(layer.named_parameters())["0.w"].grad, module.weight.grad)
