import doctest
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import callbacks
from lamina.callbacks import Callback, CSVLog, EarlyStopping, LearningRateSchedule, SaveBest
from lamina.errors import ArgumentError, CheckpointError, OutputError, UnknownNameError
from lamina.layers import Dense, SimpleRNN
from lamina.metrics import Metric

X = np.random.default_rng(0).normal(size=(12, 4, 2))
Y = np.arange(12) % 3


def make_model(built: bool = True) -> lamina.Sequential:
    model = lamina.Sequential(SimpleRNN(4), Dense(3))
    if built:
        model.build((None, None, 2), seed=0)
    return model


def fit(model: lamina.Layer, *used: Callback, **options: Any) -> tuple[lamina.Trainer, lamina.History]:
    metrics = options.pop("metrics", ())
    trainer = lamina.Trainer(model, optimizer="sgd", metrics=metrics, callbacks=used)
    return trainer, trainer.fit(X, Y, batch_size=5, verbose=options.pop("verbose", False), **options)


class Scripted(Metric):
    """A metric that takes given values, one for each epoch, whatever the model does."""

    def __init__(self, *values: float, higher_is_better: bool = True) -> None:
        self.left = list(values)
        self.higher_is_better = higher_is_better
        self.name = "scripted"

    def reset(self) -> None:
        pass

    def update(self, *arguments: Any) -> None:
        pass

    def result(self) -> float:
        return self.left.pop(0)


