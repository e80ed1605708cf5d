"""Random models hold to every relation, and give what the backends of the host give."""

from dataclasses import replace

from lamina.testing.random_models import run

HOSTS = "numpy", "reference"


def test_random_models(device, request):
    models = 300 if request.config.getoption("--slow") else 8
    seed = 3 + 100 * ("rounds" in request.node.name)  # other models too
    tally = run(
        models, seed=seed, shrink=False, each=lambda one: replace(one, backend=device.name).check(backends=HOSTS)
    )
    assert tally.models == models
    assert set(HOSTS) == set(tally.worst_by_backend)
    assert tally.held["moved in training"] > models / 3
    assert tally.too_often() == []
