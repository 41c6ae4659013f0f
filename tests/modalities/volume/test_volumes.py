"""Medical volumes: files and their places, readers, the phantoms, the encoder, kernels, calibration, and what a page shows."""

import gzip
import json
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import torch
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import convzoo
from convzoo.checks import check_splits
from convzoo.core.errors import DataError
from convzoo.core.libraries import import_monai
from convzoo.core.pages import Material
from convzoo.core.randomness import Draws
from convzoo.inspect.describe import describe
from convzoo.inspect.saliency import saliency
from convzoo.layers.kernels import KernelBlock
from convzoo.metrics.classification import ClassificationMeter, best_temperature, calibration_bins, calibration_error
from convzoo.modalities.volume import augment as augment3d
from convzoo.modalities.volume import space as ops
from convzoo.modalities.volume.baselines import HistogramLogisticRegression, ShapeLogisticRegression, shape_features
from convzoo.modalities.volume.data.decathlon import Decathlon
from convzoo.modalities.volume.data.medmnist3d import MedMNIST3D
from convzoo.modalities.volume.data.own import VolumeFolder, VolumeTable
from convzoo.modalities.volume.data.phantoms import CLASSES, STRUCTURES, Phantoms, make_head, scan
from convzoo.modalities.volume.encoder import VolumeEncoder
from convzoo.modalities.volume.example import Volume
from convzoo.modalities.volume.formats import (
    read_geometry,
    read_labels,
    read_volume,
    spacing_of,
    volume_files,
    volume_stem,
    write_nifti,
)
from convzoo.modalities.volume.pages import VolumePages
from convzoo.modalities.volume.planes import Scan, outline, planes, same_place, says_where
from convzoo.models.monai_classifier import MonaiClassifier
from convzoo.models.resnet3d import ResNet3d
from convzoo.tasks.classification import Classification

AXES = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
CODES = ("RAS", "LPS", "LAI", "PIR", "ASL", "SRP", "IPL")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    """Phantoms of these tests are their own, and made anew by the code that is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVZOO_DATA", str(tmp_path_factory.getbasetemp() / "volumes"))
        yield


def affine_of(codes: str = "RAS", spacing=(2.0, 2.0, 3.0), origin=(-20.0, 5.0, 11.0)) -> np.ndarray:
    """An affine whose axes run to where the letters say, with a spacing for each voxel axis."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, code in enumerate(codes):
        row, sign = AXES[code]
        affine[row, axis] = sign * spacing[axis]
    affine[:3, 3] = origin
    return affine


def field(shape, affine: np.ndarray) -> np.ndarray:
    """A volume whose value at each voxel tells where that voxel is: 3 x + 2 y - z, in millimetres."""
    index = np.indices(shape).reshape(3, -1)
    places = affine[:3, :3] @ index + affine[:3, 3:]
    return (np.array([3.0, 2.0, -1.0]) @ places).reshape(shape).astype(np.float32)


def write(path: Path, voxels: np.ndarray | None = None, affine: np.ndarray | None = None) -> Path:
    affine = affine_of() if affine is None else affine
    write_nifti(path, field((9, 8, 7), affine) if voxels is None else voxels, affine)
    return path


