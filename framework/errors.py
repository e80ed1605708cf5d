"""The errors Lamina raises, under ``lamina.errors``.

They are defined beside the backends, the lowest folder, because kernels raise them too.
"""

from lamina.backends.errors import (
    ArgumentError,
    BackendError,
    CheckpointError,
    ConversionError,
    DataError,
    DistributedError,
    DTypeError,
    ExportError,
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
    "ConversionError",
    "DTypeError",
    "DataError",
    "DistributedError",
    "ExportError",
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
