import os

import pytest

from benchmarks.cpu.contestants import CONTESTANTS, find
from benchmarks.cpu.processes import cores_for, environment, usable_cores


def test_a_blas_tuned_by_hand_is_left_behind(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=SSE4_2")
    for contestant in CONTESTANTS:
        assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "XLA_FLAGS"} & set(environment(contestant, 1))
    assert os.environ["OPENBLAS_L2_SIZE"] == "1"


def test_threads_are_equal_but_lamina_chooses_among_several():
    assert environment(find("pytorch"), 2)["OMP_NUM_THREADS"] == "2"
    assert environment(find("lamina"), 1)["OPENBLAS_NUM_THREADS"] == "1"
    assert "OPENBLAS_NUM_THREADS" not in environment(find("lamina"), 2)


def test_threads_have_a_core_each():
    usable = usable_cores()
    assert cores_for(1) == (usable[-1],)
    with pytest.raises(SystemExit, match="may use"):
        cores_for(len(usable) + 1)
