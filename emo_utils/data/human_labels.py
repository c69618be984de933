"""Public texts that people labelled, read from a folder outside of this repository, and files of a
user's own labels in their place (chapter 11).

None of these sets is ours to ship, and nothing of them is kept here.
"""

import hashlib
import json
import os
import re
from pathlib import Path

import pandas as pd

from emo_utils.data import files
from emo_utils.experiment import provenance
from emo_utils.project import EmoError, given_path

# Each set is split once: on one half scorers are chosen and taught, and agreement is reported on
# the other. What belongs together (a conversation, replies to one post) stays together.
CHOOSE, REPORT = 0, 1
EPITOME = "epitome_half/epitome_half.jsonl"
ESCONV = "esconv_dev/devWithStrategy_short.tsv"
GOEMOTIONS = "goemotions_dev/dev.tsv"
LLMBAR = "llmbar_natural/dataset.json"
# Summaries of talks and people's counts of their facts, which belong together row by row.
MTS = (
    "mts_dialog/MTS-Dialog-Automatic-Summaries-ValidationSet.csv",
    "mts_dialog/MTS-Dialog-Manual-Scores4CorrelationStudy.csv",
)
CARING = "5"  # its place in GoEmotions' list of 28 labels


def folder_of(trial_data: str, book: bool) -> Path | None:
    """The folder with the four public sets: the one given, or EMO_TRIAL_DATA for a run by hand;
    None where neither is. Raises EmoError for a folder that lacks a file.
    """
    given = trial_data or ("" if book else os.environ.get("EMO_TRIAL_DATA", ""))
    if not given:
        return None
    folder = given_path(given)
    for name in (ESCONV, GOEMOTIONS, LLMBAR, *MTS):
        if not (folder / name).is_file():
            raise EmoError(
                f"{given} (parameter 'trial_data', or EMO_TRIAL_DATA) holds no {name}; "
                "get the four public sets, or leave both empty to see the kept records"
            )
    return folder


def balanced(table: pd.DataFrame, source: str, rows: int, read: int, seed: int) -> pd.DataFrame:
    """As many texts with the label as without, `rows` of each at most, drawn with the seed; the
    first `read` of each are marked in a column `read`.

    table: columns text, label (0 or 1). Raises EmoError for fewer than five of a label.
    """
    most = table.label.value_counts().reindex([0, 1], fill_value=0).min()
    if most < 5:
        raise EmoError(
            f"{source} has {most} texts of a label in the half that is used; "
            "five at least are needed: is the file whole?"
        )
    table = table.groupby("label").sample(min(rows, most), random_state=seed).reset_index(drop=True)
    return table.assign(read=table.groupby("label").cumcount() < read)


def esconv(folder: Path, strategy: str, half: int = REPORT) -> pd.DataFrame:
    """Replies of supporters in every other conversation of ESConv: columns text, before (what was
    said before it), conversation, label (1 where its writer marked it with the strategy).

    half: `CHOOSE` or `REPORT`; here by the place of the conversation in the file.

    Each line of the file is a conversation up to one of its replies, so that the lines of a
    conversation grow by a turn.
    """
    replies, conversation, last = [], 0, 0
    lines = provenance.noted(folder / ESCONV).read_text(encoding="utf-8").splitlines()
    for line in lines:
        turns = [turn.strip() for turn in line.split("EOS")]
        conversation += len(turns) < last
        last = len(turns)
        marked = re.search(r"\[([A-Z][^\]]*)\] (.+)$", turns[-1])
        if conversation % 2 == half and marked:
            replies.append(
                {
                    "text": marked[2].strip(),
                    "before": _said_last(turns[:-1]),
                    "conversation": conversation,
                    "label": int(marked[1] == strategy),
                }
            )
    return pd.DataFrame(replies).drop_duplicates("text")


def _said_last(turns: list[str]) -> str:
    """The last turn of the person who seeks support (speaker 0), empty if there is none."""
    for turn in reversed(turns):
        if words := re.match(r"[\d.]+ 0 \d+ (.+)", turn):
            return words[1]
    return ""


def goemotions(folder: Path, half: int = REPORT) -> pd.DataFrame:
    """Every other comment of GoEmotions: columns text, label (1 where a reader marked it as
    caring).

    half: `CHOOSE` or `REPORT`; here by the line of the file.
    """
    table = pd.read_csv(
        provenance.noted(folder / GOEMOTIONS),
        sep="\t",
        names=["text", "labels", "id"],
        dtype=str,
        quoting=3,
        keep_default_na=False,
    )[half::2]
    caring = [int(CARING in labels.split(",")) for labels in table.labels]
    return table.assign(label=caring).drop_duplicates("text")


