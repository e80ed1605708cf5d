"""Which kernel runs: a backend's own or the generic one."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from lamina.backends import Backend, get_backend
from lamina.backends.cupy.backend import CuPyBackend
from lamina.backends.numpy.backend import NumPyBackend
from lamina.errors import BackendError, UnknownNameError


class Mine(Backend):
    """Runs tanh itself, but not fast; and a kernel that no other backend has."""

    name = "mine"
    xp = np
    array_type = np.ndarray

    def supports(self, kernel: str, **options: Any) -> bool:
        return not options.get("slow", False)

    def tanh_forward(self, x: Any) -> Any:
        return "forward", x

    def tanh_backward(self, dy: Any, saved: Any) -> Any:
        return "backward", dy

    def special_forward(self, x: Any) -> Any:
        return x + 1, None

    def special_backward(self, dy: Any, saved: Any) -> Any:
        return dy


def test_a_backends_own_kernel_runs_where_it_supports_the_options() -> None:
    backend = Mine()
    kernel = backend.select("tanh")
    assert (kernel.name, kernel.source) == ("tanh", "mine")
    assert kernel.forward(1) == ("forward", 1)
    assert kernel.backward(2, None) == ("backward", 2)


def test_the_generic_kernel_runs_where_it_does_not() -> None:
    kernel = Mine().select("tanh", slow=True)
    assert (kernel.name, kernel.source) == ("tanh", "generic")
    y, saved = kernel.forward(np.array([0.5]))
    assert y.tolist() == [np.tanh(0.5)]
    assert kernel.backward(np.ones(1), saved).tolist() == [1 - np.tanh(0.5) ** 2]


def test_a_kernel_that_is_not_overridden_is_generic() -> None:
    assert Mine().select("sigmoid").source == "generic"
    assert get_backend("reference").select("simple_rnn", activation="tanh").source == "generic"
    assert get_backend("numpy").select("simple_rnn", activation="tanh").source == "numpy"


def test_a_kernel_without_a_generic_one_runs_where_supported_and_is_refused_elsewhere() -> None:
    kernel = Mine().select("special")
    assert kernel.source == "mine"
    assert kernel.forward(1) == (2, None)
    with pytest.raises(BackendError, match=r"^backend 'mine': its kernel 'special', the only one, takes no "):
        Mine().select("special", slow=True)


@pytest.mark.parametrize("name", ["nothing", "global_norm", ""])
def test_an_unknown_kernel_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_backend("numpy").select(name)
    assert str(caught.value) == f"backend 'numpy': no kernel named {name!r}"


def test_the_choice_is_made_once_for_each_set_of_options() -> None:
    backend = Mine()
    assert backend.select("tanh") is backend.select("tanh")
    assert backend.select("tanh", slow=True) is backend.select("tanh", slow=True)
    assert backend.select("tanh", slow=True) is not backend.select("tanh")


@pytest.mark.parametrize("cls", [NumPyBackend, CuPyBackend])
def test_forward_and_backward_are_overridden_together(cls: type[Backend]) -> None:
    # `select` takes both from one class, so half a pair would never run.
    pairs = {name.rpartition("_")[0] for name in dir(cls) if name.endswith(("_forward", "_backward"))}
    own = {
        name: (
            getattr(cls, f"{name}_forward") is not getattr(Backend, f"{name}_forward", None),
            getattr(cls, f"{name}_backward") is not getattr(Backend, f"{name}_backward", None),
        )
        for name in pairs
    }
    assert {name for name, (forward, backward) in own.items() if forward != backward} == set()


def test_copies_of_a_backend_are_the_same_backend() -> None:
    backend = get_backend("numpy")
    assert copy.deepcopy(backend) is backend
    assert pickle.loads(pickle.dumps(backend)) is backend
    assert repr(backend) == "<Backend 'numpy'>"
