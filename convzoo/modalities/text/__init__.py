"""Text: sentences and documents with classes, sentences with translations, and texts with named entities."""

MODALITY = "text"

PARTS = {
    "data": {
        "reviews": "data.reviews:Reviews",
        "news": "data.news:News",
        "messages": "data.messages:Messages",
        "text_table": "data.own:TextTable",
        "polarity": "data.polarity:Polarity",
        "sst": "data.sst:StanfordSentiment",
        "trec": "data.trec:Trec",
        "sms_spam": "data.sms_spam:SmsSpam",
        "mail_folder": "data.mail_folder:MailFolder",
        "grammar": "data.grammar:Grammar",
        "parallel_text": "data.own_pairs:ParallelText",
        "multi30k": "data.multi30k:Multi30k",
        "mentions": "data.mentions:Mentions",
        "tagged_texts": "data.own_tagged:TaggedTexts",
        "conll2002": "data.conll2002:Conll2002",
        "wnut17": "data.wnut17:Wnut17",
    },
    "encoder": {
        "text": "encoder:TextEncoder",
        "parallel_text": "pair_encoder:ParallelTextEncoder",
        "tagged_text": "tagged_encoder:TaggedTextEncoder",
    },
    "baseline": {
        "tfidf_logistic_regression": "baselines:TfidfLogisticRegression",
        "tfidf_svm": "baselines:TfidfSVM",
        "nbsvm": "baselines:NBSVM",
        "char_svm": "baselines:CharacterSVM",
        "naive_bayes": "baselines:NaiveBayesWords",
        "tfidf_ridge": "number_baselines:TfidfRidge",
        "tfidf_one_vs_rest": "multi_label_baselines:TfidfOneVsRest",
        "svm_one_vs_rest": "multi_label_baselines:SVMOneVsRest",
        "copy_source": "pair_baselines:CopySource",
        "word_dictionary": "pair_baselines:WordDictionary",
        "phrase_table": "pair_baselines:PhraseTable",
        "name_list": "tagged_baselines:NameList",
        "crf": "tagged_baselines:ConditionalRandomField",
    },
}

OWN_DATA = {
    "text": (("text_table",), ("mail_folder",)),
    "parallel_text": (("parallel_text",),),
    "tagged_text": (("tagged_texts",),),
}

PAGES = {
    ("example:Text", None): "pages:TextPages",
    ("pair:Pair", None): "pair_pages:PairPages",
    ("tagged:TaggedText", None): "tagged_pages:TaggedPages",
}

RENAMED = {
    "baseline.nbsvm.strength": "inverse_penalty",
    "baseline.phrase_table.least": "min_count",
    "baseline.phrase_table.longest": "max_phrase_length",
    "baseline.tfidf_logistic_regression.strength": "inverse_penalty",
    "data.reviews.noise": "label_noise",
    "data.sst.classes": "granularity",
    "data.trec.classes": "granularity",
}
