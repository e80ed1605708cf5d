"""Random layers: reproducible, independent, and alike within fixed_draws."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import RandomLayer, Sequential
from lamina.errors import ArgumentError, NotBuiltError
from lamina.kinds.random import fixed_draws
from lamina.layers import Dense, Dropout

ONES = np.ones((2, 50))


def dropout(**settings: Any) -> Dropout:
    layer = Dropout(0.5)
    layer.build((None, 50), **{"dtype": "float64", "seed": 3, **settings})
    return layer


def draw(layer: lamina.Layer) -> list[list[float]]:
    x = ONES.astype(layer.dtype)
    return layer.forward(layer.as_input(x))[0].tolist()


def test_the_same_seed_gives_the_same_run_on_every_backend_and_in_both_dtypes() -> None:
    runs = []
    for backend in ("numpy", "reference"):
        for dtype in ("float32", "float64"):
            layer = dropout(backend=backend, dtype=dtype)
            runs.append([draw(layer) for _ in range(3)])
    assert runs[0] == runs[1] == runs[2] == runs[3]
    assert runs[0][0] != runs[0][1] != runs[0][2] != runs[0][0]


def test_another_seed_or_none_gives_another_run() -> None:
    runs = [draw(dropout(seed=seed)) for seed in (0, 1, None, None)]
    assert all(one != other for index, one in enumerate(runs) for other in runs[:index])


def test_the_layers_of_a_model_are_independent_and_leave_the_weights_as_they_are() -> None:
    model, plain = Sequential(Dropout(0.5), Dense(50), Dropout(0.5)), Sequential(Dense(50))
    model.build((None, 50), dtype="float64", seed=0)
    plain.build((None, 50), dtype="float64", seed=0)
    assert model[1].w.data.tolist() == plain[0].w.data.tolist()
    assert draw(model[0]) != draw(model[2])


def test_reseeding_begins_anew() -> None:
    layer = dropout()
    layer.reseed(7)
    first = [draw(layer) for _ in range(2)]
    layer.reseed(7)
    assert [draw(layer) for _ in range(2)] == first
    with pytest.raises(ArgumentError) as caught:
        layer.reseed(-1)
    assert str(caught.value) == "Dropout: expected seed to be a whole number of 0 or more, got -1"


def test_copies_go_on_where_the_original_is() -> None:
    layer = dropout()
    draw(layer)
    copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    following = [draw(layer) for _ in range(2)]
    assert [[draw(one) for _ in range(2)] for one in copies] == [following, following]


def test_moving_and_building_again_keep_the_place() -> None:
    first, second = dropout(), dropout()
    draw(first), draw(second)
    first.to("reference", "float32")
    first.build((None, 50))
    assert draw(first) == draw(second)


def test_a_layer_keeps_its_seed_in_a_new_model() -> None:
    first, second = dropout(), dropout()
    Sequential(first, Dense(2)).build((None, 50), dtype="float64", seed=9)
    assert draw(first) == draw(second)


def test_a_loaded_model_draws_as_one_built_with_seed_0(tmp_path: Path) -> None:
    layer = dropout(seed=5)
    draw(layer)
    layer.save(tmp_path / "model.safetensors")
    assert draw(lamina.load(tmp_path / "model.safetensors")) == draw(dropout(seed=0))


def test_calls_from_threads_get_the_draws_of_as_many_calls() -> None:
    layer, alone = dropout(), dropout()
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda _: draw(layer), range(40)))
    assert sorted(got) == sorted(draw(alone) for _ in range(40))


def test_fixed_draws_are_alike_in_one_thread_and_use_up_none() -> None:
    layer, other = dropout(), dropout()
    with fixed_draws():
        first = draw(layer)
        assert draw(layer) == first == draw(dropout(seed=8))
        with fixed_draws(1):
            assert draw(layer) != first
        assert draw(layer) == first
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(draw, layer).result()
    assert elsewhere == draw(other) != first


def test_fixed_draws_of_layers_differ() -> None:
    model = Sequential(Dropout(0.5), Dropout(0.5))
    model.build((None, 50), dtype="float64", seed=0)
    with fixed_draws():
        assert draw(model[0]) != draw(model[1])


def test_a_layer_of_ones_own_is_proven_like_any_other() -> None:
    class Noise(RandomLayer):
        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            noise = self.backend.asarray(self.generator().standard_normal(x.shape), self.dtype)
            return x * noise, noise

        def backward(self, dy: Any, saved: Any) -> Any:
            return dy * saved

    report = lamina.testing.check_layer(Noise(), (5, 4, 3), skip=["batch order", "inference"])
    assert {"gradients", "deterministic", "interleaving", "memory layout"} <= set(report.passed)
    bare = Noise()
    with pytest.raises(NotBuiltError) as caught:
        bare.generator()
    assert str(caught.value) == "Noise has no seed: call build(shape) or reseed(seed) first"


def test_two_runs_of_training_from_one_seed_are_the_same() -> None:
    def run() -> list[list[float]]:
        model = Sequential(Dropout(0.2), Dense(3), Dropout(0.2))
        model.build((None, 50), dtype="float64", seed=1)
        optimizer = lamina.optimizers.SGD(model.parameters(), lr=0.1)
        for _ in range(5):
            y, saved = model.forward(ONES)
            model.zero_grad()
            model.backward(y, saved)
            optimizer.step()
        weights: list[list[float]] = model[1].w.data.tolist()
        return weights

    assert run() == run()
