import os

import pytest

from benchmarks.cpu import instructions
from benchmarks.cpu.contestants import CONTESTANTS, find
from benchmarks.cpu.processes import environment

AVX512 = "fpu avx avx2 avx512f avx512bw fma"
AVX2 = "fpu avx avx2 fma"


@pytest.mark.parametrize(
    ("flags", "avx2", "expected"),
    [(AVX512, False, "AVX-512"), (AVX512, True, "AVX2"), (AVX2, False, "AVX2"), (AVX2, True, "AVX2")],
)
def test_a_run_is_named_by_what_contestants_may_use(flags, avx2, expected):
    assert instructions.instructions(avx2, flags) == expected


def test_a_machine_without_either_is_named_by_its_kind(monkeypatch):
    monkeypatch.setattr(instructions.platform, "machine", lambda: "riscv64")
    assert instructions.instructions(flags="fpu sse2") == "riscv64"


def test_all_of_avx512_is_turned_off_and_nothing_else():
    features = "+64bit,+avx,+avx2,+avx512f,-avx512er,+avx512vl,+avxvnni,+fma,+amx-tile,+evex512,+avx10.1"
    expected = "+64bit,+avx,+avx2,-avx512f,-avx512er,-avx512vl,+avxvnni,+fma,-amx-tile,-evex512,-avx10.1"
    assert instructions.without_avx512(features) == expected


def test_every_contestant_is_held_by_its_own_switch(monkeypatch):
    monkeypatch.setattr(instructions, "has_avx512", lambda: True)
    instructions.held_to_avx2.cache_clear()
    try:
        for contestant in CONTESTANTS:
            variables = environment(contestant, 1, avx2=True)
            assert variables["OPENBLAS_CORETYPE"] == "Haswell"
            assert variables["ATEN_CPU_CAPABILITY"] == "avx2"
            assert variables["ONEDNN_MAX_CPU_ISA"] == "AVX2"
            assert variables["XLA_FLAGS"].split() == [
                "--xla_cpu_max_isa=AVX2",
                "--xla_cpu_experimental_ynn_fusion_type=",
            ]
    finally:
        instructions.held_to_avx2.cache_clear()


def test_where_there_is_no_avx512_nothing_is_switched(monkeypatch):
    monkeypatch.setattr(instructions, "has_avx512", lambda: False)
    instructions.held_to_avx2.cache_clear()
    try:
        assert environment(find("pytorch"), 1, avx2=True) == environment(find("pytorch"), 1)
    finally:
        instructions.held_to_avx2.cache_clear()


@pytest.mark.skipif(not instructions.has_avx512(), reason="the processor has no AVX-512 to be held from")
def test_those_who_can_be_asked_say_that_they_use_avx2():
    said = instructions.taken({**os.environ, **instructions.held_to_avx2()})
    pytest.importorskip("threadpoolctl")
    assert "OpenBLAS says Haswell" in said and "NumPy says X86_V3" in said
    for package, answer in {"torch": "PyTorch says AVX2, oneDNN says Intel AVX2", "numba": "engine says avx2"}.items():
        try:
            __import__(package)
        except ImportError:
            continue
        assert answer in said
