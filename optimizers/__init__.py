"""Optimizers: one a file."""

if __name__ != "lamina.optimizers":
    raise ImportError("import lamina.optimizers, not optimizers")

from lamina.optimizers.adagrad import AdaGrad
from lamina.optimizers.clipping import clip_global_norm, clip_value
from lamina.optimizers.sgd import SGD

__all__ = ["SGD", "AdaGrad", "clip_global_norm", "clip_value"]
