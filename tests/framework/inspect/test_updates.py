"""|update| / |weights| while a model trains."""

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina import Sequential, Trainer
from lamina.errors import ArgumentError
from lamina.inspect import UpdateRatios, updates
from lamina.layers import Dense, SimpleRNN
from lamina.optimizers import SGD

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5, 3))
Y = RNG.integers(0, 2, 12)


def trained(ratios: UpdateRatios, epochs: int = 2, **options: Any) -> Trainer:
    model = Sequential(SimpleRNN(4), Dense(2))
    model.build((None, None, 3), seed=0, dtype="float64")
    trainer = Trainer(model, optimizer=lambda parameters: SGD(parameters, lr=0.1), callbacks=ratios)
    trainer.fit(X, Y, epochs=epochs, batch_size=2, shuffle=False, verbose=False, **options)
    return trainer


@pytest.mark.parametrize(("every", "measured"), [(1, range(6)), (2, (0, 2, 4)), (4, (0, 4)), (10, (0,))])
def test_the_mean_over_the_steps_measured(every: int, measured: Any) -> None:
    ratios = UpdateRatios(every)
    trained(ratios)

    weights: list[Any] = []
    model = Sequential(SimpleRNN(4), Dense(2))
    model.build((None, None, 3), seed=0, dtype="float64")
    weights.append(model.state_dict())

    from lamina.callbacks import Callback

    class Keep(Callback):
        def on_step_end(self, trainer: Trainer, *_: Any) -> None:
            weights.append(trainer.model.state_dict())

    trainer = Trainer(model, optimizer=lambda parameters: SGD(parameters, lr=0.1), callbacks=Keep())
    trainer.fit(X, Y, epochs=2, batch_size=2, shuffle=False, verbose=False)
    for name in weights[0]:
        for epoch in (0, 1):
            found = []
            for step in measured:
                before, after = (weights[6 * epoch + step + i][name] for i in (0, 1))
                if before.any():
                    found.append(np.linalg.norm(after - before) / np.linalg.norm(before))
            expected = np.mean(found) if found else np.nan
            assert ratios.ratios[name][epoch] == pytest.approx(expected, nan_ok=True)


def test_a_second_run_begins_anew_and_frozen_weights_are_left_out() -> None:
    ratios = UpdateRatios()
    trainer = trained(ratios, epochs=3)
    assert list(map(len, ratios.ratios.values())) == [3] * 5
    trainer.model[0].w_x.trainable = False  # type: ignore[index]
    trainer.fit(X, Y, epochs=1, verbose=False)
    assert {name: len(values) for name, values in ratios.ratios.items()} == {
        "0.w_h": 1,
        "0.b": 1,
        "1.w": 1,
        "1.b": 1,
    }


def test_training_is_the_same_with_it() -> None:
    with_it, without = trained(UpdateRatios(every=1)), trained(UpdateRatios(every=1000))
    one, other = with_it.model.state_dict(), without.model.state_dict()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_picture_has_a_line_for_each_parameter(tmp_path: Path) -> None:
    ratios = UpdateRatios()
    with pytest.raises(ArgumentError, match=r"^plot: no epoch was completed$"):
        ratios.plot()
    trained(ratios)
    figure = ratios.plot(tmp_path / "ratios.pdf")
    (axes,) = figure.axes
    names = [line.get_label() for line in axes.get_lines() if not line.get_label().startswith("_")]
    assert names == list(ratios.ratios)
    assert axes.get_yscale() == "log"
    assert (tmp_path / "ratios.pdf").read_bytes().startswith(b"%PDF")


def test_the_setting_is_checked() -> None:
    with pytest.raises(ArgumentError, match=r"^UpdateRatios: expected every to be a whole number of 1 or more, got 0$"):
        UpdateRatios(0)


def test_the_examples_run() -> None:
    assert doctest.testmod(updates).failed == 0


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(UpdateRatios) == {"every": 10}


def test_a_notebook_shows_the_first_and_the_last_epoch_and_the_picture(read_page: Any) -> None:
    pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    ratios = UpdateRatios()
    assert ratios._repr_html_() is None
    ratios.ratios = {"0.w<x": [0.1, 0.05, 0.002], "0.b": [float("nan"), 0.1, 0.25]}
    page = read_page(ratios._repr_html_())
    assert page.tables == [
        [["parameter", "first epoch", "last epoch"], ["0.w<x", "1.0e-01", "2.0e-03"], ["0.b", "nan", "2.5e-01"]]
    ]
    assert (page.texts, len(page.images)) == (["|update| / |weights|"], 1)
