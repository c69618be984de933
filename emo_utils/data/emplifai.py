"""The Japanese dialogues of EmplifAI's kind (card: `data/emplifai_ja/README.md`), a user's own in
their place, and what the paper's tables count in them.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from emo_utils.data import files
from emo_utils.data.arms import in_arm
from emo_utils.project import DATA, EmoError

if TYPE_CHECKING:
    import pandas as pd


def _emotions() -> tuple[tuple[str, str, str], ...]:
    """EmplifAI's Table 1: each emotion in English and Japanese, with its sentiment."""
    with open(DATA / "published/emplifai_emotions.csv", encoding="utf-8", newline="") as table:
        return tuple(
            (row["emotion"], row["japanese"], row["sentiment"]) for row in csv.DictReader(table)
        )


EMOTIONS = _emotions()
JAPANESE = {english: japanese for english, japanese, _ in EMOTIONS}
FIELDS = ("id", "emotion", "situation", "turns", "gloss")
FILE, SCREENING_FILE = (
    DATA / "emplifai_ja" / name for name in ("dialogues.jsonl", "screening.jsonl")
)


def load(arm: str = "overt") -> list[dict]:
    """The Japanese dialogues in one of their arms, checked row by row; `turns` is a list
    of four texts: patient, supporter, patient, supporter.

    arm: `subtle` has supporters who meet the feeling mostly without the usual phrases. In `overt`
    they name it and call it understandable, in so many words, before and after the facts; ids,
    emotions, situations and the patients' turns are those of `subtle`. Raises DataError for
    another arm, and as `files.rows_of`.
    """
    return files.rows_of(in_arm(FILE, arm), FIELDS, tuple(english for english, _, _ in EMOTIONS))


ROLES = ("patient", "supporter", "patient", "supporter")
_SPEAKERS = ("患者", "支援者", "患者", "支援者")
_LABELS = {
    word.lower(): english for english, japanese, _ in EMOTIONS for word in (english, japanese)
}
_TURN = re.compile(r"^\s*(patient|supporter|患者|支援者)\s*[:：]\s*", re.IGNORECASE | re.MULTILINE)
_COLUMNS = ("patient_1", "supporter_1", "patient_2", "supporter_2")
_SCRIPTS = {
    "HIRAGANA",
    "KATAKANA",
    "KATAKANA-HIRAGANA",
    "CJK",
    "IDEOGRAPHIC",
    "LATIN",
    "FULLWIDTH",
    "HALFWIDTH",
    "GREEK",
    "MASCULINE",
    "FEMININE",
    "MICRO",
}
SHORT = 8  # characters below which two people may say the same


def read(path: Path) -> list[dict]:
    """Dialogues of a .jsonl, .csv or .parquet file, one a row: id, emotion (the English label where
    it is one of the 28), situation, turns, and system where it has one.

    Read are the labels in English or Japanese, and turns as a list (`turns`), as four columns
    (`patient_1` to `supporter_2`) or as one text whose lines begin with a speaker (`conversation`).
    Nothing is checked here: `findings` does. Raises EmoError where the file cannot be read or lacks
    these fields.
    """
    table = files.table(path)
    label = next((name for name in ("emotion", "label") if name in table), None)
    if (
        label is None
        or "situation" not in table
        or not ("turns" in table or "conversation" in table or set(_COLUMNS) <= set(table))
    ):
        raise EmoError(
            f"{path.name} has the columns {', '.join(map(str, table))[:120]}; "
            "dialogues have emotion, situation, and turns "
            f"(or {', '.join(_COLUMNS)}, or conversation)"
        )
    return [
        {
            "id": _name(row.get("id")) or f"row-{number}",
            "emotion": _LABELS.get(_text(row[label]).lower(), _text(row[label])),
            "situation": _text(row["situation"]),
            "turns": _turns(row),
        }
        | ({"system": _name(row["system"])} if "system" in table else {})
        for number, row in enumerate(table.to_dict("records"), start=1)
    ]


def source_in_words(path: Path | None, arm: str) -> str:
    """Where dialogues are from, for captions: a user's file, or the project's own in an arm."""
    if path:
        return f"the file {path.name}"
    return f"this project's dialogues (arm {arm}), written by a language model, not EmplifAI's"


def _text(value) -> str:
    return value.strip() if isinstance(value, str) else ""


