"""Random models go to ONNX files and come back; one that would differ is found."""

import subprocess
import sys

import pytest

import lamina
from lamina.errors import ExportError
from lamina.layers import Dense
from lamina.onnx.translation import translation_of
from lamina.testing.random_models import Description, run
from tests.framework.onnx.needs import NEEDS

pytestmark = NEEDS


def test_random_models_come_back_to_the_same_bits_and_onnx_runtime_gives_what_they_give(tmp_path):
    from lamina.testing.onnx_round_trips import RoundTrips

    trips = RoundTrips(tmp_path)
    run(60, seed=5, each=trips.check, shrink=False)
    assert trips.written + trips.refused == 60 and trips.written > 50 and trips.streams > 3
    assert set(trips.worst) == {"float32", "float64"} and trips.worst["float64"] < 1e-9
    assert len(trips.layers) > 30
    assert str(trips).startswith(f"{trips.written} models written, run by ONNX Runtime and read again to the same bits")


def test_a_function_of_ones_own_is_refused_and_counted(tmp_path):
    from lamina.testing.onnx_round_trips import RoundTrips

    trips = RoundTrips(tmp_path)
    trips.check(Description("Sequential(Dense(2), Lambda('rational'))", ("rng.normal(size=(3, 4, 2))",)))
    assert (trips.written, trips.refused) == (0, 1) and not list(tmp_path.iterdir())


def test_a_layer_that_is_said_wrongly_is_found(tmp_path):
    from lamina.testing.onnx_round_trips import RoundTrips

    right = translation_of(Dense(2))
    try:
        lamina.onnx.translates(Dense)(lambda graph, layer, x: graph.add("MatMul", x, graph.weight(layer.w)))
        with pytest.raises(ExportError, match="ONNX Runtime gives something else"):
            RoundTrips(tmp_path).check(Description("Dense(2)", ("rng.normal(size=(3, 4, 2))",)))
    finally:
        lamina.onnx.translates(Dense)(right.function)


def test_the_command_prints_the_worst_differences():
    command = [sys.executable, "-m", "lamina.testing.onnx_round_trips", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second, third = done.stdout.splitlines()
    assert first.startswith("5 models written") and second.startswith("worst difference from ONNX Runtime: float")
    assert third.startswith("layers, and in how many models: ")
