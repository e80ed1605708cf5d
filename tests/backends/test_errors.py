"""The errors: typed, and caught by whoever catches Python's own."""

import pytest

import lamina
from lamina.backends import errors
from lamina.backends.errors import unknown


@pytest.mark.parametrize(
    ("error", "built_in"),
    [
        ("ArgumentError", ValueError),
        ("ShapeError", ValueError),
        ("DTypeError", TypeError),
        ("DataError", ValueError),
        ("BackendError", RuntimeError),
        ("NotBuiltError", RuntimeError),
        ("SavedStateError", RuntimeError),
        ("CheckpointError", RuntimeError),
        ("UnknownNameError", ValueError),
    ],
)
def test_every_error_is_laminas_and_pythons(error: str, built_in: type[Exception]) -> None:
    cls = getattr(errors, error)
    assert issubclass(cls, errors.LaminaError)
    assert issubclass(cls, built_in)
    assert getattr(lamina.errors, error) is cls


def test_lamina_errors_are_the_same_names() -> None:
    assert set(lamina.errors.__all__) == set(errors.__all__)


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("adagradd", ["sgd", "adagrad"], "unknown part 'adagradd': did you mean 'adagrad'? Known: adagrad, sgd"),
        ("sgdd", ["SGD", "AdaGrad"], "unknown part 'sgdd': did you mean 'SGD'? Known: AdaGrad, SGD"),
        ("lsmt", ["LSTM", "GRU"], "unknown part 'lsmt': did you mean 'LSTM'? Known: GRU, LSTM"),
        ("relo", ["ReLU", "Tanh"], "unknown part 'relo': did you mean 'ReLU'? Known: ReLU, Tanh"),
        ("TANHH", ["relu", "tanh"], "unknown part 'TANHH': did you mean 'tanh'? Known: relu, tanh"),
        ("zebra", ["relu", "tanh"], "unknown part 'zebra': Known: relu, tanh"),
        (None, ["relu"], "unknown part None: Known: relu"),
    ],
)
def test_an_unknown_name_comes_with_the_nearest_whatever_its_case(
    name: object, choices: list[str], message: str
) -> None:
    error = unknown("part", name, choices)
    assert type(error) is errors.UnknownNameError
    assert str(error) == message
