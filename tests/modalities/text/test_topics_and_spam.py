"""News items, messages in disguise, folders of e-mails, and networks over characters."""

import json
from collections import Counter
from email.message import EmailMessage
from pathlib import Path

import pytest
import torch
from conftest import refused

from convzoo.core.errors import RecipeError
from convzoo.layers.masked import max_pooled
from convzoo.modalities.text.data.mail_folder import MailFolder
from convzoo.modalities.text.data.messages import BAIT, LOOK_ALIKES, Messages
from convzoo.modalities.text.data.news import MATTERS, PEOPLE, News
from convzoo.modalities.text.data.sms_spam import SmsSpam, without_digits
from convzoo.modalities.text.data.trec import Trec
from convzoo.modalities.text.encoder import TextEncoder
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.letters import read_letter
from convzoo.models.char_cnn1d import CharCNN1d
from convzoo.models.cnn1d import CNN1d
from convzoo.models.vdcnn1d import VDCNN1d

# News


def test_the_words_of_an_item_name_its_topics_and_a_bag_of_words_cannot_tell_which():
    splits = News(train=400, val=50, test=400, label_noise=0.0).read()
    assert splits.ceiling["test/mean_average_precision"] == 1.0
    others = 0
    for example in splits.train:
        named = {topic for topic in PEOPLE for word in (*PEOPLE[topic], *MATTERS[topic]) if word in example.text}
        assert set(example.label) <= named, example
        others += len(named) > len(example.label)
    assert others > 150, "in many items a topic is named that is not meant"
    assert {len(example.label) for example in splits.train} == {1, 2}


def test_noise_is_what_the_ceiling_misses():
    splits = News(train=100, val=50, test=2000, label_noise=0.1).read()
    assert splits.ceiling["test/subset_accuracy"] == pytest.approx(0.9, abs=0.025)
    one = News(train=100, val=50, test=2000, label_noise=0.1, label_type="class").read()
    assert one.ceiling["test/accuracy"] == pytest.approx(0.9, abs=0.025)
    assert {type(example.label) for example in one.test} == {str}


def test_two_topics_are_the_fewest():
    with pytest.raises(RecipeError, match="from 2 to 10"):
        News(topics=1)
    assert {name for example in News(topics=2, train=50, val=20, test=20).read().train for name in example.label} == {
        "business", "crime",
    }  # fmt: skip


# Messages


def unmasked(text: str) -> str:
    """What a message says without its disguises, in one of the ways to read it."""
    back = {sign: letter for letter, signs in LOOK_ALIKES.items() for sign in signs}
    return "".join(back.get(sign, sign) for sign in text.lower())


def test_spam_has_a_bait_that_is_not_written_as_usual():
    splits = Messages(train=600, val=50, test=50, label_noise=0.0, difficulty=1.0).read()
    spam = [example.text for example in splits.train if example.label == "spam"]
    ham = [example.text.lower() for example in splits.train if example.label == "ham"]
    assert 0.2 < len(spam) / 600 < 0.4
    assert sum(any(bait in text for bait in BAIT) for text in ham) > 50, "ham has baits as they are usually written"
    odd = [text for text in ham if any(not sign.isascii() for sign in text)]
    assert len(odd) > 100, "ham has odd characters too"
    assert splits.ceiling == {"test/accuracy": 1.0, "test/f1": 1.0, "test/matthews": 1.0}


# The SMS Spam Collection


def test_messages_that_differ_in_digits_only_are_in_one_fold(tmp_path: Path) -> None:
    rows = [
        f'{("ham", "spam")[at % 2]}\tCall 0900{at:03d} "now" {"abcdefghij"[at // 10]}{"xy"[at % 2]}'
        for at in range(100)
    ]
    (tmp_path / "SMSSpamCollection").write_text("\n".join(rows) + "\n", encoding="utf-8")
    tested: Counter[str] = Counter()
    for fold in range(5):
        splits = SmsSpam(str(tmp_path), fold, val=0.25).read()
        parts = [{without_digits(example) for example in part} for _, part in splits]
        assert not (parts[0] & parts[2]) and not (parts[0] & parts[1]) and not (parts[1] & parts[2])
        tested.update(example.source for example in splits.test)
        assert any('"now"' in example.text for example in splits.train), "quotation marks are text"
    assert len(tested) == 100 and set(tested.values()) == {1}
    with pytest.raises(RecipeError, match="numbered from 0"):
        SmsSpam(str(tmp_path), 5)


