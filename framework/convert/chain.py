"""A chain of layers that is being made from another framework's, with what its axes mean there.

Lamina's arrays are (batch, time, features). PyTorch's convolutions have the features before the time, and its
recurrent layers the time before the batch unless they are told otherwise. So a layer is chosen by what an axis means,
and axes are exchanged only where another framework's layer looks at what means something else.
"""

from __future__ import annotations

from collections.abc import Sequence

from lamina.backends import get_backend
from lamina.compose.sequential import Sequential
from lamina.convert.unit import Framework, Unit, units_of
from lamina.core.bounds import Budget
from lamina.core.build import build_without_draws, find_dtype, name_parameters, place
from lamina.core.layer import Layer
from lamina.core.record import Binding
from lamina.errors import ConversionError
from lamina.layers.permute import Permute

__all__ = ["Chain", "build"]

# Which axes mean the batch, the time and the features there: not known yet but for the features, which come last;
# (batch, time, features); (time, batch, features); (batch, features, time).
LAST, PLAIN, TIME, CHANNELS = "last", "plain", "time", "channels"


class Chain:
    """Layers one after another, and what is known of the array behind them.

    Attributes
    ----------
    layers : list of Layer
    places : list of str
        Where each layer that holds arrays got them, in the order of `units_of`; with a number behind a colon where
        several are of one module.
    rank : int or None
        How many axes the array behind has.
    order : str
        What these mean in the other framework.
    features : int or None
        The size of the first input's last axis; ids have none.
    """

    def __init__(self, rank: int | None = None) -> None:
        self.layers: list[Layer] = []
        self.places: list[tuple[str, int | None]] = []
        self.rank = self.first_rank = rank
        self.order: str | None = None
        self.features: int | None = None
        self.integers = False
        self.begun = False
        self.assumed = False  # that the first array has two axes, as most that a dense layer takes

    def add(self, layers: Layer | Sequence[Layer], places: Sequence[tuple[str, int | None]] = ()) -> None:
        """Add layers, and where those with arrays got them."""
        self.layers += [layers] if isinstance(layers, Layer) else layers
        self.places += places

    def begin(self, rank: int, features: int | None = None, integers: bool = False) -> None:
        """Take note of what a layer takes: as the first one it tells the input's rank and last axis."""
        if self.begun:
            return
        self.begun = True
        self.features, self.integers = features, integers
        if self.first_rank is None:
            self.first_rank = self.rank = rank
            self.assumed = rank == 2 and not integers

    def become(self, rank: int, order: str | None = LAST) -> None:
        """Take note of a layer that gives another number of axes."""
        self.rank, self.order, self.assumed = rank, order, False

    def steps(self) -> None:
        """Require three axes."""
        if self.assumed or (self.rank is None and not self.begun):
            self.rank = self.first_rank = 3
            self.assumed = False
        if self.rank != 3:
            raise ConversionError(f"takes three axes, and is given {self.rank}")

    def steps_first(self, batch_first: bool) -> None:
        """Require (batch, time, features), or with the time first."""
        wanted = PLAIN if batch_first else TIME
        self.steps()
        self.last()
        self.order = wanted if self.order in (None, LAST) else self.order
        if self.order != wanted:
            raise ConversionError("one layer has the batch first and another one the time")

    def last(self) -> None:
        """Require the features last, as in Lamina."""
        if self.order == CHANNELS and self.rank == 3:
            self._exchange()
        self.order = self.order or LAST

    def channels(self) -> None:
        """Require the features behind the batch."""
        self.steps()
        if self.order is None:
            self.order = CHANNELS
        elif self.order == TIME:
            raise ConversionError("a convolution's features behind the time: the batch is not first")
        elif self.order != CHANNELS:
            self._exchange()

    def _exchange(self) -> None:
        self.add(Permute((2, 1)))
        self.order = PLAIN if self.order == CHANNELS else CHANNELS

    def axis(self, axis: int) -> str:
        """Return what an axis means: ``"batch"``, ``"time"`` or ``"features"``."""
        rank = self.rank or 2
        if not -rank <= axis < rank:
            raise ConversionError(f"axis {axis} of {rank}")
        if rank == 2:
            return ("batch", "features")[axis]
        if self.order in (None, LAST) and axis not in (2, -1):
            self.order = PLAIN  # as is usual
        meanings = {CHANNELS: ("batch", "features", "time"), TIME: ("time", "batch", "features")}
        return meanings.get(self.order or "", ("batch", "time", "features"))[axis]

    def swap(self, first: int, second: int) -> None:
        """Exchange two axes of the other framework's array, where the same array of Lamina's has another meaning."""
        self.steps()
        swapped = {self.axis(first), self.axis(second)}
        if self.rank == 3 and swapped == {"time", "features"} and self.order in (PLAIN, CHANNELS):
            self.order = PLAIN if self.order == CHANNELS else CHANNELS
        elif self.rank == 3 and swapped == {"time", "batch"} and self.order in (PLAIN, TIME):
            self.order = PLAIN if self.order == TIME else TIME
        elif len(swapped) == 2:
            raise ConversionError(f"exchanges the axes {first} and {second}")


def build(
    chain: Chain, shape: Sequence[int | None] | None, dtype: str | None, framework: Framework, weights: int
) -> tuple[Sequential, list[Unit]]:
    """Return the model of a chain, built, its weights all 0, and its units; there must be as many weights for them."""
    if not chain.layers:
        raise ConversionError("expected a layer, got none")
    if shape is None:
        rank = chain.first_rank or 2
        shape = (None,) * rank if chain.integers else (*(None,) * (rank - 1), chain.features)
        if not chain.integers and chain.features is None:
            raise ConversionError("no layer tells how many features it takes: give shape=(None, ..., features)")
    model = Sequential(*chain.layers)

    def fill() -> None:
        fresh = name_parameters(model)
        wanted = sum(parameter.size for parameter in fresh)
        if wanted > weights:  # of a file anyone's, that asks for more than it brings
            raise ConversionError(f"expected {wanted} weights of {len(fresh)} arrays, got {weights}")
        place(fresh, binding)

    binding = Binding(get_backend(None), find_dtype(dtype))
    build_without_draws(model, lambda: model.build(tuple(shape)), binding, Budget(), fill)
    units = units_of(model, framework)
    if len(units) != len(chain.places):
        raise ConversionError(f"expected {len(chain.places)} layers with arrays, got {len(units)}")
    return model, units
