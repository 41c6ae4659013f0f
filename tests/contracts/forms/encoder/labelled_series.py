"""Series of different lengths, with a mask."""

from contracts.parts import Form

FORMS = {"ragged": Form("series_cnn1d", {"data": {"name": "labelled_series_table"}}, augments=False)}
