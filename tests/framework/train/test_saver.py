"""Runs that end somewhere and go on from their checkpoint, in one process; see `tests.testing.kills` for real kills."""

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import Callback, EarlyStopping
from lamina.errors import ArgumentError, CheckpointError, LaminaError, OutputError
from lamina.layers import GRU, LSTM, Dense, Dropout, SimpleRNN
from lamina.metrics import Metric
from lamina.testing.ending import EndAfter, Ended
from lamina.testing.kills.cases import CASES, PLANNED
from lamina.testing.kills.run import result_of
from lamina.train import saver
from lamina.train.saved import content_of
from lamina.train.saver import Saver

X = np.random.default_rng(0).normal(size=(24, 5, 3))
Y = np.random.default_rng(1).integers(0, 4, 24)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Have Ctrl-C do what it does in a program of a terminal: one in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ending(begun: Any, left: int) -> Any:
    """Return a case whose run ends after so many steps."""
    trainer, given = begun
    trainer.callbacks.append(ender := EndAfter())
    ender.left = left
    return trainer, given


def model() -> lamina.Sequential:
    return lamina.Sequential(LSTM(4), Dropout(0.3), Dense(4))


def fit(folder: Path | None, *, callbacks: Any = (), network: Any = None, optimizer: Any = "adam", **given: Any) -> Any:
    trainer = lamina.Trainer(network or model(), optimizer=optimizer, callbacks=callbacks)
    options = {"epochs": 2, "batch_size": 8, "verbose": False, "checkpoint": folder} | given
    trainer.fit(options.pop("x", X), options.pop("y", Y), **options)
    return trainer


def interrupted_fit(folder: Path, left: int, **given: Any) -> None:
    ender = EndAfter()
    ender.left = left
    with pytest.raises(Ended):
        fit(folder, callbacks=[ender], **given)


def names() -> list[str]:
    return list(CASES) + list(PLANNED)


def case(name: str) -> Callable[[Path], Any]:
    if name in PLANNED:
        pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    return (CASES | PLANNED)[name]


@pytest.mark.parametrize("name", names())
def test_a_run_that_ends_after_any_step_comes_to_the_same_bits(name: str, tmp_path: Path) -> None:
    begin = case(name)
    expected = result_of(ending(begin(tmp_path / "undisturbed"), -1), None)
    folder = tmp_path / "run"
    for step in (1, 2, 3, 1, 4, 2, 5, 1, 1, 1):  # from the last one's end on
        try:
            found = result_of(ending(begin(tmp_path / "data"), step), folder, 1)
            break
        except Ended:
            continue
    else:
        found = result_of(ending(begin(tmp_path / "data"), -1), folder, 1)
    assert found == expected


@pytest.mark.parametrize("every", [2, "1 epoch", "2 epochs"])
@pytest.mark.parametrize("name", names())
def test_whatever_was_written_last_it_goes_on_from_there(name: str, every: Any, tmp_path: Path) -> None:
    begin = case(name)
    expected = result_of(ending(begin(tmp_path / "undisturbed"), -1), None)
    for step in (1, 3, 4, 6, 9, 13):
        folder = tmp_path / str(step)
        with suppress(Ended):
            result_of(ending(begin(folder), step), folder / "run", every)
        assert result_of(ending(begin(folder), -1), folder / "run", every) == expected, step


@pytest.mark.parametrize("truncate", [None, 2])
def test_on_every_backend_a_run_goes_on_to_the_same_bits(backend: Any, truncate: int | None, tmp_path: Path) -> None:
    labels = np.random.default_rng(2).integers(0, 4, (24, 5))

    def begun() -> Any:
        network = lamina.Sequential(LSTM(3, return_sequences=True), Dropout(0.3), Dense(4))
        network.build((None, None, 3), seed=0, backend=backend, dtype="float64")
        trainer = lamina.Trainer(network, optimizer="adam", metrics=["accuracy", "confusion_matrix"], compile=False)
        return trainer, {"x": X, "y": labels, "epochs": 2, "batch_size": 8, "truncate": truncate}

    expected = result_of(ending(begun(), -1), None)
    with pytest.raises(Ended):
        result_of(ending(begun(), 5), tmp_path, 1)
    found = result_of(ending(begun(), -1), tmp_path, 1)
    assert found == expected


