"""Logs that are written on with each epoch: what their function is given, and that a resumed run goes on with them.

MLflow and Weights & Biases are written to for real, offline, where they are installed.
"""

import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import JSONLinesLog, LogTo, TensorBoard
from lamina.errors import ArgumentError, CheckpointError
from lamina.layers import Dense, SimpleRNN
from lamina.testing.ending import EndAfter, Ended

X = np.random.default_rng(0).normal(size=(12, 4, 2))
Y = np.arange(12) % 3


def fit(callbacks: Any, **options: Any) -> lamina.History:
    trainer = lamina.Trainer(lamina.Sequential(SimpleRNN(4), Dense(3)), optimizer="sgd", callbacks=callbacks)
    return trainer.fit(X, Y, batch_size=6, verbose=False, **options)


def test_a_function_is_given_the_figures_of_each_epoch_over_all_runs() -> None:
    seen: list[tuple[int, dict[str, float]]] = []
    log = LogTo(lambda values, epoch: seen.append((epoch, values)))
    histories = [fit(log, epochs=2, validation_data=(X, Y)), fit(log, epochs=1)]
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    rows = [{name: history[name][index] for name in history} for history in histories for index in range(len(history))]
    assert [values for _, values in seen] == rows
    assert all(type(value) is float for _, values in seen for value in values.values())


@pytest.mark.parametrize("left", range(1, 7))
def test_a_run_that_is_resumed_hands_each_epoch_on(left: int, tmp_path: Path) -> None:
    """From the epoch after its checkpoint's: of three epochs of two steps, ended after any step."""
    seen: dict[int, float] = {}
    calls: list[int] = []

    def note(values: dict[str, float], epoch: int) -> None:
        calls.append(epoch)
        seen[epoch] = values["loss"]

    ending = EndAfter()
    ending.left = left
    with suppress(Ended):
        fit([LogTo(note), ending], epochs=3, checkpoint=tmp_path, every="1 epoch")
    before = list(calls)
    history = fit([LogTo(note), EndAfter()], epochs=3, checkpoint=tmp_path, every="1 epoch")
    assert seen == {epoch: history["loss"][epoch - 1] for epoch in (1, 2, 3)}
    assert before == list(range(1, len(before) + 1))
    assert calls[len(before) :] == list(range((left - 1) // 2 + 1, 4))


@pytest.mark.parametrize("make", [lambda folder: LogTo(print), JSONLinesLog, TensorBoard])
@pytest.mark.parametrize("state", [{}, 3, {"epochs": -1}, {"epochs": 1.0}, {"epochs": True}, {"epochs": 2**40}])
def test_states_that_are_none_are_refused(make: Any, state: Any, tmp_path: Path) -> None:
    log = make(tmp_path)
    assert log.state_dict() == {"epochs": 0}
    with pytest.raises(CheckpointError, match=f"^state does not fit {type(log).__name__}: expected epochs, got "):
        log.load_state_dict(state)
    log.load_state_dict({"epochs": 7})
    assert log.state_dict() == {"epochs": 7}


def test_several_ranks_have_one_log(tmp_path: Path) -> None:
    assert not any(log.on_every_rank for log in (LogTo(print), JSONLinesLog(tmp_path), TensorBoard(tmp_path)))


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^LogTo: expected a function of the figures and the epoch, got 3$"):
        LogTo(3)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflow_is_a_line_away(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow: Any = pytest.importorskip("mlflow", reason="needs MLflow: pip install mlflow-skinny")
    mlflow.set_tracking_uri(tmp_path.as_uri())
    mlflow.set_experiment("test")
    with mlflow.start_run() as run:
        history = fit(LogTo(lambda values, epoch: mlflow.log_metrics(values, step=epoch)), epochs=3)
    found = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [(one.step, one.value) for one in found] == list(zip((1, 2, 3), history["loss"], strict=True))


@pytest.mark.filterwarnings("ignore")  # Weights & Biases' own
def test_weights_and_biases_is_a_line_away(tmp_path: Path) -> None:
    wandb: Any = pytest.importorskip("wandb", reason="needs Weights & Biases: pip install wandb")
    quiet = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off", silent=True)
    with wandb.init(mode="offline", dir=str(tmp_path), project="test", settings=quiet) as run:
        history = fit(LogTo(lambda values, epoch: run.log(values, step=epoch)), epochs=3)
    (written,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    found: list[float] = []
    deadline = time.monotonic() + 60  # its service may write on for a moment
    while len(found) < 3 and time.monotonic() < deadline:
        numbers = re.findall(rb"\x04loss\x82\x01[\x00-\x1f]([0-9.e+-]+)", written.read_bytes())
        found = list(dict.fromkeys(map(float, numbers)))  # each is there as history, and as the latest
    assert found == history["loss"]
