"""The nearest series by dynamic time warping, on few and short series."""

from contracts.parts import Form

FORMS = {
    "small": Form("series_cnn1d", {"baselines": [{"name": "dtw_neighbour", "max_examples": 20, "max_length": 24}]})
}
