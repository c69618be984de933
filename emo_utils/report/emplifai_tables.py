"""Tables of EmplifAI's chapters: rubrics and raters, predicted labels, and the kept full runs with
what their models wrote. Those of the judge are in `emplifai_judge_tables`.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import HTML

from emo_utils.data import emplifai
from emo_utils.data.arms import ARMS
from emo_utils.experiment import provenance
from emo_utils.people import rating_kit
from emo_utils.project import sha256_bytes
from emo_utils.report import kept_runs, result_tables
from emo_utils.scoring import labels

GLOSSES = kept_runs.REFERENCE / "emplifai_glosses.json"
SAME = 0.99  # BERTScore from which two labels are the same to it
LABEL_SCORES = [
    "exact",
    "top3",
    "macro_f1",
    "cosine",
    "bertscore_precision",
    "bertscore_recall",
    "bertscore_f1",
    "one of the 28",
]


def rubrics() -> pd.DataFrame:
    """The seven rubrics with question and five levels, in Japanese with the English behind it."""
    rows = []
    for rubric in rating_kit.RUBRICS.values():
        levels = zip(rating_kit.LEVELS, rubric["levels"], rubric["gloss"], strict=True)
        rows.append(
            {
                "rubric": f"{rubric['japanese']} ({rubric['english']})",
                "question": f"{rubric['asks']} ({rubric['means']})",
            }
            | {number: f"{level} ({gloss})" for number, level, gloss in levels}
        )
    return pd.DataFrame(rows)


def turn_lengths(records: pd.DataFrame) -> pd.DataFrame:
    """Mean characters of each turn, and of a dialogue, with the number of dialogues."""
    turns = records[records.metric == "characters"]
    cells = [result_tables.cell(r, digits=1) for r in turns.itertuples()]
    return pd.DataFrame({"turn": turns.group, "characters": cells, "n": turns.n})


def in_columns(row: dict) -> dict[str, str]:
    """A dialogue of the data as columns of texts: the situation, each turn behind its speaker, and
    the summary in English.
    """
    speakers = {"patient": "患者 patient", "supporter": "支援者 supporter"}
    turns = {
        f"{speakers[role]} {1 + place // 2}": turn
        for place, (role, turn) in enumerate(zip(emplifai.ROLES, row["turns"], strict=True))
    }
    return {"situation": row["situation"]} | turns | {"in English": row.get("gloss", "")}


def raters(agreed: pd.DataFrame) -> pd.DataFrame:
    """How far raters agree, as readers see it; agreed: what `agreement.agreement` returns."""

    def alpha(row) -> str:  # below ten dialogues it has no interval
        ends = "" if np.isnan(row.low) else f" [{row.low:.2f}, {row.high:.2f}]"
        return f"{row.value:.2f}{ends}"

    return pd.DataFrame(
        {
            "rubric": agreed.metric,
            "alpha": [alpha(r) for r in agreed.itertuples()],
            "dialogues": agreed.n,
            "people": agreed.raters,
        }
    )


def full_run(name: str, path: Path) -> HTML:
    """The kept records of a system's full fine-tuning, with the settings that made them."""
    kept = kept_runs.kept(path).sort_values(["system", "metric"])
    settings = json.loads(path.read_text(encoding="utf-8"))["provenance"]["parameters"]
    return result_tables.show(
        result_tables.grid(kept, digits=3),
        kept_runs.kept_source(path),
        f"{name}, full run: {settings['train_rows']} rows, {settings['epochs']:g} passes, "
        f"{settings['base_model']}, n = {kept.n.max()} pairs. {result_tables.CHECKPOINT}.",
    )


def full_runs() -> dict[str, Path]:
    """The kept full fine-tunings, by system; empty where none was kept."""
    paths = {name: kept_path(name) for name in ("emplifai-sft", "emplifai-sft-seen")}
    return {name: path for name, path in paths.items() if path.is_file()}


def kept_path(system: str) -> Path:
    """Where the full fine-tuning of a system is kept."""
    return kept_runs.REFERENCE / f"{system.replace('-', '_')}.json"


def shown_dialogues(paths: list[Path]) -> list[HTML]:
    """What the models of kept full runs wrote, pair by pair beside the data's own dialogue, with
    English where there is some.
    """
    english, shown = glosses(), []
    for texts in kept_dialogues(paths):
        emotion, situation = texts.pop("emotion"), texts.pop("situation")
        columns = {"asked for": f"{emplifai.JAPANESE[emotion]} ({emotion})\n{situation}"}
        columns |= {name: with_gloss(text, english) for name, text in texts.items()}
        source = kept_runs.kept_source(paths[0])
        shown.append(result_tables.side_by_side_texts(columns, source))
    return shown


