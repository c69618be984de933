"""EmplifAI's form: files read, findings against planted mistakes."""

import json
import re

import pandas as pd
import pytest

from emo_utils.data import emplifai
from emo_utils.project import EmoError

ROW = {
    "emotion": "joy",
    "situation": "検査の結果を待っている。",
    "turns": [
        "数値が下がったんです。",
        "それはうれしいですね。",
        "毎日歩いたかいがありました。",
        "続けられたのが何よりです。",
    ],
}


def spoken(turns) -> str:
    return "\n".join(
        f"{who}: {turn}"
        for who, turn in zip(("Patient", "Supporter", "患者", "支援者"), turns, strict=False)
    )


FORMS = {
    "turns.jsonl": lambda rows: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
    "columns.jsonl": lambda rows: "".join(
        json.dumps(
            {
                "label": "喜び",
                "situation": r["situation"],
                **dict(zip(emplifai._COLUMNS, r["turns"], strict=True)),
            },
            ensure_ascii=False,
        )
        + "\n"
        for r in rows
    ),
    "conversation.jsonl": lambda rows: "".join(
        json.dumps(
            {"label": "Joy", "situation": r["situation"], "conversation": spoken(r["turns"])},
            ensure_ascii=False,
        )
        + "\n"
        for r in rows
    ),
    "turns.csv": lambda rows: pd.DataFrame(
        [r | {"turns": json.dumps(r["turns"], ensure_ascii=False)} for r in rows]
    ).to_csv(index=False),
    "columns.csv": lambda rows: pd.DataFrame(
        [
            {
                "emotion": "喜び",
                "situation": r["situation"],
                **dict(zip(emplifai._COLUMNS, r["turns"], strict=True)),
            }
            for r in rows
        ]
    ).to_csv(index=False),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_of_a_file_gives_the_same_rows(tmp_path, name):
    (tmp_path / name).write_text(FORMS[name]([ROW]), encoding="utf-8")
    assert emplifai.read(tmp_path / name) == [{"id": "row-1"} | ROW]


def test_a_parquet_file_is_read(tmp_path):
    pd.DataFrame([ROW]).to_parquet(tmp_path / "rows.parquet")
    assert emplifai.read(tmp_path / "rows.parquet") == [{"id": "row-1"} | ROW]


@pytest.mark.parametrize(
    "name, content, what",
    [
        ("rows.txt", "", "a table is a .jsonl, .csv, .parquet file"),
        ("rows.jsonl", "{", "cannot be read"),
        ("rows.parquet", "no", "cannot be read"),
        ("rows.csv", "emotion,text\njoy,x\n", "has the columns emotion, text"),
        (
            "rows.jsonl",
            '{"emotion": "joy", "situation": "x", "patient_1": "a"}\n',
            "has the columns",
        ),
    ],
)
def test_files_that_are_no_dialogues_are_named(tmp_path, name, content, what):
    (tmp_path / name).write_text(content)
    with pytest.raises(EmoError, match=re.escape(what)):
        emplifai.read(tmp_path / name)
    with pytest.raises(EmoError):
        emplifai.read(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    "content",
    [
        '{"emotion": 3, "situation": null, "turns": 5}',
        '{"emotion": "joy", "situation": "x", "turns": null}',
        '{"emotion": "joy", "situation": "x", "turns": [1, "b", null, "d"]}',
    ],
)
def test_values_of_other_types_become_findings(tmp_path, content):
    (tmp_path / "rows.jsonl").write_text(content + "\n")
    assert "missing turn" in set(emplifai.findings(emplifai.read(tmp_path / "rows.jsonl")).problem)


@pytest.mark.parametrize(
    "who",
    [
        ("Supporter", "Patient", "Supporter", "Patient"),
        ("Patient", "Patient", "Supporter", "Supporter"),
        ("患者", "Patient"),
    ],
)
def test_a_conversation_of_other_speakers_has_no_turns(tmp_path, who):
    text = "\n".join(f"{w}: {t}" for w, t in zip(who, ROW["turns"], strict=False))
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({"emotion": "joy", "situation": "x", "conversation": text})
    )
    assert emplifai.read(tmp_path / "rows.jsonl")[0]["turns"] == []


