"""The page of a detector in point clouds: what becomes of objects and boxes, the numbers of its tables, and its pictures."""

import base64
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
from torch import nn

from convzoo.core.outputs.boxes import BOX, Detections, Found, Objects
from convzoo.core.pages import Material
from convzoo.metrics.detection import DetectionMeter
from convzoo.modalities.points.encoder import PointCloudEncoder
from convzoo.modalities.points.example import PointCloud
from convzoo.modalities.points.outcomes import frames_of, outcome_of, plain_precision
from convzoo.modalities.points.pages import PointCloudPages
from convzoo.modalities.points.scenes import Mark, from_above, in_perspective, round_step
from convzoo.runs import read_predictions
from convzoo.tasks.detection import Detection

LABELS = ("Car", "Cyclist")
CAR, CYCLIST = (4.0, 2.0, 1.5), (1.8, 0.6, 1.7)
PAGES = PointCloudPages()


def box(x: float, y: float, size: Sequence[float] = CAR, yaw: float = 0.0) -> tuple[float, ...]:
    return (x, y, -1.0, *size, yaw)


def said(name: str, score: float, where: Sequence[float]) -> dict:
    return {"class": name, "score": score} | dict(zip(BOX, where, strict=True))


def a_material(
    frames: Sequence[tuple[Sequence[tuple[str, Sequence[float]]] | None, Sequence[dict]]],
    labels: Sequence[str] = LABELS,
) -> tuple[Detection, Material]:
    """A test split of frames: the labelled objects (None: unlabelled) and the boxes that were given."""
    random = np.random.default_rng(0)
    task = Detection(labels, [0.0, 32.0, -16.0, 16.0], [CAR, CYCLIST][: len(labels)])
    examples, rows = [], []
    for at, (objects, given) in enumerate(frames):
        points = np.c_[random.uniform(0, 32, 300), random.uniform(-16, 16, 300), random.uniform(-2, 1, (300, 2))]
        known = None if objects is None else Objects.of([n for n, _ in objects], np.array([b for _, b in objects]))
        examples.append(PointCloud(points=points.astype(np.float32), objects=known, source=f"scan {at}"))
        true = None if objects is None else [said(name, 0, where) for name, where in objects]
        rows.append({"index": str(at), "source": f"scan {at}", "true_boxes": true, "boxes": list(given)})
    encoder = PointCloudEncoder([0, 32], [-16, 16])
    encoder.labels, encoder.usual = tuple(labels), task.usual
    return task, Material(nn.Linear(2, 2), encoder, examples, rows)


MIXED = (
    [
        ("Car", box(10, 0)),
        ("Car", box(20, 5)),
        ("Cyclist", box(12, -8, CYCLIST)),
        ("Car", box(28, -10)),
        ("Van", box(5, 9)),
    ],
    [
        said("Car", 0.9, box(10.1, 0)),  # fits
        said("Car", 0.8, box(21.5, 5)),  # touches
        said("Car", 0.7, box(12, -8)),  # a cyclist
        said("Car", 0.6, box(10.2, 0.1)),  # the first car again
        said("Cyclist", 0.5, box(25, 12, CYCLIST)),  # nothing there
        said("Car", 0.4, box(5, 9)),  # a van, which KITTI counts neither as right nor as wrong
        said("Car", 0.1, box(28, -10)),  # not sure enough
    ],
)


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).replace("\u00a0", " ").split())


def rows_of(page: str) -> dict[str, list[str]]:
    """The cells of the tables on a page, by their row's name; of rows of one name the first."""
    found: dict[str, list[str]] = {}
    for row in re.findall(r'<tr role="row"[^>]*>(.*?)</tr>', page, flags=re.DOTALL):
        cells = [words_of(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)]
        found.setdefault(cells[0], cells[1:])
    return found


