"""Estimators for scikit-learn: sequences are classified, tagged or regressed, in pipelines, searches and clusters.

They need scikit-learn 1.6 or later, ``pip install -e '.[sklearn]'``, which is imported when one is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lamina.errors import MissingPackageError

if TYPE_CHECKING:
    from lamina.sklearn.classifier import SequenceClassifier
    from lamina.sklearn.regressor import SequenceRegressor
    from lamina.sklearn.tagger import SequenceTagger

__all__ = ["SequenceClassifier", "SequenceRegressor", "SequenceTagger"]

_MODULES = {
    "SequenceClassifier": "lamina.sklearn.classifier",
    "SequenceRegressor": "lamina.sklearn.regressor",
    "SequenceTagger": "lamina.sklearn.tagger",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'lamina.sklearn' has no attribute {name!r}")
    try:
        return getattr(import_module(_MODULES[name]), name)
    except ImportError as error:  # not there, or too old
        if not (error.name or "").startswith("sklearn"):
            raise
        told = f"lamina.sklearn: needs scikit-learn 1.6 or later: pip install -e '.[sklearn]' ({error})"
        raise MissingPackageError(told) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