def series(
    folder: Path, slices: int = 6, step: float = 3.0, tilt: float = 0.0, **more
) -> tuple[Path, np.ndarray, np.ndarray]:
    """A DICOM series of slices 8 rows by 10 columns; its voxels (x, y, z) and its affine."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    uid = generate_uid(entropy_srcs=[str(folder)])
    voxels = random.integers(0, 900, (10, 8, slices)).astype(np.int16)
    for z in range(slices):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(folder), str(z)])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        item = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        item.SOPClassUID, item.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        item.Modality, item.SeriesInstanceUID, item.InstanceNumber = "MR", uid, z + 1
        item.Rows, item.Columns = 8, 10
        item.PixelSpacing = [1.5, 2.5]
        item.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        item.ImagePositionPatient = [-12.0, 4.0 + tilt * z, 7.0 + step * z]
        item.SamplesPerPixel, item.PhotometricInterpretation = 1, "MONOCHROME2"
        item.BitsAllocated, item.BitsStored, item.HighBit, item.PixelRepresentation = 16, 16, 15, 1
        item.RescaleSlope, item.RescaleIntercept = 2, -10
        item.PixelData = voxels[:, :, z].T.tobytes()
        for key, value in more.items():
            setattr(item, key, value)
        # Names run against the places: the order comes from where the slices lie.
        item.save_as(folder / f"slice{slices - z:03d}.dcm", enforce_file_format=True)
    affine = np.array([[-2.5, 0, 0, 12], [0, -1.5, -tilt, -4], [0, 0, step, 7], [0, 0, 0, 1.0]])
    return folder, voxels.astype(np.float32) * 2 - 10, affine


# Files: voxels and where they lie


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [np.int16, np.float32, np.uint8])
def test_nifti_keeps_voxels_and_affine(name: str, kind: type, tmp_path: Path) -> None:
    affine = affine_of("PIR", (1.5, 2.25, 4.0))
    voxels = np.random.default_rng(0).integers(0, 200, (7, 6, 5)).astype(kind)
    write_nifti(tmp_path / name, voxels, affine)
    found, place = read_volume(tmp_path / name)
    assert found.dtype == np.float32 and np.array_equal(found, voxels) and np.array_equal(place, affine)
    assert read_geometry(tmp_path / name).shape == (7, 6, 5) and np.allclose(spacing_of(place), (1.5, 2.25, 4.0))
    assert np.array_equal(nibabel.load(tmp_path / name).affine, affine), "as nibabel has it"
    first = (tmp_path / name).read_bytes()
    write_nifti(tmp_path / name, voxels, affine)
    assert (tmp_path / name).read_bytes() == first, "equal voxels give equal bytes"


def test_nifti_scale_is_applied_and_dimensions_of_one_are_dropped(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6, 1), np.eye(4))
    image.header.set_slope_inter(0.5, -3)
    nibabel.save(image, tmp_path / "a.nii.gz")
    voxels, _ = read_volume(tmp_path / "a.nii.gz")
    assert voxels.shape == (4, 5, 6)
    assert np.allclose(voxels.ravel(), np.asarray(nibabel.load(tmp_path / "a.nii.gz").get_fdata()).ravel())


@pytest.mark.parametrize(
    ("space", "signs"), [("left-posterior-superior", (-1, -1, 1)), ("RAS", (1, 1, 1)), ("LAS", (-1, 1, 1))]
)
def test_nrrd_is_turned_to_the_right_front_and_up(space: str, signs: tuple[int, ...], tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    header = {"space": space, "space directions": np.diag([1.0, 2.0, 3.0]), "space origin": [5.0, 6.0, 7.0]}
    nrrd.write(str(tmp_path / "a.nrrd"), voxels, header)
    found, affine = read_volume(tmp_path / "a.nrrd")
    assert np.array_equal(found, voxels)
    assert np.allclose(
        affine, np.diag([*signs, 1]) @ np.array([[1, 0, 0, 5], [0, 2, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
    )
    assert read_geometry(tmp_path / "a.nrrd").spacing == (1, 2, 3)


@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_dicom_slices_are_put_in_their_order(tilt: float, tmp_path: Path) -> None:
    folder, voxels, affine = series(tmp_path / "scan", tilt=tilt)
    found, place = read_volume(folder)
    assert np.array_equal(found, voxels), "scaled by slope and intercept"
    assert np.allclose(place, affine)
    assert np.allclose(read_geometry(folder).affine, affine) and read_geometry(folder).shape == (10, 8, 6)
    assert volume_files(tmp_path) == [folder], "a series counts as one volume"


def test_files_are_read_as_monai_reads_them(tmp_path: Path) -> None:
    monai = import_monai()
    folder, _, _ = series(tmp_path / "scan")
    write(tmp_path / "a.nii.gz", affine=affine_of("SPL"))
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([1.0, 2.0, 3.0]),
        "space origin": [5, 6, 7],
    }
    nrrd.write(str(tmp_path / "a.nrrd"), np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32), header)
    for path, reader in (
        (folder, "PydicomReader"),
        (tmp_path / "a.nii.gz", "NibabelReader"),
        (tmp_path / "a.nrrd", "NrrdReader"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of optional decoders
            theirs = monai.LoadImage(reader=reader, image_only=True)(str(path))
        voxels, affine = read_volume(path)
        assert np.allclose(theirs.numpy(), voxels) and np.allclose(theirs.affine.numpy(), affine), reader


def test_numpy_files_may_have_an_affine(tmp_path: Path) -> None:
    voxels = np.ones((4, 5, 6))
    np.save(tmp_path / "a.npy", voxels)
    np.savez(tmp_path / "b.npz", scan=voxels, affine=affine_of())
    assert np.array_equal(read_volume(tmp_path / "a.npy")[1], np.eye(4))
    assert np.array_equal(read_volume(tmp_path / "b.npz")[1], affine_of())
    assert volume_stem(tmp_path / "scan.nii.gz") == "scan"


def test_real_dicom_series(mirror: Path) -> None:
    voxels, affine = read_volume(mirror / "dicom" / "torchio_dicom")
    assert voxels.shape == (88, 128, 17) and np.allclose(spacing_of(affine), (2, 2, 2))
    assert 0 <= voxels.min() < voxels.max() == 696


def test_real_hippocampus(mirror: Path) -> None:
    splits = Decathlon(str(mirror / "hippocampus")).read()
    check_splits(splits)
    assert sum(len(part) for _, part in splits) == 208
    example = splits.train[0]
    assert set(np.unique(example.read_mask())) <= {0, 1, 2} and example.geometry().spacing == (1, 1, 1)
    seen = []
    for fold in range(5):
        splits = Decathlon(str(mirror / "hippocampus"), fold=fold).read()
        seen += [example.source for example in splits.test]
    assert len(seen) == len(set(seen)) == 208, "each case is tested once"


# Wrong files


def zero_spacing(path: Path) -> Path:
    raw = bytearray(nibabel.Nifti1Image(np.ones((5, 5, 5), np.float32), np.eye(4)).to_bytes())
    struct.pack_into("<f", raw, 76 + 3 * 4, 0.0)  # pixdim[3]
    struct.pack_into("<hh", raw, 252, 0, 0)  # qform_code, sform_code
    path.write_bytes(gzip.compress(bytes(raw)) if path.suffix == ".gz" else bytes(raw))
    return path


def cut(path: Path, to: int = 300) -> Path:
    path.write_bytes(write(path).read_bytes()[:to])
    return path


def holed(path: Path) -> Path:
    voxels = np.ones((5, 5, 5), np.float32)
    voxels[1, 2, 3] = np.nan
    return write(path, voxels)


def missing_slice(path: Path) -> Path:
    folder, _, _ = series(path.parent / "series")
    (folder / "slice003.dcm").unlink()
    return folder


def missing_end(path: Path) -> Path:
    return series(path.parent / "short", ImagesInAcquisition=9)[0]


def two_series(path: Path) -> Path:
    folder, _, _ = series(path.parent / "both")
    series(path.parent / "other")
    for item in (path.parent / "other").iterdir():
        item.rename(folder / f"b{item.name}")
    return folder


def text(path: Path) -> Path:
    path.write_text("hello, I am no scan at all")
    return path


def one_slice(path: Path) -> Path:
    return series(path.parent / "one")[0] / "slice001.dcm"


def empty(path: Path) -> Path:
    path.touch()
    return path


def flat_nrrd(path: Path) -> Path:
    nrrd.write(str(path.with_suffix(".nrrd")), np.ones((6, 6)))
    return path.with_suffix(".nrrd")


def pickled(path: Path) -> Path:
    np.save(path.with_suffix(".npy"), np.array([{}], dtype=object), allow_pickle=True)
    return path.with_suffix(".npy")


def singular(path: Path) -> Path:
    affine = np.eye(4)
    affine[:3, 1] = affine[:3, 0]
    np.savez(path.with_suffix(".npz"), a=np.ones((5, 5, 5)), affine=affine)
    return path.with_suffix(".npz")


WRONG: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "2-D": (lambda path: write(path, np.ones((9, 8))), ("is 2-D (9 × 8)", "(x, y, z)")),
    "4-D": (lambda path: write(path, np.ones((9, 8, 7, 2))), ("is 4-D (9 × 8 × 7 × 2)", "split it")),
    "3 slices": (lambda path: write(path, np.ones((9, 8, 3))), ("has 3 slices", "at least 4")),
    "NaN": (holed, ("1 voxel is not a finite number", "(1, 2, 3)")),
    "zero spacing": (zero_spacing, ("its spacing is 1 × 1 × 0 mm",)),
    "truncated gzip": (cut, ("damaged or cut off",)),
    "truncated header": (lambda path: cut(path, 40), ("damaged or cut off",)),
    "no NIfTI": (text, ("Not a gzipped file",)),
    "empty": (empty, ("is empty (0 bytes)",)),
    "missing slice": (missing_slice, ("a slice is missing between slice004.dcm and slice002.dcm", "6.00 mm")),
    "missing end": (missing_end, ("9 are announced, and 6 are there",)),
    "two series": (two_series, ("holds 2 series",)),
    "one slice": (one_slice, ("is one DICOM file", "the folder")),
    "series of 3": (lambda path: series(path.parent / "three", 3)[0], ("has 3 slices",)),
    "repeated": (lambda path: series(path.parent / "again", step=0.0)[0], ("lie at the same place",)),
    "flat NRRD": (flat_nrrd, ("is 2-D",)),
    "pickle": (pickled, ("cannot be read",)),
    "singular": (singular, ("its affine leaves a direction out",)),
    "another file": (lambda path: text(path.with_suffix(".pdf")), ("is not a volume", ".nii.gz")),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_volumes_are_one_line(what: str, small_run, cli, tmp_path: Path) -> None:
    make, words = WRONG[what]
    path = make(tmp_path / "scan.nii.gz")
    refused(cli("predict", small_run("mri_cnn3d"), path), 3, path.name, *words)


def test_spacing_of_zero_that_nothing_depends_on_is_no_error(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.ones((5, 5, 5), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    raw = bytearray(image.to_bytes())
    struct.pack_into("<f", raw, 76 + 3 * 4, 0.0)
    (tmp_path / "a.nii").write_bytes(raw)
    assert spacing_of(read_volume(tmp_path / "a.nii")[1]) == (2, 2, 2), "the sform says where voxels lie"


# Masks


def test_masks_are_held_against_their_scans(tmp_path: Path) -> None:
    scan_path = write(tmp_path / "scan.nii.gz")
    drawn = np.zeros((9, 8, 7), np.uint8)
    drawn[3:5, 3:5, 3:5] = 2

    def mask(voxels: np.ndarray, affine: np.ndarray | None = None) -> Volume:
        path = write(tmp_path / f"mask{len(list(tmp_path.iterdir()))}.nii.gz", voxels, affine)
        return Volume(scan_path, mask=path, structures={1: "left", 2: "right"})

    assert (
        np.array_equal(mask(drawn).read_mask(), drawn) and mask(drawn.astype(np.float32)).read_mask().dtype == np.uint8
    )
    shifted = affine_of(origin=(-20.0, 5.0, 13.0))
    for example, words in [
        (mask(drawn[1:]), ("is 8 × 8 × 7, its image", "9 × 8 × 7")),
        (mask(drawn, shifted), ("has another place", "2.00 mm")),
        (mask(drawn, affine_of("LAS")), ("has another place",)),
        (mask(drawn * np.float32(0.25)), ("whole numbers, not 0.5", "(3, 3, 3)")),
        (mask(drawn.astype(np.int16) * -1), ("from 0, not -2",)),
        (mask(drawn + 5), ("holds the label 5, which is not declared", "0, 1 left, 2 right")),
        (Volume(scan_path), ("has no mask",)),
        (Volume(scan_path, mask=tmp_path / "no.nii.gz"), ("no such volume",)),
    ]:
        with pytest.raises(DataError) as error:
            example.read_mask()
        assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)
    # What programs round in headers is no other place.
    assert mask(drawn, affine_of(origin=(-20.0, 5.0, 11.001))).read_mask().max() == 2
    assert read_labels(write(tmp_path / "many.nii.gz", drawn * np.int16(200)))[0].dtype == np.int32


# Orientation and spacing


@given(
    st.sampled_from(CODES),
    st.tuples(*[st.floats(0.5, 4)] * 3),
    st.tuples(*[st.integers(4, 12)] * 3),
)
def test_turning_moves_no_voxel_in_space(codes: str, spacing, shape) -> None:
    affine = affine_of(codes, spacing)
    volume, place = ops.oriented(field(shape, affine), affine)
    assert nibabel.aff2axcodes(place) == ("R", "A", "S")
    assert np.allclose(volume[0].numpy(), field(volume.shape[1:], place), atol=1e-3)
    expected = nibabel.as_closest_canonical(nibabel.Nifti1Image(field(shape, affine), affine))
    assert np.array_equal(volume[0].numpy(), np.asarray(expected.dataobj)) and np.allclose(place, expected.affine)
    geometry = Volume(voxels=field(shape, affine), affine=affine).geometry()
    found = ops.in_patient_axes(geometry)
    assert found[0] == tuple(volume.shape[1:]) and np.allclose(found[1], spacing_of(place))


@given(st.sampled_from(CODES), st.tuples(*[st.floats(1.0, 3)] * 3), st.floats(0.8, 3))
def test_respacing_keeps_what_stands_where(codes: str, spacing, wanted: float) -> None:
    affine = affine_of(codes, spacing)
    turned, place = ops.oriented(field((14, 13, 12), affine), affine)
    volume, new = ops.respaced(turned, place, [wanted] * 3)
    assert np.allclose(spacing_of(new), wanted)
    inner = tuple(slice(int(4 / wanted) + 1, -int(4 / wanted) - 2) for _ in range(3))
    true = field(volume.shape[1:], new)[inner]
    assert np.allclose(volume[0].numpy()[inner], true, atol=2e-2)
    back = ops.resampled_to(volume, new, (14, 13, 12), affine)
    assert np.allclose(back[0].numpy()[4:-4, 4:-4, 4:-4], field((14, 13, 12), affine)[4:-4, 4:-4, 4:-4], atol=5e-2)


def test_fitting_keeps_the_middle() -> None:
    volume = torch.arange(7.0 * 6 * 5).reshape(1, 7, 6, 5)
    fitted = ops.fitted_to(volume, (5, 8, 5), fill=-1.0)
    assert torch.equal(fitted[:, :, 1:7], volume[:, 1:6]) and (fitted[:, :, [0, 7]] == -1).all()


def test_intensities_lose_the_scanners_unit() -> None:
    volume = torch.from_numpy(np.random.default_rng(0).gamma(1.0, 1.0, (1, 9, 9, 9)).astype(np.float32))
    for how in ("head", "whole", "unit"):
        assert torch.allclose(ops.normalised(volume, how), ops.normalised(700 * volume, how), atol=1e-4)
    head = ops.normalised(volume, "head")
    bright = head[volume > volume.mean()]
    assert abs(bright.mean()) < 1e-4 and abs(bright.std() - 1) < 1e-3
    assert torch.equal(ops.normalised(volume, "none"), volume)
    assert torch.isfinite(ops.normalised(torch.full((1, 5, 5, 5), 3.0), "head")).all(), "a volume of one value"


# Readers


def case(folder: Path, name: str, mask: np.ndarray | None = None) -> None:
    for sub in ("imagesTr", "labelsTr"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(abs(hash(name)) % 2**32)
    write(folder / "imagesTr" / name, random.normal(size=(6, 6, 6)).astype(np.float32))
    stem = re.sub(r"_0000\.nii\.gz$", ".nii.gz", name)
    write(folder / "labelsTr" / stem, np.ones((6, 6, 6), np.uint8) if mask is None else mask)


def test_decathlon_folder_with_and_without_its_listing(tmp_path: Path) -> None:
    for number in range(8):
        case(tmp_path, f"brain_{number:03d}.nii.gz")
    (tmp_path / "imagesTr" / "._brain_000.nii.gz").write_text("what macOS leaves")
    splits = Decathlon(str(tmp_path), test=0.25, val=0.25).read()
    assert [len(part) for _, part in splits] == [4, 2, 2] and splits.train[0].structures is None
    names = [f"brain_{number:03d}.nii.gz" for number in range(6)]
    listing = {
        "labels": {"0": "background", "1": "anterior", "2": "posterior"},
        "training": [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(listing))
    reader = Decathlon(str(tmp_path / "dataset.json"))
    assert len(reader.examples()) == 6 and reader.examples()[0].structures == {1: "anterior", 2: "posterior"}
    assert Decathlon.recognises(tmp_path) and Decathlon.recognises(tmp_path / "dataset.json")
    (tmp_path / "dataset.json").write_text(
        json.dumps({"labels": {"background": 0, "anterior": 1}, "file_ending": ".nii.gz"})
    )
    assert Decathlon(str(tmp_path)).examples()[0].structures == {1: "anterior"}, "as nnU-Net writes it"


def test_decathlon_pairs_nnunets_names_and_patients_of_bids(tmp_path: Path) -> None:
    for patient in range(4):
        for visit in range(2):
            case(tmp_path, f"sub-{patient:02d}_ses-{visit}_0000.nii.gz")
    splits = Decathlon(str(tmp_path), val=0.25, test=0.25).read()
    check_splits(splits)
    homes = {example.group: name for name, part in splits for example in part}
    assert len(homes) == 4 and sorted(len(part) for _, part in splits) == [2, 2, 4]


def test_wrong_decathlon_folders(tmp_path: Path) -> None:
    case(tmp_path, "a.nii.gz")
    case(tmp_path, "b.nii.gz")
    (tmp_path / "labelsTr" / "b.nii.gz").rename(tmp_path / "labelsTr" / "c.nii.gz")
    for content, words in [
        (None, ("b.nii.gz", "has no mask", "allowed")),
        ({"training": [{"image": "imagesTr/a.nii.gz"}]}, ("training[0]",)),
        ({"training": [{"image": "../../etc/a.nii.gz", "label": "labelsTr/a.nii.gz"}]}, ("lies outside",)),
        ({"training": [{"image": "imagesTr/z.nii.gz", "label": "labelsTr/a.nii.gz"}]}, ("z.nii.gz", "does not exist")),
        ({"labels": {"0": "background", "x": "y"}}, ("label", "whole number")),
        ([1], ("is not a mapping",)),
    ]:
        if content is not None:
            (tmp_path / "dataset.json").write_text(json.dumps(content))
        with pytest.raises(DataError) as error:
            Decathlon(str(tmp_path)).read()
        assert all(word in str(error.value) for word in words), str(error.value)
    with pytest.raises(DataError, match="no such folder"):
        Decathlon(str(tmp_path / "nowhere")).read()


def scans(folder: Path, count: int = 12) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"scan{number:02d}.nii.gz" for number in range(count)]
    for number, name in enumerate(names):
        write(folder / name, np.random.default_rng(number).normal(size=(6, 6, 6)).astype(np.float32))
    return names


def test_table_splits_by_patient(tmp_path: Path) -> None:
    names = scans(tmp_path)
    rows = [f"{name},{'ill' if number % 2 else 'well'},p{number // 2 % 6}" for number, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("scan,diagnosis,patient\n" + "\n".join(rows) + "\n")
    splits = VolumeTable(str(tmp_path / "t.csv"), val=0.2, test=0.2).read()
    check_splits(splits)
    assert sum(len(part) for _, part in splits) == 12 and splits.train[0].label in ("ill", "well")
    homes: dict = {}
    for name, part in splits:
        for example in part:
            assert homes.setdefault(example.group, name) == name


def test_table_of_masks_and_series(tmp_path: Path) -> None:
    folder, _, _ = series(tmp_path / "series")
    names = scans(tmp_path, 3)
    for number, name in enumerate(names):  # the same file is scan and mask
        write(tmp_path / name, np.random.default_rng(number).integers(0, 2, (6, 6, 6)).astype(np.uint8))
    with pytest.raises(DataError, match="which column"):
        (tmp_path / "u.csv").write_text(f"image\n{names[0]}\n")
        VolumeTable(str(tmp_path / "u.csv")).read()
    (tmp_path / "t.csv").write_text("image,label\n" + "".join(f"{n},{n}\n" for n in names))
    reader = VolumeTable(str(tmp_path / "t.csv"), structures={1: "tumour"})
    example = reader.examples()[0]
    assert example.mask == tmp_path / names[0] and example.label is None and example.structures == {1: "tumour"}
    (tmp_path / "s.csv").write_text("image,class\nseries,ill\n")
    assert VolumeTable(str(tmp_path / "s.csv")).examples()[0].path == folder


@pytest.mark.parametrize(
    ("heading", "row", "words"),
    [
        ("image,label,patient,split", "scan00.nii.gz,a,p0,test", ("group 'p0'", "train", "test", "leak")),
        ("image,label,split", "scan00.nii.gz,a,test", ("file", "scan00.nii.gz", "leak")),
        ("image,label,split", "scan05.nii.gz,a,held", ("t.csv:14", "'held'", "train, val or test")),
        ("image,label", "nowhere.nii.gz,a", ("t.csv:14", "nowhere.nii.gz")),
        ("image,label", "t.csv,a", ("t.csv:14", "is no volume")),
        ("image,label", "scan00.nii.gz,", ("t.csv:14", "column 'label' is empty")),
        ("picture,label", "scan00.nii.gz,a", ("which column is the file", "data.file=COLUMN")),
    ],
)
def test_wrong_tables(heading: str, row: str, words: tuple[str, ...], small_run, cli, tmp_path: Path) -> None:
    names = scans(tmp_path)
    columns = heading.split(",")
    lines = []
    for number, name in enumerate(names):
        values = {
            "label": "ab"[number % 2],
            "patient": f"p{number}",
            "split": "test" if number in (4, 5, 6, 7) else "train",
        }
        lines.append(",".join(values.get(column, name) for column in columns))
    (tmp_path / "t.csv").write_text("\n".join([heading, *lines, row]) + "\n")
    refused(cli("check", "mri_cnn3d", "--data", tmp_path / "t.csv"), 3, *words)


def test_class_folders_and_their_patients(tmp_path: Path) -> None:
    for kind in ("ill", "well"):
        for patient in range(4):
            scans(tmp_path / kind / f"{kind}{patient}", 2)
            for number in range(2):  # every scan another, or copies would be kept together
                path = tmp_path / kind / f"{kind}{patient}" / f"scan{number:02d}.nii.gz"
                write(
                    path, np.random.default_rng([patient, number, len(kind)]).normal(size=(6, 6, 6)).astype(np.float32)
                )
    splits = VolumeFolder(str(tmp_path), val=0.25, test=0.25).read()
    check_splits(splits)
    assert {example.label for example in splits.test} == {"ill", "well"}
    assert {example.group for _, part in splits for example in part} == {
        f"{k}{p}" for k in ("ill", "well") for p in range(4)
    }
    series(tmp_path / "ill" / "ill0" / "dicom")
    assert any(
        example.path == tmp_path / "ill" / "ill0" / "dicom" for example in VolumeFolder(str(tmp_path)).examples()
    )


def test_patients_on_both_sides_of_given_folders_are_refused(tmp_path: Path, cli) -> None:
    for part in ("train", "test"):
        for kind in ("ill", "well"):
            scans(tmp_path / part / kind / ("sub-1" if kind == "ill" else f"sub-{part}"), 3)
    refused(cli("check", "mri_cnn3d", "--data", tmp_path), 3, "group 'sub-1'", "train", "test", "leak")


def medmnist(path: Path, count: int = 6, **more) -> Path:
    random = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = random.integers(0, 255, (count, 8, 8, 8)).astype(np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    np.savez(path, **{**arrays, **more})
    return path


def test_medmnist_keeps_its_split(tmp_path: Path, cli) -> None:
    path = medmnist(tmp_path / "adrenalmnist3d.npz")
    splits = MedMNIST3D(str(path)).read()
    assert [len(part) for _, part in splits] == [6, 6, 6] and splits.origin == "official"
    assert [example.label for example in splits.val[:2]] == ["normal", "hyperplasia"]
    assert [e.label for e in MedMNIST3D(str(medmnist(tmp_path / "mine.npz"))).read().val[:2]] == ["0", "1"]
    assert MedMNIST3D.recognises(path)
    for more, words in [
        ({"val_labels": np.zeros((5, 1), np.uint8)}, ("val_labels", "for each of 6")),
        ({"train_images": np.zeros((6, 8, 8), np.uint8)}, ("train_images is 3-D",)),
        ({"train_labels": np.full((6, 1), 7, np.uint8)}, ("train_labels[0] is 7", "0 to 1")),
    ]:
        wrong = medmnist(tmp_path / "adrenalmnist3d_wrong.npz", **more)
        with pytest.raises(DataError) as error:
            MedMNIST3D(str(wrong)).read()
        assert all(word in str(error.value) for word in words)
    broken = tmp_path / "broken.npz"
    broken.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"cannot be read as \.npz"):
        MedMNIST3D(str(broken)).read()
    refused(cli("check", "mri_cnn3d", "--data", broken), 3, "is none of the formats", "MedMNIST")


def test_real_adrenal(mirror: Path) -> None:
    splits = MedMNIST3D(str(mirror / "medmnist3d" / "adrenalmnist3d_64.npz")).read()
    assert [len(part) for _, part in splits] == [1188, 98, 298]
    assert sum(example.label == "normal" for example in splits.test) == 229
    assert set(np.unique(splits.test[0].read()[0])) == {0, 255}


# Phantoms


def small_phantoms(**more) -> Phantoms:
    return Phantoms(**{"train": 24, "val": 8, "test": 8, "spacing": 6.0, **more})


def test_phantoms_are_the_same_every_time_and_split_by_patient() -> None:
    first, second = small_phantoms().read(), small_phantoms().read()
    check_splits(first)
    assert [e.source for e in first.train] == [e.source for e in second.train]
    (facts,) = first.files.values()
    kind = CLASSES[0]
    made = [scan(make_head(np.random.default_rng(1), kind, 0.5), np.random.default_rng(2), 0.5, 6.0) for _ in range(2)]
    assert all(np.array_equal(made[0][key], made[1][key]) for key in made[0])
    assert len(facts["sha256"]) == 64
    groups = [e.group for e in first.train]
    assert len(set(groups)) < len(groups), "some patients were scanned twice"
    assert len({e.label for e in first.train}) == 4 and 0.5 < first.ceiling["test/accuracy"] <= 1
    assert 0.8 < first.ceiling["test/dice"] < 1


def test_phantoms_lie_in_space_as_they_should() -> None:
    splits = small_phantoms().read()
    codes = set()
    for example in splits.train:
        mask, geometry = example.read_mask(), example.geometry()
        codes.add("".join(nibabel.aff2axcodes(geometry.affine)))
        assert set(np.unique(mask)) == {0, *STRUCTURES}, "every structure is there, the lesion too"
        middles = {
            value: geometry.affine[:3, :3] @ np.argwhere(mask == value).mean(axis=0) + geometry.affine[:3, 3]
            for value in STRUCTURES
        }
        assert middles[2][0] < middles[1][0] < middles[3][0], "left nucleus, ventricles, right nucleus"
        assert middles[2][2] < middles[1][2], "the nuclei lie below the ventricles"
    assert len(codes) >= 4, "several orientations"
    assert len({tuple(round(s, 2) for s in e.geometry().spacing) for e in splits.train}) > 10, "several resolutions"


def test_brightness_and_size_do_not_tell_the_class() -> None:
    """A linear model on the histogram of intensities stays near chance, and so does one on the size of the lesion."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    splits = Phantoms(train=200, val=8, test=100, spacing=6.0).read()
    dims = {"labels": CLASSES}
    baseline = HistogramLogisticRegression()
    baseline.fit(splits.train, dims)
    meter = ClassificationMeter(4)
    meter.update(baseline.outputs(splits.test), torch.tensor([CLASSES.index(e.label) for e in splits.test]))
    assert meter.compute()["accuracy"] < 0.36, "chance is .25; two deviations of 100 scans are .09"
    sizes, bright = [], []
    for example in splits.train:
        lesion = example.read_mask() == 4
        voxels, affine = example.read()
        sizes.append(np.log(lesion.sum() * abs(np.linalg.det(affine[:3, :3]))))
        bright.append(voxels[lesion].mean() / voxels.mean())
    truth = [example.label for example in splits.train]
    assert cross_val_score(LogisticRegression(), np.array([sizes, bright]).T, truth, cv=4).mean() < 0.36


