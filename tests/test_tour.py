"""The notebook that is made of ``examples/tour.py``: its cells run, and show tables, pictures and a bar."""

import base64
import importlib.util
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "docs" / "make_notebook.py"
NEEDED = ("nbformat", "nbclient", "nbconvert", "ipykernel", "ipywidgets", "matplotlib")

spec = importlib.util.spec_from_file_location("make_notebook", SCRIPT)
assert spec is not None and spec.loader is not None
MAKE = importlib.util.module_from_spec(spec)
spec.loader.exec_module(MAKE)


def require_packages() -> None:
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install -e '.[notebook]'")


def made(folder: Path, source: Path | None = None) -> Any:
    """Return a file's notebook as a command has run it."""
    require_packages()
    words = [str(SCRIPT), "--out", str(folder), *(["--source", str(source)] if source else [])]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    import nbformat

    return nbformat.read(next(folder.glob("*.ipynb")), as_version=4)


def outputs(notebook: Any) -> dict[str, list[Any]]:
    """Return what each code cell showed, by its last line."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return {cell.source.splitlines()[-1]: cell.outputs for cell in cells}


def require_drawn(content: bytes) -> None:
    from matplotlib.image import imread

    shown = imread(io.BytesIO(content), format="png")
    assert min(shown.shape[:2]) > 200 and shown[..., :3].std() > 0.02


def images(page: str) -> list[bytes]:
    return [base64.b64decode(text) for text in re.findall(r'src="data:image/png;base64,([^"]+)"', page)]


def test_a_file_is_cut_into_cells() -> None:
    text = (
        '"""# Title\n\nText.\n"""\n\n# %% [markdown]\n# One\n#\n# - two\n\n# %%\na = 1\n\nb = "# %%"\n# %%\n\n# %%\na\n'
    )
    assert MAKE.cells(text) == [
        ("markdown", "# Title\n\nText."),
        ("markdown", "One\n\n- two"),
        ("code", 'a = 1\n\nb = "# %%"'),
        ("code", "a"),
    ]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    folder = tmp_path_factory.mktemp("tour")
    notebook = made(folder)
    return notebook, (folder / "tour.html").read_text()


def test_every_cell_shows_itself_once(tour: Any) -> None:
    found = outputs(tour[0])
    for last, shown in found.items():
        assert len(shown) == (2 if last == ")" else 1), last  # the bar and the lines
        assert not any(one.output_type == "error" or one.get("name") == "stderr" for one in shown), last
    html = {
        last: shown[0].data["text/html"] for last, shown in found.items() if "text/html" in shown[0].get("data", {})
    }
    assert "lstm (numpy)" in html["model.summary()"]
    assert "worst error" in html["lamina.testing.check_layer(LSTM(4), (3, 5, 2))"]
    assert "<th" in html["history"] and len(images(html["history"])) == 1
    assert len(images(html["ratios"])) == 1
    tests = next(page for last, page in html.items() if last.startswith("trainer.evaluate"))
    assert "confusion_matrix" in tests and "speaker 9" in tests
    flow, activations, profile = list(html.values())[-3:]
    assert len(images(flow)) == len(images(activations)) == 1 and "GFLOP/s" in profile
    for page in html.values():
        for content in images(page):
            require_drawn(content)
    (picture,) = found["history.plot()"]
    require_drawn(base64.b64decode(picture.data["image/png"]))


def test_training_shows_tqdms_bar_and_the_lines(tour: Any) -> None:
    bar, lines = outputs(tour[0])[")"]
    assert "application/vnd.jupyter.widget-view+json" in bar.data
    assert [line[:11] for line in lines.text.splitlines()] == [f"epoch {epoch:>2}/12" for epoch in range(1, 13)]
    state = next(iter(tour[0].metadata.widgets.values()))["state"].values()
    (gauge,) = [one["state"] for one in state if one["model_name"] == "FloatProgressModel"]
    assert gauge["bar_style"] == "success" and gauge["value"] == gauge["max"] > 0
    texts = [one["state"]["value"] for one in state if one["model_name"] == "HTMLModel"]
    assert any("epoch\u200712/12" in text for text in texts) and any("accuracy" in text for text in texts)


def test_the_page_is_whole(tour: Any) -> None:
    class Reader(HTMLParser):
        tables = pictures = 0
        headings: tuple[str, ...] = ()

        def handle_starttag(self, tag: str, attributes: Any) -> None:
            self.tables += tag == "table"
            self.pictures += tag == "img"

    reader = Reader()
    reader.feed(tour[1])
    # A table each for the summary, the check, the history and its two arrays' metrics, the evaluation's three,
    # the ratios, the flow, the activations and the profile.
    assert reader.tables == 12
    assert reader.pictures == 5
    for title in ("A tour of Lamina", "The data", "The model", "Training", "How good is it?", "Seeing inside"):
        assert title in tour[1]
    assert "Traceback" not in tour[1]


@pytest.mark.parametrize("setting", ["", "inline", "pyplot", "svg"])
def test_a_plot_shows_once_however_matplotlib_is_set(tmp_path: Path, setting: str) -> None:
    begin = {
        "": "",
        "inline": "get_ipython().run_line_magic('matplotlib', 'inline')",
        "pyplot": "import matplotlib.pyplot as plt\nplt.ion()",
        "svg": "import matplotlib_inline.backend_inline as b\nget_ipython().run_line_magic('matplotlib', 'inline')\n"
        "b.set_matplotlib_formats('svg')",
    }[setting]
    source = tmp_path / "source.py"
    source.write_text(
        '"""A plot."""\n# %%\nimport sys\nimport lamina\n'
        "history = lamina.History({'loss': False})\nhistory.add({'loss': 1.0})\n"
        f"{begin}\n# %%\nhistory.plot()\n# %%\nhistory\n# %%\nfigure = history.plot()\n"
        "# %%\nprint('matplotlib.pyplot' in sys.modules)\n"
    )
    found = outputs(made(tmp_path, source))
    (shown,) = found["history.plot()"]
    assert shown.output_type == "execute_result"
    kinds = {kind for kind in shown.data if kind.startswith("image/")}
    assert kinds == ({"image/svg+xml", "image/png"} if setting == "svg" else {"image/png"})
    require_drawn(base64.b64decode(shown.data["image/png"]))
    (table,) = found["history"]
    assert set(table.data) == {"text/html", "text/plain"}
    assert found["figure = history.plot()"] == []
    (loaded,) = found["print('matplotlib.pyplot' in sys.modules)"]
    assert loaded.text == f"{bool(setting)}\n"  # without it, nothing but the figure itself can show it
