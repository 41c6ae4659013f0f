"""The small forms of the recipe of structures in heads."""

from pathlib import Path

import numpy as np

NETWORK = [
    "encoder.patch=[16,16,16]",
    "train.batch_size=2",
    "train.epochs=1",
    "train.evaluate_every=4",
    "model.base_channels=4",
]
SMALL = ["data.train=16", "data.val=20", "data.test=6", "data.spacing=8.0", "encoder.spacing=[11,11,11]", *NETWORK]
PLAIN = ["data.train=15"]


def raw() -> list[np.ndarray]:
    return [np.random.default_rng(0).random((20, 22, 18)).astype(np.float32)]


def own(folder: Path) -> tuple[Path, list[str]]:
    """Scans and masks in the folders of the Medical Segmentation Decathlon."""
    import nibabel

    random = np.random.default_rng(0)
    for number in range(12):
        voxels = random.normal(number, 1, (20, 18, 22)).astype(np.float32)
        mask = np.zeros(voxels.shape, np.uint8)
        mask[4:10, 5:12, 6 : 10 + number // 2] = 1
        for name, values in (("imagesTr", voxels + 3 * mask), ("labelsTr", mask)):
            (folder / "scans" / name).mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), folder / "scans" / name / f"case_{number:02}.nii.gz")
    return folder / "scans", NETWORK


def asked(data: Path) -> list[object]:
    return [data / "imagesTr" / "case_03.nii.gz"]