class Weights(Callback):
    """Keeps the weights at the end of each epoch."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    def on_epoch_end(self, trainer: lamina.Trainer, epoch: int, values: dict[str, float]) -> None:
        self.kept.append(trainer.model.state_dict())


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(callbacks).failed == 0


def test_hooks_are_called_in_order_with_numbers_from_one() -> None:
    calls: list[Any] = []

    class Record(Callback):
        def check(self, trainer: lamina.Trainer) -> None:
            calls.append(("check", trainer.model.is_built, trainer.epochs, dict(trainer.figures)))

        def on_train_begin(self, trainer: lamina.Trainer) -> None:
            calls.append("begin")

        def on_epoch_begin(self, trainer: lamina.Trainer, epoch: int) -> None:
            calls.append(("epoch", epoch, len(trainer.history)))

        def on_step_end(self, trainer: lamina.Trainer, epoch: int, step: int, loss: Any) -> None:
            calls.append((epoch, step, loss.shape))

        def on_epoch_end(self, trainer: lamina.Trainer, epoch: int, values: dict[str, float]) -> None:
            calls.append(("end", epoch, values == trainer.history.last))

        def on_train_end(self, trainer: lamina.Trainer) -> None:
            calls.append(("done", len(trainer.history)))

    fit(make_model(built=False), Record(), epochs=2)
    assert calls == [
        ("check", True, 2, {"loss": False}),
        "begin",
        *[("epoch", 1, 0), (1, 1, ()), (1, 2, ()), (1, 3, ()), ("end", 1, True)],
        *[("epoch", 2, 1), (2, 1, ()), (2, 2, ()), (2, 3, ()), ("end", 2, True)],
        ("done", 2),
    ]


def test_stop_ends_training_after_the_current_epoch() -> None:
    steps: list[int] = []

    class Stop(Callback):
        def on_step_end(self, trainer: lamina.Trainer, epoch: int, step: int, loss: Any) -> None:
            steps.append(step)
            if epoch == 2:
                trainer.stop()

    trainer, history = fit(make_model(), Stop(), epochs=9)
    assert (len(history), steps, history.interrupted) == (2, [1, 2, 3, 1, 2, 3], False)
    trainer.stop()  # nothing is running: the next run is not affected
    assert len(trainer.fit(X, Y, epochs=1, verbose=False)) == 1


@pytest.mark.parametrize("higher", [True, False])
def test_early_stopping_restores_the_best_weights(higher: bool, capsys: pytest.CaptureFixture[str]) -> None:
    values = [1.0, 3.0, 2.0, 2.9, 2.5, 9.0]
    metric = Scripted(*(values if higher else [-value for value in values]), higher_is_better=higher)
    stopping, weights = EarlyStopping("scripted", patience=3), Weights()
    trainer, history = fit(make_model(), weights, stopping, metrics=[metric], epochs=50, verbose=True)
    assert len(history) == 5
    assert (stopping.stopped_epoch, stopping.best_epoch, abs(stopping.best_value)) == (5, 2, 3.0)
    assert not same(weights.kept[1], weights.kept[4])
    assert same(trainer.model.state_dict(), weights.kept[1])
    facts = trainer.model.facts["training"]
    assert (facts["epochs"], facts["restored_epoch"]) == (5, 2)
    sign = "" if higher else "-"
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f"stopped: no better scripted for 3 epochs; its best is {sign}3, epoch 2"


def test_early_stopping_can_leave_the_last_weights() -> None:
    stopping, weights = EarlyStopping("scripted", patience=1, restore_best=False), Weights()
    trainer, history = fit(make_model(), stopping, weights, metrics=[Scripted(3, 2, 1)], epochs=9)
    assert len(history) == 2
    assert same(trainer.model.state_dict(), weights.kept[1])
    assert "restored_epoch" not in trainer.model.facts["training"]


def test_early_stopping_restores_also_where_it_did_not_stop() -> None:
    stopping, weights = EarlyStopping("scripted"), Weights()
    trainer, history = fit(make_model(), stopping, weights, metrics=[Scripted(3, 2, 1)], epochs=3)
    assert (len(history), stopping.stopped_epoch) == (3, 0)
    assert same(trainer.model.state_dict(), weights.kept[0])


def test_a_small_change_and_nan_are_no_improvement() -> None:
    stopping = EarlyStopping("scripted", patience=2, min_delta=0.5)
    fit(make_model(), stopping, metrics=[Scripted(float("nan"), 1.0, 1.5, 1.6, 1.7, 9.0)], epochs=6)
    # 1.5 is no more than 0.5 better than 1.0, but 1.6 is.
    assert (stopping.best_epoch, stopping.best_value, stopping.stopped_epoch) == (6, 9.0, 0)
    stopping = EarlyStopping("scripted", patience=2)
    weights = Weights()
    trainer, history = fit(make_model(), stopping, weights, metrics=[Scripted(*[float("nan")] * 9)], epochs=9)
    assert (len(history), stopping.best_epoch) == (2, 0)
    assert same(trainer.model.state_dict(), weights.kept[-1])


def test_a_second_run_starts_anew() -> None:
    stopping = EarlyStopping("scripted", patience=2)
    trainer, _ = fit(make_model(), stopping, metrics=[Scripted(9, 8, 7, 1, 2, 1, 0)], epochs=9)
    assert (stopping.best_value, stopping.stopped_epoch) == (9, 3)
    assert len(trainer.fit(X, Y, epochs=9, verbose=False)) == 4
    assert (stopping.best_value, stopping.best_epoch, stopping.stopped_epoch) == (2, 2, 4)


def test_validation_figures_can_be_watched() -> None:
    stopping = EarlyStopping(patience=1)
    trainer, history = fit(make_model(), stopping, epochs=3, validation_data=(X, Y))
    assert stopping.best_value == min(history["val_loss"])
    assert trainer.evaluate(X, Y)["loss"] == stopping.best_value


def test_the_best_model_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "new" / "best.safetensors"
    saving, weights = SaveBest(path, monitor="scripted"), Weights()
    _, history = fit(make_model(), saving, weights, metrics=[Scripted(1, 3, 3, 2)], epochs=4)
    assert (saving.best_epoch, saving.best_value) == (2, 3.0)
    loaded = lamina.load(path)
    assert same(loaded.state_dict(), weights.kept[1])
    facts = loaded.facts["training"]
    assert facts["epochs"] == 2
    assert facts["history"] == {"loss": history["loss"][1], "scripted": 3.0, "learning_rate": 0.01}
    assert os.listdir(path.parent) == ["best.safetensors"]


def test_the_csv_file_is_whole_after_each_epoch(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "run.csv"
    seen: list[str] = []

    class Read(Callback):
        def on_epoch_begin(self, trainer: lamina.Trainer, epoch: int) -> None:
            seen.append(path.read_text() if path.exists() else "")

    _, history = fit(make_model(), Read(), CSVLog(path), metrics="accuracy", epochs=3)
    assert seen[0] == ""
    lines = path.read_text().splitlines()
    assert seen[2].splitlines() == lines[:3]
    assert lines[0] == "epoch,loss,accuracy,learning_rate,seconds"
    assert [[float(cell) for cell in line.split(",")] for line in lines[1:]] == [
        [epoch, *(history[key][epoch - 1] for key in history)] for epoch in (1, 2, 3)
    ]
    assert os.listdir(path.parent) == ["run.csv"]


def test_the_learning_rate_is_set_before_each_epoch() -> None:
    _, history = fit(make_model(), LearningRateSchedule(lambda epoch: 0.5 / epoch), epochs=3)
    assert history["learning_rate"] == [0.5, 0.25, 0.5 / 3]
    _, history = fit(make_model(), LearningRateSchedule(lambda epoch, lr: lr * epoch), epochs=3)
    assert history["learning_rate"] == [0.01, 0.02, 0.06]

    def with_default(epoch: int, power: float = 2.0) -> float:
        return epoch**-power

    _, history = fit(make_model(), LearningRateSchedule(with_default), epochs=2)
    assert history["learning_rate"] == [1.0, 0.25]


def test_the_rate_that_is_set_is_the_rate_that_is_used() -> None:
    tiny, used = make_model(), make_model()
    fit(tiny, LearningRateSchedule(lambda epoch: 1e-30), epochs=1)
    fit(used, epochs=1)
    fresh = make_model().state_dict()
    assert all(np.abs(array - fresh[name]).max() < 1e-29 for name, array in tiny.state_dict().items())
    assert any(np.abs(array - fresh[name]).max() > 1e-3 for name, array in used.state_dict().items())


def test_rates_that_are_none_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^LearningRateSchedule: expected rate to be a number above 0, got -1$"):
        fit(make_model(), LearningRateSchedule(lambda epoch: -1))
    with pytest.raises(ArgumentError, match=r"^LearningRateSchedule: expected a function of the epoch, got 0.1$"):
        LearningRateSchedule(0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"patience": 0}, {"patience": 1.5}, {"patience": True}, {"min_delta": -1}])
def test_settings_of_early_stopping_are_checked(options: dict[str, Any]) -> None:
    name = next(iter(options))
    with pytest.raises(ArgumentError, match=f"^EarlyStopping: expected {name} to be "):
        EarlyStopping(**options)


def refused(error: type[Exception], *used: Callback, model: lamina.Layer | None = None, **options: Any) -> str:
    """Return the message with which a run is refused, and prove that it changed nothing."""
    model = make_model() if model is None else model
    before, built = (model.state_dict() if model.is_built else {}), model.is_built
    with pytest.raises(error) as caught:
        fit(model, *used, **options)
    assert model.is_built is built
    assert not built or same(model.state_dict(), before)
    assert model.facts == {}
    return str(caught.value)


def test_a_monitor_that_will_not_be_there_is_found_before_training(tmp_path: Path) -> None:
    assert refused(ArgumentError, EarlyStopping()) == (
        "EarlyStopping: monitor 'val_loss' needs validation data: pass validation_data to fit"
    )
    assert refused(ArgumentError, SaveBest(tmp_path / "x"), model=make_model(built=False)) == (
        "SaveBest: monitor 'val_loss' needs validation data: pass validation_data to fit"
    )
    assert list(tmp_path.iterdir()) == []
    assert refused(UnknownNameError, EarlyStopping("acuracy"), metrics=["accuracy"]) == (
        "unknown monitor of EarlyStopping 'acuracy': did you mean 'accuracy'? Known: accuracy, loss"
    )
    assert refused(UnknownNameError, EarlyStopping("val_los"), validation_data=(X, Y)) == (
        "unknown monitor of EarlyStopping 'val_los': did you mean 'val_loss'? Known: loss, val_loss"
    )


def test_files_that_cannot_be_written_are_found_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for callback in (CSVLog(tmp_path / "file" / "run.csv"), SaveBest(tmp_path / "file" / "model", "loss")):
        assert refused(OutputError, callback).startswith("cannot write ")
    assert refused(OutputError, CSVLog(tmp_path)).endswith("it is a folder")


def test_a_model_that_cannot_be_saved_is_found_before_training(tmp_path: Path) -> None:
    class Unknown(lamina.Layer):
        def build(self, shape: Any) -> Any:
            return shape

        def forward(self, x: Any) -> Any:
            return x, None

        def backward(self, dy: Any, saved: Any) -> Any:
            return dy

    model = lamina.Sequential(Unknown(), SimpleRNN(4), Dense(3))
    message = refused(CheckpointError, SaveBest(tmp_path / "new" / "m", "loss"), model=model, epochs=1)
    assert message == "Unknown cannot be saved: decorate its class with @lamina.register"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("again", ["fit", "process", "trainer"])
@pytest.mark.parametrize("resume", [True, False])
def test_the_best_so_far_counts_after_a_second_fit_and_in_a_new_process(
    tmp_path: Path, resume: bool, again: str, higher: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    sign = 1 if higher else -1
    path, weights = tmp_path / "best", Weights()

    def start(saving: SaveBest, *values: float) -> lamina.Trainer:
        metric = Scripted(*(sign * value for value in values), higher_is_better=higher)
        return lamina.Trainer(make_model(), optimizer="sgd", metrics=[metric], callbacks=[saving, weights])

    saving = SaveBest(path, "scripted", resume=resume)
    trainer = start(saving, 1, 5, 3, 4, 2)
    trainer.fit(X, Y, epochs=3, verbose=False)
    kept = weights.kept[1]
    if again != "fit":
        saving = SaveBest(path, "scripted", resume=resume) if again == "process" else saving
        trainer = start(saving, 4, 2)
    capsys.readouterr()
    trainer.fit(X, Y, epochs=2)
    note = f"{path}: kept from before, its scripted of {sign * 5:.4g} was not bettered"
    if resume:
        assert (saving.best_epoch, saving.best_value) == (0, sign * 5)
        assert same(lamina.load(path).state_dict(), kept)
        assert capsys.readouterr().out.splitlines()[-1] == note
        trainer.metrics[0].left.append(sign * 6)  # type: ignore[attr-defined]
        trainer.fit(X, Y, epochs=1, verbose=False)
        assert (saving.best_epoch, saving.best_value) == (1, sign * 6)
        assert same(lamina.load(path).state_dict(), weights.kept[-1])
    else:
        assert (saving.best_epoch, saving.best_value) == (1, sign * 4)
        assert same(lamina.load(path).state_dict(), weights.kept[3])
        assert note not in capsys.readouterr().out


def test_what_stands_there_and_cannot_be_compared_is_replaced(tmp_path: Path) -> None:
    other = lamina.Sequential(SimpleRNN(5), Dense(3))
    path = tmp_path / "best"

    def put(what: str) -> None:
        path.unlink(missing_ok=True)
        if what == "no model":
            path.write_text("text")
        elif what == "no facts":
            make_model().save(path)
        elif what == "another architecture":
            fit(other, SaveBest(path, "scripted"), metrics=[Scripted(9)], epochs=1)
        elif what == "another loss":
            trainer = lamina.Trainer(make_model(), "mean_squared_error", "sgd", metrics=[Scripted(9)])
            trainer.callbacks.append(SaveBest(path, "scripted"))
            trainer.fit(X, np.eye(3)[Y], epochs=1, verbose=False)
        elif what == "another figure":
            fit(make_model(), SaveBest(path, "loss"), epochs=1)
        elif what == "damaged":
            fit(make_model(), SaveBest(path, "scripted"), metrics=[Scripted(9)], epochs=1)
            path.write_bytes(path.read_bytes()[:-9])

    kinds = ["nothing", "no model", "no facts", "another architecture", "another loss", "another figure", "damaged"]
    for what in kinds:
        put(what)
        saving = SaveBest(path, "scripted")
        fit(make_model(), saving, metrics=[Scripted(1)], epochs=1)
        assert (saving.best_epoch, saving.best_value) == (1, 1.0), what
        assert lamina.load(path).facts["training"]["history"]["scripted"] == 1.0


def test_a_file_that_was_taken_away_between_two_fits_is_written_again(tmp_path: Path) -> None:
    path, saving = tmp_path / "best", SaveBest(tmp_path / "best", "scripted")
    trainer, _ = fit(make_model(), saving, metrics=[Scripted(5, 1)], epochs=1)
    path.unlink()
    trainer.fit(X, Y, epochs=1, verbose=False)
    assert (saving.best_value, path.exists()) == (1.0, True)


def test_a_function_of_the_epoch_is_multiplied_by_what_a_plateau_reduced() -> None:
    """The product written out: the plateau halves after each epoch but the first."""
    plateau = lamina.optimizers.ReduceOnPlateau("loss", factor=0.5, patience=1, min_delta=100.0)
    for first in (True, False):
        schedule = LearningRateSchedule(lambda epoch: 0.4 / epoch)
        used = [schedule, plateau] if first else [plateau, schedule]
        _, history = fit(make_model(), *used, epochs=4)
        assert history["learning_rate"] == pytest.approx([0.4, 0.2, 0.4 / 3 / 2, 0.1 / 4], rel=1e-12)
    _, history = fit(make_model(), LearningRateSchedule(lambda epoch, lr: lr * 0.9), plateau, epochs=4)
    expected = [0.01 * 0.9, 0.01 * 0.9**2, 0.01 * 0.9**3 / 2, 0.01 * 0.9**4 / 4]
    assert history["learning_rate"] == pytest.approx(expected, rel=1e-12)


def test_a_function_of_the_epoch_leaves_another_trainers_reductions_behind() -> None:
    model = make_model()
    model_optimizer = lamina.optimizers.SGD(model.parameters(), 0.4)
    plateau = lamina.optimizers.ReduceOnPlateau("loss", factor=0.5, patience=1, min_delta=100.0)
    lamina.Trainer(model, optimizer=model_optimizer, callbacks=plateau).fit(X, Y, epochs=4, verbose=False)
    assert (model_optimizer.lr, model_optimizer.lr_factor) == (0.05, 0.125)
    schedule = LearningRateSchedule(lambda epoch: 0.4)
    trainer = lamina.Trainer(model, optimizer=model_optimizer, callbacks=schedule)
    assert trainer.fit(X, Y, epochs=1, verbose=False)["learning_rate"] == [0.4]


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(EarlyStopping) == {"monitor": "val_loss", "patience": 10, "min_delta": 0.0, "restore_best": True}
    assert defaults(SaveBest) == {"monitor": "val_loss", "resume": True}
