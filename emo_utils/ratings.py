"""Ratings of dialogues by people (EmplifAI, Section 5.4): blinded forms to hand out, what comes back, and how far people and a judge agree.

The rubrics are in `ratings.yaml`, the form in `ratings.html`. Nothing here invents a rating: without returned files there is no number.
"""

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from emo_utils import data, stats
from emo_utils.project import EmoError, first_line, sha256_json, storable, write_atomic

RUBRICS = yaml.safe_load(Path(__file__).with_name("ratings.yaml").read_text(encoding="utf-8"))
_FORM = Path(__file__).with_name("ratings.html")
LEVELS = (1, 2, 3, 4, 5)
ENOUGH = 10  # dialogues below which a correlation is not given


def make_sheets(dialogues: list[dict], folder: Path, group_size: int = 10, raters: int = 3, seed: int = 42) -> pd.DataFrame:
    """Write offline forms (`sheets/*.html`), an empty `returned/` for what comes back, and `key.json`, which says what the forms hide.

    dialogues: rows with id, system, emotion, situation and turns; every system needs the same ids. A group is `group_size` dialogues, no id
    twice in it and each system as often as any other (to within one); each group is rated by `raters` people, each with an order of dialogues
    and rubrics of their own. A dialogue without four turns is on no form; the key lists it. Returns one row a sheet (sheet, group, dialogues).
    Raises EmoError for rows that do not fit and for a folder that already has a key: its ratings could not be read any more.
    """
    if (folder / "key.json").exists():
        raise EmoError(f"{folder.resolve().name} already holds sheets and their key; choose another folder, or its ratings can never be read")
    if min(group_size, raters) < 1 or not dialogues:
        raise EmoError(f"{len(dialogues)} dialogues in groups of {group_size}, each rated by {raters} people: each of the three is 1 or more")
    found = {(row["id"], row["system"]): row for row in map(_checked, dialogues)}
    ids, systems = (list(dict.fromkeys(key[k] for key in found)) for k in (0, 1))
    if len(found) != len(dialogues) or len(found) != len(ids) * len(systems):
        raise EmoError(f"{len(dialogues)} dialogues of {len(ids)} ids and {len(systems)} systems: each system needs each id once, or systems are compared on different scenes")
    broken = [key for key, row in found.items() if len(row["turns"]) != 4 or not all(isinstance(t, str) and t.strip() for t in row["turns"])]
    dice = random.Random(seed)
    dice.shuffle(ids)
    codes = dict(zip(found, dice.sample([f"{n:05x}" for n in range(16**4, 16**5)], len(found)), strict=True))
    parts = [ids[i : i + group_size] for i in range(0, len(ids), group_size)]
    groups = [[(name, systems[(place + shift) % len(systems)]) for place, name in enumerate(part)] for part in parts for shift in range(len(systems))]
    whole = [[key for key in group if key not in set(broken)] for group in groups]
    sheets = {f"g{g:03}r{r}": dice.sample(group, len(group)) for g, group in enumerate(whole, start=1) if group for r in range(1, raters + 1)}
    items = {codes[key]: {"id": key[0], "system": key[1]} for key in found}
    kit = sha256_json([items, RUBRICS, [[row["emotion"], row["situation"], list(row["turns"])] for row in found.values()], sorted(sheets)])[:12]
    try:
        for name, shown in sheets.items():
            write_atomic(folder / "sheets" / f"{name}.html", _form(kit, name, [(codes[k], found[k]) for k in shown], dice.sample(list(RUBRICS), len(RUBRICS))))
        (folder / "returned").mkdir(parents=True, exist_ok=True)
        key = {"kit": kit, "seed": seed, "rubrics_sha256": sha256_json(RUBRICS), "items": items, "sheets": {name: [codes[k] for k in shown] for name, shown in sheets.items()},
               "broken": [codes[k] for k in broken]}
        write_atomic(folder / "key.json", json.dumps(key, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise EmoError(f"the forms cannot be written to {folder} ({first_line(error)})") from None
    return pd.DataFrame([{"sheet": name, "group": _group(name), "dialogues": len(shown)} for name, shown in sheets.items()], columns=["sheet", "group", "dialogues"])


def _group(sheet: str) -> str:
    return sheet.rpartition("r")[0]


def _checked(row: dict) -> dict:
    """The row, if it can stand on a form or be counted as one that cannot."""
    if bad := [name for name in ("id", "system", "emotion", "situation") if not isinstance(row.get(name), str) or not row[name].strip()]:
        raise EmoError(f"dialogue {row.get('id')!r}: '{bad[0]}' is missing or empty; a dialogue has id, system, emotion, situation and turns")
    if not isinstance(row.get("turns"), list | np.ndarray):
        raise EmoError(f"dialogue {row['id']!r} of {row['system']}: 'turns' is no list")
    if row["emotion"] not in (english for english, _, _ in data.EMPLIFAI_EMOTIONS):
        raise EmoError(f"dialogue {row['id']!r}: emotion '{row['emotion']}' is none of EmplifAI's 28 labels")
    return row


def _form(kit: str, name: str, shown: list[tuple[str, dict]], rubrics: list[str]) -> str:
    japanese = {english: word for english, word, _ in data.EMPLIFAI_EMOTIONS}
    items = [{"code": code, "emotion": japanese[row["emotion"]], "emotion_english": row["emotion"], "situation": row["situation"], "turns": list(row["turns"])} for code, row in shown]
    content = json.dumps({"kit": kit, "sheet": name, "items": items, "rubrics": [{"name": r} | RUBRICS[r] for r in rubrics]}, ensure_ascii=False)
    for sign in "<>&":  # so that no text can end the script that holds it
        content = content.replace(sign, f"\\u{ord(sign):04x}")
    return _FORM.read_text(encoding="utf-8").replace("{{sheet}}", content)


def read_back(folder: Path) -> tuple[pd.DataFrame, list[str], list[str]]:
    """What raters returned into `returned/`: ratings (columns sheet, rater, id, system, metric, value, comment), what was left out and why, and what to look at.

    A file is taken whole or not at all; of several saves of a sheet the last counts. Raises EmoError without a key, or where the rubrics
    are not those that were handed out.
    """
    try:
        key = json.loads(data.used(folder / "key.json").read_text(encoding="utf-8"))
        items, sheets, rubrics, broken = key["items"], key["sheets"], key["rubrics_sha256"], key["broken"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmoError(f"{folder.resolve().name} has no key.json of `emo rating-sheets` ({first_line(error)}); give the folder that it wrote") from None
    if rubrics != sha256_json(RUBRICS):
        raise EmoError("the rubrics have changed since these sheets were made, so the ratings mean something else; read them with the version that made them")
    returned, left_out, remarks = [], [], []
    for path in sorted((folder / "returned").glob("*.json")):
        try:
            returned.append((path.name, _returned(path, key)))
        except EmoError as error:
            left_out.append(f"{path.name}: {error}")
    rows, seen = [], {}
    for name, file in sorted(returned, key=lambda item: str(item[1].get("saved")), reverse=True):
        sheet, rater, comments = file["sheet"], file["rater"], file.get("comments")
        if earlier := seen.get(sheet) or seen.get((_group(sheet), rater)):
            left_out.append(f"{name}: " + (f"sheet {sheet} was saved again later" if sheet in seen else f"{rater} rated the same dialogues on another sheet, saved later") + f", in {earlier}")
            continue
        seen[sheet] = seen[_group(sheet), rater] = name
        if len({value for ratings in file["ratings"].values() for value in ratings.values()}) == 1:
            remarks.append(f"{name}: every rating is the same; look at it before you trust it")
        said = comments if isinstance(comments, dict) else {}
        rows += [{"sheet": sheet, "rater": rater} | items[code] | {"metric": metric, "value": value, "comment": storable(str(said.get(code, "")).strip())}
                 for code, ratings in file["ratings"].items() for metric, value in ratings.items()]
    if waiting := [name for name in sheets if name not in seen]:
        remarks.append(f"{len(waiting)} of {len(sheets)} sheets have not come back")
    if broken:
        by_system = Counter(items[code]["system"] for code in broken)
        remarks.append("not on any form, as they lack one of four turns (EmplifAI gives such a dialogue the lowest rating): " + ", ".join(f"{n} of {system}" for system, n in by_system.items()))
    return pd.DataFrame(rows, columns=["sheet", "rater", "id", "system", "metric", "value", "comment"]), left_out, remarks


def _returned(path: Path, key: dict) -> dict:
    """A returned file, checked; EmoError says what is wrong with it."""
    try:
        file = json.loads(data.used(path).read_text(encoding="utf-8-sig"))
        kit, sheet, given = file["kit"], file["sheet"], file["ratings"]
        file["rater"] = storable(str(file["rater"]).strip())
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EmoError(f"not a file that a form saves ({type(error).__name__})") from None
    if kit != key["kit"] or not isinstance(sheet, str) or sheet not in key["sheets"]:
        raise EmoError(f"sheet {str(sheet)[:40]!r} is not of this kit: was it made with other dialogues?")
    if not file["rater"] or not isinstance(given, dict):
        raise EmoError("the rater's code is missing" if not file["rater"] else "it has no ratings")
    codes = key["sheets"][sheet]
    if set(given) != set(codes) or any(not isinstance(r, dict) or set(r) != set(RUBRICS) for r in given.values()):
        missing = len(codes) * len(RUBRICS) - sum(name in RUBRICS for code in codes if isinstance(given.get(code), dict) for name in given[code])
        raise EmoError(f"{missing} ratings are missing" if missing else "it rates what is not on its sheet")
    if wrong := [v for r in given.values() for v in r.values() if type(v) is not int or v not in LEVELS]:
        raise EmoError(f"a rating is {wrong[0]!r}, not a whole number from 1 to 5")
    return file


def agreement(ratings: pd.DataFrame, seed: int = 42) -> pd.DataFrame:
    """How far raters agree with each other on each metric: Krippendorff's alpha for ordinal values; columns metric, value, low, high, n, raters.

    n: dialogues that at least two people rated; the others say nothing. Intervals resample ids, under which one scene stands with all its systems. 1 is full agreement, 0 what
    chance gives; missing where nobody rated what another did, or all ratings are one and the same.
    """
    rows = []
    for metric, part in ratings.groupby("metric", sort=False):
        counts = part.assign(one=1).pivot_table(index=["id", "system"], columns="value", values="one", aggfunc="sum", fill_value=0).reindex(columns=LEVELS, fill_value=0)
        counts = counts[counts.sum(axis=1) > 1]
        value, low, high = stats.krippendorff_alpha(counts.to_numpy()), np.nan, np.nan
        if not np.isnan(value):
            draws = np.array([stats.krippendorff_alpha(counts.to_numpy()[i]) for i in stats.resample_units(counts.index.get_level_values("id"), seed, 1000)])
            low, high = stats.interval(draws[~np.isnan(draws)])  # a sample of one and the same rating has none
        rows.append({"metric": metric, "value": value, "low": low, "high": high, "n": len(counts), "raters": part.rater.nunique()})
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "n", "raters"])


def against_judge(ratings: pd.DataFrame, judged: pd.DataFrame, seed: int = 42) -> pd.DataFrame:
    """How far a judge follows the mean of the raters (EmplifAI, Table 6), for each system and metric that it scored; dialogues are resampled.

    judged: columns id, system, metric, value (1 to 5, or missing). Returns columns system, metric, measure (`people`, `judge`: means; `difference`: mean
    absolute difference; `pearson`), value, low, high, n, unscored (rated dialogues without a score), note. No correlation is given for fewer
    than ENOUGH dialogues, nor where one of the two never varies (`constant`). Raises EmoError for a score off the scale, or given twice.
    """
    cells = ["id", "system", "metric"]
    judged = judged.astype(dict.fromkeys(cells, str)).assign(value=pd.to_numeric(judged.value, errors="coerce"))
    if (wrong := judged[(judged.value < 1) | (judged.value > 5)]).size:
        raise EmoError(f"the judge gives dialogue {wrong.id.iloc[0]!r} of {wrong.system.iloc[0]} {wrong.value.iloc[0]:g} on {wrong.metric.iloc[0]}; the scale is 1 to 5")
    if (twice := judged[judged.duplicated(cells)]).size:
        raise EmoError(f"the judge scores dialogue {twice.id.iloc[0]!r} of {twice.system.iloc[0]} twice on {twice.metric.iloc[0]}; give one judge's scores at a time")
    scored = judged[["system", "metric"]].drop_duplicates()
    people = ratings.groupby(cells, as_index=False, sort=False).value.mean().merge(scored)
    both, rows = people.merge(judged, on=cells, how="left", suffixes=("_people", "_judge")), []
    for (system, metric), part in both.groupby(["system", "metric"], sort=False):
        a, b = part.dropna()[["value_people", "value_judge"]].to_numpy(float).T
        common = {"system": system, "metric": metric, "n": len(a), "unscored": len(part) - len(a)}
        for measure, values in {"people": a, "judge": b, "difference": np.abs(a - b)}.items() if len(a) else ():
            value, low, high = stats.mean_interval(values, seed)
            rows.append(common | {"measure": measure, "value": value, "low": low, "high": high, "note": ""})
        still = [who for who, values in (("people", a), ("judge", b)) if len(a) and np.ptp(values) == 0]
        note = f"fewer than {ENOUGH} dialogues" if len(a) < ENOUGH else f"constant: {' and '.join(still)}" if still else ""
        value, low, high = (np.nan,) * 3 if note else stats.pearson_interval(a, b, seed)
        rows.append(common | {"measure": "pearson", "value": value, "low": low, "high": high, "note": note})
    return pd.DataFrame(rows, columns=["system", "metric", "measure", "value", "low", "high", "n", "unscored", "note"])
