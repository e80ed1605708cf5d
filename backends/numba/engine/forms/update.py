"""What compiled forms of updates share: the record, and how settings stand in it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lamina.backends.arrays import Array
from lamina.backends.numba.engine.forms.form import fields
from lamina.backends.numba.engine.memory import array_at, array_or, compiled, exactly, inside, record_at
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Update

__all__ = ["SETTINGS", "UpdateForm", "arrays_of", "decayed", "settings_of", "update_at"]

#: How many numbers an update has room for.
SETTINGS = 12

#: ``settings`` is the address of the float64 that are set before a run; the states' are 0 where there is none.
UPDATE = fields("size parameter gradient first second third settings")
update_at = record_at(UPDATE)


class UpdateForm:
    """An update kernel over one stretch of weights.

    Attributes
    ----------
    name : str
        Of the compiled function, without the dtype.
    needs, takes : str
        What it takes by keyword: what has to be given, and what is 0 if it is not; in the order that the function
        reads. ``name:2`` takes two places.
    settings : (12,) float64 array
    places : dict of str to int or slice
        Where each of them stands.
    """

    name: ClassVar[str] = ""
    needs: ClassVar[str] = "lr"
    takes: ClassVar[str] = ""

    def __init__(self, update: Update, room: Room) -> None:
        self.settings = room.take(SETTINGS, np.float64)
        self.places = self.layout()
        self.room = room
        self.record = self.make_record(update)

    def make_record(self, update: Update) -> Array:
        """Return the record of the update's arrays."""
        parameter, gradient, *states = update.arrays
        places = [0 if state is None else address_of_array(state) for state in states]
        return self.room.record(
            UPDATE,
            size=parameter.size,  # type: ignore[union-attr]
            parameter=address_of_array(parameter),
            gradient=address_of_array(gradient),
            settings=address_of_array(self.settings),
            **dict(zip(("first", "second", "third"), places, strict=False)),
        )

    @classmethod
    def layout(cls) -> dict[str, Any]:
        """Return where each setting stands."""
        places: dict[str, Any] = {}
        place = 0
        for one in f"{cls.needs} {cls.takes}".split():
            name, _, count = one.partition(":")
            places[name] = slice(place, place + int(count)) if count else place
            place += int(count or 1)
        return places

    @classmethod
    def refuses(cls, update: Update, dtype: str) -> str:
        """Return why an update has no compiled form; empty where it has one."""
        needs = {one.partition(":")[0] for one in cls.needs.split()}
        for name in update.settings:
            if name not in cls.layout():
                return f"with {name}"
        for name in needs:
            if name not in update.settings:
                return f"without {name}"
        first = update.arrays[0]
        for array in update.arrays:
            if array is None:
                continue
            if array.dtype != np.dtype(dtype) or not array.flags.c_contiguous:
                return "over arrays that do not lie as one"
            if cls.alike and array.size != first.size:  # type: ignore[union-attr]
                return "over arrays of unlike sizes"
        return ""

    #: Whether all arrays have the same size.
    alike: ClassVar[bool] = True

    def tasks(self) -> list[Task]:
        """Return the one task."""
        module = type(self).__module__.removeprefix("lamina.backends.numba.engine.")
        return [Task(module, f"{self.name}_{self.room.dtype}", self.record)]


@compiled
def settings_of(p: Any) -> Any:
    """Return the settings of an update's record."""
    return array_at(p.settings, SETTINGS, np.float64)


@compiled
def arrays_of(p: Any, dtype: Any) -> Any:
    """Return parameter, gradient and the three states; one that is not there may be neither read nor written."""
    return (
        array_at(p.parameter, p.size, dtype),
        array_at(p.gradient, p.size, dtype),
        array_or(p.first, p.parameter, p.size, dtype),
        array_or(p.second, p.parameter, p.size, dtype),
        array_or(p.third, p.parameter, p.size, dtype),
    )


@exactly
def decayed(gradient: Any, weight: Any, decay: Any) -> Any:
    """Return a gradient with so much of its weight; as it is where that is 0, as the weight may be infinite."""
    inside()
    return gradient + decay * weight if decay != 0 else gradient
