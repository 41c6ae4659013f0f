"""How much is trained follows from the size of the training split."""

import pytest

from convzoo.core.config import TrainConfig
from convzoo.training.budget import settled

AUTO = TrainConfig(epochs="auto", batch_size="auto", patience="auto", auto_epochs=12)


def test_numbers_of_a_recipe_stay_as_they_are():
    given = TrainConfig(epochs=3, batch_size=17, patience=2)
    assert settled(given, 100) == (given, "")


def test_at_the_size_of_the_reference_the_recipe_has_its_own_number_of_epochs():
    assert settled(AUTO, 3000)[0].epochs == 12


@pytest.mark.parametrize(("small", "large"), [(40, 400), (400, 3000), (3000, 30_000), (30_000, 3_000_000)])
def test_more_examples_get_fewer_passes_but_more_of_them_are_seen(small, large):
    few, many = settled(AUTO, small)[0], settled(AUTO, large)[0]
    assert few.epochs >= many.epochs >= 2
    assert small * few.epochs < large * many.epochs


@pytest.mark.parametrize(("examples", "size"), [(5, 8), (38, 8), (200, 16), (700, 32), (5000, 64), (10**7, 64)])
def test_a_small_split_gets_small_batches(examples, size):
    assert settled(AUTO, examples)[0].batch_size == size


def test_a_few_dozen_examples_get_many_steps_an_epoch_and_many_epochs():
    config, told = settled(AUTO, 38)
    assert config.epochs > 90
    assert 38 / config.batch_size > 4
    assert "38 training examples" in told
    assert f"train.epochs={config.epochs}" in told


def test_the_encoders_advice_goes_before_the_size():
    assert settled(AUTO, 10_000, advised=2)[0].batch_size == 2


@pytest.mark.parametrize(("auto", "examples", "epochs"), [(2, 2, 40), (30, 2, 300), (2, 10**7, 2)])
def test_the_number_of_epochs_has_bounds(auto, examples, epochs):
    """Twenty times the recipe's own number, and 300; at least two."""
    assert settled(TrainConfig(epochs="auto", auto_epochs=auto), examples)[0].epochs == epochs
