"""Translation: training predicts the next token of the target; prediction writes whole sentences."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrize import cached

from convzoo.core.arguments import Fraction, FromData, NonNegative, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.errors import RecipeError
from convzoo.core.model import TokenWriter
from convzoo.core.outputs.translations import BEGIN, END, PADDING, Translations
from convzoo.core.task import Meter, Task
from convzoo.ops.beam import Hypothesis, beam_search


class Translation(Task):
    r"""Cross-entropy of each token of the target given those before it, $-\sum_k q_k \log p(y_t = k \mid y_{<t}, x)$, as a mean
    over the tokens; q is the true token, with label smoothing if it is set (Szegedy et al. 2016, arXiv:1512.00567, §7).

    For this a model has `forward(source, target_in)`. To write translations it is also a `TokenWriter` (`core/model.py`). During
    training, validation writes greedily; `calibrate`, which is called after training, switches the beam search on.

    Args:
        label_smoothing: the fraction of the target that is spread over the vocabulary
        beam: width of the beam search; 1 is greedy
        length_penalty: a sequence's log-probability is divided by its length to this power
        max_length_ratio: a translation has at most this many times the tokens of its source, plus 10
        copy_unknown: an unknown word is replaced by the source word with the largest attention weight
        best_by: the validation score that chooses the best checkpoint
    """

    outputs = {"logits": ("batch", "target", "vocabulary")}
    errors: ClassVar[frozenset[str]] = frozenset({"cross_entropy", "perplexity"})

    def __init__(
        self,
        write: FromData[Any],
        words: FromData[Any],
        lower: FromData[bool],
        label_smoothing: Fraction = 0.0,
        beam: Positive = 1,
        length_penalty: NonNegative = 1.0,
        max_length_ratio: PositiveFloat = 2.0,
        copy_unknown: bool = False,
        best_by: Literal["val/bleu", "val/chrf", "val/token_bleu", "-val/cross_entropy"] = "-val/cross_entropy",
    ) -> None:
        import sacrebleu  # noqa: F401 (if it is missing, the run fails before training, not after)

        self.write: Callable[..., str] = write
        self.words: Callable[[str], list[str]] = words
        self.lower = lower
        self.label_smoothing = label_smoothing
        self.beam = beam
        self.length_penalty = length_penalty
        self.max_length_ratio = max_length_ratio
        self.copy_unknown = copy_unknown
        self.best_by = best_by
        self.width = 1
        self.count = 1

    def losses(self, outputs: Float[Tensor, "batch target vocabulary"], target: Mapping[str, Any]) -> dict[str, Tensor]:
        """The cross-entropy of the tokens that are not padding."""
        loss = F.cross_entropy(
            outputs.flatten(0, 1),
            target["tokens"].flatten(),
            ignore_index=PADDING,
            label_smoothing=self.label_smoothing,
        )
        return {"cross_entropy": loss}

    def predict(self, model: nn.Module, batch: Batch) -> Translations:
        """Write a translation of each source; if the true one is known, also give the losses of its tokens.

        Raises:
            RecipeError: the model cannot write token by token.
        """
        losses = None
        if batch.size:
            logits = model(**batch.inputs)
            logits = logits if logits.dtype == torch.float64 else logits.float()
            tokens = batch.target["tokens"]
            there = tokens.ne(PADDING)
            lost = F.cross_entropy(logits.transpose(1, 2), tokens, ignore_index=PADDING, reduction="none")
            right = (logits.argmax(dim=2) == tokens) & there
            losses = torch.stack([value.double().sum(dim=1) for value in (lost, there, right)], dim=1).cpu().numpy()
        found = self.search(model, batch.inputs["source"])
        texts, scores = [], []
        for hypotheses, source in zip(found, batch.target["sources"], strict=True):
            # An empty source has an empty translation.
            hypotheses = hypotheses[: self.count] if source else [Hypothesis([], 0.0, [])] * self.count
            texts.append([self.write(h.tokens, h.attended if self.copy_unknown else (), source) for h in hypotheses])
            scores.append([h.score for h in hypotheses])
        return Translations(texts, scores, losses)

    def search(self, model: nn.Module, source: Tensor) -> list[list[Hypothesis]]:
        """The best sequences for each source, (batch, length), best first.

        Raises:
            RecipeError: the model cannot write token by token.
        """
        if not isinstance(model, TokenWriter):
            raise RecipeError(
                f"task translation: the model {type(model).__name__} does not write token by token; give it the methods "
                "encode(source), start(memory) and step(tokens, memory, state), or take model.name=convs2s"
            )
        # A weight that is computed from others (weight normalisation) is computed once, not for every token.
        with torch.no_grad(), cached() if not model.training else nullcontext():
            memory = model.encode(source)
            limits = (source.ne(PADDING).sum(dim=1) * self.max_length_ratio).long() + 10
            return beam_search(
                model.step, memory, model.start(memory), limits, BEGIN, END, (PADDING,),
                max(self.width, self.count), self.length_penalty,
            )  # fmt: skip

    def decode(self, outputs: Translations) -> list[dict[str, Any]]:
        """The translation and its score; with `answers` above 1, all of them."""
        found = []
        for texts, scores in zip(outputs.texts, outputs.scores or [[] for _ in outputs.texts], strict=True):
            row: dict[str, Any] = {"translation": texts[0], "score": scores[0] if scores else None}
            if self.count > 1:
                row["translations"] = [{"translation": t, "score": s} for t, s in zip(texts, scores, strict=True)]
            found.append(row)
        return found

    def read_target(self, target: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The true translation of each."""
        return [{"translation": reference} for reference in target["references"]]

    def meter(self) -> Meter:
        """BLEU, chrF, BLEU on words; cross-entropy, perplexity and accuracy of the tokens."""
        from convzoo.metrics.translation import TranslationMeter

        return TranslationMeter(self.words, self.lower)

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """From now on, write with the beam."""
        self.width = self.beam

    def answers(self, count: int) -> None:
        """Give `count` translations of each sentence; the beam is at least as wide."""
        self.count = count

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """The translation only, so that line n is the translation of line n; if there are several, one line for each with its
        score."""
        if "translations" not in prediction:
            return prediction["translation"]
        return "\n".join(f"{item['score']:.4f}\t{item['translation']}" for item in prediction["translations"])

    def state(self) -> dict[str, Any]:
        """The beam, and how sacreBLEU scores."""
        from convzoo.metrics.translation import signatures

        return {"beam": self.width, "signatures": signatures(self.lower)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.width = state.get("beam", self.beam)
