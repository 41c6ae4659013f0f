"""The rows of `convzoo.summary`, for the page."""

from convzoo.summary import columns, rows, written

__all__ = ["columns", "rows", "written"]
