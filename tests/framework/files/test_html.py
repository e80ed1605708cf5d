"""Tables and pictures as HTML."""

import base64
import doctest
import io
import sys
from typing import Any

import pytest

from lamina.files import html
from lamina.files.html import cut, picture, table

STRANGE = ['<b>&amp;"', "</td></table><script>alert('x')</script>", "a & b", "“ü”", "  in two"]


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(html).failed == 0


def test_a_table_holds_every_text_as_it_is(read_page: Any) -> None:
    rows = [STRANGE, STRANGE[::-1]]
    page = table(STRANGE, rows, "lrlrl", caption=STRANGE[0], note=STRANGE[1])
    found = read_page(page)
    assert found.tables == [[STRANGE, *rows]]
    assert found.texts == STRANGE[:2]
    assert "<script" not in page and "<b>" not in page


def test_numbers_stand_at_the_right_and_names_keep_their_indent() -> None:
    page = table(["name", "size"], [["  a", "1"]], "lr")
    assert '<th style="text-align:left;white-space:pre-wrap" scope="row">  a</th>' in page
    assert '<td style="text-align:right">1</td>' in page


def test_nothing_sets_a_colour() -> None:
    page = table(["a"], [["b"]], "l", caption="c", note="d")
    assert not any(word in page for word in ("color", "background", "border", "class=", "<style"))


@pytest.mark.parametrize(("count", "most"), [(0, 4), (4, 4), (5, 4), (6, 5), (1000, 60), (3, 1)])
def test_a_cut_keeps_so_many_from_both_ends(count: int, most: int) -> None:
    places = cut(count, most)
    kept = [place for place in places if place is not None]
    assert len(kept) == min(count, most)
    assert places.count(None) == (count > most)
    if count > most:
        gap = places.index(None)
        assert places[:gap] == list(range(gap)) and places[gap + 1 :] == list(range(count - (most - gap), count))
        assert 0 <= gap - (most - gap) <= 1


def test_a_long_table_says_how_much_it_leaves_out(read_page: Any) -> None:
    rows = [[str(number), "x"] for number in range(2000)]
    page = table(["row", "cell"], rows, "rl", most=5)
    assert read_page(page).tables == [[["row", "cell"], *rows[:3], ["1,995 more"], *rows[-2:]]]
    assert 'colspan="2"' in page


def test_a_picture_is_a_png_in_the_text(read_page: Any) -> None:
    figures = pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    from matplotlib.image import imread

    figure = figures.Figure(figsize=(3, 2), dpi=100)
    (image,) = read_page(picture(lambda: figure, 'a "b" <c>')).images
    assert image["alt"] == 'a "b" <c>'
    start = "data:image/png;base64,"
    assert image["src"].startswith(start)
    content = base64.b64decode(image["src"].removeprefix(start), validate=True)
    assert imread(io.BytesIO(content), format="png").shape[:2] == (200, 300)


def test_without_matplotlib_there_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    from lamina.files.drawing import new_figure

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert picture(lambda: new_figure(1, 1), "nothing") == ""
