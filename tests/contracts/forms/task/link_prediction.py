"""What a network that knows every edge gives, and edges with negatives of their own."""

from collections.abc import Mapping

from contracts.parts import Form
from torch import Tensor

from convzoo.core.task import Task

FORMS = {
    "hard": Form(
        "links_gcn",
        {
            "data": {
                "name": "latent_space",
                "nodes": 120,
                "vocabulary": 60,
                "test": 0.2,
                "val": 0.1,
                "negatives": "hard",
                "per_link": 20,
            },
            "task": {"name": "link_prediction", "best_by": "val/mrr"},
        },
    ),
}


def perfect(task: Task, target: Mapping[str, Tensor]) -> Tensor:
    """(pairs,): logits that leave no doubt."""
    return 20.0 * (2 * target["linked"].double() - 1)
