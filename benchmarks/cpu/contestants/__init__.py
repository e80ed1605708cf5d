"""Who takes part, in which sections; each one's file has a function ``start``, and one for each section's work."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CONTESTANTS", "Contestant", "find"]


@dataclass(frozen=True)
class Contestant:
    """One that takes part.

    Attributes
    ----------
    name : str
    module : str
        The file's name.
    sections : tuple of str
    rival : bool
        Whether it counts where the fastest rival is looked for.
    chooses_threads : bool
        Whether it chooses itself how many of the threads it may use its products take.
    on_demand : bool
        Whether it takes part where it is asked for alone.
    options : dict
        Of the file's function ``start``.
    """

    name: str
    module: str
    sections: tuple[str, ...]
    rival: bool = True
    chooses_threads: bool = False
    on_demand: bool = False
    options: dict[str, str] = field(default_factory=dict)


_STEPS = ("training", "ragged", "language", "attending")
_EPOCHS = ("vowels", "characters")

CONTESTANTS = (
    Contestant("lamina", "ours", (*_STEPS, "inference", *_EPOCHS, "loop"), rival=False, chooses_threads=True),
    Contestant("lamina engine", "engine", (*_STEPS, "inference", *_EPOCHS, "loop"), rival=False, chooses_threads=True),
    Contestant(
        "lamina numba",
        "ours",
        (*_STEPS, "inference", *_EPOCHS),
        rival=False,
        chooses_threads=True,
        options={"backend": "numba"},
    ),
    Contestant("trainer", "trainer", ("loop",), rival=False, chooses_threads=True),
    Contestant("by hand", "by_hand", ("training",), rival=False),
    Contestant("pytorch", "pytorch_eager", (*_STEPS, "inference", *_EPOCHS, "loop")),
    Contestant("pytorch compiled", "pytorch_compiled", ("training",), on_demand=True),
    Contestant("jax", "jax_scan", (*_STEPS, "inference", "loop")),
    Contestant("keras", "keras_jax", (*_STEPS, "loop")),
    Contestant("onnx runtime", "onnx_runtime", ("inference",)),
    Contestant("numpy", "products", ("products",), rival=False),
)


def find(name: str) -> Contestant:
    """Return the contestant of that name."""
    return next(one for one in CONTESTANTS if one.name == name)
