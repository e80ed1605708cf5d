"""The sigmoid linear unit."""

from __future__ import annotations

from lamina.core.registry import register
from lamina.kinds.activation import Activation

__all__ = ["SiLU"]


@register
class SiLU(Activation):
    """y = x sigmoid(x), also known as swish (Elfwing et al., 2018; Ramachandran et al., 2017)."""

    kernel_name = "silu"
