"""The scores of a translator, over a whole split and over all processes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from convzoo.core.outputs.translations import Translations
from convzoo.core.processes import gather_all, gather_objects
from convzoo.ops.bleu import corpus_bleu


class TranslationMeter:
    """BLEU and chrF by sacreBLEU (Post 2018, aclanthology.org/W18-6319) on texts; BLEU on words; and scores from the
    probabilities of the true tokens. All except `cross_entropy` and `perplexity` are between 0 and 1.

    `bleu` and `chrf` are those of sacreBLEU with its tokenisation, on the written texts; the signatures say which settings it
    used. With `lower` both sides are lower-cased. `token_bleu` is `ops.bleu.corpus_bleu` on words split by the encoder's rule, as
    in papers that tokenise and lower-case the reference themselves. `cross_entropy` (nats per token), `perplexity` and
    `token_accuracy` are for the true translation, each token given the true ones before it. They are left out if a translator
    has no probabilities.

    Args:
        words: splits a text into words
        lower: compare lower-cased texts
    """

    def __init__(self, words: Callable[[str], list[str]], lower: bool) -> None:
        self.words = words
        self.lower = lower
        self.texts: list[tuple[str, str]] = []
        self.losses = [torch.empty(0, 3, dtype=torch.float64)]

    def update(self, outputs: Translations, target: Mapping[str, Any]) -> None:
        """Add a batch: translations, and the target's `references`.

        Raises:
            ValueError: a sentence has no reference.
        """
        self.texts += [
            (texts[0], reference) for texts, reference in zip(outputs.texts, target["references"], strict=True)
        ]
        if outputs.losses is not None:
            self.losses.append(torch.from_numpy(np.asarray(outputs.losses, dtype=np.float64)))

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        pairs = [pair for share in gather_objects(self.texts) for pair in share]
        written, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        bleu, chrf = scorers(self.lower)
        found = {
            "bleu": bleu.corpus_score(written, [references]).score / 100,
            "chrf": chrf.corpus_score(written, [references]).score / 100,
            "token_bleu": corpus_bleu(
                [self.words(text) for text in written], [self.words(text) for text in references]
            ),
        }
        loss, tokens, right = gather_all(torch.cat(self.losses)).sum(dim=0).tolist()
        if tokens:
            found["cross_entropy"] = loss / tokens
            found["perplexity"] = math.exp(min(loss / tokens, 700.0))
            found["token_accuracy"] = right / tokens
        return found

    def units(self) -> np.ndarray:
        """Each sentence."""
        return np.arange(sum(len(share) for share in gather_objects(self.texts)))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """BLEU, from the counts of each sentence (Koehn 2004, aclanthology.org/W04-3250)."""
        bleu, _ = scorers(self.lower)
        bleu.effective_order = (
            True  # of the counts, which are all that is used, it changes nothing; without it sacreBLEU warns
        )
        rows = []
        for written, reference in (pair for share in gather_objects(self.texts) for pair in share):
            each = bleu.sentence_score(written, [reference])
            rows.append([each.sys_len, each.ref_len, *each.counts, *each.totals])
        sums = weights @ np.array(rows, dtype=np.float64)
        length, wanted, counts, totals = sums[:, 0], sums[:, 1], sums[:, 2:6], sums[:, 6:10]
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.log(np.where(totals > 0, counts / totals, 0.0)).mean(axis=1)
            brevity = np.where(length < wanted, 1 - wanted / length, 0.0)
            return {"bleu": np.nan_to_num(np.exp(precision + brevity))}


def scorers(lower: bool) -> tuple[Any, Any]:
    """sacreBLEU's BLEU and chrF. They may be used several times.

    Raises:
        ImportError: sacreBLEU is not installed.
    """
    from sacrebleu.metrics import BLEU, CHRF

    return BLEU(lowercase=lower), CHRF(lowercase=lower)


def signatures(lower: bool, references: int = 1) -> dict[str, str]:
    """sacreBLEU's own description of the settings that its scores depend on."""
    bleu, chrf = scorers(lower)
    for metric in (bleu, chrf):  # a signature is complete only after something was scored
        metric.corpus_score(["a b c d"], [["a b c d"]] * references)
    return {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}


def sentence_bleu(written: Sequence[str], references: Sequence[str], lower: bool) -> list[float]:
    """sacreBLEU's BLEU of each sentence, from 0 to 1: to choose the best and the worst sentences, not as a score to report."""
    from sacrebleu.metrics import BLEU

    bleu = BLEU(lowercase=lower, effective_order=True)
    return [
        bleu.sentence_score(text, [reference]).score / 100 for text, reference in zip(written, references, strict=True)
    ]
