"""What layers over windows share, on a layer of one's own."""

from typing import Any

import numpy as np
import pytest

from lamina.backends.generic.windows import Windows
from lamina.errors import ArgumentError, ShapeError, StreamError, UnknownNameError
from lamina.kinds.window import WindowLayer, find_padding, sides


class Slide(WindowLayer):
    paddings = ("causal", "same", "valid")

    def __init__(
        self, size: int, stride: int = 1, padding: Any = "valid", dilation: int = 1, ceil: bool = False
    ) -> None:
        self.steps, self.stride, self.dilation, self.ceil = size, stride, dilation, ceil
        self.padding = find_padding(self, padding, self.paddings)

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
        ((3, 1, 0), Windows(3, 5)),
        ((3, 2, 1), Windows(3, 4, 2, before=1)),
        ((3, 1, (0, 4), 2), Windows(3, 7, 1, 2)),
        ((2, 1, [5, 0]), Windows(2, 11, before=5)),
        ((4, 2, "valid", 1, True), Windows(4, 3, 2)),
        ((3, 4, "valid", 1, True), Windows(3, 2, 4)),
        ((3, 2, (1, 0), 1, True), Windows(3, 4, 2, before=1)),
        # A third window would begin in the padding past the end.
        ((2, 4, (0, 2), 1, True), Windows(2, 2, 4)),
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


@pytest.mark.parametrize("padding", [0, 2, (0, 3), (4, 1), "valid"])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 1, 1), (2, 3, 1), (3, 2, 2), (1, 4, 1)])
def test_windows_by_number_are_counted_one_by_one(
    padding: Any, ceil: bool, size: int, stride: int, dilation: int
) -> None:
    lengths, reach = np.arange(12), (size - 1) * dilation + 1
    before, after = sides(padding, reach)
    ceil = ceil and max(before, after) < reach  # as pooling demands
    layer = Slide(size, stride, padding, dilation, ceil)
    expected = []
    for steps in range(12):
        begins = range(0, before + steps + after, stride) if steps else range(0)
        whole = [begin for begin in begins if begin + reach <= before + steps + after]
        # The next one is cut, if what is left over is not too little to be a step of the stride.
        over = (before + steps + after - reach) % stride
        rest = len(whole) * stride
        is_cut = ceil and bool(steps) and bool(over) and 0 <= rest < before + steps
        is_cut = is_cut and before + steps + after - reach > -stride
        expected.append(len(whole) + is_cut)
    got = layer.output_lengths(lengths)
    assert got is not None
    assert got.dtype == np.int64
    assert got.tolist() == expected == [layer.windows(steps).number for steps in range(12)]


@pytest.mark.parametrize("padding", [-1, (1, -1), (1,), (1, 2, 3), (True, 1), (1, "same"), []])
def test_a_padding_that_is_no_number_or_pair_is_refused(padding: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^Slide: expected padding to be .*a whole number of 0 or more") as caught:
        Slide(3, padding=padding)
    assert str(caught.value).endswith(f", got {padding!r}")


def test_an_unknown_padding_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        Slide(3, padding="smae")
    assert str(caught.value) == "unknown padding of Slide 'smae': did you mean 'same'? Known: causal, same, valid"


@pytest.mark.parametrize(
    ("padding", "why"),
    [
        (1, "padding=1: an output needs 1 later step"),
        ((0, 2), "padding=(0, 2): an output needs 2 later steps"),
        ((2, 1), "padding=(2, 1): a row has more outputs than steps, by 1"),
        ((1, 0), "padding=(1, 0): a row has no output for 1 of its steps"),
    ],
)
def test_a_padding_by_number_that_cannot_stream_says_why(padding: Any, why: str) -> None:
    with pytest.raises(StreamError) as caught:
        Slide(3, padding=padding).stream_state(1)
    assert str(caught.value) == f"Slide: cannot stream with {why}"
    assert Slide(3, padding=(2, 0)).stream_state(1) == ()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"^Slide: expected at least 5 time steps, got \(batch, 4, 1\)$"):
        Slide(3, dilation=2).build((None, 4, 1))
    with pytest.raises(ShapeError, match=r"^Slide: expected at least 4 time steps, got \(batch, 3, 1\)$"):
        Slide(3, dilation=3, padding=(1, 2)).build((None, 3, 1))
    with pytest.raises(ShapeError, match=r"^Slide: expected \(batch, time, features\), got \(batch, 4\)$"):
        Slide(3).build((None, 4))


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("padding", ["valid", 0, 1, (0, 2), (3, 1), (2, 0)])
def test_the_steps_that_it_asks_for_are_the_fewest_that_will_do(
    padding: Any, stride: int, dilation: int, ceil: bool
) -> None:
    def build(steps: int) -> None:
        slide = Slide(4, stride=stride, dilation=dilation, padding=padding)
        slide.ceil = ceil
        slide.build((None, steps, 1))

    for steps in range(1, 30):
        try:
            build(steps)
        except ShapeError as error:
            least = int(str(error).split("at least ")[1].split()[0])
            assert least > steps
            build(least)
            if least > 1:
                with pytest.raises(ShapeError):
                    build(least - 1)


def test_a_window_that_reaches_over_billions_is_refused_at_once() -> None:
    reach = (2**31 - 2) * (2**31 - 1) + 1
    with pytest.raises(ShapeError, match=f"^Slide: expected at least {reach} time steps, "):
        Slide(2**31 - 1, dilation=2**31 - 1).build((None, 4, 1))
