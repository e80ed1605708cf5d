"""Losses: one a file, imported when it is first asked for."""

from typing import TYPE_CHECKING, Any

from lamina.core.registry import part_of
from lamina.losses.loss import Loss

if TYPE_CHECKING:
    from lamina.losses.binary_cross_entropy import BinaryCrossEntropy
    from lamina.losses.binary_focal_cross_entropy import BinaryFocalCrossEntropy
    from lamina.losses.categorical_hinge import CategoricalHinge
    from lamina.losses.cosine_similarity import CosineSimilarity
    from lamina.losses.ctc import CTC
    from lamina.losses.dice import Dice
    from lamina.losses.elementwise import ElementwiseLoss
    from lamina.losses.gaussian_negative_log_likelihood import GaussianNegativeLogLikelihood
    from lamina.losses.hinge import Hinge
    from lamina.losses.huber import Huber
    from lamina.losses.kl_divergence import KLDivergence
    from lamina.losses.log_cosh import LogCosh
    from lamina.losses.mean_absolute_error import MeanAbsoluteError
    from lamina.losses.mean_absolute_percentage_error import MeanAbsolutePercentageError
    from lamina.losses.mean_squared_error import MeanSquaredError
    from lamina.losses.mean_squared_logarithmic_error import MeanSquaredLogarithmicError
    from lamina.losses.negative_log_likelihood import NegativeLogLikelihood
    from lamina.losses.poisson_negative_log_likelihood import PoissonNegativeLogLikelihood
    from lamina.losses.quantile import Quantile
    from lamina.losses.softmax_cross_entropy import SoftmaxCrossEntropy
    from lamina.losses.softmax_focal_cross_entropy import SoftmaxFocalCrossEntropy

__all__ = [
    "BinaryCrossEntropy",
    "BinaryFocalCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "CTC",
    "Dice",
    "ElementwiseLoss",
    "GaussianNegativeLogLikelihood",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "NegativeLogLikelihood",
    "PoissonNegativeLogLikelihood",
    "Quantile",
    "SoftmaxCrossEntropy",
    "SoftmaxFocalCrossEntropy",
]

_MODULES = {
    "BinaryCrossEntropy": "binary_cross_entropy",
    "BinaryFocalCrossEntropy": "binary_focal_cross_entropy",
    "CategoricalHinge": "categorical_hinge",
    "CosineSimilarity": "cosine_similarity",
    "CTC": "ctc",
    "Dice": "dice",
    "ElementwiseLoss": "elementwise",
    "GaussianNegativeLogLikelihood": "gaussian_negative_log_likelihood",
    "Hinge": "hinge",
    "Huber": "huber",
    "KLDivergence": "kl_divergence",
    "LogCosh": "log_cosh",
    "MeanAbsoluteError": "mean_absolute_error",
    "MeanAbsolutePercentageError": "mean_absolute_percentage_error",
    "MeanSquaredError": "mean_squared_error",
    "MeanSquaredLogarithmicError": "mean_squared_logarithmic_error",
    "NegativeLogLikelihood": "negative_log_likelihood",
    "PoissonNegativeLogLikelihood": "poisson_negative_log_likelihood",
    "Quantile": "quantile",
    "SoftmaxCrossEntropy": "softmax_cross_entropy",
    "SoftmaxFocalCrossEntropy": "softmax_focal_cross_entropy",
}
# Their other names: as the classes have them, so that one is found before its module is imported.
_ALIASES = {
    "bce": "binary_cross_entropy",
    "bce_with_logits": "binary_cross_entropy",
    "binary_cross_entropy_with_logits": "binary_cross_entropy",
    "binary_focal": "binary_focal_cross_entropy",
    "binary_focal_loss": "binary_focal_cross_entropy",
    "sigmoid_focal_loss": "binary_focal_cross_entropy",
    "multiclass_hinge": "categorical_hinge",
    "ctc_loss": "ctc",
    "dice_loss": "dice",
    "soft_dice": "dice",
    "gaussian_nll": "gaussian_negative_log_likelihood",
    "gaussian_nll_loss": "gaussian_negative_log_likelihood",
    "hinge_loss": "hinge",
    "huber_loss": "huber",
    "smooth_l1_loss": "huber",
    "kl_div": "kl_divergence",
    "kl_div_loss": "kl_divergence",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "log_cosh_loss": "log_cosh",
    "mae": "mean_absolute_error",
    "l1_loss": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mse": "mean_squared_error",
    "mse_loss": "mean_squared_error",
    "msle": "mean_squared_logarithmic_error",
    "nll": "negative_log_likelihood",
    "nll_loss": "negative_log_likelihood",
    "poisson": "poisson_negative_log_likelihood",
    "poisson_nll": "poisson_negative_log_likelihood",
    "poisson_nll_loss": "poisson_negative_log_likelihood",
    "quantile_loss": "quantile",
    "pinball": "quantile",
    "pinball_loss": "quantile",
    "cross_entropy": "softmax_cross_entropy",
    "cross_entropy_loss": "softmax_cross_entropy",
    "categorical_crossentropy": "softmax_cross_entropy",
    "sparse_categorical_crossentropy": "softmax_cross_entropy",
    "focal": "softmax_focal_cross_entropy",
    "focal_loss": "softmax_focal_cross_entropy",
    "categorical_focal_crossentropy": "softmax_focal_cross_entropy",
}


def __getattr__(name: str) -> Any:
    return part_of(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


Loss.registry.expect(
    {name: f"lamina.losses.{module}" for name, module in _MODULES.items() if name != "ElementwiseLoss"},
    {alias: f"lamina.losses.{module}" for alias, module in _ALIASES.items()},
)
