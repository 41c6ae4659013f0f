"""Sound: recordings of words and of other events."""

MODALITY = "audio"

PARTS = {
    "data": {
        "spoken": "data.spoken:Spoken",
        "fsdd": "data.fsdd:Fsdd",
        "audio_table": "data.own:AudioTable",
        "audio_folder": "data.own:AudioFolder",
        "digit_strings": "data.digit_strings:DigitStrings",
        "fsdd_strings": "data.fsdd_strings:FsddStrings",
        "transcript_folder": "data.own_transcripts:TranscriptFolder",
        "transcript_table": "data.own_transcripts:TranscriptTable",
        "yesno": "data.yesno:YesNo",
    },
    "encoder": {
        "audio": "encoder:AudioEncoder",
        "transcribed_audio": "transcript_encoder:TranscribedAudioEncoder",
    },
    "baseline": {
        "mfcc_logistic_regression": "baselines:MfccLogisticRegression",
        "mfcc_ridge": "number_baselines:MfccRidge",
        "mfcc_svm": "baselines:MfccSVM",
        "frequent_transcript": "transcript_baselines:FrequentTranscript",
        "word_hmm": "transcript_baselines:WordHMM",
    },
}

OWN_DATA = {
    "audio": (("fsdd",), ("audio_table", "audio_folder")),
    "transcribed_audio": (("yesno",), ("transcript_table", "transcript_folder")),
}

PAGES = {
    ("example:Audio", None): "pages:AudioPages",
    ("transcribed:Utterance", None): "transcript_pages:TranscriptPages",
}

RENAMED = {
    "baseline.mfcc_logistic_regression.strength": "inverse_penalty",
    "data.audio_folder.words": "classes",
    "data.audio_table.sound": "file",
    "data.spoken.misspoken": "label_noise",
    "encoder.audio.band_mask": "band_mask_width",
    "encoder.audio.frame_mask": "frame_mask_width",
    "encoder.audio.lowest": "min_frequency",
    "encoder.audio.noise": "noise_probability",
    "encoder.audio.noise_highest": "max_snr",
    "encoder.audio.noise_lowest": "min_snr",
    "encoder.audio.shift": "time_shift",
    "encoder.audio.window": "frame_length",
}
