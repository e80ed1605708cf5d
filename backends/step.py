"""What a backend makes of a program: a step that is run again and again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lamina.backends.arrays import Array
from lamina.backends.program import Given

__all__ = ["Step"]


class Step(ABC):
    """A planned training step. It owns its memory: what `loss` and `outputs` give is overwritten by the next run.

    Attributes
    ----------
    loss : (losses,) array
        Each loss of the latest run, before the update.
    terms : (losses,) array
        Over how many terms, or weights, each is a mean.
    first : int
        How many of the first rows the next run takes, where it was set to take these; -1 where others.
    """

    loss: Array
    terms: Array
    first: int = -1

    @abstractmethod
    def give(self, given: Given) -> None:
        """Take the arrays that `run` reads from now on; they are kept, and must stay as they are."""

    @abstractmethod
    def run(
        self, rows: Array | None, count: int, *, clear: bool = True, update: bool = True, check: bool = False
    ) -> bool:
        """Compute the loss and the gradients of some rows of what was given, and update the weights.

        Parameters
        ----------
        rows : (count,) int64 array or None
            Which rows; the first ones if not given.
        count : int
            How many; at most the program's.
        clear : bool
            Whether the gradients are set to 0 first; else they are added to.
        update : bool
            Whether the weights are updated; else the gradients are all that changes.
        check : bool
            Whether whole numbers are looked at first. Without it they must be within their bounds.

        Returns
        -------
        bool
            False where one is not, and nothing was computed.
        """

    def again(self, count: int) -> bool:
        """Do what ``run(None, count, check=True)`` does, in as little Python as can be."""
        return self.run(None, count, check=True)

    def replay(self) -> Callable[[], bool]:
        """Return what does ``again(first)``, as long as `first` stays, in less Python still."""
        return partial(self.again, self.first)

    def weigh(self, factors: Sequence[float]) -> None:
        """Let the gradient of each loss be multiplied by a factor in the next runs; 1 at first."""
        raise NotImplementedError

    def update(self) -> None:
        """Update the weights by the gradients that the latest run, without an update, has left."""
        raise NotImplementedError

    @abstractmethod
    def set(self, update: int, values: Mapping[str, Any]) -> None:
        """Set some of what an update takes by keyword; the rest stays as it was set, and is 0 at first."""

    def table(self, index: int) -> Sequence[tuple[Array, Array]]:
        """Return gradients of a table of the latest run: ids (n,), none of which repeats, and rows (n, units), copies.

        There may be several such pairs, to be added up.
        """
        raise NotImplementedError

    def draw(self, index: int, rows: Array, call: Array) -> None:
        """Set what the keys of random numbers are made of: the numbers of the rows (rows, 1), and of the call (1,).

        Both are little-endian uint64; see `Backend.row_keys`.
        """
        raise NotImplementedError

    def begin(self) -> None:
        """Begin with new sequences: states that are the step's own are 0."""
        raise NotImplementedError

    def states(self, rows: Array) -> list[Array]:
        """Return copies of the step's own states, of the rows that the next run takes: (rows, features) each.

        To be called after `take_steps`.
        """
        raise NotImplementedError

    def carried(self) -> tuple[Array, ...]:
        """Return copies of the states with which the sequences that were begun go on."""
        raise NotImplementedError

    def carry(self, states: Sequence[Array]) -> None:
        """Go on with sequences that had these states, as `carried` of a plan with as many threads gave them."""
        raise NotImplementedError

    def take_steps(self, start: int, count: int) -> None:
        """Let the next runs take so many of the steps of what is given, at most the program's, from a step on."""
        raise NotImplementedError

    @abstractmethod
    def infer(self, count: int) -> None:
        """Compute the outputs, and the states after, of the first rows of what was given: of a program without loss."""

    @abstractmethod
    def output(self, index: int, computed: bool = False) -> Array:
        """Return a copy of an output of the latest run, its rows in the order given: (rows, [time,] features).

        After `infer` they are ``computed``.
        """
