"""How sure a score is, and whether the network is really better than its opponents: test examples are drawn again and again.

The bootstrap (Efron & Tibshirani 1993, chapters 13 and 16) draws as many examples as there are, with replacement. A score's
interval holds 95 % of its values over the draws. Two methods are compared on the same draws, so what is hard for both does not
count. If examples have groups (patients, speakers), whole groups are drawn, because examples of a group are alike.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from convzoo.core.task import Meter, ResampledMeter

DRAWS = 1000
COST = 20_000_000
"""Draws times examples: more examples get fewer draws (200 at least), so that the time stays within a few seconds."""
FEWEST = 10
"""With fewer examples or groups than this, an interval would be far too narrow: there is none."""
FEWEST_GROUPS = 10
"""With fewer groups than this, their draws say nothing: single examples are drawn, which is said."""


class Judge:
    """Draws the examples of a test split again.

    Args:
        meter: of one method; the meters of the others must have counted the same examples in the same order
        groups: of each example, in the order in which they were counted; None if an example belongs to no group
        seed: of the draws
    """

    def __init__(self, meter: ResampledMeter, groups: Sequence[Any], seed: int = 0) -> None:
        units = meter.units()
        known = [groups[example] for example in units.tolist()]
        names = [f"group {name}" if name is not None else f"unit {at}" for at, name in enumerate(known)]
        _, self.home = np.unique(names, return_inverse=True)
        self.count = int(self.home.max()) + 1 if len(names) else 0
        self.by_group = any(name is not None for name in known) and self.count >= FEWEST_GROUPS
        if not self.by_group:
            self.home, self.count = np.arange(len(units)), len(units)
        self.seed = seed
        self.draws = int(min(DRAWS, max(200, COST // max(len(units), 1))))

    def weights(self) -> Iterator[np.ndarray]:
        """(draws, units) how often each counts, in parts that fit in memory; the same at each call."""
        random = np.random.default_rng(self.seed)
        part = max(1, min(self.draws, 4_000_000 // max(len(self.home), 1)))
        for first in range(0, self.draws, part):
            rows = min(part, self.draws - first)
            drawn = random.multinomial(self.count, np.full(self.count, 1 / self.count), size=rows)
            yield drawn[:, self.home].astype(np.float64)

    def values(self, meter: ResampledMeter, own: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Each score in each draw, (draws,). They are moved so that all examples counted once give the meter's own score: a
        meter may compute its scores for draws in a simpler way.

        Args:
            meter: that is asked
            own: its scores, which may take long to compute
        """
        draws = self.weights()
        # All examples once are the first draw: a meter may have to go over every example before it looks at the draws.
        first = np.concatenate([np.ones((1, len(self.home))), next(draws)])
        parts = [meter.resampled(first), *(meter.resampled(weights) for weights in draws)]
        found = {}
        for name in parts[0]:
            once, drawn = float(parts[0][name][0]), np.concatenate([part[name] for part in parts])[1:]
            if name in own and math.isfinite(once) and not np.isnan(drawn).all():
                within = np.nanmin(drawn) >= 0 and np.nanmax(drawn) <= 1 and 0 <= float(own[name]) <= 1
                moved = drawn + (float(own[name]) - once)
                found[name] = np.clip(moved, 0, 1) if within else moved
        return found

    def interval(self, values: np.ndarray, value: float, counts: bool) -> tuple[float, float] | None:
        """The middle 95 % of the values of a score, or of a difference of scores; None where the draws say nothing.

        If no draw differs and the score is a fraction of the examples (all are right), three in the number of examples are taken
        to each side: what did not happen in n examples happens, at 95 %, less often than that ("rule of three"). Of other scores
        nothing follows.

        Args:
            values: (draws,)
            value: of all examples
            counts: whether the score is a fraction of the examples
        """
        values = values[np.isfinite(values)]
        if len(values) < 50 or self.count < FEWEST:
            return None
        low, high = np.quantile(values, [0.025, 0.975]).tolist()
        if high - low < 1e-12 and not counts:
            return None
        if high - low < 1e-12:
            low, high = value - 3 / self.count, value + 3 / self.count
        return low, high


