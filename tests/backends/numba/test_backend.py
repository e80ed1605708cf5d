"""The Numba backend, proven by the same suite as every other backend."""

import sys
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.backends import registry
from lamina.backends.backend import Backend
from lamina.backends.kernels import added
from lamina.errors import BackendError


def test_it_is_known_whether_or_not_numba_is_installed() -> None:
    assert "numba" in lamina.backends.available_backends()
    assert "numba" not in registry._plug_ins()


def test_without_numba_the_message_says_which_command_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "lamina.backends.numba.hashing", raising=False)
    monkeypatch.setattr(registry, "_instances", {})
    with pytest.raises(BackendError) as caught:
        lamina.get_backend("numba")
    message = str(caught.value)
    assert message.startswith("backend 'numba': Numba is not installed (")
    assert message.endswith("; pip install -e '.[numba]'")


@pytest.fixture
def backend() -> Backend:
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    return lamina.get_backend("numba")


def test_every_layer_is_proven_on_it(backend: Backend) -> None:
    report = lamina.testing.check_backend(backend)
    assert any("LSTM" in line for line in report.passed)


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU", "MinGRU", "MinLSTM", "IndRNN", "LRU"])
def test_gradients_of_compiled_passes_broken_on_purpose_are_caught(
    kind: str, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamina.backends.numba.engine.alone import Alone

    right = Alone.backward

    def wrong(alone: Alone, *arrays: Any, gradients: Any = None, **options: Any) -> Any:
        dx, dw, *rest = right(alone, *arrays, **options)
        return dx, added(gradients, [one * 1.01 for one in dw]), *rest

    monkeypatch.setattr(Alone, "backward", wrong)
    with pytest.raises(lamina.testing.CheckError, match="gradient of"):
        lamina.testing.check_layer(getattr(lamina.layers, kind)(4), (3, 5, 2), backend=backend)


def test_nan_is_not_lost() -> None:
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    for kind in ("SimpleRNN", "LSTM", "GRU", "MinGRU", "MinLSTM", "IndRNN", "LRU"):
        layer = getattr(lamina.layers, kind)(16, return_sequences=True)
        layer.build((None, None, 2), backend="numba", seed=0)
        x = np.ones((1, 3, 2), np.float32)
        x[0, 1, 0] = np.nan
        assert np.isnan(layer(x)).any(axis=-1).tolist() == [[False, True, True]]
