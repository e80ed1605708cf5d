import doctest
import io
import re
import sys

import numpy as np
import pytest

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