def case_by_case(judge: Judge, one: ResampledMeter, other: ResampledMeter, score: str) -> list[float] | None:
    """The difference of a score on each single example or group, for as few as a reader can look at; None if there are more, one
    only, or a score of a single one is not defined."""
    if not 2 <= judge.count < FEWEST:
        return None
    weights = np.eye(judge.count)[:, judge.home]
    both = [meter.resampled(weights).get(score) for meter in (one, other)]
    if both[0] is None or both[1] is None:
        return None
    found = both[0] - both[1]
    return found.tolist() if np.isfinite(found).all() else None


def judged(
    network: Meter,
    opponents: Mapping[str, Meter],
    groups: Sequence[Any],
    score: str,
    is_error: Callable[[str], bool],
    split: str = "test",
) -> dict[str, Any]:
    """What `scores.json` says of how sure the test scores are.

    `intervals`: by score, the lowest and the highest value of its 95 % interval. `comparisons`: by opponent, the difference of
    the main score (positive: the network is better) with its interval, and the opponent's own
    `interval`. `drawn`: what was drawn. Nothing if the task's meter
    cannot be resampled.

    Args:
        network: the meter of the network, on the test split
        opponents: by name, theirs
        groups: of each example, in the order in which the meters counted them
        score: the main score, by its name in the meter
        is_error: whether less is better for a score (`Task.is_error`)
        split: that the meters counted
    """
    if not isinstance(network, ResampledMeter):
        return {}
    judge = Judge(network, groups)
    scores = network.compute()
    own = judge.values(network, scores)
    found: dict[str, Any] = {"intervals": {}, "comparisons": {}, "drawn": _drawn(judge)}
    for name, values in own.items():
        interval = judge.interval(values, float(scores[name]), name.endswith("accuracy"))
        if interval is not None:
            low, high = interval
            if name.endswith("accuracy"):
                low, high = max(low, 0.0), min(high, 1.0)
            found["intervals"][f"{split}/{name}"] = [low, high]
    sign = -1.0 if is_error(score) else 1.0
    for name, meter in opponents.items():
        theirs = meter.compute()
        if not all(math.isfinite(float(each.get(score, math.nan))) for each in (theirs, scores)):
            continue  # one of both does not have the score, or it is undefined
        difference = sign * (float(scores[score]) - float(theirs[score]))
        compared: dict[str, Any] = {"score": f"{split}/{score}", "difference": difference}
        drawn = judge.values(meter, theirs) if isinstance(meter, ResampledMeter) else {}
        if score in drawn and (
            own_interval := judge.interval(drawn[score], float(theirs[score]), score.endswith("accuracy"))
        ):
            low, high = own_interval
            compared["interval"] = [max(low, 0.0), min(high, 1.0)] if score.endswith("accuracy") else [low, high]
        if score in own and score in drawn:
            interval = judge.interval(sign * (own[score] - drawn[score]), difference, score.endswith("accuracy"))
            if interval is not None:
                compared |= {"low": interval[0], "high": interval[1]}
            elif isinstance(meter, ResampledMeter) and (each := case_by_case(judge, network, meter, score)):
                compared["each"] = [sign * value for value in each]
        found["comparisons"][name] = compared
    return found


def _drawn(judge: Judge) -> str:
    return f"{judge.count:,} {'groups' if judge.by_group else 'examples'}, {judge.draws:,} draws"


