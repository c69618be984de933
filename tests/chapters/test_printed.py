"""The chapters on texts that papers print, played on texts of our own in the same shape."""

import json
import os

import pytest
from played import home_in, play, records_of

from emo_utils.data import printed_texts
from emo_utils.project import EmoError
from emo_utils.report import printed_tables

TEXT = "I can hear how {feels} you are. You are not alone. {fact} I will order a scan for you."
ANSWERS = [
    {
        "id": f"{case}-{system}",
        "case": case,
        "system": system,
        "answer": TEXT.format(feels=feels, fact=fact),
        "red": ["You are not alone."],
        "blue": [fact],
    }
    for case, feels, fact in (
        ("a", "worried", "A sprain heals in six weeks."),
        ("b", "tired", "Iron is taken with food."),
    )
    for system in printed_texts.METHODS
]


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    home_in(tmp_path, monkeypatch)
    monkeypatch.delenv("EMO_TRIAL_DATA", raising=False)
    (tmp_path / "data" / "sentences").symlink_to(os.path.abspath("data/sentences"))
    return tmp_path


def test_table_3_of_a_reader_s_file(home):
    path = home / "trial" / printed_texts.ANSWERS.file
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in ANSWERS), encoding="utf-8")
    given = {"trial_data": str(home / "trial"), "embedding_model": "tiny-llama"}
    played = play("08_printed_answers", **given, test_rows=2)
    records = records_of(played).loc["emodoctor.table3"]
    of_one = records.loc["printed.kto", "words", "printed, case b"]
    assert (of_one.value, of_one.n) == (len(ANSWERS[-1]["answer"].split()), 1)
    assert records.loc["printed.dpo", "mean", "printed"].n == 2
    assert records.loc["doctor", "mean", "yardstick"].n == 2
    assert records.loc["comfort and red", "kappa", "printed, red"].n == 4 * len(ANSWERS)
    assert records.loc["knowledge and blue", "recall", "printed, blue"].n == len(ANSWERS)
    shown = printed_tables.answers(played.records)
    assert shown.index.tolist() == [
        *(f"case {row['case']}, {row['system'].upper()}" for row in ANSWERS),
        "the doctor's answer",
        "the warm answer (reference)",
    ]
    read = printed_tables.by_eye(played.records)
    same = (read["claims, read"] == read["claims, marked"]).sum()
    assert f"claims: {same} of {len(read)}" in played.tables[2].data
    written = (played.run.folder / f"{played.run.name}.json").read_text(encoding="utf-8")
    assert not any(row["answer"][:20] in written for row in ANSWERS)


def test_without_the_file_nothing_is_measured_and_nothing_can_be_kept(home, monkeypatch):
    monkeypatch.setattr(printed_tables, "KEPT", home / "none.json")
    played = play("08_printed_answers", embedding_model="tiny-llama")
    assert not played.run.records and played.tables == (None,) * 3
    with pytest.raises(EmoError, match="'keep' needs the printed answers"):
        play("08_printed_answers", keep=True, embedding_model="tiny-llama")


def test_what_moves_the_judge_and_whom_it_follows(home):
    """With a stand-in for the judge, on dialogues of our own in the printed ones' shape."""
    (home / "data" / "emplifai_ja").symlink_to(os.path.abspath("data/emplifai_ja"))
    path = home / "trial" / printed_texts.DIALOGUES.file
    path.parent.mkdir(parents=True)
    row = {
        "id": "1",
        "emotion": "fear",
        "situation": "病院の廊下で待つ人が、知り合いに話す。",
        "turns": ["怖いです。", "検査は短いですよ。", "はい。", "一緒に行きましょう。"],
        "ratings": {"security": [5, 1.5], "general_empathy": [4, 2]},
    }
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    played = play(
        "09_emplifai_moves",
        trial_data=str(home / "trial"),
        judge_model="tiny-llama",
        rows=2,
        studies=20,
    )
    records = records_of(played)
    assert records.loc["emplifai.ablation", "length", "characters", "all"].n == 2
    levels = records.loc["emplifai.appendix_e", "our judge"]
    assert levels.value.between(1, 5).all() and len(levels) == 2
    assert records.loc["emplifai.appendix_e", "people", "security", "dialogue 1"].value == 1.5
    text = (played.run.folder / f"{played.run.name}.json").read_text(encoding="utf-8")
    assert row["turns"][1] not in text and "検査" not in text
    with pytest.raises(EmoError, match="'keep' is for ten rows and more"):
        play("09_emplifai_moves", judge_model="tiny-llama", rows=2, keep=True)
