"""The bar in a notebook: with a stand-in for the widgets, and with tqdm's where they are installed."""

import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.train import progress
from lamina.train.progress import Bar, Lines, NotebookBar, Progress, choose_progress


class Widget:
    """Stands for tqdm's bar, and keeps what it is told."""

    def __init__(self, **options: Any) -> None:
        self.told: list[Any] = [("made", options["desc"], options["total"], options["leave"])]
        self.n = 0

    def set_description_str(self, text: str, refresh: bool = True) -> None:
        self.told.append(text)

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        self.told.append(text)

    def update(self, steps: int) -> None:
        self.n += steps
        self.told.append(self.n)

    def reset(self, total: Any = None) -> None:
        self.n = 0
        self.told.append(("reset", total))

    def close(self) -> None:
        self.told.append("closed")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Widget]:
    """Run as in a notebook's kernel; return the bars that are made."""
    found: list[Widget] = []

    def make(**options: Any) -> Widget:
        found.append(Widget(**options))
        return found[-1]

    kernel = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel))  # type: ignore[arg-type]
    monkeypatch.setattr(progress, "_has_widgets", lambda: True)
    monkeypatch.setattr(NotebookBar, "maker", lambda self: make)
    return found


def fit(**options: Any) -> lamina.History:
    x, y = np.random.default_rng(0).normal(size=(5, 2)), np.arange(5) % 2
    trainer = lamina.Trainer(lamina.layers.Dense(2), **options)
    return trainer.fit(x, y, epochs=2, batch_size=2)


def test_one_bar_runs_through_all_epochs_and_stays(made: list[Widget], capsys: pytest.CaptureFixture[str]) -> None:
    history = fit()
    (bar,) = made
    losses = [f"loss {value:.4f}" for value in history["loss"]]
    assert bar.told == [
        *(("made", "epoch 1/2", 3, True), losses[0], 3),
        *("epoch 2/2", "", ("reset", 3), losses[1], 3, "closed"),
    ]
    out, error = capsys.readouterr()
    assert [line.partition("  ")[2].rpartition("  ")[0] for line in out.splitlines()] == losses
    assert error == ""


def test_a_note_leaves_the_bar_and_an_error_closes_it(made: list[Widget], capsys: pytest.CaptureFixture[str]) -> None:
    class Failing(lamina.callbacks.Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, values: Any) -> None:
            trainer.note("noted")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fit(callbacks=Failing())
    assert [line.partition("  ")[0] for line in capsys.readouterr().out.splitlines()] == ["epoch 1/2", "noted"]
    assert made[0].told.count("closed") == 1 and made[0].told[-1] == "closed"


def test_a_bar_that_fails_costs_no_training(
    made: list[Widget], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise OSError("gone")

    for name in ("update", "reset", "__init__"):
        with monkeypatch.context() as patch:
            patch.setattr(Widget, name, fail)
            assert len(fit()) == 2
        assert len(capsys.readouterr().out.splitlines()) == 2


def test_where_a_notebooks_bar_is_chosen(made: list[Widget], monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(choose_progress(True, 1)) is NotebookBar
    assert type(choose_progress(False, 1)) is Progress
    monkeypatch.setattr(progress, "_has_widgets", lambda: False)  # a broken bar, were it shown
    assert type(choose_progress(True, 1)) is Lines
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True))
    terminal = SimpleNamespace(config={"TerminalIPythonApp": {}})
    for stand_in in (
        SimpleNamespace(get_ipython=lambda: terminal),
        SimpleNamespace(get_ipython=lambda: None),  # imported, not running
        SimpleNamespace(),
    ):
        monkeypatch.setitem(sys.modules, "IPython", stand_in)  # type: ignore[arg-type]
        assert type(choose_progress(True, 1)) is Bar


def test_widgets_are_looked_for_where_tqdm_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.notebook", SimpleNamespace(IProgress=None))  # type: ignore[arg-type]
    assert not progress._has_widgets()
    monkeypatch.setitem(sys.modules, "tqdm.notebook", SimpleNamespace(IProgress=object))  # type: ignore[arg-type]
    assert progress._has_widgets()
    monkeypatch.setitem(sys.modules, "tqdm.notebook", None)  # type: ignore[arg-type]
    assert not progress._has_widgets()


def test_without_widgets_nothing_is_said_and_nothing_raised() -> None:
    code = (
        "import sys\nsys.modules['ipywidgets'] = sys.modules['IPython'] = None\n"
        "from lamina.train.progress import _has_widgets\nprint(_has_widgets())"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_it_is_tqdms_bar_with_a_lock_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed: pip install -e '.[notebook]'")
    from tqdm import notebook

    before = threading.active_count()
    shown = NotebookBar(2)
    shown.begin_epoch(1, 4)
    bar = shown._bar
    assert isinstance(bar, notebook.tqdm)
    assert bar._lock is not getattr(notebook.tqdm, "_lock", None)
    title, gauge, text = bar.container.children
    shown.show(3, {"loss": 0.25})
    assert (gauge.value, gauge.max) == (3, 4)
    assert "epoch\u20071/2" in title.value and "loss\u20070.2500" in text.value
    shown.show(4, {"loss": 0.5})
    shown.end_epoch(1, {"loss": 0.5}, 10.0)
    shown.begin_epoch(2, 4)
    assert shown._bar is bar and gauge.value == 0 and "epoch\u20072/2" in title.value
    shown.show(4, {"loss": 0.125})
    shown.close()
    assert gauge.bar_style == "success" and gauge.value == 4 and "loss\u20070.1250" in text.value
    assert threading.active_count() == before
    shown.begin_epoch(1, 4)
    gauge = shown._bar.container.children[1]
    shown.close()
    assert gauge.bar_style == "danger"  # cut short
    assert "epoch 1/2  loss 0.5000  10 steps/s\n" in capsys.readouterr().out
