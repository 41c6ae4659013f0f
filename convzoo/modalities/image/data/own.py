"""Images of one's own: a folder a class, or a table that names files."""

from typing import ClassVar

from convzoo.modalities.image.example import IMAGE_SUFFIXES, Image
from convzoo.reading.folder import ClassFolders
from convzoo.reading.manifest import Manifest


class ImageFolder(ClassFolders):
    """Images as `<class>/<image>`, or `train/<class>/<image>` with `test/` and, optionally, `val/` beside it."""

    example = Image
    formats: ClassVar[str] = "a folder of images, one folder a class (or train/, val/ and test/ with such folders)"
    what = "image"
    suffixes = IMAGE_SUFFIXES


class ImageTable(Manifest):
    """A table with a row an image: its path and its class, perhaps a group and a split."""

    example = Image
    formats: ClassVar[str] = (
        "a table (.csv, .tsv, .jsonl, .parquet) with the columns path and label, optionally group and split"
    )
    what = "image"
    file_names = ("image", "image_path", "img", "photo", "picture", "image_id")
    group_names = ("group", "patient", "patient_id", "subject", "subject_id")
