import doctest
import gc
import io
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

import lamina
from lamina.train import progress
from lamina.train.progress import Bar, Lines, Progress, choose_progress, figure, short


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def trained(verbose: bool = True, epochs: int = 2, rows: int = 5) -> lamina.History:
    x = np.random.default_rng(0).normal(size=(rows, 3, 2))
    y = np.arange(rows) % 2
    trainer = lamina.Trainer(lamina.Sequential(lamina.layers.SimpleRNN(3), lamina.layers.Dense(2)), metrics="accuracy")
    return trainer.fit(x, y, epochs=epochs, batch_size=2, validation_data=(x, y), verbose=verbose)


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(progress).failed == 0


def test_figures_are_short() -> None:
    assert [figure(value) for value in (0, 0.5, 12.34567, 0.00012345, -0.5, 1e6, float("nan"), float("inf"))] == [
        "0.0000", "0.5000", "12.3457", "1.23e-04", "-0.5000", "1.00e+06", "nan", "inf",
    ]  # fmt: skip
    assert [short(rate) for rate in (1234.5, 99.94, 3.14159, 0.01234)] == ["1234", "99.9", "3.14", "0.0123"]


def test_lines_go_to_standard_output_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    history = trained(epochs=10)
    printed, errors = capsys.readouterr()
    assert errors == ""
    lines = printed.splitlines()
    assert len(lines) == 10
    for epoch, line in enumerate(lines, 1):
        figures = {key: f"{history[key][epoch - 1]:.4f}" for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
        wanted = "  ".join(f"{key} {value}" for key, value in figures.items())
        assert re.fullmatch(rf"epoch {epoch:>2}/10  {re.escape(wanted)}  [\d.]+ steps/s", line), line


def test_without_verbose_nothing_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    trained(verbose=False)
    assert terminal.getvalue() == ""
    assert capsys.readouterr().out == ""


def test_a_bar_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    history = trained()
    lines = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    drawn = terminal.getvalue().split("\r")
    for epoch in (1, 2):
        (full,) = [text for text in drawn if text.startswith(f"epoch {epoch}/2: 100%")]
        assert "3/3 [" in full
        assert "step/s" in full
        for key in ("loss", "accuracy"):
            assert f" {key} {history[key][epoch - 1]:.4f}" in full
            assert f"  val_{key} {history[f'val_{key}'][epoch - 1]:.4f}" in lines[epoch - 1]
    # The bar is gone once its line is there.
    assert drawn[-1].strip() == ""
    assert "\n" not in terminal.getvalue()


def test_a_bar_moves_when_it_is_due_and_not_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    shown: list[int] = []
    monkeypatch.setattr(Bar, "show", lambda self, step, values: shown.append(step))
    assert Bar.interval == 0.1
    monkeypatch.setattr(Bar, "interval", 1000.0)
    trained(epochs=1, rows=20)
    assert shown == [10]
    shown.clear()
    monkeypatch.setattr(Bar, "interval", 0.0)
    trained(epochs=1, rows=20)
    assert shown == [*range(1, 11), 10]


def test_a_moving_bar_shows_the_means_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = Bar(9)
    bar.begin_epoch(3, 20)
    bar.show(7, {"loss": 0.25})
    bar.note("so far")
    bar.close()
    text = terminal.getvalue()
    assert "epoch 3/9:  35%" in text
    assert "7/20" in text
    assert "loss 0.2500" in text
    assert capsys.readouterr().out == "so far\n"


def test_notes_follow_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Lines(3).note("stopped")
    Progress().note("not shown")
    assert capsys.readouterr().out == "stopped\n"


def test_what_is_shown_depends_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(choose_progress(True, 1)) is Lines
    assert type(choose_progress(False, 1)) is Progress
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert type(choose_progress(True, 1)) is Bar
    monkeypatch.setattr(sys, "stderr", None)
    assert type(choose_progress(True, 1)) is Lines


def test_importing_the_trainer_does_not_import_tqdm_or_matplotlib() -> None:
    import subprocess

    code = "import sys, lamina; lamina.Trainer; print([name for name in ('tqdm', 'matplotlib') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class Bare:
    """What stands for a stream in some programs: it can be written to, and no more."""

    def write(self, text: str) -> int:
        return len(text)


class Failing(io.StringIO):
    """A terminal that is gone, a disk that is full, or a bug."""

    def __init__(self, error: Exception, after: int = 0) -> None:
        super().__init__()
        self.error, self.left = error, after

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().write(text)

    def flush(self) -> None:
        if self.left < 0:
            raise self.error


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "closed": closed,
    "bare": Bare,
    "full": lambda: Failing(OSError(28, "No space left on device")),
    "full later": lambda: Failing(OSError(28, "No space left on device"), 7),
    "broken pipe": lambda: Failing(BrokenPipeError(32, "Broken pipe")),
    "terminal gone": lambda: Failing(OSError(5, "Input/output error"), 3),
    "ascii": lambda: io.TextIOWrapper(io.BytesIO(), "ascii"),
    "fine": Terminal,
}


@pytest.mark.parametrize("out", STREAMS)
@pytest.mark.parametrize("err", STREAMS)
def test_training_goes_on_whatever_cannot_be_shown(monkeypatch: pytest.MonkeyPatch, out: str, err: str) -> None:
    class Speaking(lamina.callbacks.Callback):
        def on_epoch_end(self, trainer: lamina.Trainer, epoch: int, values: dict[str, float]) -> None:
            trainer.note("\u044d\u043f\u043e\u0445\u0430")

    x, y = np.random.default_rng(0).normal(size=(6, 2)), np.arange(6) % 2
    quiet = lamina.Trainer(lamina.layers.Dense(2), optimizer="sgd").fit(x, y, epochs=3, batch_size=2, verbose=False)
    trainer = lamina.Trainer(lamina.layers.Dense(2), optimizer="sgd", callbacks=Speaking())
    monkeypatch.setattr(Bar, "interval", 0.0)
    monkeypatch.setattr(sys, "stdout", STREAMS[out]())
    monkeypatch.setattr(sys, "stderr", STREAMS[err]())
    history = trainer.fit(x, y, epochs=3, batch_size=2)
    monkeypatch.undo()
    assert history["loss"] == quiet["loss"]


def test_a_bar_that_failed_comes_back_with_the_next_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Failing(OSError(28, "No space left on device"), 1))
    bar = Bar(2)
    bar.begin_epoch(1, 4)
    bar.show(2, {"loss": 0.5})
    assert bar._bar is None
    bar.show(3, {"loss": 0.5})
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar.begin_epoch(2, 4)
    bar.show(4, {"loss": 0.25})
    bar.close()
    assert "4/4" in terminal.getvalue()


def test_a_lock_of_tqdms_that_stays_held_stops_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a Ctrl-C, or a fork, in the middle of another bar leaves it."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    done = threading.Event()

    def run() -> None:
        bar = Bar(2)
        bar.begin_epoch(1, 3)
        bar.show(1, {"loss": 1.0})
        bar.close()
        left = Bar(1)
        left.begin_epoch(1, 3)
        del left, bar
        gc.collect()
        done.set()

    with tqdm.get_lock():
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert done.wait(20)