def test_phantoms_are_a_decathlon_and_a_table() -> None:
    folder = small_phantoms().read().train[0].path.parent.parent  # type: ignore[union-attr]
    assert Decathlon(str(folder)).examples()[0].structures == STRUCTURES
    given = VolumeTable(str(folder / "phantoms.csv")).read()
    assert given.origin == "as given" and len(given.train) == 24
    check_splits(given)


# The encoder


def fitted(**arguments) -> VolumeEncoder:
    encoder = VolumeEncoder(**{"spacing": [4, 4, 4], "shape": [12, 14, 10], **arguments})
    encoder.fit([Volume(voxels=np.ones((5, 5, 5)), label=label) for label in "ab"])
    return encoder


def blob(codes: str = "RAS", spacing=(2.0, 2.0, 2.0)) -> Volume:
    """A smooth scan of the same place in the patient, stored in another way."""
    extent = np.array([48.0, 56.0, 40.0])
    shape = [round(extent[AXES[code][0]] / spacing[axis]) for axis, code in enumerate(codes)]
    affine = affine_of(codes, spacing, (0, 0, 0))
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    index = np.indices(shape).reshape(3, -1)
    x, y, z = affine[:3, :3] @ index + affine[:3, 3:]
    voxels = np.exp(-((x - 6) ** 2 + (y + 8) ** 2 + 2 * z**2) / 150).reshape(shape).astype(np.float32)
    return Volume(voxels=voxels, affine=affine, label="a")


