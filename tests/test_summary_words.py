"""What is said of a score beside the ceiling of generated data."""

import pytest

from convzoo.summary import judgement


@pytest.mark.parametrize(
    ("score", "network", "opponent", "difference", "ceiling", "said"),
    [
        ("test/accuracy", 0.9, 0.8, 0.1, 0.97, "7.0 points below the ceiling"),
        ("test/accuracy", 0.9, 0.95, -0.05, 0.97, "7.0 points below the ceiling"),
        ("test/word_error_rate", 0.076, 0.088, 0.012, 0.007, "6.9 points above the ceiling"),
        ("test/word_error_rate", 0.1, 0.08, -0.02, 0.007, "9.3 points above the ceiling"),
        ("test/word_error_rate", 0.007, 0.08, 0.073, 0.007, "at the ceiling"),
    ],
)
def test_the_distance_to_the_ceiling_knows_whether_less_is_better(
    score: str, network: float, opponent: float, difference: float, ceiling: float, said: str
) -> None:
    results = {
        "judgement": "better",
        "comparisons": {"one": {"score": score, "difference": difference}},
        "baselines": {"one": {score: opponent}},
        "ceiling": {score: ceiling},
        "scores": {score: network},
    }
    assert judgement(results) == f"better; {said}"