def test_each_object_and_box_has_its_outcome() -> None:
    task, material = a_material([MIXED])
    (frame,) = frames_of(material.predictions, material.examples, task.labels)
    outcome = outcome_of(frame, 0.3)
    assert outcome.objects[:4] == ("found", "loosely", "as another class", "missed")
    assert outcome.boxes == ("found", "loosely", "false", "false", "false", "not judged")
    assert outcome.match.tolist() == [0, 1, -1, -1, -1, -1]
    assert outcome.touched.tolist() == [0, 1, 2, 0, -1, 4]
    assert outcome_of(frame, 0.05).objects[3] == "found", "the unsure box is taken, too"
    assert outcome_of(frame, 0.95).objects[:4] == ("missed",) * 4


def test_the_surest_box_chooses_first() -> None:
    objects = [("Car", box(10, 0))]
    task, material = a_material([(objects, [said("Car", 0.5, box(10, 0)), said("Car", 0.9, box(10.3, 0))])])
    (frame,) = frames_of(material.predictions, material.examples, task.labels)
    assert frame.scores.tolist() == [0.9, 0.5]
    assert outcome_of(frame, 0.0).boxes == ("found", "false")


def test_precision_at_every_recall_is_that_of_a_hand_computed_case() -> None:
    objects = [("Car", box(10, 0)), ("Car", box(20, 0)), ("Car", box(28, 8))]
    given = [said("Car", 0.9, box(10, 0)), said("Car", 0.8, box(4, -9)), said("Car", 0.7, box(20, 0))]
    task, material = a_material([(objects, given)])
    frames = frames_of(material.predictions, material.examples, task.labels)
    every = [outcome_of(frame, 0.0) for frame in frames]
    # Right, wrong, right, of three: precision 1 up to a recall of 1/3, then 2/3 up to 2/3.
    value, count = plain_precision(frames, every, "Car", lambda boxes: np.ones(len(boxes), bool))
    assert (value, count) == (pytest.approx(1 / 3 + 2 / 9), 3)
    near, few = plain_precision(frames, every, "Car", lambda boxes: boxes[:, 0] < 15)
    assert (near, few) == (pytest.approx(1.0), 1), "the false box comes after the only near object is found"
    assert np.isnan(plain_precision(frames, every, "Cyclist", lambda boxes: boxes[:, 0] < 15)[0])


def test_the_tables_count_what_the_predictions_say() -> None:
    task, material = a_material([MIXED, ([("Car", box(8, 3))], [said("Car", 0.95, box(8, 3))]), (None, [])])
    page = "".join(f"<h3>{section.title}</h3>{section.html}" for section in PAGES.sections(task, material))
    rows = rows_of(page)
    # Found: two cars; loosely: one; false at 0.3: three in two labelled frames.
    assert rows["0.3 and surer (drawn)"] == ["3.0", "40 %", "", "60 %", "33 %", "1.5"]
    assert rows["0.9 and surer"] == ["1.0", "40 %", "", "40 %", "100 %", "0.0"]
    assert "over all 5 labelled objects" in words_of(page)
    assert "1 test frame without labels is left out" in words_of(page)
    assert "With so few frames (2) there are no intervals" in words_of(page)
    assert "1 box is not judged" in words_of(page), "the one on the van"
    assert 'class="bar"' not in page
    assert "Car (4) 2 50 % 1 25 % 0 0 % 1 25 %" in words_of(page)
    assert "1 box stands where nothing is labelled: 1 × cyclist" in words_of(page)


def test_a_run_s_page_counts_what_its_predictions_say(small_run: Callable) -> None:
    run = small_run("lidar_pillars")
    page = (run / "report.html").read_text(encoding="utf-8")
    where = words_of(page[page.index('<section id="where"') : page.index('<section id="training"')])
    true = [box for row in read_predictions(run / "predictions.csv") for box in row["true_boxes"]]
    for name in ("Car", "Cyclist", "Pedestrian"):
        assert f"{name} ({sum(box['class'] == name for box in true)})" in where


