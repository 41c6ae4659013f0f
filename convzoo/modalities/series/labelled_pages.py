"""What a report shows of series with a class."""

from convzoo.core.pages import Pages


class LabelledSeriesPages(Pages):
    """Series."""

    plural = "series"
