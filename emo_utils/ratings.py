"""Ratings of dialogues by people (EmplifAI, Section 5.4): blinded forms to hand out, what comes back, and how far people and a judge agree.

The rubrics are in `ratings.yaml`, which judges are asked by, too. Nothing here invents a rating: without returned files there is no number.
"""

import html
import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from emo_utils import data, stats
from emo_utils.project import EmoError, first_line, sha256_json, write_atomic

RUBRICS = yaml.safe_load(Path(__file__).with_name("ratings.yaml").read_text(encoding="utf-8"))
_FORM = Path(__file__).with_name("ratings.html")
LEVELS = (1, 2, 3, 4, 5)


def make_sheets(dialogues: list[dict], folder: Path, group_size: int = 10, raters: int = 3, seed: int = 42) -> pd.DataFrame:
    """Write offline forms (`sheets/*.html`), an empty `returned/` for what comes back, and `key.json`, which says what the forms hide.

    dialogues: rows with id, system, emotion, situation and four turns; every system needs the same ids. A group is `group_size` dialogues,
    no id twice in it and each system as often as any other (to within one); each group is rated by `raters` people, each with an order of
    dialogues and rubrics of their own. Returns one row a sheet (sheet, group, dialogues). Raises EmoError for rows that do not fit and for
    a folder that already has a key: its ratings could not be read any more.
    """
    if (folder / "key.json").exists():
        raise EmoError(f"{folder.name} already holds sheets and their key; choose another folder, or its ratings can never be read")
    if min(group_size, raters) < 1:
        raise EmoError(f"a group of {group_size} dialogues rated by {raters} people cannot be; both are 1 or more")
    found = {(row["id"], row["system"]): row for row in map(_checked, dialogues)}
    ids, systems = (list(dict.fromkeys(key[k] for key in found)) for k in (0, 1))
    if len(found) != len(dialogues) or len(found) != len(ids) * len(systems):
        raise EmoError(f"{len(dialogues)} dialogues of {len(ids)} ids and {len(systems)} systems: each system needs each id once, or systems are compared on different scenes")
    dice = random.Random(seed)
    dice.shuffle(ids)
    codes = dict(zip(found, dice.sample([f"{n:05x}" for n in range(16**4, 16**5)], len(found)), strict=True))
    parts = [ids[i : i + group_size] for i in range(0, len(ids), group_size)]
    groups = [[(name, systems[(place + shift) % len(systems)]) for place, name in enumerate(part)] for part in parts for shift in range(len(systems))]
    sheets = {f"g{g:03}r{r}": dice.sample(group, len(group)) for g, group in enumerate(groups, start=1) for r in range(1, raters + 1)}
    for name, shown in sheets.items():
        write_atomic(folder / "sheets" / f"{name}.html", _form(name, [(codes[k], found[k]) for k in shown], dice.sample(list(RUBRICS), len(RUBRICS))))
    (folder / "returned").mkdir(exist_ok=True)
    items = {code: {"id": name, "system": system} for (name, system), code in codes.items()}
    key = {"seed": seed, "rubrics_sha256": sha256_json(RUBRICS), "items": items, "sheets": {name: [codes[k] for k in shown] for name, shown in sheets.items()}}
    write_atomic(folder / "key.json", json.dumps(key, indent=1, ensure_ascii=False) + "\n")
    return pd.DataFrame([{"sheet": name, "group": name[:4], "dialogues": len(shown)} for name, shown in sheets.items()])


def _checked(row: dict) -> dict:
    """The row, if a form can show it."""
    known = {name: row.get(name) for name in ("id", "system", "emotion", "situation")}
    if bad := [name for name, value in known.items() if not isinstance(value, str) or not value.strip()]:
        raise EmoError(f"dialogue {row.get('id')!r}: '{bad[0]}' is missing or empty; a dialogue has id, system, emotion, situation and turns")
    turns = row.get("turns")
    if not isinstance(turns, list | np.ndarray) or len(turns) != 4 or not all(isinstance(t, str) and t.strip() for t in turns):
        raise EmoError(f"dialogue {row['id']!r} of {row['system']}: 'turns' is not a list of four texts; leave out what does not keep the form, it has the lowest rating already")
    if row["emotion"] not in (english for english, _, _ in data.EMPLIFAI_EMOTIONS):
        raise EmoError(f"dialogue {row['id']!r}: emotion '{row['emotion']}' is none of EmplifAI's 28 labels")
    return row


def _form(name: str, shown: list[tuple[str, dict]], rubrics: list[str]) -> str:
    japanese = {english: word for english, word, _ in data.EMPLIFAI_EMOTIONS}
    items = [{"code": code, "emotion": japanese[row["emotion"]], "emotion_english": row["emotion"], "situation": row["situation"], "turns": list(row["turns"])} for code, row in shown]
    content = json.dumps({"sheet": name, "items": items, "rubrics": [{"name": r} | RUBRICS[r] for r in rubrics]}, ensure_ascii=False)
    return _FORM.read_text(encoding="utf-8").replace("{{sheet}}", html.escape(content, quote=False).replace("&lt;", "\\u003c").replace("&gt;", "\\u003e").replace("&amp;", "\\u0026"))