@pytest.mark.parametrize("codes", CODES)
def test_however_a_scan_is_stored_the_network_sees_the_same(codes: str) -> None:
    encoder = fitted(normalise="none")
    same, _ = encoder.prepare(blob())
    assert torch.allclose(encoder.prepare(blob(codes))[0], same, atol=1e-5)
    finer = encoder.prepare(blob(codes, (1.0, 2.0, 0.5)))[0]
    assert (finer - same).abs().max() < 0.05, "another spacing, nearly the same"
    peak = np.unravel_index(int(same.argmax()), same.shape)[1:]
    assert peak[0] > 5.5 and peak[1] < 6.5, "right of the middle and behind it"


def test_what_is_not_given_is_learnt_from_headers() -> None:
    encoder = VolumeEncoder()
    examples = [
        Volume(voxels=np.ones((20, 30, 10)), affine=affine_of("SAR", (3.0, 2.0, 4.0)), label=label, source=label)
        for label in "abab"
    ]
    encoder.fit(examples)
    assert encoder.spacing == [4, 2, 3] and encoder.shape == [16, 32, 24]
    again = VolumeEncoder()
    again.load_state(json.loads(json.dumps(encoder.state())))
    assert again.dims == encoder.dims and torch.equal(
        again.encode(examples[:2]).inputs["volume"], encoder.encode(examples[:2]).inputs["volume"]
    )
    with pytest.raises(DataError, match="1 class"):
        VolumeEncoder().fit(examples[:1])


