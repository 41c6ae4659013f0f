"""The types that parts use in their signatures. Recipes are checked against them without importing torch.

A part writes `dropout: Probability = 0.5`; `recipe/signatures.py` reads this signature from the source, and the checker refuses
`dropout: 2`.
"""

from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Le, Lt

T = TypeVar("T")


class _FromData:
    """Marks an argument that a recipe may not set: its value comes from the encoder's `dims`; a reader's from the task."""

    def __repr__(self) -> str:
        return "FromData"


FROM_DATA = _FromData()
FromData = Annotated[T, FROM_DATA]

Positive = Annotated[int, Ge(1)]
Count = Annotated[int, Ge(0)]
Seed = Annotated[int, Ge(0), Lt(2**31)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
HalfFraction = Annotated[float, Ge(0), Le(0.5)]
Probability = Annotated[float, Ge(0), Lt(1)]
Threads = Annotated[int, Ge(1), Le(1024)]
Workers = Annotated[int, Ge(0), Le(1024)]
Dimensions = Annotated[int, Ge(1), Le(3)]

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "identity"]
Normalisation = Literal["none", "batch", "layer", "group", "instance"]
Padding = Literal["valid", "same", "causal", "full"]
PoolingKind = Literal["max", "average", "attention", "k_max", "log_sum_exp"]
Kernels = Literal["full", "factorised", "acs"]
Initialisation = Literal["torch", "keras"]
Copies = Literal["refuse", "drop", "keep"]
Decimal = Literal["point", "comma"]
LabelType = Literal["class", "number", "classes", "entities"]


def is_from_data(annotation: Any) -> bool:
    """Whether an annotation carries the mark of `FromData`."""
    return any(item is FROM_DATA for item in getattr(annotation, "__metadata__", ()))