def read_back(folder: Path) -> tuple[pd.DataFrame, list[str], list[str]]:
    """What raters returned into `returned/`: ratings (columns sheet, rater, id, system, metric, value), what was left out and why, and what to look at.

    A file is taken whole or not at all. Raises EmoError without a key, or where the rubrics are not those that were handed out.
    """
    try:
        key = json.loads(data.used(folder / "key.json").read_text(encoding="utf-8"))
        items, sheets, rubrics = key["items"], key["sheets"], key["rubrics_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmoError(f"{folder.name} has no key.json of `emo rating-sheets` ({first_line(error)}); give the folder that it wrote") from None
    if rubrics != sha256_json(RUBRICS):
        raise EmoError("the rubrics have changed since these sheets were made, so the ratings mean something else; read them with the version that made them")
    rows, left_out, remarks, seen = [], [], [], {}
    for path in sorted((folder / "returned").glob("*.json")):
        try:
            sheet, rater, given = _returned(path, sheets)
        except EmoError as error:
            left_out.append(f"{path.name}: {error}")
            continue
        if earlier := seen.get(sheet) or seen.get((sheet[:4], rater)):
            left_out.append(f"{path.name}: " + (f"sheet {sheet} came back before" if sheet in seen else f"{rater} rated the same dialogues before") + f", in {earlier}")
            continue
        seen[sheet] = seen[sheet[:4], rater] = path.name
        if len({value for ratings in given.values() for value in ratings.values()}) == 1:
            remarks.append(f"{path.name}: every rating is the same; look at it before you trust it")
        rows += [{"sheet": sheet, "rater": rater} | items[code] | {"metric": metric, "value": value} for code, ratings in given.items() for metric, value in ratings.items()]
    if waiting := [name for name in sheets if name not in seen]:
        remarks.append(f"{len(waiting)} of {len(sheets)} sheets have not come back")
    return pd.DataFrame(rows, columns=["sheet", "rater", "id", "system", "metric", "value"]), left_out, remarks


def _returned(path: Path, sheets: dict) -> tuple[str, str, dict]:
    """Sheet, rater and ratings of a returned file; EmoError says what is wrong with it."""
    try:
        content = json.loads(data.used(path).read_text(encoding="utf-8-sig"))
        sheet, rater, given = content["sheet"], str(content["rater"]).strip(), content["ratings"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EmoError(f"not a file that a form saves ({type(error).__name__})") from None
    if not isinstance(sheet, str) or sheet not in sheets:
        raise EmoError(f"sheet {str(sheet)[:40]!r} is not in the key: was it made with another one?")
    if not rater or not isinstance(given, dict):
        raise EmoError("the rater's code is missing" if not rater else "it has no ratings")
    if set(given) != set(sheets[sheet]) or any(not isinstance(r, dict) or set(r) != set(RUBRICS) for r in given.values()):
        missing = len(sheets[sheet]) * len(RUBRICS) - sum(name in RUBRICS for code in sheets[sheet] if isinstance(given.get(code), dict) for name in given[code])
        raise EmoError(f"{missing} ratings are missing" if missing else "it rates what is not on its sheet")
    if wrong := [v for r in given.values() for v in r.values() if type(v) is not int or v not in LEVELS]:
        raise EmoError(f"a rating is {wrong[0]!r}, not a whole number from 1 to 5")
    return sheet, rater, given


def agreement(ratings: pd.DataFrame, seed: int = 42) -> pd.DataFrame:
    """How far raters agree with each other on each metric: Krippendorff's alpha for ordinal values, dialogues resampled; columns metric, value, low, high, n (dialogues), raters.

    1 is full agreement, 0 what chance gives. Missing where all ratings are one and the same: there is nothing to agree about.
    """
    rows = []
    for metric, part in ratings.groupby("metric", sort=False):
        counts = part.assign(one=1).pivot_table(index=["id", "system"], columns="value", values="one", aggfunc="sum", fill_value=0).reindex(columns=LEVELS, fill_value=0).to_numpy()
        draws = np.array([stats.krippendorff_alpha(counts[i]) for i in stats.resample_indices(len(counts), seed, 1000)])
        value, draws = stats.krippendorff_alpha(counts), draws[~np.isnan(draws)]
        low, high = stats.interval(draws) if len(draws) and not np.isnan(value) else (np.nan, np.nan)
        rows.append({"metric": metric, "value": value, "low": low, "high": high, "n": len(counts), "raters": part.rater.nunique()})
    return pd.DataFrame(rows)


def against_judge(ratings: pd.DataFrame, judged: pd.DataFrame, seed: int = 42) -> pd.DataFrame:
    """How far a judge follows the mean of the raters (EmplifAI, Table 6), for each system and metric, dialogues resampled.

    judged: columns id, system, metric, value. Returns columns system, metric, measure (`people`, `judge`: means; `difference`: mean absolute
    difference; `pearson`), value, low, high, n, note. Where one of the two never varies there is no correlation, and the note says `constant`.
    """
    people = ratings.groupby(["id", "system", "metric"], as_index=False, sort=False).value.mean()
    judged = judged.astype({name: str for name in ("id", "system", "metric")}).assign(value=pd.to_numeric(judged.value, errors="coerce"))
    both = people.merge(judged, on=["id", "system", "metric"], suffixes=("_people", "_judge")).dropna()
    rows = []
    for (system, metric), part in both.groupby(["system", "metric"], sort=False):
        a, b = part.value_people.to_numpy(float), part.value_judge.to_numpy(float)
        for measure, values in {"people": a, "judge": b, "difference": np.abs(a - b)}.items():
            value, low, high = stats.mean_interval(values, seed)
            rows.append({"system": system, "metric": metric, "measure": measure, "value": value, "low": low, "high": high, "n": len(a), "note": ""})
        still = [who for who, values in (("people", a), ("judge", b)) if np.ptp(values) == 0]
        value, low, high = (np.nan,) * 3 if still else stats.pearson_interval(a, b, seed)
        rows.append({"system": system, "metric": metric, "measure": "pearson", "value": value, "low": low, "high": high, "n": len(a), "note": f"constant: {' and '.join(still)}" if still else ""})
    return pd.DataFrame(rows, columns=["system", "metric", "measure", "value", "low", "high", "n", "note"])
