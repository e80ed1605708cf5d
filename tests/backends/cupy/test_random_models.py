"""Random models hold to every relation, and give what other backends give."""

from dataclasses import replace

import pytest

from lamina.testing.random_models import run

# Of each pair of seeds another one for each device: the models are others too.
MODELS = 12


@pytest.mark.parametrize("seed", [3])
def test_random_models(device, seed, request):
    seed += 100 * ("rounds" in request.node.name)
    tally = run(MODELS, seed=seed, shrink=False, each=lambda one: replace(one, backend=device.name).check())
    assert tally.models == MODELS
    assert {"numpy", "reference"} <= set(tally.worst_by_backend)
    assert tally.held["moved in training"] > MODELS / 2
    assert tally.too_often() == []