def over_parts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same for a repeated run: mean differences, and intervals that hold both sources of chance, the examples and the runs.

    The variance of a mean over k runs is that of the examples, which the runs may share, plus that of the runs divided by k.

    Args:
        parts: what `judged` gave for each run
    """
    found: dict[str, Any] = {"intervals": {}, "comparisons": {}, "drawn": parts[0].get("drawn", "")}
    for name in parts[0].get("intervals", {}):
        rows = [part["intervals"].get(name) for part in parts]
        if all(rows):
            middle = [(low + high) / 2 for low, high in rows]
            found["intervals"][name] = list(_joined(middle, [(high - low) / 3.92 for low, high in rows]))
    for name, first in parts[0].get("comparisons", {}).items():
        rows = [part.get("comparisons", {}).get(name) for part in parts]
        if not all(rows):
            continue
        differences = [row["difference"] for row in rows]
        merged = {"score": first["score"], "difference": float(np.mean(differences))}
        if all("low" in row for row in rows):
            low, high = _joined(differences, [(row["high"] - row["low"]) / 3.92 for row in rows])
            merged |= {"low": low, "high": high}
        found["comparisons"][name] = merged
    return found


def _joined(values: Sequence[float], deviations: Sequence[float]) -> tuple[float, float]:
    among = float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else 0.0
    half = 1.96 * math.sqrt(float(np.mean(np.square(deviations))) + among)
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def best_opponent(judgement: Mapping[str, Any]) -> str:
    """The name of the best opponent: the one with the smallest difference, since all are compared by the same score. Empty if
    there is none."""
    found = judgement.get("comparisons", {})
    return min(found, key=lambda name: float(found[name]["difference"])) if found else ""


def sentence(
    comparisons: Mapping[str, Mapping[str, Any]],
    baselines: Mapping[str, Mapping[str, float]],
    is_error: Callable[[str], bool],
) -> str:
    """One sentence: whether the network is better than the best of its opponents; empty if there is none.

    Args:
        comparisons: by opponent, as `judged` gives them
        baselines: by opponent, its test scores
        is_error: whether less is better for a score (`Task.is_error`)
    """
    if not comparisons:
        return ""
    name = best_opponent({"comparisons": comparisons})
    best = comparisons[name]
    score = str(best["score"]).rpartition("/")[2]
    theirs = float(baselines[name][best["score"]])
    points = not is_error(score) and 0 <= theirs <= 1 and abs(best["difference"]) <= 1
    scale, unit = (100.0, " points") if points else (1.0, f" in {score}")

    def number(value: float) -> str:
        shown = f"{scale * value:.1f}" if points else f"{value:.3g}"
        return shown.replace("-0.0", "0.0") if float(shown) == 0 else shown

    if "low" not in best:
        side = "better" if best["difference"] >= 0 else "worse"
        short = f"{number(abs(best['difference']))}{unit} {side} than {name}"
        each = best.get("each", [])
        if each and max(each) < 0:
            ends = f"by {number(-max(each))} to {number(-min(each))}"
            return (
                f"worse than {name} by {number(-best['difference'])}{unit}, in each of the {len(each)} test cases ({ends}): use "
                f"{name}, or give the network more data"
            )
        if each and min(each) > 0:
            short += f", in each of the {len(each)} test cases (by {number(min(each))} to {number(max(each))})"
        return f"{short}; too few test examples to say whether that is chance"
    if best["low"] > 0:
        span = f"(95 %: {number(best['low'])} to {number(best['high'])})"
        return f"better than {name} by {number(best['difference'])}{unit} {span}"
    if best["high"] < 0:
        span = f"(95 %: {number(-best['high'])} to {number(-best['low'])})"
        return f"worse than {name} by {number(-best['difference'])}{unit} {span}: use {name}, or give the network more data"

    def sided(value: float, unit: str = "") -> str:
        return f"{number(abs(value))}{unit} {'better' if value >= 0 else 'worse'}"

    span = f"(95 %: {sided(best['low'])} to {sided(best['high'])})"
    return f"not distinguishable from {name}: {sided(best['difference'], unit)} {span}"
