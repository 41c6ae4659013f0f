"""Output never destroys input, nor any other file that this run did not write."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import RAW, refused

import convzoo


def test_predictions_are_written_over_the_same_runs_only(small_run, tmp_path: Path, cli):
    import shutil

    run = shutil.copytree(small_run("sentiment_cnn1d"), tmp_path / "run")
    (tmp_path / "precious.csv").write_text("precious")
    refused(
        cli("predict", run, "a film", "-o", "precious.csv"), 2, "precious.csv: exists and was not written by this run"
    )
    assert (tmp_path / "precious.csv").read_text() == "precious"
    with pytest.raises(convzoo.RecipeError, match="was not written by this run"):
        convzoo.Run.load(run).write("precious.csv", ["a film"])
    assert cli("predict", run, "a film", "-o", "new.csv").code == 0
    assert cli("predict", run, "a good film", "-o", "new.csv").code == 0, "its own predictions may be replaced"
    with Path("new.csv").open("a") as file:
        file.write("a remark\n")
    refused(cli("predict", run, "a film", "-o", "new.csv"), 2, "or was changed since")


def test_a_folder_of_scans_is_not_replaced_by_its_masks(small_run, tmp_path: Path, cli):
    import nibabel

    run = small_run("organ_unet3d")
    scans = tmp_path / "scans"
    scans.mkdir()
    volumes = RAW["organ_unet3d"]()
    volume = np.asarray(getattr(volumes[0], "voxels", volumes[0]), dtype=np.float32)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), scans / "one.nii.gz")
    before = (scans / "one.nii.gz").read_bytes()
    refused(cli("predict", run, scans, "-o", scans), 2, "--out")
    assert (scans / "one.nii.gz").read_bytes() == before
    assert len(list(scans.iterdir())) == 1


def test_an_export_is_not_written_over_another_file(small_run, tmp_path: Path, cli):
    (tmp_path / "model.onnx").write_text("another model")
    refused(cli("export", small_run("sentiment_cnn1d"), "--out", "model.onnx"), 2, "was not written by this run")
    (tmp_path / "other.onnx.json").write_text("{}")
    refused(cli("export", small_run("sentiment_cnn1d"), "--out", "other.onnx"), 2, "other.onnx.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_a_device_is_not_replaced_by_an_export(kind: str, small_run, tmp_path: Path, cli):
    """A pipe stands for /dev/null: a file that is renamed over it would take its place."""
    os.mkfifo(tmp_path / "pipe")
    said = refused(cli("export", small_run("sentiment_cnn1d"), "--format", kind, "--out", "pipe"), 3, "it is a device")
    assert "name a file" in said
    assert (tmp_path / "pipe").is_fifo()


def test_a_schema_is_not_written_over_another_file(tmp_path: Path, cli):
    (tmp_path / "mine.json").write_text('{"a": 1}')
    refused(cli("schema", "--out", "mine.json"), 2, "mine.json: exists")
    assert (tmp_path / "mine.json").read_text() == '{"a": 1}'
    assert cli("schema", "--out", "schema.json").code == 0
    assert cli("schema", "--out", "schema.json").code == 0, "its own schema may be replaced"


def test_the_list_of_what_a_run_wrote_is_no_place_for_an_export(small_run, tmp_path: Path, cli):
    run = tmp_path / "run"
    shutil.copytree(small_run("sentiment_cnn1d"), run)
    (run / "written.json").unlink(missing_ok=True)
    refused(cli("export", run, "--out", run / "written.json"), 2, "written.json", "choose another name")
    assert not (run / "written.json").exists()