def test_pooling_is_the_mean_of_what_a_voxel_covers() -> None:
    encoder = VolumeEncoder(fit="resize", shape=[4, 4, 4], orientation="kept", normalise="none")
    voxels = np.random.default_rng(0).normal(size=(8, 12, 9)).astype(np.float32)
    encoder.fit([Volume(voxels=voxels, label=label) for label in "ab"])
    found = encoder.encode([Volume(voxels=voxels)]).inputs["volume"][0]
    assert torch.allclose(found, nn.functional.adaptive_avg_pool3d(torch.from_numpy(voxels)[None], 4), atol=1e-6)


def test_the_body_can_be_brought_to_the_middle() -> None:
    voxels = np.zeros((30, 30, 30), np.float32)
    voxels[2:8, 20:28, 11:15] = 1
    encoder = VolumeEncoder(spacing=[1, 1, 1], shape=[10, 10, 10], centre="body", normalise="none")
    encoder.fit([Volume(voxels=voxels, label=label) for label in "ab"])
    seen = encoder.encode([Volume(voxels=voxels)]).inputs["volume"][0, 0]
    assert seen.sum() == voxels.sum() and seen[2:8, 1:9, 3:7].mean() == 1


@pytest.mark.parametrize(
    "arguments",
    [{"flip": 0.5}, {"rotate": 20}, {"scale": 0.2, "shift": 0.2}, {"gamma": 1.5}, {"noise": 0.3},
     {"rotate": 5, "spatial_probability": 0.5}],
)  # fmt: skip
def test_augmentation_depends_on_the_example_alone(arguments: dict) -> None:
    encoder = fitted(**arguments)
    items = [encoder.prepare(blob(codes)) for codes in CODES[:5]]
    whole = encoder.collate(items, Draws(3, 1, range(5))).inputs["volume"]
    parts = [encoder.collate([item], Draws(3, 1, [index])).inputs["volume"] for index, item in enumerate(items)]
    assert torch.allclose(whole, torch.cat(parts), atol=1e-6), "whatever the batch"
    plain = encoder.collate(items).inputs["volume"]
    assert not torch.equal(whole, plain) and torch.equal(plain[0], items[0][0])
    assert not torch.equal(whole, encoder.collate(items, Draws(3, 2, range(5))).inputs["volume"]), "another epoch"


