"""The examples print what they promise, and draw it."""

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run an example as a command, in an empty folder, and return its lines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAMINA_BACKEND", raising=False)

    def call(name, *words):
        pytest.importorskip("matplotlib.figure", exc_type=ImportError)
        monkeypatch.setattr(sys, "argv", [name, *(str(word) for word in words)])
        monkeypatch.syspath_prepend(EXAMPLES)  # as where a file is run
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return call


def require_picture(path):
    """Require a whole PNG on which something is drawn."""
    from matplotlib.image import imread

    picture = imread(path, format="png")
    assert min(picture.shape[:2]) > 500
    assert picture.shape[2] in (3, 4) and picture[..., :3].std() > 0.02


def test_notebook_prints_the_numbers_it_grew_from(capsys):
    runpy.run_path(str(EXAMPLES / "notebook.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "h_T = [[0.79494228 0.81839002 0.83939649 0.85584174]]",
        "loss at the start 0.6932, at the end 0.6931",
    ]


def test_sunspots_are_forecast_better_than_by_the_naive_forecast(run):
    lines = run("sunspots.py", "--seeds", 1)
    errors = {words[0]: [float(word) for word in words[1:]] for words in map(str.split, lines) if len(words) == 13}
    assert list(errors) == ["naive", "AR(9)", "network"]
    assert [errors[name][-1] for name in ("naive", "AR(9)")] == [26.28, 18.99]
    assert errors["network"][-1] < 0.85 * errors["naive"][-1]
    assert re.fullmatch(r"the network's error is \d\d% below the naive forecast's", lines[-2])
    assert lines[-1] == "wrote sunspots.png"
    require_picture("sunspots.png")


def test_the_naive_forecast_is_the_value_of_eleven_years_before(run):
    # In another order of the loops, straight from the definition.
    import lamina

    lines = run("sunspots.py", "--seeds", 1, "--epochs", 1)
    printed = next(line.split() for line in lines if line.startswith("naive"))
    series = lamina.datasets.sunspots("float64")
    value = dict(zip(series.years.tolist(), series.values.tolist(), strict=True))
    for ahead in range(1, 12):
        errors = [abs(value[year] - value[year - 11]) for year in range(1959 + ahead, 2009)]
        assert float(printed[ahead]) == pytest.approx(sum(errors) / len(errors), abs=0.051)


def test_sunspots_are_forecast_with_bands_that_hold(run):
    lines = run("forecast_sunspots.py", "--seeds", 1, "--epochs", 10)
    rows = [re.fullmatch(r"(\w+) +(\d+\.\d) +(\d+)% +(\d+)( +\d+\.\d)?", line) for line in lines]
    found = {row[1]: [float(number) for number in row.groups()[1:4]] for row in rows if row}
    assert found["naive"] == [26.3, 62, 64]
    for name in set(found) - {"naive"}:  # PyTorch's is there where it is installed
        error, held, _ = found[name]
        assert error < 26.3 and 65 < held < 95, name
    assert "Lamina" in found
    moved = re.fullmatch(r"other padding, and more of it, moves outputs and gradients by (\S+) at most", lines[-2])
    assert moved and float(moved[1]) < 1e-5
    assert lines[-1] == "wrote forecast_sunspots.png"
    require_picture("forecast_sunspots.png")


def test_the_forecaster_has_at_most_twelve_lines():
    text = (EXAMPLES / "forecast_sunspots.py").read_text().split("class Forecaster")[1].split("\n\n\n")[0]
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 12


def test_the_adding_problem(run):
    lines = run("adding_problem.py", "--steps", 30)
    assert lines[0].endswith("always answering 1 has an error of 0.167")
    for name, line in zip(("SimpleRNN", "LSTM"), lines[1:3], strict=True):
        found = re.fullmatch(rf"{name} +test error (\d\.\d{{4}}) after 30 steps, \d+ s", line)
        assert found and float(found[1]) < 1  # it was 1.2 before the first step
    assert lines[3:] == ["wrote adding_problem.png"]
    require_picture("adding_problem.png")


def test_a_cell_with_peepholes_measures_time(run):
    lines = run("peepholes.py", "--steps", 60, "--seeds", 1)
    assert lines[0] == "the cell as a layer: 25 checks passed"
    for name, line in zip(("LSTM", "peepholes"), lines[1:], strict=True):
        found = re.fullmatch(rf"{name} +wrong by (\d\.\d\d) steps \((\d\.\d\d)\), \d+ s", line)
        assert found and float(found[1]) < 5.24  # always answering 20, the middle, is wrong by 110 / 21


def test_the_peepholes_are_those_of_the_paper():
    # Gers & Schmidhuber (2000): i and f see the memory before the step, o the one after it.
    import numpy as np

    cell = runpy.run_path(str(EXAMPLES / "peepholes.py"))["PeepholeCell"](2)
    cell.build((None, 3), (None, 2), (None, 2), dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    for one in cell.parameters():
        one.data = rng.standard_normal(one.shape)
    x, h, c = rng.standard_normal((1, 3)), rng.standard_normal((1, 2)), rng.standard_normal((1, 2))
    i, f, g, o = np.split(x @ cell.w_x.numpy() + h @ cell.w_h.numpy() + cell.b.numpy(), 4, axis=1)
    p_i, p_f, p_o = cell.p.numpy()
    after = c / (1 + np.exp(-f - p_f * c)) + np.tanh(g) / (1 + np.exp(-i - p_i * c))
    np.testing.assert_allclose(cell(x, h, c), [np.tanh(after) / (1 + np.exp(-o - p_o * after)), after], rtol=1e-12)


def test_the_adding_problem_over_many_steps(run):
    lines = run("long_memory.py", "--steps", 120, "--length", 60)
    assert lines[0] == "60 steps a row; always answering 1 has an error of 0.167"
    errors = {}
    for name, line in zip(("LSTM", "SLSTM", "MinGRU", "MinLSTM", "LRU", "IndRNN"), lines[1:7], strict=True):
        found = re.fullmatch(rf"{name} +test error (\d\.\d{{4}}) after 120 steps, \d+ s", line)
        assert found
        errors[name] = float(found[1])
    assert all(error < 0.3 for error in errors.values())
    assert errors["SLSTM"] < 0.1  # it has begun to add
    assert lines[7:] == ["wrote long_memory.png"]
    require_picture("long_memory.png")


def test_speakers(run):
    lines = run("speakers.py", "--seeds", 1, "--epochs", 6)
    assert lines[0].startswith("<Dataset japanese-vowels")
    found = re.fullmatch(r"seed 0: test accuracy \d+\.\d% \((\d+) of 370\), \d+\.\d s", lines[1])
    assert found and int(found[1]) > 300
    assert re.fullmatch(r"mean test accuracy \d+\.\d%", lines[2])
    assert lines[3:] == ["wrote speakers.png"]
    require_picture("speakers.png")


def test_a_language_model_foresees_text_and_writes_some(run, tmp_path):
    out = tmp_path / "made" / "on the way"
    lines = run("language_model.py", "--epochs", 2, "--units", 32, "--characters", 30_000, "--out", out)
    assert lines[0].startswith("27,000 characters to train on, 3,000 held out, ")
    found = next(re.search(r"(\d\.\d{3}) bits per character", line) for line in lines if "bits" in line)
    assert float(found[1]) < 6  # evenly spread over the alphabet, it is more
    samples = "\n".join(lines).split("--- sample ")[1:]
    assert [sample[:7].split("\n")[1][:3] for sample in samples] == ["The", "If ", "cla"]
    assert all(len(sample) > 300 for sample in samples)
    assert lines[-1] == f"wrote {out / 'language_model.png'}"
    require_picture(out / "language_model.png")


def test_made_waves_come_near_the_real_ones(run):
    lines = run("gan.py", "--steps", 500)
    distances = [float(line.split(" are ")[1].split()[0]) for line in lines if line.startswith("step")]
    assert len(distances) == 2
    assert distances[1] < 0.6 * distances[0]
    assert lines[-1] == "wrote gan.png"
    require_picture("gan.png")


def test_a_sweep_finds_the_best_setting_in_two_processes(run):
    pytest.importorskip("joblib", reason="needs joblib: pip install -e '.[sklearn]'")
    lines = run("sweep.py", "--epochs", 2)
    shares = [
        re.fullmatch(r"(\w+) +(\d+) units, rate +(\S+): (\d+\.\d)% of what was held out", line) for line in lines[:-1]
    ]
    assert len({share.groups()[:3] for share in shares}) == 12
    found = [float(share[4]) for share in shares]
    assert found == sorted(found, reverse=True) and found[0] > 70  # nine speakers
    assert float(re.fullmatch(r"test accuracy of the best: (\d+\.\d)%", lines[-1])[1]) > 70
    assert run("sweep.py", "--epochs", 2, "--workers", 1) == lines
