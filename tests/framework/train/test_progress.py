import doctest
import gc
import io
import re
import sys
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest
from tqdm import tqdm

import lamina
from lamina.train import loop, progress
from lamina.train.progress import Bar, Lines, Progress, choose_progress, short


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


def test_rates_are_short() -> None:
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
    assert 0.1 < Bar.interval < 1  # a few times a second
    monkeypatch.setattr(Bar, "interval", 1000.0)
    trained(epochs=1, rows=20)
    assert shown == [10]
    shown.clear()
    monkeypatch.setattr(Bar, "interval", 0.0)
    trained(epochs=1, rows=20)
    assert shown == [*range(1, 11), 10]


class Clock:
    """A clock that moves when it is told to; nothing that takes time does so by itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(loop.time, "perf_counter", lambda: self.now)


class Ticking(lamina.Layer):
    """y = w x, which takes its time: in training, and in evaluation."""

    def __init__(self, clock: Clock, seconds: float, evaluation: float = 0.0) -> None:
        self.clock, self.seconds, self.evaluation = clock, seconds, evaluation

    def build(self, shape: Any) -> Any:
        self.w = lamina.Parameter(shape[-1:], "ones")
        return shape

    def forward(self, x: Any) -> Any:
        self.clock.now += self.seconds
        return x * self.w.data, x

    def infer(self, x: Any) -> Any:
        self.clock.now += self.evaluation
        return x * self.w.data

    def backward(self, dy: Any, saved: Any) -> Any:
        self.w.grad += (dy * saved).sum(0)
        return dy * self.w.data


class Listing(Progress):
    """Notes what it is told, and when."""

    def __init__(self, clock: Clock, interval: float) -> None:
        self.clock, self.interval, self.told = clock, interval, []  # type: ignore[var-annotated]

    def begin_epoch(self, epoch: int, steps: int) -> None:
        self.told.append(("begin", epoch, steps))

    def show(self, step: int, values: Any) -> None:
        self.told.append(("show", step, dict(values), self.clock.now))

    def end_epoch(self, epoch: int, values: Any, rate: float) -> None:
        self.told.append(("end", epoch, dict(values), rate))

    def note(self, text: str) -> None:
        self.told.append(("note", text))

    def close(self) -> None:
        self.told.append(("close",))


def listed(
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    interval: float,
    rows: int = 12,
    evaluation: float = 0.0,
    **fit: Any,
) -> tuple[list[Any], lamina.History]:
    """Return what a progress is told of a training run whose steps take so many seconds of our clock."""
    clock = Clock(monkeypatch)
    progress = Listing(clock, interval)
    monkeypatch.setattr("lamina.train.trainer.choose_progress", lambda verbose, epochs: progress)
    x, y = np.random.default_rng(0).normal(size=(rows, 2)), np.arange(rows) % 2
    accumulate = fit.pop("accumulate", 1)
    model = Ticking(clock, seconds, evaluation)
    trainer = lamina.Trainer(model, optimizer="sgd", metrics="accuracy", accumulate=accumulate)
    validation = (x, y) if evaluation else None
    history = trainer.fit(x, y, **{"batch_size": 1, "epochs": 1, "validation_data": validation, **fit})
    return progress.told, history


@pytest.mark.parametrize(
    ("seconds", "interval", "steps"),
    [
        (1.0, 0.5, range(1, 13)),  # slower than it is due: each
        (1.0, 1.0, range(1, 13)),  # as slow: each
        (1.0, 1.5, (2, 4, 6, 8, 10, 12)),
        (1.0, 2.0, (2, 4, 6, 8, 10, 12)),
        (1.0, 2.5, (3, 6, 9, 12)),
        (1.0, 5.0, (5, 10)),
        (1.0, 12.0, (12,)),
        (1.0, 12.5, ()),
        (0.0, 1.0, ()),  # no time passes
        (0.0, 0.0, range(1, 13)),
        (1.0, float("inf"), ()),
    ],
)
def test_a_draw_follows_the_last_one_when_the_interval_has_passed(
    monkeypatch: pytest.MonkeyPatch, seconds: float, interval: float, steps: Any
) -> None:
    told, history = listed(monkeypatch, seconds, interval, epochs=2)
    per_epoch = [*[("show", step) for step in steps], ("show", 12)]  # at the end of an epoch always
    kinds = [one[:2] for one in told]
    assert kinds == [("begin", 1), *per_epoch, ("end", 1), ("begin", 2), *per_epoch, ("end", 2), ("close",)]
    shows = [one for one in told if one[0] == "show"]
    for epoch in (0, 1):
        mine = shows[epoch * len(per_epoch) : (epoch + 1) * len(per_epoch)]
        assert [when for *_, when in mine[:-1]] == [100 + seconds * (12 * epoch + step) for step in steps]
        # The last state is that of the whole epoch, and what is recorded.
        assert mine[-1][2] == {key: history[key][epoch] for key in ("loss", "accuracy")}
    rates = [one[3] for one in told if one[0] == "end"]
    assert rates == ([1.0, 1.0] if seconds else [12e9] * 2)
    assert history["seconds"] == [12 * seconds] * 2


def test_what_is_shown_is_the_mean_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the weights as they were, the mean over the first steps is that of an evaluation of those rows."""
    monkeypatch.setattr(lamina.optimizers.SGD, "step", lambda self: None)
    told, _ = listed(monkeypatch, 1.0, 3.0, shuffle=False)
    x, y = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 2
    shows = [one for one in told if one[0] == "show"]
    assert [step for _, step, *_ in shows] == [3, 6, 9, 12, 12]
    for _, step, values, _ in shows:
        z, labels = x[:step].astype("float32").astype(float), y[:step]
        losses = np.log(np.exp(z).sum(1)) - z[np.arange(step), labels]
        assert values == {
            "loss": pytest.approx(losses.mean(), rel=1e-6),
            "accuracy": pytest.approx((z.argmax(1) == labels).mean()),
        }


