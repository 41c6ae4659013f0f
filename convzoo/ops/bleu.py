"""BLEU of a corpus of token lists."""

import math
from collections import Counter
from collections.abc import Sequence


def corpus_bleu(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[str]], max_ngram: int = 4) -> float:
    r"""BLEU (Papineni et al. 2002, aclanthology.org/P02-1040), with one reference for each sentence, from 0 to 1:
    $\min(1, e^{1 - r/c}) \, \exp \frac1N \sum_n \log p_n$. c and r are the lengths of all candidates and of all references; $p_n$
    is the fraction of the candidates' n-grams that are in their references, each counted at most as often as it occurs there.

    There is no smoothing: if no n-gram of some length matches, BLEU is 0. torchtext's `bleu_score` and NLTK's `corpus_bleu`
    have the same definition; sacreBLEU differs in its tokenisation and in these zeros.

    Args:
        candidates: tokens of the translations
        references: tokens of the true translations
        max_ngram: n-grams up to this length (N)
    """
    matched, total = [0] * max_ngram, [0] * max_ngram
    for candidate, reference in zip(candidates, references, strict=True):
        for n in range(1, max_ngram + 1):
            found = Counter(zip(*(candidate[start:] for start in range(n))))
            there = Counter(zip(*(reference[start:] for start in range(n))))
            matched[n - 1] += sum((found & there).values())
            total[n - 1] += max(len(candidate) - n + 1, 0)
    if min(matched) == 0:
        return 0.0
    written, wanted = sum(map(len, candidates)), sum(map(len, references))
    mean = sum(math.log(hits / count) for hits, count in zip(matched, total, strict=True)) / max_ngram
    return math.exp(min(0.0, 1 - wanted / written) + mean)
