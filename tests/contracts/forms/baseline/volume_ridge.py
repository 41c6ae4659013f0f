"""Ridge regression on coarse voxels and shapes, on scans with a number."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "mri_cnn3d",
        {
            "data": {"name": "volume_table", "form": "numbers"},
            "task": {"name": "regression"},
            "baselines": [{"name": "volume_ridge"}],
            "expect": {},
        },
    )
}