def test_copies_of_test_questions_are_counted_and_kept(tmp_path: Path) -> None:
    for name, numbers in (("train_5500.label", range(40)), ("TREC_10.label", range(38, 44))):
        lines = [f"{('NUM:date', 'HUM:ind')[n % 2]} Who wrote number {n} ?" for n in numbers]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    splits = Trec("fine", str(tmp_path)).read()
    assert splits.notes == ["2 of the 6 test questions stand in training too, as in the official files"]
    assert len(splits.train) + len(splits.val) == 40


# E-mails


def written(path: Path, text: str, sender: str = "", subtype: str = "plain", **headers: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    message = EmailMessage()
    message["Subject"] = headers.pop("subject", "hello")
    if sender:
        message["From"] = sender
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text, subtype=subtype, charset=headers.pop("charset", "utf-8"))
    path.write_bytes(message.as_bytes())
    return path


def test_the_text_of_an_email_is_what_a_person_reads(tmp_path: Path) -> None:
    head = "<html><head><style>p {color: red}</style></head>"
    html = f"{head}<body><p>Gr&uuml;&szlig;e,<br>free <b>prize</b></p><script>x()</script></body></html>"
    letter = read_letter(written(tmp_path / "a.eml", html, "Ann <ANN@x.org>", "html", subject="50 € für Sie"))
    assert letter.text == "50 € für Sie\nGrüße, free prize"
    assert letter.sender == "ann@x.org"
    message = EmailMessage()
    message["Subject"], message["References"] = "two forms", "<first@x> <second@x>"
    message.set_content("the plain form")
    message.add_alternative("<p>the other form</p>", subtype="html")
    message.add_attachment(b"secret", maintype="text", subtype="plain", filename="a.txt")
    (tmp_path / "b.eml").write_bytes(message.as_bytes())
    letter = read_letter(tmp_path / "b.eml")
    assert (letter.text.split("\n")[:2], letter.thread) == (["two forms", "the plain form"], "<first@x>")
    assert "secret" not in letter.text and "other" not in letter.text
    (tmp_path / "c.eml").write_bytes(
        b"Subject: =?no-such?Q?x?=\nContent-Type: text/plain; charset=no-such\n\nna\xefve\n"
    )
    assert read_letter(tmp_path / "c.eml").text.endswith("naïve\n")


def test_mails_of_a_sender_and_of_a_thread_stay_together(tmp_path: Path) -> None:
    for at in range(80):
        label = ("spam", "ham")[at % 2]
        thread = {"References": f"<t{at // 8}@x>"} if at < 40 else {}
        sender = f"s{at // 4 * 2 + at % 2}@x.org"
        written(tmp_path / label / f"{at}.eml", f"text of number {at}", sender, **thread)
    splits = MailFolder(str(tmp_path)).read()
    homes: dict[str, set[str]] = {}
    for name, part in splits:
        for example in part:
            letter = read_letter(example.path)
            for key in filter(None, (letter.sender, letter.thread)):
                homes.setdefault(key, set()).add(name)
    assert all(len(names) == 1 for names in homes.values())
    assert splits.described["files"] == "label: the name of the folder; group: by sender and thread"
    assert "spam" in {example.label for example in splits.test}


