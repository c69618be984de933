"""What people returned on the forms of `forms`: ratings of dialogues (EmplifAI, Section 5.4) or
comparisons of two answers; how far they agree is in `agreement`.

The rubrics are in `ratings.yaml` and `comparisons.yaml`. Nothing here invents a rating:
without returned files there is no number.
"""

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import yaml

from emo_utils.experiment import provenance
from emo_utils.project import EmoError, first_line, sha256_json, storable

KINDS = {
    kind: yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    for kind, name in (("dialogues", "ratings.yaml"), ("comparisons", "comparisons.yaml"))
}
RUBRICS = KINDS["dialogues"]
LEVELS = (1, 2, 3, 4, 5)
_COLUMNS = [
    "sheet",
    "rater",
    "id",
    "system",
    "against",
    "texts",
    "left",
    "metric",
    "value",
    "comment",
]


def group_of(sheet: str) -> str:
    """The group of items that a sheet shows."""
    return sheet.rpartition("r")[0]


def fingerprint(*texts: str) -> str:
    """What a key keeps of the texts that a form showed,
    so that a choice is not taken for one between texts that were made again since.
    """
    return sha256_json([str(text) for text in texts])[:16]


def read_back(folder: Path) -> tuple[pd.DataFrame, list[str], list[str]]:
    """What raters returned into `returned/`: ratings (columns sheet, rater, id, system, against,
    texts, left, metric, value, comment), what was left out and why, and what to look at.

    Of comparisons, value is 1 where `against` was clearly chosen, 5 where `system` was, wherever
    they stood; `left` says which stood left. Elsewhere both are empty. `texts` is the `fingerprint`
    of the turns, or of the answers of `against` and `system`. A file is taken whole or not at all;
    of several saves of a sheet the last counts. Raises EmoError without a key, or where the rubrics
    are not those that were handed out.
    """
    try:
        key = json.loads(provenance.noted(folder / "key.json").read_text(encoding="utf-8"))
        items, sheets, rubrics, broken, kind = (
            key["items"],
            key["sheets"],
            key["rubrics_sha256"],
            key["broken"],
            str(key.setdefault("kind", "dialogues")),
        )
        shown, turned = (
            [*broken, *(code for codes in sheets.values() for code in codes)],
            [code for codes in key.setdefault("turned", {}).values() for code in codes],
        )
        if not (
            isinstance(key["kit"], str)
            and {*shown, *turned} <= set(items)
            and all(
                isinstance(items[code][name], str) for code in items for name in ("id", "system")
            )
        ):
            raise ValueError("its parts do not fit each other")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EmoError(
            f"{folder.resolve().name} has no key.json of `emo rating-sheets` or "
            f"`emo comparison-sheets` ({first_line(error)}); give the folder that it wrote"
        ) from None
    if kind not in KINDS or rubrics != sha256_json(KINDS[kind]):
        raise EmoError(
            "the rubrics have changed since these sheets were made, "
            "so the ratings mean something else; read them with the version that made them"
        )
    returned, left_out, remarks = [], [], []
    for path in sorted((folder / "returned").glob("[!.]*")):
        try:
            if path.suffix.lower() != ".json":
                raise EmoError("not a .json file, which is what a form saves")
            returned.append((path.name, _returned(path, key)))
        except EmoError as error:
            left_out.append(f"{path.name}: {error}")
    rows, seen = [], {}
    for name, file in sorted(returned, key=lambda item: str(item[1].get("saved")), reverse=True):
        sheet, rater, comments = file["sheet"], file["rater"], file.get("comments")
        if earlier := seen.get(sheet) or seen.get((group_of(sheet), rater)):
            left_out.append(
                f"{name}: "
                + (
                    f"sheet {sheet} was saved again later"
                    if sheet in seen
                    else f"{rater} rated the same dialogues on another sheet, saved later"
                )
                + f", in {earlier}"
            )
            continue
        seen[sheet] = seen[group_of(sheet), rater] = name
        if len({value for ratings in file["ratings"].values() for value in ratings.values()}) == 1:
            remarks.append(f"{name}: every rating is the same; look at it before you trust it")
        said, turned = (
            comments if isinstance(comments, dict) else {},
            set(key["turned"].get(sheet, ())),
        )
        for code, ratings in file["ratings"].items():
            item = {"against": "", "texts": ""} | items[code]
            left = item[
                "system" if code in turned else "against"
            ]  # a form shows `against` on the left unless it was turned
            rows += [
                {"sheet": sheet, "rater": rater}
                | item
                | {
                    "left": left,
                    "metric": metric,
                    "value": 6 - value if code in turned else value,
                    "comment": storable(str(said.get(code, "")).strip()),
                }
                for metric, value in ratings.items()
            ]
    if waiting := [name for name in sheets if name not in seen]:
        remarks.append(f"{len(waiting)} of {len(sheets)} sheets have not come back")
    if broken:
        by_system = Counter(items[code]["system"] for code in broken)
        remarks.append(
            "not on any form, as they lack one of four turns "
            "(EmplifAI gives such a dialogue the lowest rating): "
            + ", ".join(f"{n} of {system}" for system, n in by_system.items())
        )
    return pd.DataFrame(rows, columns=_COLUMNS), left_out, remarks