@pytest.mark.parametrize("truncate", [None, 2])
def test_a_run_goes_on_on_another_backend_and_says_so(
    backend: Any, truncate: int | None, tmp_path: Path, capsys: Any
) -> None:
    labels = np.random.default_rng(2).integers(0, 4, (24, 5))

    def run(where: Any, left: int, **options: Any) -> Any:
        network = lamina.Sequential(GRU(3, return_sequences=True), Dropout(0.3), Dense(4))
        network.build((None, None, 3), seed=0, backend=where, dtype="float64")
        trainer = lamina.Trainer(network, optimizer="adam", metrics="accuracy", callbacks=(ender := EndAfter()))
        ender.left = left
        with suppress(Ended):
            trainer.fit(X, labels, epochs=2, batch_size=8, truncate=truncate, every=1, **options)
        return trainer

    run("numpy", 5, checkpoint=tmp_path)
    expected, found = run("numpy", -1), run(backend, -1, checkpoint=tmp_path)
    told = capsys.readouterr().out
    assert (f"goes on by kernels of backend {backend.name!r}: numbers may differ" in told) == (backend.name != "numpy")
    assert len(found.history) == 2
    again = truncate is not None and backend.name != "numpy"
    assert ("batch 2 begins again, as its states are those of kernels of backend 'numpy'" in told) == again
    if again:
        return
    assert found.history["loss"] == pytest.approx(expected.history["loss"], rel=1e-9)
    own = expected.model.state_dict()
    assert all(np.allclose(own[name], one, rtol=1e-9, atol=1e-12) for name, one in found.model.state_dict().items())


LOST = {
    "parameters": lambda kept, first: kept | {"parameters": first["parameters"]},
    "frozen": lambda kept, first: kept | {"frozen": list(kept["parameters"])[:2]},
    "draws": lambda kept, first: kept | {"draws": {name: one | {"calls": 0} for name, one in kept["draws"].items()}},
    "optimizer": lambda kept, first: kept | {"optimizer": first["optimizer"]},
    "rate": lambda kept, first: kept | {"optimizer": kept["optimizer"] | {"lr": 0.5}},
    "history": lambda kept, first: kept | {"history": first["history"]},
    "callbacks": lambda kept, first: kept | {"callbacks": first["callbacks"]},
    "order": lambda kept, first: kept | {"place": kept["place"] | {"order": other_order()}},
    "generator": lambda kept, first: kept | {"generator": other_order()},
    "batches": lambda kept, first: kept | {"place": kept["place"] | {"batches": kept["place"]["batches"] - 1}},
    "meter": lambda kept, first: kept | {"place": kept["place"] | {"meter": None}},
    "epoch": lambda kept, first: kept | {"place": kept["place"] | {"epoch": 1}},
}


def other_order() -> Any:
    return dict(np.random.default_rng(99).bit_generator.state)


