"""A figure shows itself in a notebook; the drawings are proven where they are asked for."""

import copy
import io
import pickle

import pytest

from lamina.files.drawing import new_figure, png


def test_a_figure_gives_a_notebook_its_png_and_so_does_a_copy() -> None:
    pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    from matplotlib.image import imread

    figure = new_figure(4, 3)
    figure.subplots().plot([1, 2])
    content = figure._repr_png_()  # type: ignore[attr-defined]
    assert content == png(figure)
    shown = imread(io.BytesIO(content), format="png")
    assert shown.shape[:2] == (300, 400) and shown[..., :3].std() > 0.02
    for other in (copy.deepcopy(figure), pickle.loads(pickle.dumps(figure))):
        other.clear()  # a copy shows itself, not what it was copied from
        assert imread(io.BytesIO(other._repr_png_()), format="png")[..., :3].std() < 1e-6