def for_spreadsheets(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `read_back` as a spreadsheet may open them: what a rater wrote is no formula."""

    def harmless(cell):
        return f"'{cell}" if isinstance(cell, str) and cell[:1] in {*"=+-@\t\r"} else cell

    return rows.map(harmless)


# For each kind of forms: the command that makes them, and the notebook that reads what comes back.
MADE_BY = {
    "dialogues": ("rating-sheets", "09_emplifai"),
    "comparisons": ("comparison-sheets", "10_ebd_open"),
}


def returned_of(kind: str, folder: Path | None) -> tuple[pd.DataFrame, list[str], list[str]]:
    """`read_back` of a folder of forms of one of the `KINDS`; no rows for None, where nobody has
    returned any yet. Raises EmoError for a folder of the other kind.
    """
    if folder is None:
        return pd.DataFrame(columns=_COLUMNS), [], []
    rows, left_out, remarks = read_back(folder)
    compares = rows.against.astype(bool)
    if (~compares if kind == "comparisons" else compares).any():
        made_by, _ = MADE_BY[kind]
        [(other, notebook)] = [of for name, of in MADE_BY.items() if name != kind]
        raise EmoError(
            f"parameter 'ratings' is a folder of emo {other}; "
            f"this page takes one of emo {made_by}, and notebook {notebook} takes the other"
        )
    return rows, left_out, remarks


def dialogue_ratings(folder: Path | None) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Ratings of dialogues (`returned_of`)."""
    return returned_of("dialogues", folder)


def _returned(path: Path, key: dict) -> dict:
    """A returned file, checked; EmoError says what is wrong with it."""
    try:
        file = json.loads(provenance.noted(path).read_text(encoding="utf-8-sig"))
        kit, sheet, given = file["kit"], file["sheet"], file["ratings"]
        file["rater"] = storable(str(file["rater"]).strip())
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EmoError(f"not a file that a form saves ({type(error).__name__})") from None
    if kit != key["kit"] or not isinstance(sheet, str) or sheet not in key["sheets"]:
        raise EmoError(
            f"sheet {str(sheet)[:40]!r} is not of this kit: was it made with other dialogues?"
        )
    if not file["rater"] or not isinstance(given, dict):
        raise EmoError("the rater's code is missing" if not file["rater"] else "it has no ratings")
    codes, rubrics = key["sheets"][sheet], KINDS[key["kind"]]
    if set(given) != set(codes) or any(
        not isinstance(r, dict) or set(r) != set(rubrics) for r in given.values()
    ):
        missing = len(codes) * len(rubrics) - sum(
            name in rubrics
            for code in codes
            if isinstance(given.get(code), dict)
            for name in given[code]
        )
        raise EmoError(
            f"{missing} ratings are missing" if missing else "it rates what is not on its sheet"
        )
    if wrong := [
        v for r in given.values() for v in r.values() if type(v) is not int or v not in LEVELS
    ]:
        raise EmoError(f"a rating is {wrong[0]!r}, not a whole number from 1 to 5")
    return file
