"""Several outputs are trained together: their losses, gradients and figures beside those written out in NumPy."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Trainer
from lamina.callbacks import Callback, EarlyStopping, SaveBest
from lamina.errors import NonFiniteError
from lamina.layers import GRU, Dense
from lamina.losses import MeanSquaredError, SoftmaxCrossEntropy
from lamina.optimizers import SGD, Adam
from lamina.train.objective import JointObjective, Objective, objective_for
from tests.framework.train.three_heads import NAMES, built, drawn, losses, written_out

ROWS = drawn()
FACTORS = (0.5, 2.0, 1.5)
RATE = 0.3


class Told(Callback):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.kept: list[float] = []

    def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
        self.kept.append(float(loss))


def trainer_of(model: Any, loss: Any = None, **options: Any) -> Trainer:
    options.setdefault("loss_weights", FACTORS)
    options.setdefault("optimizer", lambda p: SGD(p, lr=RATE))
    return Trainer(model, losses() if loss is None else loss, **options)


def fit(trainer: Trainer, rows: Any = ROWS, **options: Any) -> Any:
    given, more = rows.given()
    return trainer.fit(*given, **more, **{"epochs": 1, "shuffle": False, "verbose": False, **options})


def weighed(rows: Any = ROWS) -> Any:
    rng = np.random.default_rng(7)
    return rows.weighed(rng.integers(0, 3, (11, 5)) * 1.0, rng.random(11), rng.integers(0, 2, 11))


def by_hand(state: Any, rows: Any, size: int, **options: Any) -> tuple[Any, list[float]]:
    """Return weights after an epoch of plain gradient descent, and each step's loss."""
    state, kept = dict(state), []
    for start in range(0, len(rows.a), size):
        value, _, slopes = written_out(state, rows.take(slice(start, start + size)), **options)
        kept.append(value)
        state = {name: one - RATE * slopes[name] for name, one in state.items()}
    return state, kept


