"""Chapter 9 on small files, with ratings and without."""

import json

import numpy as np
import pandas as pd
import pytest
from played import home_in, play
from test_ratings import all_back, dialogues

from emo_utils.people import forms, rating_kit
from emo_utils.project import EmoError

ROW = {
    "emotion": "joy",
    "situation": "検査の結果を待っている。",
    "turns": ["数値が下がった。", "よかったですね。", "毎日歩きました。", "続けたからですね。"],
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    return home_in(tmp_path, monkeypatch)


def records_of(played) -> pd.DataFrame:
    return pd.DataFrame(
        json.loads((played.run.folder / f"{played.run.name}.json").read_text())["records"]
    )


def test_the_chapter_without_ratings_has_no_record_of_any(home, capsys):
    found = records_of(play("09_emplifai"))
    assert (
        set(found.table) == {"emplifai.table1", "emplifai.data"}
        and "No ratings yet" in capsys.readouterr().out
    )
    counts = found[found.table == "emplifai.table1"]
    assert len(counts) == 56 and set(counts[counts.metric == "dialogues"].value) == {8.0}
    assert not len(found[found.metric == "findings"]) and set(
        found[found.metric == "characters"].group
    ) == {"patient 1", "supporter 1", "patient 2", "supporter 2", "dialogue"}


def test_the_chapter_on_a_given_file_and_on_ratings(home, tmp_path):
    rows = [{"id": "a"} | ROW, {"id": "b"} | ROW | {"turns": ["", *ROW["turns"][1:]]}]
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    forms.make_sheets(dialogues(), tmp_path / "kit", group_size=6, raters=2)
    all_back(
        tmp_path / "kit",
        lambda item, metric, sheet: 1 + int(item["id"][1:]) % 5 if metric != "fluency" else 3,
    )
    found = records_of(
        play("09_emplifai", dialogues=str(tmp_path / "rows.jsonl"), ratings=str(tmp_path / "kit"))
    )
    assert found[found.group == "missing turn"].value.tolist() == [1]
    assert found[(found.metric == "characters") & (found.group == "dialogue")][
        ["n", "unscored"]
    ].values.tolist() == [[1, 1]]
    five = found[found.table == "emplifai.table5"]
    assert (
        set(five[five.group == "alpha"].metric) == set(rating_kit.RUBRICS) - {"fluency"}
        and (five[five.group == "alpha"].value == 1).all()
    )
    means = five[five.group == "all"].set_index(["system", "metric"])
    assert means.loc[("a.human", "security"), "value"] == pytest.approx(
        np.mean([1 + k % 5 for k in range(12)])
    ) and set(means.n) == {12}


def test_the_chapter_with_nothing_returned_and_with_nothing_to_read(home, tmp_path, capsys):
    forms.make_sheets(dialogues(), tmp_path / "kit", group_size=6, raters=2)
    found = records_of(play("09_emplifai", ratings=str(tmp_path / "kit")))
    said = capsys.readouterr().out
    assert (
        "emplifai.table5" not in set(found.table)
        and "No ratings yet" in said
        and "12 of 12 sheets have not come back" in said
    )
    (tmp_path / "empty.csv").write_text("emotion,situation,turns\n")
    with pytest.raises(EmoError, match="none of the 0 dialogues has four turns"):
        play("09_emplifai", dialogues=str(tmp_path / "empty.csv"))