def epitome(folder: Path, half: int) -> pd.DataFrame:
    """Replies to people in distress (EPITOME, Reddit): columns text, conversation (its number),
    label (1 where a reader heard any emotional reaction).

    half: `CHOOSE` or `REPORT`, by a hash of the post that is replied to. Raises EmoError where the
    set is not in the folder.
    """
    path = folder / EPITOME
    if not path.is_file():
        raise EmoError(f"{folder} holds no {EPITOME}; get this public set, too")
    lines = provenance.noted(path).read_text(encoding="utf-8").splitlines()
    table = pd.DataFrame(map(json.loads, lines))
    halves = [int(hashlib.sha256(post.encode()).hexdigest(), 16) % 2 for post in table.before]
    table = table.assign(
        conversation=table.before.factorize()[0], label=(table.emotional_reactions > 0).astype(int)
    )
    return table[["text", "conversation", "label"]][[which == half for which in halves]]


def emotion_sets(folder: Path, rows: int, read: int, seed: int) -> dict[str, pd.DataFrame]:
    """The three labels of comfort that people gave, each with as many texts without it
    (`balanced`), by the name under which records keep it.
    """
    found = {
        "reassurance": (esconv(folder, "Affirmation and Reassurance"), ESCONV),
        "feelings": (esconv(folder, "Reflection of feelings"), ESCONV),
        "caring": (goemotions(folder), GOEMOTIONS),
    }
    return {name: balanced(*texts, rows, read, seed) for name, texts in found.items()}


def counted_summaries(folder: Path) -> pd.DataFrame:
    """Summaries of talks between doctor and patient that programs wrote (MTS-Dialog): columns talk
    (its number), text, reference, source (the talk), precision and recall of its facts as people
    counted them. Raises EmoError where the two files do not belong together.
    """
    texts, counts = (
        pd.read_csv(provenance.noted(folder / name), encoding="utf-8-sig") for name in MTS
    )
    if len(texts) != len(counts):
        raise EmoError(
            f"{MTS[0]} has {len(texts)} rows and {MTS[1]} {len(counts)}; "
            "they belong together row by row: are both whole?"
        )
    table = pd.DataFrame(
        {
            "talk": texts.Dialogue.factorize()[0],
            "text": texts["Automatic Summary"],
            "reference": texts["Reference Summary"],
            "source": texts.Dialogue,
            "precision": counts.FactualPrecision,
            "recall": counts.FactualRecall,
        }
    )
    return table.dropna().reset_index(drop=True)


def preferred_outputs(folder: Path, pairs: int) -> list[dict]:
    """The first pairs of LLMBar's natural set: input, output_1, output_2, and label, the number of
    the one that people preferred.
    """
    return json.loads(provenance.noted(folder / LLMBAR).read_text(encoding="utf-8"))[:pairs]


def own_texts(labelled: str) -> pd.DataFrame:
    """The texts of a user's CSV or JSON-lines file, with a number as the label of each; all are to
    be read (column `read`). Raises EmoError for a file that cannot be used.
    """
    table = _own(labelled, "labelled")
    if not {"text", "label"} <= set(table):
        raise EmoError(f"{labelled} needs columns text and label; it has {', '.join(table)}")
    table["label"] = pd.to_numeric(table.label, errors="coerce")
    if len(bad := table[table.label.isna() | _blank(table.text)]):
        raise EmoError(f"{labelled}: row {bad.index[0] + 1} lacks a text or a number as its label")
    if table.label.nunique() < 2:
        raise EmoError(f"{labelled} has the same label in each row; nothing can agree with that")
    return table.assign(text=table.text.astype(str), read=True)


def own_pairs(labelled_pairs: str) -> list[dict]:
    """The pairs of a user's CSV or JSON-lines file, as `preferred_outputs` gives them; raises
    EmoError for the first row that lacks a text or a choice.
    """
    table, texts = _own(labelled_pairs, "labelled_pairs"), ["input", "output_1", "output_2"]
    if missing := {*texts, "label"} - set(table):
        raise EmoError(
            f"{labelled_pairs} lacks the columns {', '.join(sorted(missing))}; "
            f"it has {', '.join(table)}"
        )
    table["label"] = pd.to_numeric(table.label, errors="coerce")
    if len(bad := table[~table.label.isin([1, 2]) | table[texts].apply(_blank).any(axis=1)]):
        raise EmoError(
            f"{labelled_pairs}: row {bad.index[0] + 1} lacks a text, "
            "or its label is neither 1 nor 2"
        )
    return table.astype(dict.fromkeys(texts, str)).to_dict("records")


def _own(given: str, parameter: str) -> pd.DataFrame:
    path = given_path(given)
    if not path.is_file():
        raise EmoError(f"parameter '{parameter}' is {given!r}, and there is no such file")
    return files.table(path)


def _blank(texts: pd.Series) -> pd.Series:
    """Whether each cell holds no text: a CSV's empty cells are empty texts, JSON may have none."""
    return texts.isna() | (texts.astype(str).str.strip() == "")