def test_turning_is_in_space_and_goes_the_right_way() -> None:
    """A quarter turn about z of a volume with flat voxels is what numpy makes of it, once it is respaced."""
    volume = torch.zeros(1, 1, 9, 9, 5)
    volume[0, 0, 6, 4, 2] = 1  # to the right of the middle
    none = {"scale": np.ones(1), "shift": np.zeros((1, 3))}
    turned = augment3d.turned(volume, np.array([1.0, 1.0, 3.0]), angles=np.array([[0, 0, np.pi / 2]]), **none)
    assert turned[0, 0, 4, 2, 2] > 0.99 or turned[0, 0, 4, 6, 2] > 0.99
    assert turned.sum() == pytest.approx(1, abs=1e-3)
    flipped = augment3d.mirrored(volume, np.array([True]))
    assert flipped[0, 0, 2, 4, 2] > 0.99
    # About x by a right angle, voxels three times as high: 2 voxels to the front become 2/3 of one upwards.
    volume = torch.zeros(1, 1, 9, 9, 5)
    volume[0, 0, 4, 7, 2] = 1
    turned = augment3d.turned(volume, np.array([1.0, 1.0, 3.0]), angles=np.array([[np.pi / 2, 0, 0]]), **none)
    column = turned[0, 0, 4, 4]
    assert max(column[1], column[3]) > 0.5, "3 mm to the front are one voxel up or down"


def test_wrong_settings_of_the_encoder() -> None:
    for arguments, words in [
        ({"spacing": [1.0, 1.0]}, "spacing should be"),
        ({"shape": [8]}, "shape should be"),
        ({"fit": "resize", "spacing": [1.0, 1.0, 1.0]}, "remove spacing"),
    ]:
        with pytest.raises(ValueError, match=words):
            VolumeEncoder(**arguments)


# Kernels


def test_three_kinds_of_kernels_are_one_layer() -> None:
    x = torch.randn(2, 5, 8, 9, 7)
    counts = {}
    for kernels in ("full", "factorised", "acs"):
        block = KernelBlock(3, 5, 9, kernels, 3, stride=2)
        assert block(x).shape == (2, 9, 4, 5, 4)
        counts[kernels] = sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv3d))
    assert counts["acs"] * 3 == counts["full"]
    assert counts["factorised"] <= counts["full"] < counts["factorised"] + 3 * 3 * 5 + 3 * 9
    assert KernelBlock(2, 5, 6, "acs")(x[..., 0]).shape == (2, 6, 8, 9), "in two dimensions, too"
    assert KernelBlock(2, 5, 6, "factorised", across=0)(x[..., 0]).shape == (2, 6, 8, 9)


def test_acs_is_a_full_convolution_with_flat_kernels() -> None:
    block = KernelBlock(3, 2, 7, "acs", 3, normalisation="none", activation="identity")
    x = torch.randn(1, 2, 6, 5, 7)
    assert block.views is not None
    weights, biases = [], []
    for axis, view in enumerate(block.views):
        flat = view.convolution.weight  # type: ignore[union-attr]
        full = torch.zeros(flat.shape[0], 2, 3, 3, 3)
        full.narrow(axis + 2, 1, 1).copy_(flat.detach())
        weights.append(full)
        biases.append(view.convolution.bias)  # type: ignore[union-attr]
    assert [len(weight) for weight in weights] == [3, 2, 2]
    expected = nn.functional.conv3d(x, torch.cat(weights), torch.cat(biases), padding=1)
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_factorised_kernels_look_across_the_axis_that_is_named() -> None:
    for across, seen in ((0, (3, 1, 1)), (-1, (1, 1, 3))):
        block = KernelBlock(3, 1, 4, "factorised", 3, across=across)
        kernels = [m.kernel_size for m in block.modules() if isinstance(m, nn.Conv3d)]
        assert kernels[1] == seen and all(a * b == 3 for a, b in zip(*kernels, strict=True))


@pytest.mark.parametrize("arguments", [(3, 4, 2, "acs", 3), (3, 4, 6, "acs", 4), (1, 4, 6, "factorised", 3)])
def test_kernels_that_cannot_be(arguments: tuple) -> None:
    with pytest.raises(ValueError, match="kernel"):
        KernelBlock(*arguments)


@pytest.mark.parametrize("kernels", ["full", "factorised", "acs"])
def test_network_with_each_kind_of_kernels_learns_and_is_described(kernels: str) -> None:
    torch.manual_seed(0)
    model = ResNet3d(1, 2, channels=[6, 12], blocks=[1, 1], kernels=kernels, dropout=0.0)  # type: ignore[arg-type]
    x = torch.randn(8, 1, 8, 8, 8)
    x[:4, :, 2:5, 2:5, 2:5] += 2
    target = torch.tensor([0] * 4 + [1] * 4)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(25):
        loss = nn.functional.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2
    found = describe(model, {"volume": x[:1]})
    assert found.receptive_field is not None and found.multiply_adds > 0
    assert found.parameters == sum(p.numel() for p in model.parameters())


def test_monais_networks_by_name() -> None:
    x = torch.randn(1, 1, 32, 32, 32)
    for network in ("resnet10", "densenet121"):
        model = MonaiClassifier(1, 3, network).eval()  # type: ignore[arg-type]
        assert model(x).shape == (1, 3)
    assert MonaiClassifier(1, 2, "resnet10", args={"widen_factor": 0.25}).eval()(x).shape == (1, 2)
    with pytest.raises(ValueError, match="MONAI's resnet10"):
        MonaiClassifier(1, 2, "resnet10", args={"wings": 2})


# Calibration


@given(st.integers(2, 5), st.floats(0.3, 4.0), st.integers(0, 100))
def test_temperature_is_the_one_of_least_cross_entropy(classes: int, true: float, seed: int) -> None:
    import scipy.optimize

    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(300, classes, generator=generator, dtype=torch.float64)
    target = torch.multinomial((logits / true).softmax(dim=1), 1, generator=generator)[:, 0]
    found = best_temperature(logits, target)

    def loss(log: float) -> float:
        return float(nn.functional.cross_entropy(logits / np.exp(log), target))

    other = scipy.optimize.minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x
    assert loss(np.log(found)) <= loss(other) + 1e-9 and abs(np.log(found) - other) < 0.01


def test_calibration_error_is_torchmetrics() -> None:
    from torchmetrics.classification import MulticlassCalibrationError

    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(400, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 4, (400,), generator=generator)
    probabilities = logits.softmax(dim=1)
    parts = calibration_bins(probabilities[:150], target[:150]) + calibration_bins(probabilities[150:], target[150:])
    assert calibration_error(parts) == pytest.approx(
        float(MulticlassCalibrationError(4, n_bins=15)(probabilities, target)), abs=1e-6
    )
    meter = ClassificationMeter(4, calibration=True)
    meter.update(logits, target)
    assert meter.compute()["calibration_error"] == pytest.approx(calibration_error(parts))
    plain = ClassificationMeter(4)
    plain.update(logits, target)
    assert "calibration_error" not in plain.compute()


