"""What layers over windows share, on a layer of one's own."""

from typing import Any

import numpy as np
import pytest

from lamina.backends.generic.windows import Windows
from lamina.core.arguments import one_of
from lamina.errors import ShapeError, UnknownNameError
from lamina.kinds.window import WindowLayer


class Slide(WindowLayer):
    paddings = ("causal", "same", "valid")

    def __init__(self, size: int, stride: int = 1, padding: str = "valid", dilation: int = 1) -> None:
        self.steps, self.stride, self.dilation = size, stride, dilation
        self.padding = one_of(self, "padding", padding, self.paddings)

    @property
    def size(self) -> int:
        return self.steps

    def build(self, shape: Any) -> Any:
        self.require_sequence(shape)
        return self.window_shape(shape, 2)


@pytest.mark.parametrize(
    ("settings", "windows"),
    [
        ((3, 1, "valid"), Windows(3, 5)),
        ((3, 2, "valid"), Windows(3, 3, 2)),
        ((3, 2, "valid", 2), Windows(3, 2, 2, 2)),
        ((3, 1, "same"), Windows(3, 7, before=1)),
        ((4, 1, "same"), Windows(4, 7, before=1)),
        ((3, 2, "same", 2), Windows(3, 4, 2, 2, 2)),
        ((3, 1, "causal"), Windows(3, 7, before=2)),
        ((3, 3, "causal", 2), Windows(3, 3, 3, 2, 4)),
    ],
)
def test_windows_over_seven_steps(settings: Any, windows: Windows) -> None:
    layer = Slide(*settings)
    assert layer.windows(7) == windows
    assert layer.build((None, 7, 1)) == (None, windows.number, 2)
    assert layer.build((None, None, 1)) == (None, None, 2)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 1, 1), (2, 3, 1), (3, 2, 2)])
def test_the_rows_of_a_batch_have_as_many_windows_as_alone(padding: str, size: int, stride: int, dilation: int) -> None:
    layer, lengths = Slide(size, stride, padding, dilation), np.arange(12)
    got = layer.output_lengths(lengths)
    assert got is not None
    assert got.dtype == np.int64
    assert got.tolist() == [layer.windows(length).number for length in range(12)]
    reach = (size - 1) * dilation + 1
    begins = range(0, 12, stride)
    for length in range(12):
        fits = [begin for begin in begins if begin + reach <= length]
        assert got[length] == (len(fits) if padding == "valid" else len([b for b in begins if b < length]))
    assert layer.output_lengths(None) is None


def test_an_unknown_padding_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        Slide(3, padding="smae")
    assert str(caught.value) == "unknown padding of Slide 'smae': did you mean 'same'? Known: causal, same, valid"


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"^Slide: expected at least 5 time steps, got \(batch, 4, 1\)$"):
        Slide(3, dilation=2).build((None, 4, 1))
    with pytest.raises(ShapeError, match=r"^Slide: expected \(batch, time, features\), got \(batch, 4\)$"):
        Slide(3).build((None, 4))
