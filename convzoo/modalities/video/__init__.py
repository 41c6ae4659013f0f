"""Video: films and clips."""

MODALITY = "video"

PARTS = {
    "data": {
        "motions": "data.motions:Motions",
        "weizmann": "data.weizmann:Weizmann",
        "ucf101": "data.ucf101:Ucf101",
        "hmdb51": "data.hmdb51:Hmdb51",
        "video_table": "data.own:VideoTable",
        "video_folder": "data.own:VideoFolder",
    },
    "encoder": {
        "video": "encoder:VideoEncoder",
    },
    "baseline": {
        "frame_average": "baselines:FrameAverage",
        "motion_history_svm": "baselines:MotionHistorySVM",
    },
}

OWN_DATA = {
    "video": (("weizmann", "ucf101", "hmdb51"), ("video_table", "video_folder")),
}

PAGES = {
    ("example:Video", None): "pages:VideoPages",
}

RENAMED = {
    "baseline.frame_average.strength": "inverse_penalty",
    "baseline.motion_history_svm.strength": "inverse_penalty",
    "data.motions.misdone": "label_noise",
    "data.video_folder.actions": "classes",
    "data.video_table.video": "file",
}
