"""Which form a kernel has: found by its name, imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lamina.backends.program import Call, Program

__all__ = ["find_form", "form_of", "refusal"]

# By kernel: the file, and the class in it.
_FORMS = {
    "dense": ("dense", "DenseForm"),
    "simple_rnn": ("simple_rnn", "SimpleRNNForm"),
    "lstm": ("lstm", "LSTMForm"),
    "lstm, projected": ("projected_lstm", "ProjectedLSTMForm"),
    "slstm": ("slstm", "SLSTMForm"),
    "min_gru": ("scan_cells", "MinGRUForm"),
    "min_lstm": ("scan_cells", "MinLSTMForm"),
    "ind_rnn": ("scan_cells", "IndRNNForm"),
    "lru": ("lru", "LRUForm"),
    "gru": ("gru", "GRUForm"),
    "gru, reset first": ("gru_reset_first", "ResetFirstGRUForm"),
    **dict.fromkeys(
        (
            *("relu", "relu6", "leaky_relu", "rescaling", "hard_sigmoid", "hard_swish", "softsign", "tanh", "sigmoid"),
            "silu",
        ),
        ("rectifiers", "RectifierForm"),
    ),
    **dict.fromkeys(("elu", "selu", "celu", "softplus", "mish", "power"), ("exponentials", "ExponentialForm")),
    "gelu": ("gelu", "GELUForm"),
    "add": ("combine", "CombineForm"),
    "subtract": ("combine", "CombineForm"),
    "multiply": ("combine", "CombineForm"),
    "divide": ("combine", "CombineForm"),
    "concatenate": ("concatenate", "ConcatenateForm"),
    "softmax": ("softmax", "SoftmaxForm"),
    "log_softmax": ("softmax", "SoftmaxForm"),
    "select_step": ("pooling", "PoolingForm"),
    "global_average_pool": ("pooling", "PoolingForm"),
    "global_max_pool": ("pooling", "PoolingForm"),
    "spread": ("spread", "SpreadForm"),
    "take_features": ("take_features", "TakeFeaturesForm"),
    "take_steps": ("take_steps", "TakeStepsForm"),
    "standardize": ("standardize", "StandardizeForm"),
    "layer_norm": ("layer_norm", "NormForm"),
    "rms_norm": ("layer_norm", "NormForm"),
    "batch_norm": ("batch_norm", "BatchNormForm"),
    "batch_norm_infer": ("batch_norm_infer", "BatchNormInferForm"),
    "ones": ("ones", "OnesForm"),
    "prelu": ("prelu", "PReLUForm"),
    "positional_encoding": ("positional_encoding", "PositionalEncodingForm"),
    "conv1d": ("convolution", "ConvolutionForm"),
    "attention": ("attention", "AttentionForm"),
    "embedding": ("embedding", "EmbeddingForm"),
    "dropout": ("dropout", "DropoutForm"),
    "softmax_cross_entropy": ("softmax_losses", "SoftmaxCrossEntropyForm"),
    "softmax_focal_cross_entropy": ("softmax_losses", "SoftmaxFocalCrossEntropyForm"),
    "kl_divergence": ("softmax_losses", "KLDivergenceForm"),
    "negative_log_likelihood": ("class_losses", "NegativeLogLikelihoodForm"),
    "categorical_hinge": ("class_losses", "CategoricalHingeForm"),
    "ctc": ("ctc", "CTCForm"),
    "cosine_similarity": ("row_losses", "CosineSimilarityForm"),
    "gaussian_negative_log_likelihood": ("row_losses", "GaussianNegativeLogLikelihoodForm"),
    "quantile": ("row_losses", "QuantileForm"),
    "mean_squared_error": ("regression_losses", "RegressionLossForm"),
    "mean_absolute_error": ("regression_losses", "RegressionLossForm"),
    "huber": ("regression_losses", "RegressionLossForm"),
    "mean_absolute_percentage_error": ("regression_losses", "RegressionLossForm"),
    "mean_squared_logarithmic_error": ("regression_losses", "RegressionLossForm"),
    "log_cosh": ("regression_losses", "RegressionLossForm"),
    "hinge": ("regression_losses", "RegressionLossForm"),
    "poisson_negative_log_likelihood": ("regression_losses", "RegressionLossForm"),
    "binary_cross_entropy": ("regression_losses", "RegressionLossForm"),
    "binary_focal_cross_entropy": ("regression_losses", "RegressionLossForm"),
}
_UPDATES = {
    "sgd_update": ("updates", "SGDForm"),
    "adagrad_update": ("updates", "AdaGradForm"),
    "adadelta_update": ("updates", "AdaDeltaForm"),
    "rmsprop_update": ("updates", "RMSpropForm"),
    "lion_update": ("updates", "LionForm"),
    "adam_update": ("adam_updates", "AdamForm"),
    "nadam_update": ("adam_updates", "NAdamForm"),
    "radam_update": ("adam_updates", "RAdamForm"),
    "adamax_update": ("adam_updates", "AdamaxForm"),
    "clip_values": ("clipping", "ClipValuesForm"),
    "clip_global_norm": ("clipping", "ClipGlobalNormForm"),
}


def find_form(kernel: str) -> Any:
    """Return the class of a kernel's, or an update's, form; None where there is none."""
    found = _FORMS.get(kernel) or _UPDATES.get(kernel)
    if found is None:
        return None
    return getattr(import_module(f"lamina.backends.numba.engine.forms.{found[0]}"), found[1])


def form_of(call: Call) -> Any:
    """Return the class of a call's form; None where its kernel has none."""
    kernel = call.kernel
    if kernel == "gru" and not call.options.get("reset_after", True):
        kernel = "gru, reset first"
    if kernel == "lstm" and call.weights.get("w_p") is not None:
        kernel = "lstm, projected"
    return find_form(kernel)


def refusal(program: Program) -> str:
    """Return why a program cannot be planned; empty where it can."""
    for call in (*program.calls, *program.losses):
        form = form_of(call)
        if form is None:
            return f"{call.kernel} has no compiled form"
        if reason := form.refuses(call):
            return f"{call.kernel}: {reason}"
    for update in program.updates:
        form = find_form(update.kernel)
        if form is None:
            return f"{update.kernel} has no compiled form"
        if reason := form.refuses(update, program.dtype):
            return f"{update.kernel}: {reason}"
    return ""
