"""The small forms of the recipe of lesions in heads."""

from pathlib import Path

import numpy as np

NETWORK = ["encoder.spacing=[12,12,12]", "encoder.shape=[16,16,16]", "train.epochs=2", "train.batch_size=6",
           "model.channels=[4,8,8]", "model.blocks=[1,1,1]"]  # fmt: skip
SMALL = ["data.train=24", "data.val=20", "data.test=12", "data.spacing=8.0", *NETWORK]
PLAIN = ["model.dropout=0.0", "model.normalisation=group", "data.train=23"]


def raw() -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.zeros((20, 22, 18), np.float32), np.diag([8.0, 8.0, 8.0, 1.0]))]


def own(folder: Path) -> tuple[Path, list[str]]:
    """One folder of scans a class."""
    import nibabel

    random = np.random.default_rng(0)
    for label in ("ill", "well"):
        (folder / "scans" / label).mkdir(parents=True)
        for number in range(12):
            voxels = random.normal(number, 1, (12, 14, 10)).astype(np.float32)
            scan = nibabel.Nifti1Image(voxels, np.diag([10.0, 10.0, 12.0, 1.0]))
            nibabel.save(scan, folder / "scans" / label / f"{number}.nii.gz")
    return folder / "scans", NETWORK


def asked(data: Path) -> list[object]:
    return [data / "ill" / "3.nii.gz"]
