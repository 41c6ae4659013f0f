"""Files of point clouds as sensors and tools write them: columns, padding, compression, headings, coordinates of a map."""

import struct
from pathlib import Path

import numpy as np
import pytest

from convzoo.core.errors import DataError
from convzoo.core.outputs.boxes import Objects
from convzoo.modalities.points.data.own import CloudTable
from convzoo.modalities.points.encoder import PointCloudEncoder
from convzoo.modalities.points.example import PointCloud
from convzoo.modalities.points.formats import columns_of, read_cloud


def scan(points: int = 4_000, seed: int = 0) -> np.ndarray:
    """x, y, z, intensity as a LiDAR gives them."""
    random = np.random.default_rng(seed)
    angle, distance = random.uniform(-np.pi, np.pi, points), random.gamma(2, 8, points)
    height = np.minimum(-1.7 + random.gamma(0.5, 0.6, points), 3)
    return np.c_[distance * np.cos(angle), distance * np.sin(angle), height, random.beta(2, 5, points)]


@pytest.mark.parametrize("points", [4_000, 3_999, 240, 241])
@pytest.mark.parametrize("width", [4, 5, 6])
def test_the_columns_of_a_bin_file_are_found(width: int, points: int, tmp_path: Path) -> None:
    values = np.c_[scan(points), np.arange(points) % 32, np.linspace(0, 0.05, points)][:, :width]
    path = tmp_path / "a.bin"
    values.astype("<f4").tofile(path)
    assert columns_of(path) == ("<f4", width)
    np.testing.assert_allclose(read_cloud(path), values[:, :4], rtol=1e-6)


@pytest.mark.parametrize("width", [3, 4])
def test_double_precision_is_found(width: int, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    scan()[:, :width].astype("<f8").tofile(path)
    assert columns_of(path) == ("<f8", width)
    np.testing.assert_array_equal(read_cloud(path)[:, :3], scan()[:, :3])


def test_columns_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    scan().astype("<f4").tofile(path)
    with pytest.raises(DataError, match=r"not a whole number of points of 7 float32 numbers.*data\.columns"):
        read_cloud(path, columns=7)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="63,997 bytes are not a whole number of points"):
        read_cloud(path)
    np.random.default_rng(0).normal(size=(301, 5)).astype("<f4").tofile(path)
    with pytest.raises(
        DataError, match=r"a point may have 5 float32 numbers, and the values do not tell; say data\.columns=5"
    ):
        read_cloud(path)


def pcd(form: str, body: bytes, points: int) -> bytes:
    """A file with padding, as PCL and ROS write it."""
    header = (
        "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z _ intensity ring _\nSIZE 4 4 4 1 4 2 1\nTYPE F F F U F U U\n"
        "COUNT 1 1 1 4 1 1 10\n"
        f"WIDTH {points}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {points}\nDATA {form}\n"
    )
    return header.encode() + body


def packed(data: bytes) -> bytes:
    """LZF with literal runs and, for long runs of one byte, copies that run into themselves."""
    out, at = bytearray(), 0
    while at < len(data):
        run = 1
        while at + run < len(data) and data[at + run] == data[at] and run < 200:
            run += 1
        if run >= 12:
            out += bytes([0, data[at]])
            length = run - 1 - 2
            out += bytes([(7 << 5), length - 7, 0])
            at += run
            continue
        part = data[at : at + 8]
        out += bytes([len(part) - 1]) + part
        at += len(part)
    return bytes(out)