def test_many_frames_have_the_meter_s_scores_with_intervals() -> None:
    random = np.random.default_rng(1)
    frames = []
    for _ in range(60):
        objects = [("Car", box(10, 0)), ("Car", box(20, 8))]
        given = [said("Car", float(random.uniform(0.3, 1)), box(10 if random.random() < 0.7 else 25, 0))]
        frames.append((objects, [*given, said("Car", float(random.uniform(0.3, 1)), box(20, 8))]))
    task, material = a_material(frames)
    meter = DetectionMeter(LABELS)
    for example, row in zip(material.examples, material.predictions, strict=True):
        boxes = np.array([[one[key] for key in BOX] for one in row["boxes"]])
        found = Found(boxes, np.zeros(2, np.int64), np.array([one["score"] for one in row["boxes"]]))
        meter.update(Detections([found]), {"frames": [example]})
    score = meter.compute()["car_3d_moderate"]
    assert 0.6 < score < 0.95
    page = "".join(section.html for section in PAGES.sections(task, material))
    assert rows_of(page)["Car"][:2] == ["120", f"{score:.3f}"]
    assert "easy, moderate and hard are the same" in page, "there is no camera"
    for name in ("Car", r"0\.3 and surer \(drawn\)"):
        row = re.search(rf'rowheader">{name}<.*?</tr>', page, flags=re.DOTALL)
        assert row is not None and 'class="bar"' in row.group()
    assert "no intervals" not in page
    assert "Cyclist: no object counts" in page


def test_unlabelled_frames_show_what_is_found_and_no_tables() -> None:
    task, material = a_material([(None, [said("Car", 0.8, box(10, 0))]), (None, [])])
    (panel,) = PAGES.gallery(task, material)
    assert panel.title == "What it finds"
    assert panel.html.count('<path class="rf"') == 1 and "car 0.80" in panel.html
    assert PAGES.sections(task, material) == []
    assert PAGES.data(material) == ""
    assert "missed" not in PAGES.legend(task, material)


@pytest.mark.parametrize("given", [[], [said("Car", 0.1, box(10, 0))]], ids=["no box", "no sure box"])
def test_a_network_that_finds_nothing_has_a_page(given: list[dict]) -> None:
    task, material = a_material([(MIXED[0], given)], labels=("Car",))
    titles = [panel.title for panel in PAGES.gallery(task, material)]
    assert titles == ["Busiest frames", "Missed in plain sight"]
    page = "".join(section.html for section in PAGES.sections(task, material))
    assert "Car (3) 0 0 % 0 0 % 0 0 % 3 100 %" in words_of(page)


def test_frames_without_objects_have_a_page() -> None:
    task, material = a_material([([], [said("Car", 0.8, box(10, 0))]), ([], [])])
    assert [panel.title for panel in PAGES.gallery(task, material)] == ["Busiest frames", "Surest false boxes"]
    assert "There is no labelled object" in "".join(section.html for section in PAGES.sections(task, material))


def test_the_gallery_says_what_became_of_each_box() -> None:
    quiet = ([("Car", box(8, 3))], [said("Car", 0.95, box(8, 3))])
    task, material = a_material([MIXED, quiet, quiet, MIXED])
    panels = {panel.title: panel.html for panel in PAGES.gallery(task, material)}
    assert list(panels) == ["Busiest frames", "Most right", "Surest false boxes", "Missed in plain sight"]
    busiest = words_of(panels["Busiest frames"])
    assert "1 found 1 loosely 1 as another class 1 missed 3 false of 4 labelled" in busiest
    assert "cyclist taken for car" in words_of(panels["Surest false boxes"])
    assert "car, found twice" in words_of(panels["Surest false boxes"])
    assert "no cyclist labelled" in words_of(panels["Surest false boxes"])
    assert words_of(panels["Missed in plain sight"]).count("missed car") == 2


def test_names_of_classes_are_escaped_and_stay_as_they_are_written() -> None:
    names = ("<b>Car", "Personne à vélo")
    objects = [(names[0], box(10, 0)), (names[1], box(20, 0, CYCLIST))]
    task, material = a_material([(objects, [said(names[1], 0.9, box(10, 0))])], labels=names)
    page = "".join(panel.html for panel in PAGES.gallery(task, material))
    page += "".join(section.html for section in PAGES.sections(task, material)) + PAGES.data(material)
    assert "<b>Car" not in page and "&lt;b&gt;Car" in page
    assert PAGES.title(task, material, 7) == "Where is each <b>Car or Personne à vélo? 7 point clouds"


