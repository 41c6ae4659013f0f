"""The decision values of another classifier, added to a network's own."""

from jaxtyping import Float
from torch import Tensor


def with_evidence(
    logits: Float[Tensor, "batch classes"],
    evidence: Float[Tensor, "batch evidence"] | None,
    learnt: Tensor | None,
    fixed: float | None = None,
    training: bool = False,
) -> Float[Tensor, "batch classes"]:
    """The logits with the evidence of a linear classifier: a wide and deep network (Cheng et al. 2016, arXiv:1606.07792).

    Args:
        logits: of the network
        evidence: (batch, classes or 1), decision values; None: there is none
        learnt: its weight where that is a parameter, which is learnt with the network; None: it is not
        fixed: else its weight, in prediction only: the network learns alone; None: the evidence does not count
        training: whether the network is training
    """
    if evidence is None:
        return logits
    if learnt is not None:
        return logits + learnt * evidence
    return logits if fixed is None or training else logits + fixed * evidence