def test_ids_with_gaps_and_systems_are_kept(tmp_path):
    lines = [ROW | {"id": 0, "system": "a"}, ROW | {"system": "b"}, ROW | {"id": 7, "system": 3}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [(row["id"], row["system"]) for row in emplifai.read(tmp_path / "rows.jsonl")] == [
        ("0", "a"),
        ("row-2", "b"),
        ("7", "3"),
    ]
    (tmp_path / "deep.csv").write_text('emotion,situation,turns\njoy,x,"' + "[" * 100_000 + '"\n')
    assert emplifai.read(tmp_path / "deep.csv")[0]["turns"] == []


PLANTED = {
    "wrong label": {"emotion": "joyful"},
    "no situation": {"situation": ""},
    "missing turn": {"turns": ROW["turns"][:3]},
    "half-width forms": {"turns": ["ﾘﾊﾋﾞﾘがつらい。", *ROW["turns"][1:]]},
    "another script": {"turns": ["오늘は眠れない。", *ROW["turns"][1:]]},
    "mostly Latin letters": {
        "situation": "At the clinic.",
        "turns": [
            "I am so happy today.",
            "That is good to hear.",
            "I walked every day.",
            "Keep going.",
        ],
    },
    "dialogue twice": {},
    "turn twice": {"turns": [ROW["turns"][0], "よかったです。", "はい。", "また来週。"]},
    "situation of two emotions": {
        "emotion": "fear",
        "turns": ["どうしよう。", "怖いですね。", "ええ。", "一緒に待ちましょう。"],
    },
}


@pytest.mark.parametrize("problem", PLANTED)
def test_each_planted_mistake_is_found_and_nothing_else(problem):
    rows = [{"id": "a"} | ROW, {"id": "b"} | ROW | PLANTED[problem]]
    rows[1]["turns"] = [
        turn
        if problem in ("dialogue twice", "turn twice") or "turns" in PLANTED[problem]
        else turn + "ね"
        for turn in rows[1]["turns"]
    ]
    found = emplifai.findings(rows)
    assert set(found.row) == {2}
    assert set(found.problem) - (
        {"turn twice"}
        if problem in ("missing turn", "half-width forms", "another script")
        else set()
    ) == {problem}


def test_sound_rows_have_no_finding():
    assert emplifai.findings(emplifai.load()).empty
    medical = (
        {"id": "m"}
        | ROW
        | {
            "turns": [
                "HbA1cが6.1でした。β遮断薬も減りました。",
                "ＭＲＩもきれいだったそうですね。",
                "えっ、もう？　そうなんです、〜と言われて。",
                "・・・ほっとしましたね、ヶ月ぶりに。",
            ]
        }
    )
    assert emplifai.findings([medical]).empty


def test_an_id_twice_is_found_and_hides_nothing():
    assert (
        list(
            emplifai.findings(
                [{"id": "a"} | ROW, {"id": "a"} | ROW | {"turns": list("あいうえ")}]
            ).problem
        )
        == ["id twice"] * 2
    )
    assert set(emplifai.findings([{"id": "a"} | ROW, {"id": "a"} | ROW]).problem) == {
        "id twice",
        "dialogue twice",
    }
    assert emplifai.findings(
        [{"id": "a"} | ROW | {"turns": [*ROW["turns"][:3], ROW["turns"][1]]}]
    ).problem.tolist() == ["turn twice"]


def test_balance_counts_by_hand():
    table = emplifai.balance(
        [
            {"id": "a"} | ROW,
            {"id": "b"} | ROW,
            {"id": "c"} | ROW | {"situation": "別の場面。"},
            {"id": "d"} | ROW | {"emotion": "joyful"},
        ]
    ).set_index("emotion")
    assert table.loc["joy", ["situations", "dialogues", "japanese", "sentiment"]].tolist() == [
        2,
        3,
        "喜び",
        "positive",
    ]
    assert len(table) == 28 and table.dialogues.sum() == 3
    whole = emplifai.balance(emplifai.load())
    assert set(whole.situations) == {4} and set(whole.dialogues) == {8}


# Dialogues that a model writes, and those that it learns from


@pytest.mark.parametrize(
    "text, turns",
    [
        ("患者: a\n支援者: b\n患者: c\n支援者: d", ["a", "b", "c", "d"]),
        ("患者：a\n支援者：b\n患者：c\n支援者：d", ["a", "b", "c", "d"]),
        ("Here it is.\n患者: a\n支援者: b\n患者: c\n支援者: d", []),
        ("患者: a\n支援者: b\n患者: c", []),
        ("患者: a\n支援者: b\n患者: \n支援者: d", []),
        ("患者: a\n支援者: b\n患者: c\n支援者: d\n患者: e", []),
        ("支援者: a\n患者: b\n支援者: c\n患者: d", []),
        ("", []),
        ("患者 a 支援者 b", []),
    ],
)
def test_the_form_that_is_asked_for(text, turns):
    assert emplifai.turns_in_form(text) == turns


def test_a_dialogue_as_lines_is_read_again():
    assert emplifai.as_lines(list("abcd")) == "患者: a\n支援者: b\n患者: c\n支援者: d"
    for row in emplifai.load():
        assert emplifai.turns_in_form(emplifai.as_lines(row["turns"])) == row["turns"]


def test_a_scene_has_its_emotion_only_where_one_is_given():
    scene = "場面: s\n患者: a\n支援者: b\n患者: c\n支援者: d"
    assert emplifai.as_scene("s", list("abcd")) == scene
    assert emplifai.as_scene("s", list("abcd"), "sadness") == f"感情: 悲しみ\n{scene}"
    assert emplifai.as_scene("s", list("abcd"), "boredom") == f"感情: boredom\n{scene}"
    with pytest.raises(ValueError, match="zip"):
        emplifai.as_scene("s", list("abc"))


def test_dialogues_without_a_turn_are_left_out():
    rows = [ROW, ROW | {"turns": ROW["turns"][:3]}, ROW | {"turns": ["", *ROW["turns"][1:]]}]
    assert emplifai.with_four_turns(rows) == [ROW]


def test_lengths_by_hand():
    row = {"situation": "x", "turns": ["つらい です。", "そう\nですか。", "はい", "あ\u3000い"]}
    found = emplifai.turn_lengths([row, row | {"situation": "y"}])
    assert list(found) == ["situation", "speaker", "characters"]
    assert found[found.situation == "y"].drop(columns="situation").to_numpy().tolist() == [
        ["patient 1", 6],
        ["supporter 1", 6],
        ["patient 2", 2],
        ["supporter 2", 2],
        ["dialogue", 16],
    ]
    assert found.speaker.unique().tolist()[-1] == "dialogue" and len(found) == 10


@pytest.mark.parametrize("with_sampled, own", [(False, 0), (True, 6)])
def test_sampled_pairs_are_kept_out_or_among_the_rows(with_sampled, own):
    rows = emplifai.load()
    pairs = list(emplifai.by_pair(rows))
    sampled = [pairs[0], pairs[40], pairs[-1]]
    chosen = emplifai.training_rows(rows, sampled, 20, with_sampled)
    assert (
        len(chosen) == 20
        and sum((row["emotion"], row["situation"]) in sampled for row in chosen) == own
    )
    assert len({row["id"] for row in chosen}) == 20
    # The others are the first ones of the file, one an emotion before a second of any.
    others = [row for row in rows if (row["emotion"], row["situation"]) not in sampled]
    firsts = list({row["emotion"]: row for row in others[::-1]}.values())[::-1]
    assert chosen[own:] == firsts[: 20 - own]


def test_both_ways_train_on_equally_many_rows():
    rows = emplifai.load()
    sampled = list(emplifai.by_pair(rows))[:100]
    for with_sampled in (False, True):
        with pytest.raises(EmoError, match="both ways must train on equally many"):
            emplifai.training_rows(rows, sampled, 40, with_sampled)
    assert emplifai.training_rows(rows, sampled, 4, True) == rows[:4], "own rows are enough"


def test_pairs_are_those_of_the_rows_in_order():
    rows = [ROW, ROW | {"situation": "別の場面。"}, ROW | {"emotion": "fear"}, ROW]
    assert {pair: len(of_pair) for pair, of_pair in emplifai.by_pair(rows).items()} == {
        ("joy", ROW["situation"]): 2,
        ("joy", "別の場面。"): 1,
        ("fear", ROW["situation"]): 1,
    }
    assert len(emplifai.by_pair(emplifai.load())) == 112


def test_a_caption_says_where_dialogues_are_from(tmp_path):
    assert emplifai.source_in_words(tmp_path / "mine.csv", "overt") == "the file mine.csv"
    assert emplifai.source_in_words(None, "subtle").startswith("this project's dialogues (arm subt")


def test_sampled_pairs_are_drawn_by_the_seed_and_leave_some():
    by_pair = {("joy", f"s{k}"): [] for k in range(20)}
    sampled = emplifai.sampled_pairs(by_pair, 5, 42)
    assert len(set(sampled)) == 5 and set(sampled) <= set(by_pair)
    assert emplifai.sampled_pairs(by_pair, 5, 42) == sampled
    assert emplifai.sampled_pairs(by_pair, 5, 43) != sampled
    with pytest.raises(EmoError, match="has 20 pairs .* must leave some"):
        emplifai.sampled_pairs(by_pair, 20, 42)
