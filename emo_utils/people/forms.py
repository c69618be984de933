"""Blinded forms with which people rate dialogues (EmplifAI, Section 5.4) or compare the answers of
two systems; `rating_kit` reads what comes back.

The form is `ratings.html`; it works offline, in any browser, and sends nothing.
"""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd

from emo_utils.data import emplifai
from emo_utils.people import rating_kit
from emo_utils.project import EmoError, first_line, sha256_json, write_atomic

_FORM = Path(__file__).with_name("ratings.html")


def make_sheets(
    dialogues: list[dict], folder: Path, group_size: int = 10, raters: int = 3, seed: int = 42
) -> pd.DataFrame:
    """Write offline forms (`sheets/*.html`), an empty `returned/` for what comes back,
    and `key.json`, which says what the forms hide.

    dialogues: rows with id, system, emotion, situation and turns; every system needs the same ids.
    A group is `group_size` dialogues, no id twice in it and each system as often as any other (to
    within one); each group is rated by `raters` people, each with an order of dialogues and rubrics
    of their own. A dialogue without four turns is on no form; the key lists it. Returns one row a
    sheet (sheet, group, items). Raises EmoError for rows that do not fit and for a folder that
    already has a key: its ratings could not be read any more.
    """
    _check_size(len(dialogues), "dialogues", group_size, raters)
    found = {(row["id"], row["system"]): row for row in map(_checked, dialogues)}
    ids, systems = (list(dict.fromkeys(key[k] for key in found)) for k in (0, 1))
    if len(found) != len(dialogues) or len(found) != len(ids) * len(systems):
        raise EmoError(
            f"{len(dialogues)} dialogues of {len(ids)} ids and {len(systems)} systems: "
            "each system needs each id once, or systems are compared on different scenes"
        )
    broken = {
        key
        for key, row in found.items()
        if len(row["turns"]) != 4 or not all(isinstance(t, str) and t.strip() for t in row["turns"])
    }
    dice = random.Random(seed)
    dice.shuffle(ids)
    parts = [ids[i : i + group_size] for i in range(0, len(ids), group_size)]
    groups = [
        [(name, systems[(place + shift) % len(systems)]) for place, name in enumerate(part)]
        for part in parts
        for shift in range(len(systems))
    ]
    japanese = {english: word for english, word, _ in emplifai.EMOTIONS}
    shown = {
        key: {
            "emotion": japanese[row["emotion"]],
            "emotion_english": row["emotion"],
            "situation": row["situation"],
            "turns": list(row["turns"]),
        }
        for key, row in found.items()
    }
    return _hand_out(
        folder,
        "dialogues",
        {
            key: {
                "id": key[0],
                "system": key[1],
                "texts": rating_kit.fingerprint(*found[key]["turns"]),
            }
            for key in found
        },
        shown,
        [[key for key in group if key not in broken] for group in groups],
        raters,
        dice,
        seed,
        broken,
    )


def make_comparisons(
    first: pd.DataFrame,
    second: pd.DataFrame,
    folder: Path,
    group_size: int = 10,
    raters: int = 3,
    seed: int = 42,
) -> pd.DataFrame:
    """Write forms on which people compare two systems' answers to the same questions;
    files and returned rows as in `make_sheets`.

    first, second: tables with id, question, answer and one name in system. Which of the two stands
    left is hidden and balanced: every other question, and the others on the next person's form.
    Only questions that both answered are asked. Raises EmoError for tables that do not fit each
    other.
    """
    for table in (first, second):
        if lacking := [
            name for name in ("id", "question", "answer", "system") if name not in table
        ]:
            raise EmoError(
                f"answers lack the column '{lacking[0]}'; they need id, question, answer and system"
            )
        if (holes := table[table[["id", "question", "answer"]].isna().any(axis=1)]).size:
            raise EmoError(
                f"row {list(table.index).index(holes.index[0]) + 1} of {table.system.iloc[0]} "
                "lacks its id, question or answer"
            )
        if table.id.duplicated().any() or table.system.nunique() != 1:
            raise EmoError(
                "a table has the answers of one system, one an id; "
                f"here are {table.system.nunique()} systems, "
                f"and {table.id.duplicated().sum()} ids come twice"
            )
    names = [str(table.system.iloc[0]) for table in (first, second)]
    if names[0] == names[1]:
        raise EmoError(f"both tables are of {names[0]}: give the answers of two systems")
    first, second = (table[["id", "question", "answer"]].astype(str) for table in (first, second))
    both = first.merge(second, on="id", suffixes=("_first", "_second"))
    _check_size(len(both), "questions that both answered", group_size, raters)
    if (other := both[both.question_first != both.question_second]).size:
        raise EmoError(
            f"the two systems were asked different questions under the id {other.id.iloc[0]!r}"
        )
    if (
        empty := both[
            (both[["answer_first", "answer_second"]].apply(lambda c: c.str.strip()) == "").any(
                axis=1
            )
        ]
    ).size:
        raise EmoError(
            f"one of the answers to {empty.id.iloc[0]!r} is empty: "
            "leave that question out of both files, and say so with your results"
        )
    shown = {
        row.id: {"question": row.question_first, "answers": [row.answer_first, row.answer_second]}
        for row in both.itertuples()
    }
    dice = random.Random(seed)
    ids = dice.sample(list(shown), len(shown))
    return _hand_out(
        folder,
        "comparisons",
        {
            name: {
                "id": name,
                "system": names[1],
                "against": names[0],
                "texts": rating_kit.fingerprint(*row["answers"]),
            }
            for name, row in shown.items()
        },
        shown,
        [ids[i : i + group_size] for i in range(0, len(ids), group_size)],
        raters,
        dice,
        seed,
    )