@pytest.mark.parametrize("lost", LOST)
def test_a_checkpoint_that_lacks_any_part_would_be_noticed(lost: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Break each part of what is kept: a run that goes on from it must come to something else."""

    def begun() -> Any:
        network = lamina.Sequential(SimpleRNN(4), Dropout(0.4), lamina.layers.BatchNorm(), Dense(4))
        callbacks = [lamina.optimizers.CosineDecay(9, per="step")]
        trainer = lamina.Trainer(network, optimizer="adam", metrics="accuracy", callbacks=callbacks)
        return trainer, {"x": X, "y": Y, "epochs": 3, "batch_size": 8}

    expected = result_of(ending(begun(), -1), None)
    first: dict[str, Any] = {}

    def breaking(run: Any, place: Any) -> Any:
        content = content_of(run, place)
        if not first:
            first.update(content)
        at = (2, 0) if lost == "generator" else (2, 2)  # within an epoch its order is known already
        return LOST[lost](content, first) if (place.epoch, place.steps) == at else content

    monkeypatch.setattr(saver, "content_of", breaking)
    with pytest.raises(Ended):
        result_of(ending(begun(), 4 if lost == "generator" else 6), tmp_path, "1 epoch" if lost == "generator" else 1)
    monkeypatch.undo()
    assert result_of(ending(begun(), -1), tmp_path, 1) != expected


def test_without_a_break_that_run_comes_to_the_same(tmp_path: Path) -> None:
    expected = result_of(CASES["simple_rnn"](tmp_path), None)
    assert result_of(CASES["simple_rnn"](tmp_path), tmp_path / "run", 2) == expected


@pytest.mark.parametrize("every", [1, 2, "1 epoch", "2 epochs", "1 hour"])
def test_how_often_it_is_written(every: Any, tmp_path: Path, monkeypatch: Any) -> None:
    places: list[Any] = []
    write = Saver.write

    def noting(self: Saver, run: Any, place: Any, finished: bool = False) -> None:
        places.append((place.epoch, place.steps, finished))
        write(self, run, place, finished)

    monkeypatch.setattr(Saver, "write", noting)
    fit(tmp_path, every=every, epochs=2)
    expected = {
        1: [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)], 2: [(1, 2), (2, 1), (2, 3)], "1 epoch": [(2, 0), (3, 0)],
        "2 epochs": [(3, 0)], "1 hour": [],
    }[every]  # fmt: skip
    assert places == [(1, 0, False), *((*one, False) for one in expected), (3, 0, True)]


def test_the_last_few_the_best_and_nothing_else_lie_in_the_folder(tmp_path: Path) -> None:
    trainer = fit(tmp_path, every=1, keep=3, epochs=4, validation_data=(X[:6], Y[:6]))
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == [".lock", "best.safetensors", *(f"checkpoint-{n:09d}.safetensors" for n in (10, 11, 12))]
    best = lamina.load(tmp_path / "best.safetensors")
    evaluated = lamina.Trainer(best).evaluate(X[:6], Y[:6])["loss"]
    assert evaluated == pytest.approx(trainer.history.best("val_loss").value, rel=1e-6)
    assert best.facts["training"]["epochs"] == trainer.history.best("val_loss").epoch


def test_a_finished_run_says_so_and_trains_nothing(tmp_path: Path, capsys: Any) -> None:
    first = fit(tmp_path, callbacks=EarlyStopping("loss", patience=1), epochs=3)
    weights = first.model.state_dict()

    class Never(EarlyStopping):
        def on_train_begin(self, trainer: Any) -> None:
            raise AssertionError

    Never.__name__ = "EarlyStopping"
    capsys.readouterr()
    second = fit(tmp_path, callbacks=Never("loss", patience=1), epochs=3, verbose=True)
    told = capsys.readouterr().out
    assert "this run is finished, after 3 of 3 epochs: nothing is trained" in told
    assert second.history["loss"] == first.history["loss"] and len(second.history) == 3
    assert all(np.array_equal(weights[name], one) for name, one in second.model.state_dict().items())
    assert second.model.facts == first.model.facts
    assert second.callbacks[0].best_epoch == first.callbacks[0].best_epoch


def test_a_run_that_ended_early_goes_on_and_says_where(tmp_path: Path, capsys: Any) -> None:
    interrupted_fit(tmp_path, 4, every=1)
    ender = EndAfter()
    fit(tmp_path, callbacks=[ender], every=1, verbose=True)
    assert "goes on from step 3 of epoch 1 of 2" in capsys.readouterr().out


DIFFERENT: dict[str, dict[str, Any]] = {
    "settings are {'epochs': 2}": {"epochs": 3},
    "settings are {'batch_size': 8}": {"batch_size": 6},
    "settings are {'truncate'": {"truncate": 2, "y": np.ones((24, 5), int)},
    "settings are {'shuffle': True}": {"shuffle": False},
    "settings are {'class_weight'": {"class_weight": {0: 2.0}},
    "data": {"x": X + 1e-9},
    "validation data": {"validation_data": (X, Y)},
    "model": {"network": lamina.Sequential(LSTM(5), Dropout(0.3), Dense(4))},
    "optimizer is {'class': 'Adam'": {"optimizer": "sgd"},
    "optimizer": {"optimizer": lambda own: lamina.optimizers.Adam(own, lr=0.5)},
    "callbacks": {"callbacks": [lamina.optimizers.CosineDecay(3)]},
}


@pytest.mark.parametrize("named", DIFFERENT)
def test_another_run_is_refused_by_name_and_nothing_changes(named: str, tmp_path: Path) -> None:
    fit(tmp_path, epochs=2)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")}
    given = DIFFERENT[named]
    network = given.get("network", model())
    if "truncate" in given:
        network = lamina.Sequential(LSTM(4, return_sequences=True), Dropout(0.3), Dense(4))
    weights = network.state_dict() if network.is_built else None
    with pytest.raises(CheckpointError, match="the run that it holds is another one") as raised:
        fit(tmp_path, **given | {"network": network})
    assert named in str(raised.value) and "\n" not in str(raised.value)
    assert network.is_built == (weights is not None)
    assert before == {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")}


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    class Second(Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, values: Any) -> None:
            with pytest.raises(OutputError, match="another run writes its checkpoints there"):
                fit(tmp_path)

    fit(tmp_path, callbacks=Second())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_write_a_checkpoint_at_the_end_of_the_step(number: int, tmp_path: Path) -> None:
    class Press(Callback):
        pressed = False

        def on_step_end(self, trainer: Any, epoch: int, step: int, loss: Any) -> None:
            if (epoch, step) == (1, 2) and not Press.pressed:
                Press.pressed = True
                signal.raise_signal(number)

        def state_dict(self) -> dict[str, Any]:
            return {}

    before = signal.getsignal(number)
    first = fit(tmp_path / "run", callbacks=Press(), every="1 hour")
    assert signal.getsignal(number) is before
    assert first.history.interrupted and len(first.history) == 0
    assert (tmp_path / "run" / "checkpoint-000000002.safetensors").exists()
    second = fit(tmp_path / "run", callbacks=Press(), every="1 hour")
    expected = fit(None, callbacks=Press())
    assert not second.history.interrupted and second.history["loss"] == expected.history["loss"]
    own = expected.model.state_dict()
    assert all(np.array_equal(own[name], one) for name, one in second.model.state_dict().items())


@pytest.mark.parametrize(("hook", "at"), [("on_epoch_begin", 2), ("on_epoch_end", 2), ("on_epoch_end", 4)])
def test_ctrl_c_between_steps_loses_nothing(hook: str, at: int, tmp_path: Path) -> None:
    class Press(Callback):
        pressed = False

    def press(self: Any, trainer: Any, epoch: int, *given: Any) -> None:
        if epoch == at and not Press.pressed:
            Press.pressed = True
            signal.raise_signal(signal.SIGINT)

    def slower(epoch: int, rate: float) -> float:
        return rate * 0.7

    setattr(Press, hook, press)
    rated = [lamina.callbacks.LearningRateSchedule(slower)]
    expected = fit(None, epochs=4, callbacks=rated)
    rated = [lamina.callbacks.LearningRateSchedule(slower), Press()]
    first = fit(tmp_path, callbacks=rated, epochs=4, every="1 hour")
    assert first.history.interrupted and len(first.history) == (at - 1 if hook == "on_epoch_begin" else at)
    steps = first.optimizer.steps
    assert steps == first.model.facts["training"]["steps"] == 3 * len(first.history)
    assert latest(tmp_path)["count"] == steps
    rated = [lamina.callbacks.LearningRateSchedule(slower), Press()]
    second = fit(tmp_path, callbacks=rated, epochs=4, every="1 hour")
    assert second.history["loss"] == expected.history["loss"] and second.optimizer.steps == 12
    assert [one["count"] for one in (latest(tmp_path),)] == [12]


def latest(folder: Path) -> dict[str, Any]:
    from lamina.checkpoints.store import Store

    found, _ = Store(folder, 2).latest()
    assert found is not None
    return {"count": found["steps"]}


def test_ctrl_c_inside_an_accumulated_step_waits_for_its_end(tmp_path: Path, monkeypatch: Any) -> None:
    from lamina.train.interruption import Interruption

    def trainer() -> Any:
        return lamina.Trainer(model(), optimizer="adam", accumulate=3, metrics=Pressing())

    class Pressing(lamina.metrics.Accuracy):
        """Asks for the end after the second batch."""

        name = "accuracy"
        calls = 0
        running: Any = None

        def update(self, *given: Any, **options: Any) -> None:
            super().update(*given, **options)
            Pressing.calls += 1
            if Pressing.calls == 2:
                Pressing.running.requested = True

    enter = Interruption.__enter__
    monkeypatch.setattr(Interruption, "__enter__", lambda self: setattr(Pressing, "running", self) or enter(self))
    options = {"epochs": 2, "batch_size": 4, "verbose": False}
    first = trainer()
    first.fit(X, Y, **options, checkpoint=tmp_path, every="1 hour")
    assert first.history.interrupted and first.optimizer.steps == 1
    second = trainer()
    second.fit(X, Y, **options, checkpoint=tmp_path, every="1 hour")
    Pressing.calls = 3
    third = trainer()
    third.fit(X, Y, **options)
    assert second.history["accuracy"] == third.history["accuracy"]
    own = third.model.state_dict()
    assert all(np.array_equal(own[name], one) for name, one in second.model.state_dict().items())


def test_what_no_checkpoint_can_hold_is_refused_before_the_first_step(tmp_path: Path) -> None:
    class Keeps(Callback):
        def state_dict(self) -> dict[str, Any]:
            return {"file": object()}

    network = model()
    with pytest.raises(CheckpointError, match="callbacks/0/file: a checkpoint cannot hold"):
        fit(tmp_path, callbacks=Keeps(), network=network)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_a_metric_that_gathers_what_no_file_can_hold_says_so(tmp_path: Path) -> None:
    class Gathers(Metric):
        def reset(self) -> None:
            self.seen: list[Any] = []

        def update(self, prediction: Any, target: Any, lengths: Any, backend: Any) -> None:
            self.seen = [*self.seen, object()]

        def result(self) -> float:
            return float(len(self.seen))

    trainer = lamina.Trainer(model(), metrics=Gathers())
    with pytest.raises(CheckpointError, match=r"Gathers: a checkpoint cannot hold self\.seen: define state_dict"):
        trainer.fit(X, Y, epochs=1, batch_size=8, verbose=False, checkpoint=tmp_path, every=1)
    trainer.fit(X, Y, epochs=1, batch_size=8, verbose=False, checkpoint=tmp_path / "whole epochs")


def test_a_source_that_gives_its_batches_once_begins_its_epoch_again_and_says_so(tmp_path: Path, capsys: Any) -> None:
    def once() -> Any:
        return iter([(X[start : start + 8], Y[start : start + 8]) for start in range(0, 24, 8)])

    ender = EndAfter()
    ender.left = 3
    given = {"checkpoint": tmp_path, "every": 1}
    with pytest.raises(Ended):
        lamina.Trainer(model(), callbacks=ender).fit(once(), epochs=1, verbose=False, **given)
    after = EndAfter()
    trainer = lamina.Trainer(model(), callbacks=after)
    trainer.fit(once(), epochs=1, **given)
    told = capsys.readouterr().out
    assert "cannot be wound forward: epoch 1 begins again, with the weights that 2 steps of it came to" in told
    assert trainer.optimizer.steps == 5


def test_a_damaged_folder_is_not_begun_anew(tmp_path: Path) -> None:
    fit(tmp_path)
    for path in tmp_path.glob("checkpoint-*"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="no checkpoint of it can be read"):
        fit(tmp_path)


@pytest.mark.parametrize("part", ["place", "optimizer", "history", "callbacks", "parameters", "draws", "generator"])
def test_one_whose_content_is_no_runs_is_refused_and_the_model_stays(part: str, tmp_path: Path) -> None:
    interrupted_fit(tmp_path, 3, every=1)
    path = sorted(tmp_path.glob("checkpoint-*"))[-1]
    from lamina.checkpoints.store import Store, as_bytes

    content, _ = Store(tmp_path, 2).latest()
    assert content is not None
    for value in (None, 3, {}, {"a": 1}, [[]], "text", {"epoch": 0}):
        path.write_bytes(b"".join(as_bytes(content | {part: value})))
        network = model()
        network.build((None, None, 3), seed=7)
        before = network.state_dict()
        try:
            fit(tmp_path, network=network, callbacks=EndAfter(), every=1)
        except LaminaError as error:
            assert "\n" not in str(error)
            after = network.state_dict()
            assert all(np.array_equal(before[name], one) for name, one in after.items()), value
        else:
            raise AssertionError(value)


@pytest.mark.parametrize("given", [{"every": 0}, {"every": "often"}, {"keep": 0}, {"keep": 1.5}, {"checkpoint": 3}])
def test_arguments_that_are_none_are_refused(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ArgumentError):
        fit(tmp_path, **given)
    with pytest.raises(ArgumentError):
        fit(tmp_path, checkpoint="")


def test_a_second_fit_in_another_folder_goes_on_after_a_finished_one(tmp_path: Path) -> None:
    def both(folder: Path | None, ends: int) -> Any:
        ender = EndAfter()
        ender.left = ends
        trainer = lamina.Trainer(lamina.Sequential(GRU(4), Dropout(0.2), Dense(4)), optimizer="adam", callbacks=ender)
        for name in ("first", "second"):
            place = None if folder is None else folder / name
            trainer.fit(X, Y, epochs=2, batch_size=8, verbose=False, checkpoint=place, every=1)
        return trainer

    with pytest.raises(Ended):
        both(tmp_path, 8)
    found, expected = both(tmp_path, -1), both(None, -1)
    own = expected.model.state_dict()
    assert all(np.array_equal(own[name], one) for name, one in found.model.state_dict().items())
    assert found.history["loss"] == expected.history["loss"]
