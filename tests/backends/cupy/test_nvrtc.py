"""NVIDIA's compiler takes every kernel, for each type and architecture, and keeps all its values in registers."""

import re
from importlib import resources

import pytest

from lamina.backends.cupy.compiled import OPTIONS, source_of
from tests.stand_in.nvrtc import ARCHITECTURES, compiled, library

pytestmark = pytest.mark.skipif(library() is None, reason="NVRTC is not installed: pip install nvidia-cuda-nvrtc")

TYPES = [("float", "float"), ("double", "double"), ("float", "unsigned short")]
FILES = sorted(one.name for one in resources.files("lamina.backends.cupy").iterdir() if one.name.endswith(".cu"))


def test_there_are_files():
    assert {"lstm.cu", "gru.cu", "simple_rnn.cu"} <= set(FILES)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("types", TYPES, ids="-".join)
@pytest.mark.parametrize("file", FILES)
def test_it_compiles_without_spills(file, types, architecture):
    source = source_of(file)
    real, operand = types
    found = compiled(source, architecture, *OPTIONS, f"-DREAL={real}", f"-DOPERAND={operand}")
    kernels = set(re.findall(r"__global__ void (?:__launch_bounds__\(\w+\) )?(\w+)\(", source))
    assert kernels
    assert set(found.spills) == kernels
    assert not any(found.spills.values()), found.spills
    assert max(found.registers.values()) <= 128  # two blocks of 256 threads on each multiprocessor