def test_damaged_mails_are_named_and_mails_can_be_predicted(cli, tmp_path: Path) -> None:
    for at in range(60):
        label = ("spam", "ham")[at % 2]
        written(
            tmp_path / "mails" / label / f"{at}.eml",
            f"{('claim a prize', 'lunch at noon')[at % 2]} number {at}",
            f"s{at}@x.org",
        )
    (tmp_path / "mails" / "ham" / "bad.txt").write_bytes(b"abcdefghijklmnop\0\xff")
    small = ["train.epochs=1", "model.channels=[8,8,8]", "model.embedding_size=8", "baselines=[majority]"]
    refused(cli("check", "spam_cnn1d", "--data", "mails", *small), 3, "bad.txt: is no text")
    (tmp_path / "mails" / "ham" / "bad.txt").unlink()
    result = cli("run", "spam_cnn1d", "--data", "mails", *small, "--out", "run")
    assert result.code == 0, result.err
    found = cli("predict", "run", "mails/spam/0.eml", "--json")
    assert json.loads(found.out)["label"] in ("ham", "spam"), found.err
    found = cli("predict", "run", "mails", "--json")
    assert len(found.out.splitlines()) == 60


# Networks over characters and bytes


@pytest.mark.parametrize("length", [1, 2, 5, 8, 13])
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 3)])
def test_windows_are_the_same_in_every_batch(length: int, size: int, stride: int) -> None:
    x = torch.randn(1, 3, length)
    counts = torch.ones(1, length, dtype=torch.bool)
    alone, kept = max_pooled(x, counts, size, stride)
    wanted = [x[:, :, at : at + size].amax(dim=2) for at in range(0, length, stride)]
    assert torch.equal(alone, torch.stack(wanted, dim=2)) and bool(kept.all())
    padded = torch.cat([x, torch.full((1, 3, 6), 9.0)], dim=2)
    mask = torch.cat([counts, torch.zeros(1, 6, dtype=torch.bool)], dim=1)
    beside, kept = max_pooled(padded, mask, size, stride)
    assert torch.equal(beside[:, :, : alone.shape[2]], alone)
    assert int(kept.sum()) == alone.shape[2] and not bool(beside[:, :, alone.shape[2] :].any())


@pytest.mark.parametrize("depth", [9, 17, 29, 49])
def test_the_very_deep_network_has_the_layers_of_the_paper(depth: int) -> None:
    network = VDCNN1d(10, 2, depth=depth, channels=2, embedding_size=2)
    of_blocks = [
        module
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Conv1d) and "shortcut" not in name
    ]
    assert len(of_blocks) == depth


def test_layers_need_one_width_and_one_size_each():
    with pytest.raises(ValueError, match="2 channels for 3 kernel_sizes"):
        CharCNN1d(10, 2, channels=[4, 4], kernel_sizes=[3, 3, 3])
    with pytest.raises(ValueError, match="would count the padding"):
        CharCNN1d(10, 2, normalisation="batch")


def test_bytes_are_tokens_and_no_character_is_unknown():
    encoder = TextEncoder(units="bytes", lower=False)
    encoder.fit([Text("fr€e é", "spam"), Text("Ж ok", "ham")])
    assert encoder.tokenise("€a") == ["<e2>", "<82>", "<ac>", "a"]
    assert encoder.prepare(Text("€"))[0].min() > 1


def test_the_evidence_of_characters_is_that_of_words():
    texts = [Text(f"{('claim your PRIZE', 'lunch at noon')[at % 2]} {at}", ("spam", "ham")[at % 2]) for at in range(40)]
    words, characters = TextEncoder(evidence="linear"), TextEncoder(units="characters", lower=False, evidence="linear")
    for encoder in (words, characters):
        encoder.fit(texts)
    example = Text("Claim your prize now")
    assert torch.allclose(words.prepare(example)[2], characters.prepare(example)[2])


@pytest.mark.parametrize("network", [CharCNN1d, CNN1d])
def test_a_vote_counts_the_evidence_in_prediction_only(network: type[torch.nn.Module]) -> None:
    torch.manual_seed(0)
    model = network(20, 2, evidence_weight=0.5, evidence=True).eval()
    tokens, evidence = torch.randint(2, 20, (3, 9)), torch.randn(3, 2)
    assert torch.allclose(model(tokens, evidence), model(tokens) + 0.5 * evidence)
    for module in model.modules():
        module.training = module is model  # without dropout, which draws
    assert torch.equal(model(tokens, evidence), model(tokens)), "the network learns alone"
    assert not any("weight" in name and parameter.ndim == 0 for name, parameter in model.named_parameters())
