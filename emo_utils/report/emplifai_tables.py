"""Tables of EmplifAI's chapters: rubrics and raters, predicted labels, the judge's ratings and its
screening, and the kept full runs with what their models wrote.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import HTML

from emo_utils.claims import emplifai_ratings, ledger
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


def screening(records: pd.DataFrame) -> pd.DataFrame:
    """How often planted cases stood out, a row each question, a column each other version."""
    planted = records[records.table == "emplifai.screening"]
    return result_tables.grid(planted, columns="group").sort_index(axis=1)


def show_or_say(frame: pd.DataFrame, run, caption: str, otherwise: str, index: bool = True):
    """A table as HTML; where it has no rows, `otherwise` is printed instead."""
    if len(frame):
        return result_tables.show(frame, run, caption, index=index)
    print(otherwise)
    return None


def judged_by(judge: str) -> str:
    """What an interval over pairs covers, and what is not known of the judge, for captions."""
    return (
        f"{result_tables.CHECKPOINT.replace('test items', 'pairs')}. Judge: {judge}, "
        "whose agreement with people on dialogues nobody has measured"
    )


def to_read_first(
    yes: pd.DataFrame, dialogues: pd.DataFrame, arm: str, count: int = 6
) -> pd.DataFrame:
    """The dialogues that a screening marked with the highest probabilities.

    yes: rows state (index into dialogues), question, probability. dialogues: columns system,
    situation, turns; arm: of the data's dialogues beside them.
    """
    # The first dialogue of a situation, which is the one that is judged.
    of_data = {row["situation"]: row["gloss"] for row in reversed(emplifai.load(arm))}
    highest = yes.sort_values("probability", ascending=False, kind="stable").head(count)
    marked = dialogues.loc[highest.state]
    return pd.DataFrame(
        {
            "asked for": highest.question.to_numpy(),
            "probability of yes": highest.probability.round(2).to_numpy(),
            "system": marked.system.to_numpy(),
            "supporter": [" ／ ".join(turns[1::2]) for turns in marked.turns],
            "the data's dialogue of that scene, in English": [
                of_data.get(situation, "") for situation in marked.situation
            ],
        }
    )


def two_judges(ratings: pd.DataFrame) -> str:
    """The expected levels of one dialogue by two judges, a line each rubric; ratings: columns
    metric, expected, expected_second.
    """
    return "\n".join(
        f"{rating_kit.RUBRICS[r.metric]['english']}: {r.expected:.1f} and {r.expected_second:.1f}"
        for r in ratings.itertuples()
    )


def furthest_apart(both: pd.DataFrame, count: int) -> list[tuple[str, str]]:
    """The `count` dialogues (pair, system) on which two judges lie furthest apart: mean absolute
    difference over rubrics, the furthest first. both: columns id, system, expected,
    expected_second, without gaps.
    """
    apart = (both.expected - both.expected_second).abs()
    means = apart.groupby([both.id, both.system], sort=False).mean()
    return list(means.sort_values(ascending=False, kind="stable").index[:count])


def disputed(
    both: pd.DataFrame, texts: dict[tuple[str, str], str], english: list[str], judge: str, run
) -> list[HTML]:
    """Dialogues beside the ratings of two judges, and their English where there is one.

    both: ratings of both judges. texts: the dialogues to show, by pair and system. english: one a
    text, empty for none; judge: who translated.
    """
    shown = []
    for ((pair, system), text), translated in zip(texts.items(), english, strict=True):
        of_dialogue = both[(both.id == pair) & (both.system == system)]
        columns = {system: text, "first and second judge": two_judges(of_dialogue)}
        if translated:
            columns[f"in English by {judge}, unchecked, cut off at 80 tokens"] = translated
        shown.append(result_tables.side_by_side_texts(columns, run))
    return shown


def published(printed: pd.DataFrame, table: str) -> pd.DataFrame:
    """A published table as printed (text), a row a system, a column a metric."""
    part = printed[printed.table == table]
    return part.pivot(index="system", columns="metric", values="value")


def published_lengths(printed: pd.DataFrame) -> pd.DataFrame:
    """Table 7 as printed, and the quotient of its two means as `characters a word`."""
    lengths = published(printed, "emplifai.table7")
    per_word = lengths.characters.astype(float) / lengths.words.astype(float)
    return lengths.assign(**{"characters a word": per_word.round(1)})


def characters_a_word(printed: pd.DataFrame, dialogues: pd.DataFrame) -> str:
    """Characters a word in Table 7 and in our dialogues (columns characters, words), in words."""
    published_quotients = published_lengths(printed)["characters a word"]
    ours = dialogues.characters.sum() / dialogues.words.sum()
    return (
        f"characters a word: published {published_quotients.min():.1f} to "
        f"{published_quotients.max():.1f}; here, by Sudachi, {ours:.1f}"
    )


def length_readings(printed: pd.DataFrame) -> pd.DataFrame:
    """`emplifai_ratings.length_readings` in whole characters, the quotient to one digit."""
    readings = emplifai_ratings.length_readings(printed)
    times = readings["crowdworkers, times that"]
    return readings.round().astype(int).assign(**{times.name: times.round(1)})


def closest_reading(printed: pd.DataFrame, dialogues: pd.DataFrame) -> str:
    """Under which reading of Table 7's unit the crowd workers' mean is nearest to that of their
    printed examples, and how long our dialogues (columns system, characters) are, in words.
    """
    times = emplifai_ratings.length_readings(printed)["crowdworkers, times that"]
    closest = (times - 1).abs().idxmin()
    of_ours = dialogues.groupby("system", sort=False).characters.mean()
    return (
        f"Read as characters of {closest}, the crowd workers' mean is {times[closest]:.2f} times "
        "that of the printed examples; as those of a supporter's turn, "
        f"{times.iloc[-1]:.1f} times. Characters of a dialogue here: "
        + ", ".join(f"{system} {mean:.0f}" for system, mean in of_ours.items())
    )


def other_readings(records: pd.DataFrame) -> pd.DataFrame:
    """The ratings of dialogues that keep the form, the most probable levels, and those with length
    controlled, a row each group and system.
    """
    groups = ["where the form is kept", "most probable level", "length controlled"]
    of_groups = records[records.group.isin(groups)]
    key = of_groups.group.map(groups.index)
    return by_system_and_group(of_groups.loc[key.sort_values(kind="stable").index])


def full_judging(path: Path) -> list[HTML]:
    """The kept full run of the judge: its tables, those that have records, the claims by them, and
    the screening.
    """
    kept, origin = kept_runs.kept(path), kept_runs.kept_source(path)
    table4 = kept[kept.table == "emplifai.table4"]
    judge, pairs = table4.scorer.iloc[0], table4.n.max()
    tables = {
        "Table 4": of_group(kept, "emplifai.table4"),
        "Differences": by_system_and_group(kept[kept.table == "emplifai.table4.differences"]),
        "Where the form is kept": of_group(kept, "emplifai.table4", "where the form is kept"),
        "With length controlled": of_group(kept, "emplifai.table4", "length controlled"),
        "Table 7": of_group(kept, "emplifai.table7"),
        "Two judges": by_system_and_group(kept[kept.table == "emplifai.judges"]),
    }
    shown = [
        result_tables.show(
            table, origin, f"{name}, full run; n = {pairs} pairs. {judged_by(judge)}."
        )
        for name, table in tables.items()
        if len(table)
    ]
    if (kept.metric == "combination").any():
        claims = ledger.verdicts(kept, ("emplifai.table4",), "longer run")
        caption = f"The paper's claims on fine-tuning by the full run. {judged_by(judge)}."
        shown.append(result_tables.show(claims, origin, caption, index=False))
    return [*shown, _full_screening(kept, origin)]


def _full_screening(kept: pd.DataFrame, origin) -> HTML:
    planted = kept[(kept.table == "emplifai.screening") & (kept.interval != "none")]
    return result_tables.show(
        screening(kept),
        origin,
        f"Screening, full run; n = {planted.n.max()} planted scenes, all of them, "
        "as nothing was tuned on any. 95 % interval over scenes. "
        f"Asked: {planted.scorer.iloc[0]}.",
    )


def full_judging_in_words(kept: pd.DataFrame) -> str:
    """How far the tuned model and the data lie apart where both keep the form, and how often the
    screening guesses, in the kept full run of the judge.
    """
    keeping_form = (kept.table == "emplifai.table4") & (kept.group == "where the form is kept")
    level = kept[keeping_form].pivot(index="metric", columns="system", values="value")
    apart = (level["emplifai-sft"] - level["data"]).abs()
    planted = kept[(kept.table == "emplifai.screening") & (kept.interval != "none")]
    guesses = ((planted.ci_low <= 0.5) & (planted.ci_high >= 0.5)).sum()
    return (
        "Where the form is kept, the tuned model's dialogues and the data's are rated "
        f"{apart.max():.2f} levels apart at most, over {len(apart)} rubrics.\n"
        f"Screening: {guesses} of {len(planted)} intervals hold one half, which is guessing."
    )
