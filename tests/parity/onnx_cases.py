"""The cases of ONNX's node tests that are within reach of a framework for sequences."""

import warnings
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import onnx
from onnx.backend.test.loader import load_model_tests

__all__ = ["OUT_OF_REACH", "NodeCase", "cases", "operators"]

# What no framework for sequences of numbers with gradients has, by reason; `operators` tells all there are.
OUT_OF_REACH = {
    "images: two axes or more of space": """AffineGrid CenterCropPad Col2Im Conv ConvInteger DeformConv DepthToSpace
        GridSample ImageDecoder MaxUnpool NonMaxSuppression Resize RoiAlign SpaceToDepth Upsample""",
    "text and features": """ArrayFeatureExtractor Binarizer LabelEncoder RegexFullMatch StringConcat StringNormalizer
        StringSplit TfIdfVectorizer TreeEnsemble""",
    "signals": "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT",
    "quantized numbers, and casts": """BitCast Cast CastLike DequantizeLinear DynamicQuantizeLinear MatMulInteger
        QLinearConv QLinearMatMul QuantizeLinear""",
    "logic and bits: no gradient": """And BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Equal Greater
        GreaterOrEqual IsInf IsNaN Less LessOrEqual Not Or Xor""",
    "whole numbers out of others: no gradient": """ArgMax ArgMin Ceil Floor Hardmax Mod NonZero Round Sign TopK Unique
        Size Shape""",
    "constants and control flow": """Constant ConstantOfShape EyeLike If Loop OptionalGetElement
        OptionalHasElement Range Scan SequenceInsert SequenceMap SplitToSequence""",
    "random numbers, drawn by NumPy's generator of old": "Bernoulli",
    "determinants, and writing into places": "Det Scatter ScatterElements ScatterND TensorScatter Trilu",
    "taking from places that are data": "Compress GatherElements GatherND",
}
FLOATS = (np.float32, np.float64)


@dataclass
class NodeCase:
    """A case: an operator with attributes, inputs by position (None where one is left out), and what must come."""

    name: str
    operator: str
    attributes: dict
    inputs: list
    outputs: dict = field(repr=False)
    rtol: float
    atol: float

    def __getitem__(self, attribute):
        return self.attributes[attribute]

    def get(self, attribute, default=None):
        """Return an attribute."""
        value = self.attributes.get(attribute, default)
        return value.decode() if isinstance(value, bytes) else value


@cache
def _loaded():
    state = np.random.get_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they divide by 0 on purpose
        found = load_model_tests(kind="node")
    np.random.set_state(state)
    # An expanded case is another, of the same numbers, as a graph of simpler operators.
    return [case for case in found if "_expanded" not in case.name and len(case.model.graph.node) == 1]


def operators():
    """Return the names of all operators that have a case."""
    return {case.model.graph.node[0].op_type for case in _loaded()}


def _is_plain(values):
    """Whether all that is given are arrays, and numbers of 32 or 64 bits where they are no integers."""
    arrays = [value for value in values if value is not None]
    return all(isinstance(value, (np.ndarray, np.generic)) for value in arrays) and all(
        value.dtype in FLOATS or value.dtype.kind in "biu" for value in arrays
    )


def _is_image(operator, x):
    """Whether windows slide over two axes or more."""
    pools = ("AveragePool", "ConvTranspose", "LpPool", "MaxPool")
    return operator in pools and sum(size > 1 for size in x.shape[2:]) > 1


def cases():
    """Return the cases within reach: of operators within reach, in float32 or float64, over sequences."""
    beyond = {name for names in OUT_OF_REACH.values() for name in names.split()}
    found = []
    for case in _loaded():
        (node,) = case.model.graph.node
        if node.op_type in beyond:
            continue
        given, wanted = case.data_sets[0]
        if not _is_plain([*given, *wanted]) or wanted[0].dtype not in FLOATS or _is_image(node.op_type, given[0]):
            continue
        known = dict(zip([one.name for one in case.model.graph.input], given, strict=True))
        outputs = dict(zip([one.name for one in case.model.graph.output], wanted, strict=True))
        found.append(
            NodeCase(
                case.name.removeprefix("test_"),
                node.op_type,
                {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute},
                [known.get(name) for name in node.input],
                {place: outputs[name] for place, name in enumerate(node.output) if name in outputs},
                case.rtol,
                case.atol,
            )
        )
    return found