@pytest.mark.parametrize("form", ["ascii", "binary", "binary_compressed"])
def test_pcd_files_with_padding_are_read(form: str, tmp_path: Path) -> None:
    values = scan(50).astype("<f4")
    if form == "ascii":
        body = "".join(
            f"{x:.9g} {y:.9g} {z:.9g} 0 0 0 0 {i:.9g} 3" + " 0" * 10 + "\n" for x, y, z, i in values
        ).encode()
    elif form == "binary":
        body = b"".join(struct.pack("<fff4xfH10x", *row, 3) for row in values.tolist())
    else:
        columns = [values[:, at].tobytes() for at in range(3)] + [bytes(4 * 50), values[:, 3].tobytes()]
        whole = b"".join([*columns, np.full(50, 3, "<u2").tobytes(), bytes(500)])
        small = packed(whole)
        body = struct.pack("<II", len(small), len(whole)) + small
    path = tmp_path / "a.pcd"
    path.write_bytes(pcd(form, body, 50))
    np.testing.assert_allclose(read_cloud(path), values, rtol=1e-6)
    path.write_bytes(pcd(form, body[: len(body) // 2], 50))
    with pytest.raises(DataError, match="is cut off"):
        read_cloud(path)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"FIELDS a b c\nSIZE 4 4 4\nTYPE F F F\nPOINTS 1\nDATA ascii\n1 2 3\n", "holds no points x, y, z"),
        (b"FIELDS x y z\nSIZE 4 4\nTYPE F F F\nPOINTS 1\nDATA ascii\n1 2 3\n", "3 FIELDS, 2 SIZE"),
        (b"FIELDS x y z\nSIZE 4 4 3\nTYPE F F F\nPOINTS 1\nDATA ascii\n1 2 3\n", "its header is damaged"),
        (b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 1\nDATA zip\n1 2 3\n", "unknown form DATA zip"),
        (b"nothing", "no line DATA"),
        (
            b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 1\nDATA binary_compressed\n\x03\0\0\0\x0c\0\0\0\x20\xff\x01",
            "are damaged",
        ),
    ],
)
def test_damaged_headers_are_one_line(header: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pcd"
    path.write_bytes(header)
    with pytest.raises(DataError, match=said):
        read_cloud(path)


@pytest.mark.parametrize(
    ("name", "text", "intensity"),
    [
        ("a.pts", "2\n1 2 3 0.5 9 9 9\n4 5 6 0.25 9 9 9\n", [0.5, 0.25]),
        ("a.pts", "1 2 3\n4 5 6\n", [0, 0]),
        ("a.xyz", "1,2,3,0.5\n4,5,6,0.25\n", [0.5, 0.25]),
        ("a.xyz", "//X Y Z R G B Intensity\n1 2 3 9 9 9 0.5\n4 5 6 9 9 9 0.25\n", [0.5, 0.25]),
        ("a.xyz", "x;y;z;nx;ny;nz\n1;2;3;0;0;1\n4;5;6;0;0;1\n", [0, 0]),
    ],
)
def test_lines_of_numbers_are_read_whole(name: str, text: str, intensity: list[float], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    np.testing.assert_array_equal(read_cloud(path), np.c_[[[1, 2, 3], [4, 5, 6]], intensity])


def test_lines_that_are_cut_off_are_said_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text("1 2 3 4\n5 6 7 8\n9 10\n")
    with pytest.raises(DataError, match=r"a\.xyz:3: has 2 numbers; a point has 4 numbers, as the lines before"):
        read_cloud(path)
    path = tmp_path / "a.pts"
    path.write_text("5\n1 2 3\n")
    with pytest.raises(DataError, match="announces 5 points, and 1 are there"):
        read_cloud(path)


def test_coordinates_of_a_map_keep_their_decimals(tmp_path: Path) -> None:
    here = np.array([456_789.0, 5_432_101.0, 312.0])
    points = scan(300)
    path = tmp_path / "a.xyz"
    np.savetxt(path, np.c_[points[:, :3] + here, points[:, 3]], fmt="%.6f")
    boxes = np.array([[*(here + np.array([10, 2, -1])), 4, 2, 1.5, 0.1]])
    cloud = PointCloud(path, objects=Objects.of(["Car"], boxes)).placed()
    found = cloud.read()
    assert np.abs(found[:, :2]).max() < 200
    back = found[:, :3].astype(np.float64) + np.array(cloud.origin)
    np.testing.assert_allclose(back, points[:, :3] + here, atol=1e-4)
    assert cloud.objects is not None
    np.testing.assert_allclose(cloud.objects.boxes[0, :3] + np.array(cloud.origin), boxes[0, :3])
    encoder = PointCloudEncoder()
    (given,) = encoder.from_inputs([str(path)])
    box = {"class": "Car", "score": 0.5, "x": 1.0, "y": 2.0, "z": 3.0}
    assert given.origin == cloud.origin
    assert encoder.annotate(given, {"boxes": [box]})["boxes"][0]["y"] == 2.0 + cloud.origin[1]


def test_intensities_on_another_scale_are_refused() -> None:
    points = scan(500)
    near = PointCloud(points=points, objects=Objects.of(["Car"], np.array([[10, 0, -1, 4, 2, 1.5, 0]])), source="a")
    encoder = PointCloudEncoder()
    encoder.fit([near])
    encoder.prepare(near)
    with pytest.raises(DataError, match=r"its intensities reach .*, those of training .*; multiply them by 0\.0039"):
        encoder.prepare(PointCloud(points=points * [1, 1, 1, 255], source="b"))


def test_a_yaw_in_degrees_is_refused_and_boxes_in_centimetres_are_said(tmp_path: Path) -> None:
    rows = ["path,class,x,y,z,length,width,height,yaw"]
    for number in range(6):
        scan(200, number).astype("<f4").tofile(tmp_path / f"{number}.bin")
        rows.append(f"{number}.bin,Car,10,0,-1,400,200,150,0.5")
    table = tmp_path / "boxes.csv"
    table.write_text("\n".join(rows) + "\n")
    splits = CloudTable(str(table)).read()
    encoder = PointCloudEncoder()
    encoder.fit(splits.train)
    assert any("half of the boxes are longer than 400 m" in note for note in encoder.survey(splits.train, None).notes)
    table.write_text("\n".join(rows).replace("0.5", "90") + "\n")
    with pytest.raises(DataError, match="yaw is 90: it is in radians"):
        CloudTable(str(table)).read()
