"""In a rehearsal, what ``import cupy`` finds: the stand-in of the tests."""

import sys

from tests.stand_in import cupy

sys.modules[__name__] = cupy
