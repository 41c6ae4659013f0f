"""Time series: readings of sensors over time."""

MODALITY = "series"

PARTS = {
    "data": {
        "sensors": "data.sensors:Sensors",
        "series_table": "data.own:SeriesTable",
        "skab": "data.skab:Skab",
        "nab": "data.nab:Nab",
    },
    "encoder": {
        "series": "encoder:SeriesEncoder",
        "history": "history_encoder:HistoryEncoder",
    },
    "baseline": {
        "always": "baselines:Always",
        "isolation_forest": "baselines:IsolationForestDetector",
        "t2_q": "baselines:T2Q",
        "lag_regression": "baselines:LagRegression",
        "windowed_gaussian": "baselines:WindowedGaussian",
    },
}

OWN_DATA = {
    "series": (("series_table",),),
}

PAGES = {
    ("example:Stretch", None): "pages:SeriesPages",
}

RENAMED = {
    "baseline.isolation_forest.rows": "max_rows",
    "baseline.t2_q.rows": "max_rows",
    "encoder.series.settle": "normalise_rows",
}
