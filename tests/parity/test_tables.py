"""A table whose gradient comes by rows trains as torch's whole one does, however a step's batches are cut."""

from functools import partial

import numpy as np
import pytest

import lamina
from lamina.layers import Dense, Embedding
from lamina.optimizers import SGD, AdaGrad, Adam

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

ROWS, UNITS, CLASSES = 6, 4, 3
RNG = np.random.default_rng(0)
# Every id in every step of 12: a state that moves only with the rows used is then the whole table's.
IDS, Y = np.concatenate([RNG.permutation(12) % ROWS for _ in range(2)]), RNG.integers(0, CLASSES, 24)
OPTIMIZERS = {
    "SGD": (partial(SGD, lr=0.5), lambda p: torch.optim.SGD(p, lr=0.5)),
    "SGD momentum": (partial(SGD, lr=0.1, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "AdaGrad": (partial(AdaGrad, lr=0.1), lambda p: torch.optim.Adagrad(p, lr=0.1)),
    "Adam": (partial(Adam, lr=0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
}


@pytest.mark.parametrize("limit", [None, 0.05])
@pytest.mark.parametrize(("size", "accumulate"), [(12, 1), (6, 2), (4, 3), (5, 3), (1, 12)])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_accumulation_over_a_table(equal, backend, name, size, accumulate, limit):
    make, make_theirs = OPTIMIZERS[name]
    model = lamina.Sequential(Embedding(ROWS, UNITS), Dense(CLASSES))
    model.build((None,), dtype="float64", seed=0, backend=backend)
    table, w, b = (torch.tensor(values, requires_grad=True) for values in model.state_dict().values())
    theirs = make_theirs([table, w, b])
    trainer = lamina.Trainer(model, optimizer=lambda p: make(p, clip_norm=limit), accumulate=accumulate)
    for part in (slice(0, 12), slice(12, 24)):
        trainer.fit(IDS[part], Y[part], epochs=1, batch_size=size, shuffle=False, verbose=False)
        theirs.zero_grad()
        logits = table[torch.tensor(IDS[part])] @ w + b
        torch.nn.functional.cross_entropy(logits, torch.tensor(Y[part])).backward()
        if limit is not None:
            norm = float(torch.nn.utils.get_total_norm([one.grad for one in (table, w, b)]))
            for one in (table, w, b):
                one.grad *= min(1.0, limit / norm)
        theirs.step()
    for parameter, other in zip(model.parameters(), (table, w, b), strict=True):
        equal(f"a table, {name}, {size} x {accumulate}", parameter.data, other, 1e-7 if name == "Adam" else 1e-10)
