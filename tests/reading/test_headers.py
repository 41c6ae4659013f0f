"""Headers that announce more than a file holds are refused in a line, and no memory is taken for them."""

import gzip
import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from conftest import refused

from convzoo.reading.arrays import check_arrays


def npy(shape: str, kind: str = "<f4", body: bytes = b"\0" * 64) -> bytes:
    head = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + body


def npz(**arrays: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", array)
    return content.getvalue()


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def nifti(*shape: int) -> bytes:
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<hh", head, 70, 16, 32)
    struct.pack_into("<8f", head, 76, *[1] * 8)
    struct.pack_into("<f", head, 108, 352)
    head[344:348] = b"n+1\0"
    return bytes(head) + bytes(100)


def pcd(count: int, form: str) -> bytes:
    return (
        f"VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\n"
        f"POINTS {count}\nDATA {form}\n"
    ).encode() + bytes(120)


def ply(count: int) -> bytes:
    properties = "property float x\nproperty float y\nproperty float z\n"
    return f"ply\nformat binary_little_endian 1.0\nelement vertex {count}\n{properties}end_header\n".encode() + bytes(
        120
    )


def wav(size: int) -> bytes:
    form = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    return b"RIFF" + struct.pack("<I", size) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size) + bytes(200)


@pytest.mark.parametrize(
    ("run", "name", "content", "words"),
    [
        ("emotion_cnn2d", "a.png", png(100_000, 100_000), "more than 179 million pixels"),
        ("keywords_cnn1d", "a.wav", wav(10**9), "is cut off: its audio has 1,000,000,000 bytes, and 200 are there"),
        ("mri_cnn3d", "a.nii", nifti(30_000, 30_000, 30_000), "it announces 30000 × 30000 × 30000 voxels"),
        (
            "mri_cnn3d",
            "a.nii.gz",
            gzip.compress(nifti(30_000, 30_000, 30_000), mtime=0),  # the same name of the test in every process
            "it announces 30000 × 30000 × 30000 voxels",
        ),
        ("mri_cnn3d", "a.npz", npz(a=npy("(1000000000000,)")), "a announces 4,000,000,000,000 bytes of values"),
        ("mri_cnn3d", "b.npz", npz(a=npy("(-1, 4, 4)")), "a announces the shape (-1, 4, 4)"),
        ("mri_cnn3d", "c.npz", npz(a=npy("(2, 2, 2)", "|O")), "a holds pickled objects"),
        ("mri_cnn3d", "d.npz", npz(a=npy("(" * 300 + ")" * 300)), "the header of a is damaged"),
        ("lidar_pillars", "a.ply", ply(10**12), "is cut off: it announces 1,000,000,000,000 points"),
        ("lidar_pillars", "a.pcd", pcd(10**12, "binary"), "is cut off: it announces 1,000,000,000,000 points"),
        ("lidar_pillars", "b.pcd", pcd(10**12, "ascii"), "is cut off: it announces 1,000,000,000,000 points"),
        (
            "lidar_pillars",
            "c.pcd",
            pcd(10**12, "binary_compressed"),
            "is cut off: it announces 1,000,000,000,000 points",
        ),
        ("lidar_pillars", "a.bin", bytes(7), "are not a whole number of points"),
        ("anomaly_cnn1d", "a.parquet", b"PAR1" + bytes(30) + struct.pack("<I", 2**31 - 1) + b"PAR1", "cannot be read"),
    ],
)
def test_a_header_that_lies_is_refused_in_a_line(cli, small_run, tmp_path, run, name, content, words):
    folder = small_run(run)
    (tmp_path / name).write_bytes(content)
    tracemalloc.start()
    try:
        error = refused(cli("predict", folder, tmp_path / name), 3, name, words)
        assert tracemalloc.get_traced_memory()[1] < 300e6  # NumPy tells it what it takes
    finally:
        tracemalloc.stop()
    assert "memory is full" not in error
    assert len(error) < 700


@pytest.mark.parametrize(
    ("recipe", "arrays"),
    [
        ("nodes_gcn", ("edge_index", "labels")),
        ("mri_cnn3d", ("train_images", "train_labels", "val_images", "val_labels")),
    ],
)
def test_data_whose_header_lies_are_refused_in_a_line(cli, tmp_path, recipe, arrays):
    (tmp_path / "nodulemnist3d.npz").write_bytes(npz(**{name: npy("(1000000000000,)") for name in arrays}))
    refused(
        cli("check", recipe, "--data", tmp_path / "nodulemnist3d.npz"),
        3,
        f"{arrays[0]} announces 4,000,000,000,000 bytes",
    )


def test_sound_arrays_are_let_through(tmp_path):
    np.savez_compressed(
        tmp_path / "a.npz", numbers=np.zeros((100, 100)), texts=np.array(["a", "bc"]), none=np.zeros((0, 3))
    )
    np.save(tmp_path / "b.npy", np.zeros((3, 4), np.float32))
    for name in ("a.npz", "b.npy"):
        check_arrays(tmp_path / name)
