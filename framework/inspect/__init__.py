"""Looking inside a model: gradients over time, activations, where the time goes, how fast weights move.

>>> import numpy as np
>>> import lamina
>>> model = lamina.Sequential(lamina.layers.SimpleRNN(8), lamina.layers.Dense(2))
>>> model.build((None, None, 3), seed=0)
(None, 2)
>>> flow = lamina.inspect.gradient_flow(model, np.ones((4, 20, 3)), [0, 1, 0, 1])
>>> flow["0"].shape
(20,)
"""

from lamina.inspect.explanation import Explanation, explain
from lamina.inspect.flow import GradientFlow, gradient_flow
from lamina.inspect.outputs import Activations, activations
from lamina.inspect.profiles import LayerProfile, Profile
from lamina.inspect.timing import gemm_peak, profile
from lamina.inspect.updates import UpdateRatios

__all__ = [
    "Activations",
    "Explanation",
    "GradientFlow",
    "LayerProfile",
    "Profile",
    "UpdateRatios",
    "activations",
    "explain",
    "gemm_peak",
    "gradient_flow",
    "profile",
]
