"""Time series: readings of sensors over time, and whole series with a class each."""

MODALITY = "series"

PARTS = {
    "data": {
        "sensors": "data.sensors:Sensors",
        "series_table": "data.own:SeriesTable",
        "skab": "data.skab:Skab",
        "nab": "data.nab:Nab",
        "waveforms": "data.waveforms:Waveforms",
        "ucr": "data.ucr:Ucr",
        "labelled_series_table": "data.own_labelled:LabelledSeriesTable",
        "labelled_series_folder": "data.own_labelled:LabelledSeriesFolder",
        "labelled_series_arrays": "data.own_arrays:LabelledSeriesArrays",
        "accounts": "data.accounts:Accounts",
        "transactions": "data.own_events:Transactions",
        "run_to_failure": "data.run_to_failure:RunToFailure",
        "cmapss": "data.cmapss:Cmapss",
        "life_table": "data.own_lives:LifeTable",
    },
    "encoder": {
        "series": "encoder:SeriesEncoder",
        "history": "history_encoder:HistoryEncoder",
        "labelled_series": "labelled_encoder:LabelledSeriesEncoder",
        "events": "event_encoder:EventEncoder",
    },
    "baseline": {
        "always": "baselines:Always",
        "isolation_forest": "baselines:IsolationForestDetector",
        "t2_q": "baselines:T2Q",
        "lag_regression": "baselines:LagRegression",
        "windowed_gaussian": "baselines:WindowedGaussian",
        "interval_forest": "labelled_baselines:IntervalForest",
        "dtw_neighbour": "labelled_baselines:DtwNeighbour",
        "multi_rocket": "labelled_baselines:MultiRocket",
        "hydra": "labelled_baselines:Hydra",
        "largest_amount": "event_baselines:LargestAmount",
        "aggregate_forest": "event_baselines:AggregateForest",
        "aggregate_trees": "event_baselines:AggregateTrees",
        "mean_life": "life_baselines:MeanLife",
        "life_at_age": "life_baselines:LifeAtAge",
        "life_trees": "life_baselines:LifeTrees",
    },
}

OWN_DATA = {
    "series": (("series_table",),),
    "labelled_series": (("ucr",), ("labelled_series_arrays",), ("labelled_series_table",), ("labelled_series_folder",)),
    "events": (("transactions",),),
    "history": (("life_table",),),
}

PAGES = {
    ("example:Stretch", None): "pages:SeriesPages",
    ("labelled:LabelledSeries", None): "labelled_pages:LabelledSeriesPages",
    ("history:TimedHistory", None): "event_pages:EventPages",
    ("history:TimedHistory", "convzoo.tasks.unusual_events:UnusualEvents"): "unusual_pages:UnusualEventPages",
    ("history:History", None): "history_pages:HistoryPages",
    ("history:History", "convzoo.tasks.remaining_life:RemainingLife"): "life_pages:LifePages",
}

RENAMED = {
    "baseline.isolation_forest.rows": "max_rows",
    "baseline.t2_q.rows": "max_rows",
    "encoder.series.settle": "normalise_rows",
}
