"""A profile as text and as a table."""

from typing import Any

import pytest

from lamina.errors import UnknownNameError
from lamina.inspect import LayerProfile, Profile

LAYERS = [
    LayerProfile("0", "My<Layer>", "(4, 6, 8)", 1.0, 2.0, 1e6, 0.25, 0.5),
    LayerProfile("1", "Dense", "(4, 2)", 0.5, 0.5, None, None, 0.0),
]
# 3e6 FLOP of both passes in 4 ms are 0.75 GFLOP a second.
FOUND = Profile(LAYERS, 7.5e9, "numpy", "float32")


def test_a_notebook_shows_what_the_text_says(read_page: Any) -> None:
    page = read_page(FOUND._repr_html_())
    assert page.tables == [
        [
            ["layer", "output", "forward ms", "backward ms", "time", "MFLOP", "of peak", "kept MB"],
            ["0 My<Layer>", "(4, 6, 8)", "1.000", "2.000", "75%", "3.00", "25.0%", "0.50"],
            ["1 Dense", "(4, 2)", "0.500", "0.500", "25%", "", "", "0.00"],
            ["total", "", "1.500", "2.500", "", "3.00", "10.0%", "0.50"],
        ]
    ]
    assert page.texts == ["peak: 7.5 GFLOP/s, a large float32 matrix product on numpy"]
    lines = str(FOUND).splitlines()
    assert [line.split() for line in lines if not line.startswith("-")][1:-1] == [
        " ".join(row).split() for row in page.tables[0][1:]
    ]
    assert lines[-1] == page.texts[0]


def test_a_layers_part_is_found_by_its_path() -> None:
    assert FOUND["1"] is LAYERS[1]
    assert (FOUND.forward, FOUND.backward, FOUND.retained) == (1.5, 2.5, 0.5)
    with pytest.raises(UnknownNameError, match="layer"):
        FOUND["2"]