def test_temperature_changes_no_class_and_is_kept_with_the_run() -> None:
    from convzoo.core.batch import Batch

    class Sure(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 9 * x

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=generator)
    target = torch.multinomial(x.softmax(dim=1), 1, generator=generator)[:, 0]
    batches = [Batch({"x": x[:120]}, target[:120], 120), Batch({"x": x[120:]}, target[120:], 80)]
    task = Classification(("a", "b", "c"), calibrate="temperature")
    before = task.decode(task.predict(Sure(), batches[0]))
    task.calibrate(Sure(), batches)
    assert 6 < task.temperature < 12, "the network was nine times too sure"
    after = task.decode(task.predict(Sure(), batches[0]))
    assert [row["label"] for row in before] == [row["label"] for row in after]
    again = Classification(("a", "b", "c"), calibrate="temperature")
    again.load_state(json.loads(json.dumps(task.state())))
    assert again.decode(again.predict(Sure(), batches[0])) == after
    plain = Classification(("a", "b", "c"))
    plain.calibrate(Sure(), batches)
    assert plain.temperature == 1 and plain.state() == {}


# Opponents


def test_shape_features_measure_a_ball() -> None:
    index = np.indices((41, 41, 41)) - 20
    ball = ((index**2).sum(axis=0) <= 15.2**2).astype(np.float32)
    features = shape_features(ball, np.diag([0.5, 0.5, 0.5, 1.0]))
    volume = np.exp(features[0])
    assert volume == pytest.approx(4 / 3 * np.pi * 7.6**3, rel=0.03)
    box = np.exp(features[3:6])
    assert np.allclose(box, 15.5) and np.exp(features[10]) == pytest.approx(7.8, abs=0.3), "its greatest half thickness"
    assert features[11] == pytest.approx(np.pi / 6, abs=0.03), "the part of its box that a ball fills"
    assert np.allclose(features[12:14], 1, atol=0.01) and features[15] == 1
    assert np.allclose(shape_features(np.zeros((5, 5, 5)), np.eye(4)), 0)


def test_shape_tells_long_from_round() -> None:
    random = np.random.default_rng(0)
    examples = []
    for number in range(40):
        long = number % 2
        axes = np.array([9.0, 3.5, 3.5] if long else [5.0, 5.0, 5.0]) * random.uniform(0.9, 1.1, 3)
        index = np.indices((24, 24, 24)) - 11.5
        body = ((index / axes.reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 1
        examples.append(Volume(voxels=body.astype(np.float32), label="long" if long else "round"))
    baseline = ShapeLogisticRegression()
    baseline.fit(examples[:30], {"labels": ("long", "round")})
    assert [("long", "round")[i] for i in baseline.outputs(examples[30:]).argmax(dim=1)] == [
        e.label for e in examples[30:]
    ]


# Using it


def test_predictions_do_not_depend_on_how_a_scan_is_stored(small_run, tmp_path: Path, cli) -> None:
    run = convzoo.Run.load(small_run("mri_cnn3d"))
    example = small_phantoms().read().test[0]
    voxels, affine = example.read()
    expected = run.predict([example])[0]["probabilities"]
    stored = nibabel.Nifti1Image(voxels, affine)
    for codes in ("LPS", "ASR"):
        turn = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(affine), nibabel.orientations.axcodes2ornt(codes)
        )
        other = stored.as_reoriented(turn)
        nibabel.save(other, tmp_path / f"{codes}.nii.gz")
        found = run.predict([tmp_path / f"{codes}.nii.gz"])[0]["probabilities"]
        assert all(abs(found[label] - expected[label]) < 1e-4 for label in expected), codes
    nrrd.write(
        str(tmp_path / "scan.nrrd"), voxels,
        {"space": "RAS", "space directions": affine[:3, :3].T, "space origin": affine[:3, 3]},
    )  # fmt: skip
    np.savez(tmp_path / "scan.npz", voxels=voxels, affine=affine)
    for value in (tmp_path / "scan.nrrd", tmp_path / "scan.npz", (voxels, affine)):
        found = run.predict([value])[0]["probabilities"]
        assert all(abs(found[label] - expected[label]) < 1e-4 for label in expected)
    result = cli("predict", small_run("mri_cnn3d"), tmp_path)
    assert result.code == 0 and len(result.out.splitlines()) == 4 and "LPS.nii.gz" in result.out, result.err
    folder, _, _ = series(tmp_path / "dicom" / "series")
    result = cli("predict", small_run("mri_cnn3d"), "-", input=f"{folder}\n")
    assert result.code == 0 and "series" in result.out


def test_own_data_in_class_folders(cli, tiny, tmp_path: Path) -> None:
    splits = small_phantoms().read()
    for example in [*splits.train, *splits.val, *splits.test]:
        home = tmp_path / "own" / example.label.split()[1]  # type: ignore[union-attr]
        home.mkdir(parents=True, exist_ok=True)
        (home / example.path.name).write_bytes(example.path.read_bytes())  # type: ignore[union-attr]
    kept = [word for word in tiny("mri_cnn3d") if not word.startswith("data.")]
    result = cli("run", "mri_cnn3d", "--data", tmp_path / "own", *kept, "--quiet", "--out", tmp_path / "run")
    assert result.code == 0, result.err
    run = convzoo.Run.load(tmp_path / "run")
    assert set(run.encoder.dims["labels"]) == {"long", "round"} and "test/auroc" in run.scores
    assert "test/calibration_error" in run.scores
    result = cli("evaluate", tmp_path / "run", "--data", tmp_path / "own")
    assert result.code == 0, result.err


def test_a_missing_library_is_one_line(cli, tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for library, words in (("nibabel", "nibabel"), ("monai", "monai")):
        with monkeypatch.context() as patch:
            for name in [*sys.modules]:
                if name == "monai.transforms" or name in (
                    "convzoo.modalities.volume.encoder",
                    "convzoo.modalities.volume.baselines",
                ):
                    patch.delitem(sys.modules, name)
            patch.setitem(sys.modules, "monai.transforms" if library == "monai" else library, None)
            result = cli("check", "mri_cnn3d", *tiny("mri_cnn3d"), "data.seed=5")
            refused(result, 2, words, "pip install 'convzoo[medical]'")


# What a page shows


def pictures_in(page: str) -> list[np.ndarray]:
    import base64
    import io

    import PIL.Image

    found = re.findall(r"base64,([A-Za-z0-9+/=]+)", page)
    return [np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))).convert("L")) for data in found]


