"""What a page shows of histories of units, whatever is asked about them."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Pages
from convzoo.inspect.kernels import first_convolutions
from convzoo.layers.trends import CausalTrends
from convzoo.modalities.series import drawing
from convzoo.modalities.series.history import History
from convzoo.report import kit

COLUMNS = 8
"""Columns of numbers of a picture."""
ROWS = 400
"""Rows of a picture: the last ones of a history."""
INPUTS = 24
"""Inputs in the table of what the first layer takes in."""


class HistoryPages(Pages):
    """Histories of units: the last rows, each column of numbers on its own scale."""

    plural = "histories"
    card_size = "wide"

    def picture(self, example: History) -> str:
        """The columns of numbers, each on its own scale."""
        names = example.table.number_names
        rows = np.asarray(example.numbers[-ROWS:], dtype=np.float64)
        moving = [at for at in range(len(names)) if np.isfinite(rows[:, at]).any() and np.nanstd(rows[:, at]) > 0]
        lines = "".join(
            f'<span class="name">{drawing.name_of(names[at])}</span>'
            + drawing.ribbon(drawing.own_scale(_filled(rows[:, at]), "q"))
            for at in moving[:COLUMNS]
        )
        hidden = len(names) - len(moving[:COLUMNS])
        more = f'<p class="small">{drawing.others(hidden)}</p>' if hidden else ""
        about = f"{example.source}: {kit.count_of(len(example), 'rows')} of {kit.count_of(len(names), 'columns')}"
        return f'<div class="multi" role="img" aria-label="{kit.text(about)}">{lines}</div>{more}'

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[History]) -> str:
        """How much of each input the first convolution takes in: the root of the mean square of its weights."""
        found = first_convolutions(model)
        if not found:
            return ""
        name, layer = next(iter(found.items()))
        weights = np.sqrt(np.square(layer.weight.detach().numpy()).mean(axis=(0, 2)))
        names = list(encoder.dims["channel_names"])
        widths = [width for module in model.modules() if isinstance(module, CausalTrends) for width in module.widths]
        views = ["value", *(f"{kind} of {width}" for width in widths for kind in ("mean", "slope"))]
        if len(weights) < len(names) * len(views):
            return ""
        table = weights[: len(names) * len(views)].reshape(len(views), len(names)).T
        order = np.argsort(-np.square(table).sum(axis=1), kind="stable")[:INPUTS]
        drawn = kit.heat(
            [(names[at], table[at].tolist()) for at in order.tolist()], views, "Weights of the first layer"
        )
        about = "Each number is the mean size of the weights that an input has: what the network looks at most stands first."
        return f"<h3>What {kit.code(name)} takes in</h3><p>{about}</p>{drawn}"


def _filled(values: np.ndarray) -> np.ndarray:
    """A column with a straight line over its empty cells."""
    known = np.flatnonzero(np.isfinite(values))
    return np.interp(np.arange(len(values)), known, values[known])