class Slow(lamina.metrics.Metric):
    """One that tells a recent figure while batches come, and takes long for the right one."""

    def __init__(self) -> None:
        self.name, self.asked = "slow", []  # type: ignore[var-annotated]

    def reset(self) -> None:
        self.asked.append("reset")

    def update(self, *arguments: Any) -> None:
        pass

    def result(self) -> float:
        self.asked.append("result")
        return 1.0

    def so_far(self) -> float:
        self.asked.append("so far")
        return 0.5


@pytest.mark.parametrize("verbose", [True, False])
@pytest.mark.parametrize("terminal", [True, False])
def test_metrics_are_asked_for_their_results_at_the_end_of_an_epoch_alone(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, verbose: bool
) -> None:
    """And on the way only where a bar shows it."""
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    clock, metric = Clock(monkeypatch), Slow()
    trainer = lamina.Trainer(Ticking(clock, 0.1), optimizer="sgd", metrics=metric)
    trainer.fit(np.ones((8, 2)), np.zeros(8, int), epochs=2, batch_size=1, verbose=verbose)
    on_the_way = ["so far"] * (8 // 3 if terminal and verbose else 0)
    assert metric.asked == ["reset", *on_the_way, "result"] * 2


def test_each_line_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where standard output gathers what is printed, as into a file or another program."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
    lines = Lines(2)
    lines.end_epoch(1, {"loss": 0.5}, 100.0)
    assert raw.getvalue().decode().splitlines() == ["epoch 1/2  loss 0.5000  100 steps/s"]
    lines.note("done")
    assert raw.getvalue().decode().splitlines()[1:] == ["done"]


def test_validation_is_not_shown_step_by_step_and_counts_in_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    told, history = listed(monkeypatch, 1.0, 5.0, epochs=2, evaluation=50.0)
    assert [one[:2] for one in told] == [
        *[("begin", 1), ("show", 5), ("show", 10), ("show", 12), ("end", 1)],
        *[("begin", 2), ("show", 5), ("show", 10), ("show", 12), ("end", 2)],
        ("close",),
    ]
    for epoch, (_, _, values, rate) in enumerate(one for one in told if one[0] == "end"):
        names = ["loss", "accuracy", "val_loss", "val_accuracy"]
        assert values == {name: history[name][epoch] for name in names}
        assert list(values) == names
        assert rate == 1.0
    assert history["seconds"] == [62, 62]
    for one in told:
        if one[0] == "show":
            assert set(one[2]) == {"loss", "accuracy"}


@pytest.mark.parametrize(
    ("rows", "accumulate", "batch", "steps", "shown"),
    [(12, 3, 1, 4, [1, 2, 2, 3, 4, 4, 4]), (10, 4, 1, 3, [1, 1, 2, 2, 3, 3]), (10, 2, 2, 3, [1, 2, 3])],
)
def test_steps_of_several_batches_are_counted_as_steps(
    monkeypatch: pytest.MonkeyPatch, rows: int, accumulate: int, batch: int, steps: int, shown: list[int]
) -> None:
    """A draw is due after two batches: of 12, or 10, or 5."""
    told, _ = listed(monkeypatch, 1.0, 2.0, rows=rows, accumulate=accumulate, batch_size=batch)
    assert told[0] == ("begin", 1, steps)
    assert [step for kind, step, *_ in told[:-1] if kind == "show"] == shown


@pytest.mark.parametrize("interval", [0.1, 0.3, 1000.0])
def test_a_bar_is_drawn_as_often_as_it_is_shown(monkeypatch: pytest.MonkeyPatch, interval: float) -> None:
    """A quarter of a second a step: at every step, at every second one, and at the end alone."""
    terminal, clock = Terminal(), Clock(monkeypatch)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(Bar, "interval", interval)
    model = Ticking(clock, 0.25)
    trainer = lamina.Trainer(model, optimizer="sgd")
    history = trainer.fit(np.ones((8, 2)), np.zeros(8, int), epochs=1, batch_size=1)
    # What stands there: the empty bar, then each step that was due, and the full one once.
    drawn = [re.search(r"(\d+)/8 ", text) for text in terminal.getvalue().split("\r")]
    places = [int(found[1]) for found in drawn if found]
    due = {0.1: [*range(1, 9)], 0.3: [2, 4, 6, 8], 1000.0: [8]}[interval]
    assert list(dict.fromkeys(places)) == [0, *due]
    assert len(places) <= len(due) + 2
    full = [text for text in terminal.getvalue().split("\r") if "8/8" in text]
    assert f"loss {history['loss'][0]:.4f}" in full[-1]


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


class Alone(WeakSet[Any]):
    """What tqdm's bars have in common, and nobody else may touch."""

    def add(self, item: Any) -> None:
        raise AssertionError("under another lock than its own")


def test_a_bar_has_nothing_in_common_with_those_of_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(tqdm, "_instances", Alone())
    trained()
    assert "epoch 2/2" in terminal.getvalue()