def _name(value) -> str:
    """A name or number as text; a column with gaps holds its whole numbers as 1.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, str | int) else ""


def _turns(row: dict) -> list[str]:
    if "turns" in row:
        turns = row["turns"]
        if isinstance(turns, str):  # a CSV keeps a list as JSON
            try:
                turns = json.loads(turns)
            except (ValueError, RecursionError):
                turns = []
        return (
            [_text(turn) for turn in turns]
            if isinstance(turns, list) or hasattr(turns, "tolist")
            else []
        )
    if "conversation" in row:
        return spoken(_text(row["conversation"]))
    return [_text(row[name]) for name in _COLUMNS]


def spoken(text: str) -> list[str]:
    """Turns of a conversation whose lines begin with a speaker, in Japanese or English;
    [] where the speakers are not those of ROLES in turn.

    What stands before the first one is left out.
    """
    _, *parts = _TURN.split(text)
    speakers = tuple(
        {"患者": "patient", "支援者": "supporter"}.get(word, word.lower()) for word in parts[::2]
    )
    return (
        [part.strip() for part in parts[1::2]] if speakers == ROLES[: len(speakers)] else []
    )  # turns of others are none of these


def as_lines(turns: list[str]) -> str:
    """A dialogue as four lines, each behind its speaker in Japanese: what `spoken` reads."""
    return "\n".join(f"{who}: {turn}" for who, turn in zip(_SPEAKERS, turns, strict=True))


def as_scene(situation: str, turns: list[str], emotion: str | None = None) -> str:
    """A dialogue as models read it, in Japanese: the emotion in which it was to be written, where
    that is given (in English), the situation, and the four turns.
    """
    head = [] if emotion is None else [f"感情: {JAPANESE.get(emotion, emotion)}"]
    return "\n".join([*head, f"場面: {situation}", as_lines(turns)])


def turns_in_form(text: str) -> list[str]:
    """The four turns of a dialogue that a model wrote; [] where the form that it was asked for is
    not kept: four filled turns of patient and supporter, and nothing before the first.
    """
    turns = spoken(text)
    begins = text.startswith(("患者", "patient", "Patient"))
    return turns if begins and len(turns) == 4 and all(turns) else []


def with_four_turns(rows: list[dict]) -> list[dict]:
    """The dialogues in which none of the four turns is missing."""
    return [row for row in rows if len(row["turns"]) == 4 and all(row["turns"])]


def saying_their_label(rows: list[dict]) -> list[dict]:
    """The dialogues in which a supporter says the very word of their label, in Japanese; rows as of
    `with_four_turns`, their emotions those of `EMOTIONS`.
    """
    return [
        row for row in rows if any(JAPANESE[row["emotion"]] in turn for turn in row["turns"][1::2])
    ]


def pair_of(row: dict) -> tuple[str, str]:
    """Emotion and situation of a dialogue: what a model is asked to write for (EmplifAI, 5)."""
    return row["emotion"], row["situation"]


def by_pair(rows: list[dict]) -> dict[tuple[str, str], list[dict]]:
    """The dialogues of each pair of an emotion and a situation, in the order of the rows."""
    found: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        found.setdefault(pair_of(row), []).append(row)
    return found


def sampled_pairs(by_pair: dict[tuple[str, str], list[dict]], count: int, seed: int) -> list:
    """`count` of the pairs, drawn at random; by_pair: of the function of that name. Raises EmoError
    where none would be left for training.
    """
    from sklearn.model_selection import train_test_split  # takes a second to import

    if len(by_pair) <= count:
        raise EmoError(
            f"the file has {len(by_pair)} pairs of an emotion and a situation; "
            "'pairs' must leave some of them for training"
        )
    _, sampled = train_test_split(list(by_pair), test_size=count, random_state=seed)
    return sampled


def training_rows(rows: list[dict], sampled: list, count: int, with_sampled: bool) -> list[dict]:
    """`count` dialogues to train on: of pairs that were not sampled, taken in turn from each
    emotion; `with_sampled` puts the sampled pairs' own in the place of as many of them.

    sampled: pairs as `pair_of` gives them. Raises EmoError where the other pairs have fewer than
    `count` dialogues, as both ways must train on equally many.
    """
    outside = [row for row in rows if pair_of(row) not in sampled]
    if count > len(outside):
        raise EmoError(
            f"train_rows is {count} and {len(outside)} dialogues are left beside the "
            f"{len(sampled)} sampled pairs; both ways must train on equally many, "
            "so lower train_rows or pairs"
        )
    own = [row for row in rows if pair_of(row) in sampled][: count if with_sampled else 0]
    return own + (files.balanced(outside, count - len(own)) if len(own) < count else [])


def turn_lengths(rows: list[dict]) -> pd.DataFrame:
    """Characters without spaces of dialogues with four turns: columns situation, speaker
    (`patient 1` to `supporter 2`, then `dialogue` for all four together), characters.
    """
    import pandas as pd  # not above: it takes a third of a second, and most commands need none

    turns = [
        (row["situation"], f"{role} {1 + place // 2}", len("".join(turn.split())))
        for row in rows
        for place, (role, turn) in enumerate(zip(ROLES, row["turns"], strict=True))
    ]
    dialogues = [
        (row["situation"], "dialogue", len("".join("".join(row["turns"]).split()))) for row in rows
    ]
    return pd.DataFrame([*turns, *dialogues], columns=["situation", "speaker", "characters"])


def findings(rows: list[dict]) -> pd.DataFrame:
    """What is wrong with dialogues, one row a finding: columns row (from 1), id, problem, detail.

    Balance is not a row's fault: see `balance`.
    """
    import pandas as pd

    found = []
    whole, spoken, of_situation = {}, {}, {}
    for number, row in enumerate(rows, start=1):

        def say(problem: str, detail: str) -> None:
            # called within this turn of the loop
            found.append(
                {
                    "row": number,  # noqa: B023
                    "id": row["id"],  # noqa: B023
                    "problem": problem,
                    "detail": detail,
                }
            )

        turns = row["turns"]
        if row["emotion"] not in _LABELS.values():
            say("wrong label", row["emotion"][:40])
        elif (
            row["situation"]
            and (first := of_situation.setdefault(row["situation"], row["emotion"]))
            != row["emotion"]
        ):
            say("situation of two emotions", f"{first} and {row['emotion']}")
        if not row["situation"]:
            say("no situation", "")
        if len(turns) != 4 or not all(turns):
            say("missing turn", f"{sum(map(bool, turns))} of 4")
        text = "".join([row["situation"], *turns])
        if half := re.findall("[\uff61-\uff9f]", text):
            say("half-width forms", "".join(half[:10]))
        if other := sorted(
            {
                name
                for c in text
                if c.isalpha()
                and (name := unicodedata.name(c, "UNKNOWN").split(" ")[0]) not in _SCRIPTS
            }
        ):
            say("another script", ", ".join(other))
        letters = [c for c in text if c.isalpha()]
        if letters and sum(c.isascii() for c in letters) > len(letters) / 3:
            say("mostly Latin letters", text[:40])
        plain = tuple("".join(turn.split()) for turn in turns)
        if any(plain) and (first := whole.setdefault(plain, number)) != number:
            say("dialogue twice", f"as in row {first}")
        else:
            for place, turn in enumerate(plain):
                if len(turn) >= SHORT and (first := spoken.setdefault(turn, (number, place))) != (
                    number,
                    place,
                ):
                    say("turn twice", f"as in row {first[0]}: {turn[:30]}")
    repeated = Counter(row["id"] for row in rows)
    found += [
        {"row": number, "id": row["id"], "problem": "id twice", "detail": ""}
        for number, row in enumerate(rows, start=1)
        if repeated[row["id"]] > 1
    ]
    return pd.DataFrame(found, columns=["row", "id", "problem", "detail"])


def balance(rows: list[dict]) -> pd.DataFrame:
    """Table 1 with counts: columns emotion, japanese, sentiment, situations, dialogues,
    in the paper's order.
    """
    import pandas as pd

    table = pd.DataFrame(EMOTIONS, columns=["emotion", "japanese", "sentiment"])
    frame = (
        pd.DataFrame(
            [(row["emotion"], row["situation"]) for row in rows], columns=["emotion", "situation"]
        )
        .groupby("emotion")
        .situation
    )
    return table.assign(
        situations=table.emotion.map(frame.nunique()).fillna(0).astype(int),
        dialogues=table.emotion.map(frame.size()).fillna(0).astype(int),
    )