def expect_state(model: Any, wanted: Any, tolerance: float = 1e-12) -> None:
    for name, array in model.state_dict().items():
        np.testing.assert_allclose(array, wanted[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("rows", [ROWS, weighed()], ids=["ragged", "weights"])
@pytest.mark.parametrize("size", [4, 11])
def test_training_is_the_loop_written_out(backend: Any, rows: Any, size: int) -> None:
    model, told = built(backend), Told()
    wanted, kept = by_hand(model.state_dict(), rows, size, factors=FACTORS)
    fit(trainer_of(model, callbacks=told), rows, batch_size=size)
    expect_state(model, wanted)
    np.testing.assert_allclose(told.kept, kept, rtol=1e-12)


@pytest.mark.parametrize("rows", [ROWS, weighed()], ids=["ragged", "weights"])
@pytest.mark.parametrize(("size", "accumulate"), [(2, 3), (1, 11), (4, 2)])
def test_batches_that_make_a_step_have_their_shares_of_each_outputs_terms(
    backend: Any, rows: Any, size: int, accumulate: int
) -> None:
    model, told = built(backend), Told()
    wanted, kept = by_hand(model.state_dict(), rows, size * accumulate, factors=FACTORS)
    fit(trainer_of(model, callbacks=told, accumulate=accumulate), rows, batch_size=size)
    expect_state(model, wanted)
    np.testing.assert_allclose(told.kept, kept, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 11, None])
@pytest.mark.parametrize("rows", [ROWS, weighed()], ids=["ragged", "weights"])
def test_evaluation_is_that_of_all_rows_at_any_batch_size(backend: Any, rows: Any, size: int | None) -> None:
    model = built(backend)
    given, more = rows.given()
    found = trainer_of(model).evaluate(*given, **more, batch_size=size)
    total, each, _ = written_out(model.state_dict(), rows, FACTORS)
    assert list(found) == ["loss", "tags_loss", "sizes_loss", "marks_loss"]
    np.testing.assert_allclose(list(found.values()), [total, *each], rtol=1e-12)


def test_losses_are_named_by_their_places_where_a_tuple_gives_them() -> None:
    metrics = ("accuracy", None, [lambda prediction, target: float(len(target))])
    trainer = trainer_of(built(), tuple(losses().values()), metrics=metrics)
    given, more = ROWS.given()
    history = fit(trainer, validation_data=(*given, more["lengths"]))
    own = ["loss", "output_0_loss", "output_1_loss", "output_2_loss", "output_0_accuracy", "output_2_<lambda>"]
    assert list(history.keys()) == [*own, *(f"val_{one}" for one in own), "learning_rate", "seconds"]
    assert set(trainer.figures) == {*own, *(f"val_{one}" for one in own)}
    assert list(trainer.loss) == ["output_0", "output_1", "output_2"]
    assert len(trainer.metrics) == 2
    assert "output_1=MeanSquaredError" in repr(trainer)


def test_each_output_has_its_own_metrics_over_its_own_steps() -> None:
    model = built()
    trainer = trainer_of(model, metrics={"tags": "accuracy", "sizes": ["mae", "rmse"]})
    given, more = weighed().given()
    found = trainer.evaluate(*given, **more, batch_size=4)
    tags, sizes, _ = trainer.predict(given[0], lengths=more["lengths"])
    inside = (np.arange(5) < ROWS.ends[0][:, None]) * more["sample_weight"][0]
    hits = tags.argmax(axis=-1) == ROWS.y[0]
    assert found["tags_accuracy"] == pytest.approx((hits * inside).sum() / inside.sum(), rel=1e-12)
    apart, weight = sizes - ROWS.y[1], more["sample_weight"][1] / more["sample_weight"][1].sum()
    assert found["sizes_mean_absolute_error"] == pytest.approx((weight @ np.abs(apart)).mean(), rel=1e-12)
    assert found["sizes_root_mean_squared_error"] == pytest.approx(np.sqrt((weight @ apart**2).mean()), rel=1e-12)


def test_validation_figures_are_those_of_evaluate() -> None:
    given, more = drawn(7, seed=4).given()
    trainer = trainer_of(built(), metrics={"tags": "accuracy"})
    history = fit(trainer, validation_data=(*given, more["lengths"]), epochs=2)
    found = trainer.evaluate(*given, **more)
    assert {key: history[f"val_{key}"][-1] for key in found} == found


@pytest.mark.parametrize("how", ["tuple", "dict", "left out"])
def test_an_output_without_a_loss_is_not_trained(backend: Any, how: str) -> None:
    model, each = built(backend), losses()
    wanted, _ = by_hand(model.state_dict(), ROWS, 11, factors=(1.0, 0.0, 1.0))
    first = model.sizes.w.numpy()
    (x, y), more = ROWS.given()
    if how == "tuple":
        loss, y = (each["tags"], None, each["marks"]), (y[0], None, y[2])
    else:
        loss = each | {"sizes": None}
        y = {"tags": y[0], "marks": y[2]} | ({"sizes": None} if how == "dict" else {})
    trainer = Trainer(model, loss, lambda p: SGD(p, lr=RATE))
    history = trainer.fit(x, y, **more, epochs=1, shuffle=False, verbose=False)
    expect_state(model, wanted)
    np.testing.assert_array_equal(model.sizes.w.numpy(), first)
    assert not any("sizes" in key or "output_1" in key for key in history)
    found = trainer.evaluate(x, y, **more)
    assert len(found) == 3
    total, *_ = written_out(model.state_dict(), ROWS, (1.0, 0.0, 1.0))
    assert found["loss"] == pytest.approx(total, rel=1e-12)


def test_a_step_in_which_an_output_counts_nothing_moves_the_others_alone() -> None:
    rows = ROWS.weighed(np.zeros(11), None, np.ones(11))
    model, told = built(), Told()
    wanted, kept = by_hand(model.state_dict(), rows, 11, factors=FACTORS)
    history = fit(trainer_of(model, callbacks=told), rows, batch_size=11)
    expect_state(model, wanted)
    np.testing.assert_allclose(told.kept, kept, rtol=1e-12)
    assert np.isnan(history["tags_loss"][0])
    assert history["loss"][0] == pytest.approx(kept[0], rel=1e-12)


class Tagger(lamina.Composite):
    """Two outputs for each step of one recurrence."""

    def __init__(self) -> None:
        self.body, self.tags, self.sizes = GRU(4, return_sequences=True), Dense(3), Dense(2)

    def compose(self, t: Any, x: Any) -> Any:
        h = t(self.body, x)
        return t(self.tags, h), t(self.sizes, h)


def tagger() -> Tagger:
    model = Tagger()
    model.build((None, None, 3), dtype="float64", seed=0)
    return model


TARGETS = ROWS.y[0], np.random.default_rng(5).normal(size=(11, 5, 2))


@pytest.mark.parametrize("weight", [None, np.arange(11) % 3 * 1.0, np.arange(55).reshape(11, 5) % 4 * 1.0])
def test_chunks_of_time_are_a_stream_written_out(weight: Any) -> None:
    trained, model = tagger(), tagger()
    trainer = Trainer(trained, ("softmax_cross_entropy", "mse"), lambda p: SGD(p, lr=RATE), loss_weights=FACTORS[:2])
    trainer.fit(
        ROWS.a, TARGETS, lengths=ROWS.ends[0], sample_weight=weight, epochs=1, shuffle=False, verbose=False, truncate=2
    )
    state, both, optimizer = None, (SoftmaxCrossEntropy(), MeanSquaredError()), SGD(model.parameters(), lr=RATE)
    for start in range(0, 5, 2):
        steps = slice(start, min(start + 2, 5))
        ends = np.clip(ROWS.ends[0] - start, 0, steps.stop - start)
        y, state, saved = model.stream(ROWS.a[:, steps], state=state, lengths=ends, training=True)
        mask = {} if weight is None else {"mask": weight if weight.ndim == 1 else weight[:, steps]}
        kept = [
            loss.forward(own, target[:, steps], lengths=ends, **mask)[1]
            for loss, own, target in zip(both, y, TARGETS, strict=True)
        ]
        optimizer.zero_grad()
        slopes = [f * loss.backward(own) for f, loss, own in zip(FACTORS, both, kept, strict=False)]
        model.backward(tuple(slopes), saved)
        optimizer.step()
    expect_state(trained, model.state_dict(), 1e-14)


class Spoilt(MeanSquaredError):
    """A loss, or its gradient, that is NaN."""

    def __init__(self, value: float = 1.0, slope: float = 1.0) -> None:
        self.value, self.slope = value, slope

    def forward(self, prediction: Any, target: Any, lengths: Any = None, mask: Any = None) -> Any:
        value, saved = super().forward(prediction, target, lengths=lengths, mask=mask)
        return value * self.value, saved

    def backward(self, saved: Any) -> Any:
        slope = super().backward(saved)
        return slope * self.slope if np.isfinite(self.slope) else np.full_like(slope, self.slope)


@pytest.mark.parametrize(
    ("spoilt", "factor", "says"),
    [
        (Spoilt(value=np.nan), 1.0, "loss Spoilt of 'marks' gave NaN"),
        (Spoilt(slope=np.inf), 1.0, "backward of loss Spoilt of 'marks' gave infinity"),
        (Spoilt(value=1e200), 1e200, "loss Spoilt of 'marks' gave, times 1e+200, infinity"),
        (Spoilt(slope=1e200), 1e200, "backward of loss Spoilt of 'marks' gave, times 1e+200, infinity"),
    ],
)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_what_is_not_finite_is_said_of_its_output(spoilt: Any, factor: float, says: str, accumulate: int) -> None:
    model = built()
    before = model.state_dict()
    loss = {"tags": "softmax_cross_entropy", "sizes": MeanSquaredError(), "marks": spoilt}
    options = {"loss_weights": (1.0, 1.0, factor), "check_finite": True, "accumulate": accumulate}
    with pytest.raises(NonFiniteError) as caught, np.errstate(all="ignore"):
        fit(trainer_of(model, loss, **options), batch_size=11)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_sum_of_finite_losses_that_is_not_finite_is_said_so() -> None:
    loss = {"tags": "softmax_cross_entropy", "sizes": Spoilt(1e308), "marks": Spoilt(1e308)}
    says = "epoch 1, step 1: the sum of the losses gave infinity; the weights"
    with pytest.raises(NonFiniteError, match=says), np.errstate(all="ignore"):
        fit(trainer_of(built(), loss, loss_weights=(1.0, 1.0, 1.0), check_finite=True))


@pytest.mark.parametrize("figure", ["tags_accuracy", "val_tags_accuracy", "val_marks_loss", "sizes_loss", "val_loss"])
def test_any_figure_is_watched(tmp_path: Any, figure: str) -> None:
    given, more = drawn(6, seed=2).given()
    path = tmp_path / "best.safetensors"
    stopping = EarlyStopping(figure, patience=2, restore_best=False)
    trainer = trainer_of(
        built(),
        metrics={"tags": "accuracy"},
        callbacks=[stopping, SaveBest(path, figure)],
        optimizer=lambda p: SGD(p, 2.0),
    )
    history = fit(trainer, validation_data=(*given, more["lengths"]), epochs=12)
    values = history[figure]
    best = int(np.argmax(values) if "accuracy" in figure else np.argmin(values))
    assert stopping.best_epoch == best + 1
    assert stopping.best_value == values[best]
    assert len(history) == min(12, best + 3)
    if figure.startswith("val_"):  # measured with the weights that are saved
        kept = Trainer(lamina.load(path), losses(), metrics={"tags": "accuracy"}, loss_weights=FACTORS)
        assert kept.evaluate(*given, **more)[figure.removeprefix("val_")] == pytest.approx(values[best], rel=1e-12)


def test_a_model_from_its_file_goes_on_as_if_nothing_had_been(tmp_path: Any) -> None:
    once, twice = built(), built()
    adam = {"optimizer": lambda p: Adam(p, lr=0.02)}
    whole = trainer_of(once, **adam)
    for _ in range(2):
        fit(whole, batch_size=4)
    first = trainer_of(twice, **adam)
    fit(first, batch_size=4)
    twice.save(tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors")
    second = trainer_of(again, **adam)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    fit(second, batch_size=4)
    for name, array in once.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array)
    assert again.facts["training"]["loss_weights"] == dict(zip(NAMES, FACTORS, strict=True))
    assert again.facts["training"]["loss"]["sizes"] == "MeanSquaredError()"


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("how", ["dict", "tuple", "one without a loss", "one output"])
def test_the_figures_are_in_the_order_of_the_history(how: str, validated: bool) -> None:
    """Those that are no arrays; the history has the rates and the seconds after them."""
    loss: Any = losses() | ({"sizes": None} if how == "one without a loss" else {})
    metrics: Any = {"tags": ("accuracy", "confusion_matrix", "perplexity"), "marks": "mae"}
    (x, y), more = ROWS.given()
    model: Any = built()
    if how == "tuple":
        loss, metrics = tuple(loss.values()), (metrics["tags"], (), metrics["marks"])
    elif how == "one output":
        model, loss, metrics = lamina.Sequential(GRU(3), Dense(2)), "mse", ("mae", "r2")
        x, y, more = x[0], y[1], {}
    trainer = Trainer(model, loss, "sgd", metrics=metrics)
    y = (y[0], None, y[2]) if how == "one without a loss" else y
    held = (x, y, *more.values())
    history = trainer.fit(x, y, **more, epochs=2, verbose=False, validation_data=held if validated else None)
    assert [*trainer.figures, "learning_rate", "seconds"] == [*history]
    assert len(trainer.figures) > 2


def test_one_loss_and_several_have_their_objectives() -> None:
    one, several = (Trainer(built(), own).goals for own in ("mse", losses()))
    assert type(objective_for(one)) is Objective and objective_for(one).divides
    assert type(objective_for(several)) is JointObjective and not objective_for(several).divides