def kept_dialogues(paths: list[Path]) -> list[dict[str, str]]:
    """The dialogues that kept runs hold, pair by pair: emotion, situation, `data` (the data's own)
    and each system's text of all runs together.
    """
    runs = [json.loads(path.read_text(encoding="utf-8"))["dialogues"] for path in paths]
    merged = []
    for of_pair in zip(*runs, strict=False):
        merged.append({name: text for part in of_pair for name, text in part.items()})
    return merged


def glosses() -> dict[str, str]:
    """English of Japanese dialogues, by hash of their lines: the summaries of the project's own in
    both arms, and those of the kept runs' dialogues, by a language model and checked by nobody.
    """
    of_data = {
        _key(emplifai.as_lines(row["turns"])): row["gloss"]
        for arm in ARMS
        for row in emplifai.load(arm)
    }
    if not GLOSSES.is_file():
        return of_data
    return of_data | json.loads(provenance.noted(GLOSSES).read_text(encoding="utf-8"))


def with_gloss(text: str, english: dict[str, str]) -> str:
    """A dialogue with its English of `glosses` under it, if it has one."""
    gloss = english.get(_key(text))
    return f"{text}\n\n[{gloss}]" if gloss else text


def _key(text: str) -> str:
    return sha256_bytes(text.encode())[:12]


def label_scores(records: pd.DataFrame) -> pd.DataFrame:
    """Table 2: every way of reading a label, and every floor, a row each."""
    wide = by_system_and_group(records[records.table == "emplifai.table2"])
    return wide[[metric for metric in LABEL_SCORES if metric in wide]]


def similarity_in_words(between: dict[str, np.ndarray], names: list[str]) -> str:
    """How similar two different labels are to each score, a line a score, and which of them
    BERTScore takes for the same.

    between: of `labels.between`, tables of shape (labels, labels); names: the labels.
    """
    off = ~np.eye(len(names), dtype=bool)
    lines = [
        f"{metric}: two different labels have {table[off].mean():.2f} on average, "
        f"{np.quantile(table[off], 0.95):.2f} in one pair of twenty, "
        f"{table[off].max():.2f} at most"
        for metric, table in between.items()
    ]
    alike = [
        f"{names[i]}/{names[j]}"
        for i, j in np.argwhere(np.tril(between["bertscore_f1"] > SAME, k=-1))
    ]
    if not alike:
        return "\n".join([*lines, "BERTScore tells all labels apart"])
    pairs = len(names) * (len(names) - 1) // 2
    last = f"the same to this BERTScore: {len(alike)} of {pairs} pairs, "
    return "\n".join([*lines, f"{last}such as {', '.join(alike[:4])}"])


def read_dialogues(
    scores: np.ndarray, true: np.ndarray, texts: list[str], rows: list[dict]
) -> list[dict[str, str]]:
    """Three dialogues as columns of texts: those whose true label a model ranks best, in the middle
    and worst, with the three labels that it holds most likely.

    scores: shape (dialogues, 28); true: labels as numbers; texts: what the model read of each.
    """
    names = [f"{japanese} ({english})" for english, japanese, _ in emplifai.EMOTIONS]
    ranks = labels.ranks(scores, true)
    places = {
        "ranked best": ranks.argmin(),
        "in the middle": np.argsort(ranks, kind="stable")[len(ranks) // 2],
        "ranked worst": ranks.argmax(),
    }
    return [
        {
            f"{which}: {names[true[i]]}": texts[i],
            "read as": f"{', '.join(names[k] for k in np.argsort(-scores[i])[:3])}; "
            f"the true label is number {ranks[i] + 1} of {len(names)}",
            "in English": rows[i].get("gloss", ""),
        }
        for which, i in places.items()
    ]


def full_prediction(path: Path) -> HTML:
    """The kept full run of the prediction of labels."""
    kept = kept_runs.kept(path)
    return result_tables.show(
        label_scores(kept),
        kept_runs.kept_source(path),
        f"The full run; this project's dialogues, n = {kept.n.max()} "
        f"(rows 'written': {kept[kept.group == 'written'].n.max()}). "
        "95 % interval over situations.",
    )


def by_system_and_group(records: pd.DataFrame) -> pd.DataFrame:
    """Records of one table as cells, a row each system and group, a column each metric."""
    named = records.assign(row=records.system + ", " + records.group)
    return result_tables.grid(named, rows="row")


def of_group(records: pd.DataFrame, table: str, group: str = "all") -> pd.DataFrame:
    """The records of one group of a table as cells, a row each system, a column each metric."""
    return result_tables.grid(records[(records.table == table) & (records.group == group)])


def show_or_say(frame: pd.DataFrame, run, caption: str, otherwise: str, index: bool = True):
    """A table as HTML; where it has no rows, `otherwise` is printed instead."""
    if len(frame):
        return result_tables.show(frame, run, caption, index=index)
    print(otherwise)
    return None


def published(printed: pd.DataFrame, table: str) -> pd.DataFrame:
    """A published table as printed (text), a row a system, a column a metric."""
    part = printed[printed.table == table]
    return part.pivot(index="system", columns="metric", values="value")