MOST_FORMS = 10_000  # a form is a file of 20 kB and more


def _check_size(count: int, what: str, group_size: int, raters: int) -> None:
    if min(group_size, raters) < 1 or not count:
        raise EmoError(
            f"{count} {what} in groups of {group_size}, each rated by {raters} people: "
            "each of the three is 1 or more"
        )
    if (forms := -(-count // group_size) * raters) > MOST_FORMS:
        raise EmoError(
            f"{count} {what} in groups of {group_size}, each rated by {raters} people, "
            f"are {forms:,} forms; more than {MOST_FORMS:,} are not made at once"
        )


def _hand_out(
    folder: Path,
    kind: str,
    items: dict,
    shown: dict,
    groups: list[list],
    raters: int,
    dice: random.Random,
    seed: int,
    broken=frozenset(),
) -> pd.DataFrame:
    """Write forms and key.

    items: what the key says of each item, shown: what a form shows of it, groups: items that stand
    on one form; all by the same keys.
    """
    if (folder / "key.json").exists():
        raise EmoError(
            f"{folder.resolve().name} already holds sheets and their key; "
            "choose another folder, or its ratings can never be read"
        )
    rubrics = rating_kit.KINDS[kind]
    numbers = dice.sample(range(16**4, 16**5), len(items))
    codes = dict(zip(items, (f"{number:05x}" for number in numbers), strict=True))
    sheets, turned, before = {}, {}, 0
    for g, group in enumerate(groups, start=1):
        mixed = dice.sample(group, len(group))
        for r in range(1, raters + 1) if group else ():
            sheets[f"g{g:03}r{r}"] = dice.sample(group, len(group))
            # Every other question, counted on over the groups, and the others for the next person:
            # over the kit each side has as many, to within one a person.
            turned[f"g{g:03}r{r}"] = (
                {key for k, key in enumerate(mixed, start=before) if (k + r) % 2}
                if kind == "comparisons"
                else set()
            )
        before += len(group)
    kit = sha256_json(
        [
            {codes[k]: item for k, item in items.items()},
            rubrics,
            list(shown.values()),
            sorted(sheets),
        ]
    )[:12]
    try:
        for name, order in sheets.items():
            content = [
                {"code": codes[k]}
                | shown[k]
                | ({"answers": shown[k]["answers"][::-1]} if k in turned[name] else {})
                for k in order
            ]
            write_atomic(
                folder / "sheets" / f"{name}.html",
                _form(
                    {
                        "kit": kit,
                        "sheet": name,
                        "kind": kind,
                        "items": content,
                        "rubrics": [
                            {"name": r} | rubrics[r]
                            for r in dice.sample(list(rubrics), len(rubrics))
                        ],
                    }
                ),
            )
        (folder / "returned").mkdir(parents=True, exist_ok=True)
        key = {
            "kit": kit,
            "kind": kind,
            "seed": seed,
            "rubrics_sha256": sha256_json(rubrics),
            "items": {codes[k]: item for k, item in items.items()},
            "sheets": {name: [codes[k] for k in order] for name, order in sheets.items()},
            "turned": {
                name: [codes[k] for k in sheets[name] if k in some] for name, some in turned.items()
            },
            "broken": [codes[k] for k in items if k in broken],
        }
        write_atomic(folder / "key.json", json.dumps(key, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise EmoError(f"the forms cannot be written to {folder} ({first_line(error)})") from None
    return pd.DataFrame(
        [
            {"sheet": name, "group": rating_kit.group_of(name), "items": len(order)}
            for name, order in sheets.items()
        ],
        columns=["sheet", "group", "items"],
    )


def _checked(row: dict) -> dict:
    """The row, if it can stand on a form or be counted as one that cannot."""
    if bad := [
        name
        for name in ("id", "system", "emotion", "situation")
        if not isinstance(row.get(name), str) or not row[name].strip()
    ]:
        raise EmoError(
            f"dialogue {row.get('id')!r}: '{bad[0]}' is missing or empty; "
            "a dialogue has id, system, emotion, situation and turns"
        )
    if not isinstance(row.get("turns"), list | np.ndarray):
        raise EmoError(f"dialogue {row['id']!r} of {row['system']}: 'turns' is no list")
    if row["emotion"] not in (english for english, _, _ in emplifai.EMOTIONS):
        raise EmoError(
            f"dialogue {row['id']!r}: emotion '{row['emotion']}' is none of EmplifAI's 28 labels"
        )
    return row


def _form(sheet: dict) -> str:
    content = json.dumps(sheet, ensure_ascii=False)
    for sign in "<>&":  # so that no text can end the script that holds it
        content = content.replace(sign, f"\\u{ord(sign):04x}")
    return _FORM.read_text(encoding="utf-8").replace("{{sheet}}", content)
