"""Ridge regression on counts of neighbourhoods, on molecules with a number."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "graphs_gin",
        {
            "data": {"name": "molecules", "train": 60, "val": 30, "test": 31},
            "task": {"name": "regression"},
            "baselines": [{"name": "weisfeiler_lehman_ridge"}],
            "expect": {},
        },
    )
}