def pixels_of(html: str) -> np.ndarray:
    """The image of a scene as (height, width) numbers of colours; 0 is where no point is."""
    data = re.search(r"base64,([^\"]+)", html)
    assert data is not None
    return np.array(PIL.Image.open(io.BytesIO(base64.b64decode(data.group(1)))))


def test_points_and_boxes_stand_where_they_are_seen_from_above() -> None:
    points = np.array([[30.0, 15.0, 0.0], [1.0, -15.0, -1.0]])
    html = from_above(points, [Mark(np.array(box(16, 0)), "ok")], [0, 32, -16, 16], "two points")
    pixels = pixels_of(html)
    assert pixels.shape == (640, 640)
    # Ahead and to the left is up and to the left; few points are drawn 2 × 2.
    rows = np.nonzero(pixels)[0]
    assert sorted({row // 10 for row in rows.tolist()}) == [4, 62]
    assert pixels[40, 20] > 0 and pixels[620, 620] > 0
    # A car of 4 × 2 m at 20 pixels a metre, around the middle, with its front up.
    assert 'class="ok" d="M300 280L300 360L340 360L340 280ZM320 320L320 280"' in html
    assert "32 × 32 m; arcs at 10, 20, 30 m" in html


def test_a_scene_in_perspective_draws_nearer_boxes_larger() -> None:
    random = np.random.default_rng(0)
    points = np.c_[random.uniform(0, 32, 500), random.uniform(-16, 16, 500), np.full(500, -1.7)]

    def size(x: float) -> float:
        path = re.search(
            r'class="ok" d="([^"]*)"', in_perspective(points, [Mark(np.array(box(x, 0)), "ok")], [0, 32, -16, 16], "")
        )
        assert path is not None
        places = np.array([float(number) for number in re.findall(r"-?\d+", path.group(1))]).reshape(-1, 2)
        return float(np.ptp(places, axis=0).prod())

    assert size(6) > 1.5 * size(28)


def test_words_stand_apart_and_inside_the_picture() -> None:
    marks = [
        Mark(np.array(box(x, y, CYCLIST)), "fa", "no cyclist labelled")
        for x in (8, 9, 10, 30)
        for y in (-15, -14, 0, 15)
    ]
    html = from_above(np.zeros((1, 3)), marks, [0, 32, -16, 16], "")
    found = [
        tuple(map(float, place)) for place in re.findall(r'class="lab fa" style="left:([\d.]+)%;top:([\d.]+)%', html)
    ]
    assert 2 <= len(found) <= 8
    for at, (left, top) in enumerate(found):
        assert 0 <= left <= 100 and 0 <= top <= 100
        assert all(abs(top - other[1]) > 3 or abs(left - other[0]) > 30 for other in found[:at])


@pytest.mark.parametrize(("length", "step"), [(32, 10), (70, 20), (5, 1), (0.7, 0.2), (100, 20)])
def test_distances_are_divided_by_round_numbers(length: float, step: float) -> None:
    assert round_step(length, 4) == pytest.approx(step)


def test_the_field_is_drawn_in_metres() -> None:
    _, material = a_material([MIXED])
    html = PAGES.field(material, (47, 47))
    assert "47 pillars, 11.75 m" in words_of(html)
    assert re.search(r'<rect class="rf"[^>]* width="235" height="235"/>', html), "11.75 m at 20 pixels a metre"
    assert PAGES.field(material, None) == ""
    assert PAGES.field(replace(material, examples=[]), (47, 47)) == ""


def test_a_network_without_pillars_shows_none() -> None:
    _, material = a_material([MIXED])
    assert PAGES.first_layer(material.model, material.encoder, material.examples) == ""


def test_the_page_of_a_run_is_whole_and_small(small_run: Callable) -> None:
    page = (small_run("lidar_pillars") / "report.html").read_text(encoding="utf-8")
    for words in (
        "Where is each car, cyclist or pedestrian?",
        "Busiest frames",
        "What a pillar looks for",
        "Feature maps",
    ):
        assert words in page
    assert "cyclist: surest" in page, "the final map of each class"
    assert len(page) < 1_000_000
    assert "matplotlib" not in page
