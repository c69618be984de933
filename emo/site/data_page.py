"""The pages that show the data and the weights."""

import html

import pandas as pd

from emo.site import html_tables, layout
from emo_utils.data import caregiver, dialogues, emplifai
from emo_utils.data.arms import ARMS
from emo_utils.models import registry
from emo_utils.project import write_atomic


def write_models() -> None:
    """The registry as a table; licences and purposes stand in the list of terms below it."""
    rows = ["| name | what to know | download | sha256 or hub id |", "|---|---|---|---|"]
    for w in registry.REGISTRY.values():
        pin = f"`{w.sha256}`" if w.sha256 else f"`{w.hub}`" if w.hub else "built on the spot"
        rows.append(f"| {w.name} | {w.note} | {w.size_mb} MB | {pin} |")
    write_atomic(layout.GENERATED / "models.md", "\n".join(rows) + "\n")


def write_data() -> None:
    """What the page on the data shows of each set: counts, lengths, and every row to browse."""

    def label(row: dict) -> str:
        return " · ".join(
            row[name] for name in ("id", "topic", "specialty", "emotion", "arm") if name in row
        )

    sets = {
        f"{path.name}, {arm}": [row | {"arm": arm} for row in dialogues.load(name, arm=arm)]
        for arm in reversed(ARMS)
        for name, path in dialogues.FILES.items()
    }
    dialogue_rows = [row for rows in sets.values() for row in rows]
    emotions = pd.DataFrame(
        {
            file: pd.Series([row.get("emotion", "none (ER)") for row in rows]).value_counts()
            for file, rows in sets.items()
        }
    )
    write_atomic(
        layout.GENERATED / "data_dialogues.md",
        "\n\n".join(
            [
                (
                    f"{len(dialogue_rows)} rows from "
                    f"{len({row['specialty'] for row in dialogue_rows})} specialties. "
                    "Rows by emotion:"
                ),
                html_tables.table_html(
                    emotions.reindex(["none (ER)", *dialogues.EMOTIONS]).fillna(0).astype(int)
                ),
                "Lengths in words:",
                html_tables.table_html(
                    _lengths(
                        dialogue_rows,
                        (
                            "question",
                            "answer",
                            "empathetic_response",
                            "emotional_question",
                            "soothing_response",
                        ),
                    )
                ),
                "Every ER row:",
                browse_html(
                    [
                        {
                            "row": label(row),
                            "question": row["question"],
                            "doctor's answer": row["answer"],
                            "empathetic response": row["empathetic_response"],
                        }
                        for row in dialogue_rows
                        if "empathetic_response" in row
                    ],
                    "ER rows",
                ),
                "Every EQ+SR row, those of the test last:",
                browse_html(
                    [
                        {
                            "row": label(row),
                            "question": row["question"],
                            "the question with the emotion": row["emotional_question"],
                            "doctor's answer": row["answer"],
                            "soothing response": row["soothing_response"],
                        }
                        for row in dialogue_rows
                        if "emotion" in row
                    ],
                    "EQ+SR rows",
                ),
                "",
            ]
        ),
    )
    places = ("patient, first", "supporter, first", "patient, second", "supporter, second")
    japanese = [
        row | dict(zip(places, row["turns"], strict=True)) | {"arm": arm}
        for arm in reversed(ARMS)
        for row in emplifai.load(arm)
    ]
    of_overt = [row for row in japanese if row["arm"] == "overt"]
    table1 = [
        {
            "emotion": english,
            "Japanese": label,
            "sentiment": sentiment,
            "dialogues": sum(row["emotion"] == english for row in of_overt),
        }
        for english, label, sentiment in emplifai.EMOTIONS
    ]
    write_atomic(
        layout.GENERATED / "data_japanese.md",
        "\n\n".join(
            [
                (
                    f"{len(of_overt)} dialogues in {len({row['situation'] for row in of_overt})} "
                    "situations, and the same with other words of the supporters in the arm "
                    "`subtle`. The emotions are those of EmplifAI's Table 1:"
                ),
                browse_html(table1, "emotions", ("Japanese",)),
                "Lengths in characters, arm `overt`:",
                html_tables.table_html(_lengths(of_overt, ("situation", *places), len)),
                browse_html(
                    [
                        {
                            "row": label(row),
                            "in English, in short": row["gloss"],
                            **{name: row[name] for name in ("situation", *places)},
                        }
                        for row in japanese
                    ],
                    "Japanese dialogues",
                    ("situation", *places),
                ),
                "",
            ]
        ),
    )
    pairs = [
        row | {"arm": arm}
        for arm in reversed(ARMS)
        for split in caregiver.FILES
        for row in caregiver.load(split, arm)
    ]
    counted, lengths = [], []
    for arm in reversed(ARMS):
        part = [row for row in pairs if row["arm"] == arm]
        shorter = sum(len(row["chosen"].split()) < len(row["rejected"].split()) for row in part)
        counted.append(
            f"{len(part)} of the arm `{arm}`, of which {shorter} have the shorter chosen answer"
        )
        of_arm = _lengths(part, ("prompt", "chosen", "rejected"))
        lengths.append(of_arm.add_suffix(f", {arm}", axis=0))
    write_atomic(
        layout.GENERATED / "data_caregiver.md",
        "\n\n".join(
            [
                f"{'; '.join(counted)}. Lengths in words:",
                html_tables.table_html(pd.concat(lengths)),
                browse_html(
                    [
                        {
                            "row": label(row),
                            "question": row["prompt"],
                            "chosen": row["chosen"],
                            "rejected": row["rejected"],
                        }
                        for row in pairs
                    ],
                    "caregivers' questions",
                ),
                "",
            ]
        ),
    )


def _lengths(
    rows: list[dict], fields: tuple[str, ...], length=lambda text: len(text.split())
) -> pd.DataFrame:
    """How many texts each field has, and how their lengths are distributed."""
    found = {
        name: pd.Series([length(row[name]) for row in rows if name in row]).describe()
        for name in fields
    }
    return (
        pd.DataFrame(found)
        .T.drop(columns="std")
        .rename(columns={"count": "texts"})
        .round(0)
        .astype(int)
    )


def browse_html(rows: list[dict], name: str, japanese: tuple[str, ...] = ()) -> str:
    """All rows as a table in a box that scrolls, by keyboard too; cells escaped, Japanese columns
    marked so, the head stays.
    """
    head = "".join(f"<th>{html.escape(column)}</th>" for column in rows[0])
    cells = (
        "".join(
            f"<td{' lang=ja' if column in japanese else ''}>{html.escape(str(value))}</td>"
            for column, value in row.items()
        )
        for row in rows
    )
    body = "\n".join(f"<tr>{row}</tr>" for row in cells)
    return (
        '<div class="companion-table full-width" style="max-height: 36em; overflow: auto" '
        f'tabindex="0" role="region" aria-label="All {html.escape(name)}">'
        '<table class="companion companion-texts"><thead style="position: sticky; top: 0; '
        'background: var(--pst-color-background, white)">'
        f"<tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