def test_planes_have_the_patients_proportions() -> None:
    affine = affine_of("SAL", (5.0, 1.0, 2.0))
    voxels = np.random.default_rng(0).random((10, 60, 40)).astype(np.float32)  # 50 mm up, 60 to the front, 80 across
    scan = Scan(voxels, affine)
    page = planes(scan, [5, 30, 20], "a scan")
    sides = [tuple(map(float, pair)) for pair in re.findall(r"aspect-ratio:([\d.]+)/([\d.]+)", page)]
    assert sides == [(60, 50), (80, 50), (80, 60)], "sagittal, coronal, axial"
    assert [float(width) for width in re.findall(r"flex:([\d.]+)", page)] == [60, 80, 80], "and one scale for all three"
    assert scan.millimetres() == "80×60×50 mm"
    edges = re.findall(r'class="(?:left|right|top|bottom)" aria-hidden="true">(.)<', page)
    assert "".join(edges) == "PASI" + "RLSI" + "RLAP"
    assert "<span" not in planes(scan, [5, 30, 20], "an array", letters=False)
    assert page.count("alt=") == 3 and "20 mm" in page


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SAL"])
def test_planes_show_the_side_and_the_place(codes: str) -> None:
    voxels = np.zeros((20, 20, 20), np.float32)
    axes = [("RL", "AP", "SI").index(pair) for code in codes for pair in ("RL", "AP", "SI") if code in pair]
    place = [{"R": 15, "L": 4, "A": 5, "P": 14, "S": 10, "I": 9}[code] for code in codes]
    voxels[tuple(place)] = 1  # right of the middle, behind it
    page = planes(
        Scan(voxels, affine_of(codes, (1.0, 1.0, 1.0)), drawn=np.uint8(voxels * 4)), place, "a scan", mark=True
    )
    assert sorted(axes) == [0, 1, 2]
    sagittal, coronal, axial = (np.argwhere(picture > 100)[0].tolist() for picture in pictures_in(page))
    assert axial == [14, 4], "row and column: behind is below, the patient's right is on the page's left"
    assert coronal == [9, 4] and sagittal == [9, 5]
    rings = re.findall(r'class="peak" style="left:([\d.]+)%;top:([\d.]+)%"', page)
    assert rings == [("27.5", "47.5"), ("22.5", "47.5"), ("22.5", "72.5")]
    assert page.count('d="M4 14H5V15H4V14Z"') == 2, "the outline of the voxel in the axial plane, on its dark edge"


def test_an_outline_encloses_the_pixels_of_a_mask() -> None:
    random = np.random.default_rng(0)
    for mask in (random.random((9, 7)) > 0.5, np.ones((3, 4), bool), np.zeros((3, 4), bool)):
        area = 0.0
        for ring in outline(mask).split("Z")[:-1]:
            x, y = map(int, re.match(r"M(\d+) (\d+)", ring).groups())
            for kind, value in re.findall(r"([HV])(\d+)", ring):
                to_x, to_y = (int(value), y) if kind == "H" else (x, int(value))
                area += (x * to_y - to_x * y) / 2
                x, y = to_x, to_y
        assert area == mask.sum(), "holes are taken off"


def test_a_place_is_the_same_in_millimetres(tmp_path) -> None:
    path = write_scan(tmp_path / "scan.nii.gz", (30, 20, 10), (1.0, 2.0, 4.0))
    example = Volume(path, label="a")
    for encoder in (
        VolumeEncoder(spacing=[2.0, 2.0, 2.0], shape=[16, 24, 24]),
        VolumeEncoder(fit="resize", shape=[15, 10, 5]),
        VolumeEncoder(spacing=[2.0, 2.0, 2.0], shape=[16, 24, 24], centre="body"),
    ):
        encoder.fit([example, Volume(path, label="b")])
        volume, affine = encoder.placed(example)
        assert torch.equal(volume, encoder.prepare(example)[0])
        voxels, own = example.read()
        scan = Scan(voxels, own)
        middle = (np.array(volume.shape[1:]) - 1) / 2
        there = np.array(same_place(middle.tolist(), affine, scan))
        if encoder.centre == "grid":
            assert (np.abs(there - (np.array(voxels.shape) - 1) / 2) <= 0.5).all(), "both grids have one middle"
        back = np.array(same_place(there.tolist(), own, Scan(volume[0].numpy(), affine)))
        assert (np.abs(back - middle) <= 1.5).all()


def test_arrays_do_not_say_where_right_is(tmp_path) -> None:
    voxels = np.zeros((8, 8, 8), np.float32)
    assert not says_where(Volume(voxels=voxels)) and says_where(Volume(voxels=voxels, affine=np.eye(4)))
    assert not says_where(Volume(Path("scan.npz"))) and says_where(Volume(Path("scan.nii.gz")))


def test_saliency_finds_what_a_network_looks_at() -> None:
    class Corner(nn.Module):
        def forward(self, volume: torch.Tensor) -> torch.Tensor:
            score = volume[:, 0, 2, 3, 1]
            return torch.stack([score, -score], dim=1)

    found = saliency(Corner(), {"volume": torch.rand(2, 1, 5, 5, 5)}, torch.tensor([0, 1]))
    assert found.shape == (2, 1, 5, 5, 5) and (found[:, 0, 2, 3, 1] == 1).all()
    assert found.sum() == 2, "and nothing else"


def test_report_shows_planes_and_where_it_looked(small_run) -> None:
    page = (small_run("mri_cnn3d") / "report.html").read_text()
    for words in (
        "SmoothGrad",
        "lesion outlined",
        "where it looked",
        "First-layer kernels",
        "Feature maps",
        "size of lesion",
    ):
        assert words in page, words
    assert page.count("sagittal plane: ") >= 6 and "matplotlib" not in page
    run = convzoo.Run.load(small_run("mri_cnn3d"))
    example = small_phantoms().read().test[0]
    pages = VolumePages()
    kernels = pages.first_layer(run.model, run.encoder, [example])
    assert "img" in pages.picture(example) and kernels.count("3 axial slices") == 4 + 1
    assert "<path" in pages.picture(example) and "<path" not in pages.picture(replace(example, mask=None))


def test_slices_hold_every_scan_once(small_run) -> None:
    run = convzoo.Run.load(small_run("mri_cnn3d"))
    examples = small_phantoms().read().test
    rows = [{"index": index} for index in range(len(examples))]
    found = {
        part.title: part.groups
        for part in VolumePages().slices(run.task, Material(run.model, run.encoder, examples, rows))
    }
    assert "size of lesion" in found
    for groups in found.values():
        assert sorted(place for places in groups.values() for place in places) == list(range(len(examples)))
    sizes = [(example.read_mask() == 4).sum() * np.prod(example.geometry().spacing) / 1000 for example in examples]
    first, *_, last = found["size of lesion"].values()
    assert max(sizes[place] for place in first) <= min(sizes[place] for place in last)


# A grid that follows from the scans


def write_scan(path: Path, shape: tuple[int, ...], spacing: tuple[float, ...]) -> Path:
    nibabel.save(
        nibabel.Nifti1Image(np.random.default_rng(0).random(shape, np.float32), np.diag([*spacing, 1.0])), path
    )
    return path


@pytest.mark.parametrize(
    ("shape", "spacing", "most"),
    [((64, 64, 64), (1, 1, 1), 32_768), ((40, 40, 8), (1, 1, 5), 4096), ((16, 16, 16), (2, 2, 2), 32_768)],
)
def test_scans_are_made_coarser_until_they_can_be_computed(tmp_path, shape, spacing, most):
    scans = [Volume(write_scan(tmp_path / f"{name}.nii.gz", shape, spacing), label=name) for name in ("a", "b")]
    encoder = VolumeEncoder(max_voxels=most)
    encoder.fit(scans)
    extent = np.array(shape) * np.array(spacing, float)
    assert np.prod(extent / encoder.spacing) <= most * 1.01
    assert (np.array(encoder.spacing) >= np.array(spacing) - 1e-6).all()
    if np.prod(shape) <= most:
        assert encoder.spacing == list(spacing), "nothing is lost where nothing has to be"
    elif len(set(spacing)) > 1:
        assert encoder.spacing[2] == spacing[2], "the coarsest axis keeps what it has"
    assert "encoder.max_voxels" in encoder.advice()
    assert encoder.prepare(scans[0])[0].shape[1:] == tuple(encoder.shape)
