import numpy as np
import pytest

from lamina.layers import Embedding
from lamina.optimizers import SGD, AdaGrad

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity


@pytest.mark.parametrize("name", ["SGD", "AdaGrad"])
def test_embedding_trained_for_a_hundred_steps(equal, name):
    rng = np.random.default_rng(0)
    ours = Embedding(40, 5)
    ours.build((None, None), seed=0, dtype="float64")
    theirs = torch.nn.Embedding(40, 5, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(ours.w.numpy()))
    step = {"SGD": SGD, "AdaGrad": AdaGrad}[name](ours.parameters(), lr=0.1)
    their_step = {"SGD": torch.optim.SGD, "AdaGrad": torch.optim.Adagrad}[name](theirs.parameters(), lr=0.1)
    for _ in range(100):
        ids, weight = rng.integers(0, 40, (4, 3)), rng.standard_normal((4, 3, 5))
        step.zero_grad()
        y, saved = ours.forward(ids)
        ours.backward(2 * weight * y, saved)
        step.step()
        their_step.zero_grad()
        z = theirs(torch.tensor(ids))
        (torch.tensor(weight) * z * z).sum().backward()
        their_step.step()
        equal("Embedding", y, z)
    equal(f"Embedding, {name}", ours.w.data, theirs.weight)
