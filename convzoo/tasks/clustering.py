"""Clustering: nodes in communities, without a label."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convzoo.core.arguments import FromData, Positive
from convzoo.core.batch import Batch
from convzoo.core.errors import DataError
from convzoo.core.processes import gather_all
from convzoo.core.splits import Splits
from convzoo.core.task import Meter, Task
from convzoo.metrics.clustering import structure

CANDIDATES = (*range(2, 21), 25, 30, 35, 40, 45, 50)
"""Numbers of communities that are tried where none is given."""
_FEW = 10
"""Communities while training, where the number is not chosen yet."""


class Clustering(Task):
    r"""Cross-entropy between nodes in their surroundings and mixed-up ones (Deep Graph Infomax, arXiv:1809.10341),
    $-\log \sigma(t) - \log(1 - \sigma(f))$. After training, k-means on the vectors of all nodes gives the communities, which are
    numbered by their size.

    No label is used. The checkpoint is the one whose communities have the highest modularity, and where no number of communities
    is given, that with the highest modularity is taken, of 2 to 20 and 25, 30 … 50; of equal ones the smaller.

    Args:
        node_ids: the nodes' ids, by number
        edges: of the graph, for modularity and conductance
        communities: their number; null: chosen by modularity
        starts: how often k-means starts anew; the best counts
    """

    judged_by = ("accuracy", "modularity")
    best_by = "val/modularity"
    errors: ClassVar[frozenset[str]] = frozenset({"conductance"})
    output_axes: ClassVar[tuple[str, ...]] = ()
    outputs = {"vectors": ("batch", "channels")}

    def __init__(
        self,
        node_ids: FromData[Any],
        edges: FromData[Any],
        communities: Positive | None = None,
        starts: Positive = 10,
    ) -> None:
        if communities == 1:
            raise ValueError("communities: 1 puts every node into the same; say at least 2, or null to have it chosen")
        if communities is not None and communities > len(node_ids):
            raise ValueError(f"communities: {communities} are more than the {len(node_ids)} nodes")
        self.edges = edges
        self.communities = communities
        self.starts = starts
        self.centres: Tensor | None = None  # (communities, channels), chosen after training

    def losses(self, outputs: Mapping[str, Tensor], target: Any) -> dict[str, Tensor]:
        """The cross-entropy of true and of mixed-up nodes."""
        return {"true": F.softplus(-outputs["true"]).mean(), "mixed": F.softplus(outputs["mixed"]).mean()}

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """Communities (batch,); before they are chosen the vectors (batch, channels)."""
        vectors = model(batch.inputs["graph"], batch.inputs["nodes"])
        if self.centres is None:
            return vectors
        return torch.cdist(vectors.double(), self.centres.to(vectors.device)).argmin(dim=1)

    def grouped(self, outputs: Tensor) -> np.ndarray:
        """(nodes,): communities as they are; those of vectors by a quick k-means, while training."""
        if outputs.ndim == 1:
            return outputs.numpy().astype(np.int64)
        return k_means(outputs.float().numpy(), self.communities or _FEW, 1)[0]

    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        """The community of each node, a number from 1, the largest first."""
        # Before communities are chosen, the strongest direction of a node's vector stands for one.
        numbers = outputs if outputs.ndim == 1 else outputs.argmax(dim=1)
        return [{"community": f"community {number + 1}"} for number in numbers.tolist()]

    def read_target(self, target: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """The number of the true community of each node, None where unknown."""
        return [{"community": f"{number + 1}" if number >= 0 else None} for number in target["communities"].tolist()]

    def require(self, splits: Splits) -> None:
        """
        Raises:
            DataError: there are too few nodes to group.
        """
        if len(splits.train) < 3:
            raise DataError(f"the graph has {len(splits.train)} nodes; at least 3 can be grouped")

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Find the communities of all nodes, and how many there are if that is not given."""
        vectors, nodes = [], []
        for batch in batches:
            vectors.append(model(batch.inputs["graph"], batch.inputs["nodes"]).detach().double().cpu())
            nodes.append(batch.target["nodes"].cpu())
        table, places = gather_all(torch.cat(vectors)), gather_all(torch.cat(nodes))
        order = places.argsort(stable=True)
        table, places = table[order], places[order]
        counts = [self.communities] if self.communities else [k for k in CANDIDATES if k < len(table)]
        part = self.edges[places.numpy()][:, places.numpy()]
        best: tuple[float, np.ndarray, np.ndarray] | None = None
        for count in counts:
            found, centres = k_means(table.numpy(), count, self.starts if len(counts) == 1 else 2)
            value = structure(part, found)["modularity"]
            if best is None or value > best[0] + 1e-9:
                best = (value, found, centres)
        assert best is not None
        _, found, centres = best
        sizes = np.bincount(found, minlength=len(centres))
        self.centres = torch.from_numpy(centres[np.argsort(-sizes, kind="stable")]).double()

    def advice(self) -> str:
        """How many communities were chosen, and by what."""
        if self.communities is not None or self.centres is None:
            return ""
        return (
            f"{len(self.centres)} communities, which have the highest modularity; task.communities=N gives their number"
        )

    def meter(self) -> Meter:
        """Modularity, conductance; accuracy, NMI and ARI where communities are known."""
        from convzoo.metrics.clustering import CommunityMeter

        return CommunityMeter(self.edges, self.grouped)

    def state(self) -> dict[str, Any]:
        """The centres of the communities."""
        return {"centres": None if self.centres is None else self.centres.tolist()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        centres = state["centres"]
        self.centres = None if centres is None else torch.tensor(centres, dtype=torch.float64)


def k_means(vectors: np.ndarray, count: int, starts: int) -> tuple[np.ndarray, np.ndarray]:
    """Communities (nodes,) and their centres (communities, channels), by k-means from the same seeds every time."""
    import warnings

    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer different nodes than communities: then there are fewer
        machine = KMeans(min(count, len(vectors)), n_init=starts, random_state=0).fit(np.asarray(vectors, np.float64))
    return machine.labels_.astype(np.int64), machine.cluster_centers_
