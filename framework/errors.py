"""The errors Lamina raises, under ``lamina.errors``.

They are defined beside the backends, the lowest folder, because kernels raise them too.
"""

from lamina.backends.errors import (
    ArgumentError,
    BackendError,
    CheckpointError,
    DataError,
    DistributedError,
    DTypeError,
    LaminaError,
    MissingAttributeError,
    MissingPackageError,
    NonFiniteError,
    NonFiniteWarning,
    NotBuiltError,
    OutputError,
    SavedStateError,
    ShapeError,
    StreamError,
    UnknownNameError,
    shown,
    unknown,
)

__all__ = [
    "ArgumentError",
    "BackendError",
    "CheckpointError",
    "DTypeError",
    "DataError",
    "DistributedError",
    "LaminaError",
    "MissingAttributeError",
    "MissingPackageError",
    "NonFiniteError",
    "NonFiniteWarning",
    "NotBuiltError",
    "OutputError",
    "SavedStateError",
    "ShapeError",
    "StreamError",
    "UnknownNameError",
    "shown",
    "unknown",
]
