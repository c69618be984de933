"""What our scores, marks and flags say of answers that a paper prints (EmoDoctor, Table 3), and
whether our marks agree with the colours that it gives to sentences.
"""

import re

import pandas as pd

from emo_utils.data import dialogues, printed_texts
from emo_utils.models import embeddings
from emo_utils.scoring import comfort, sentence_marks
from emo_utils.stats import reliability

TABLE = "emodoctor.table3"
# What is yes or no of an answer.
SHARES = ("opens_with_comfort", "explicit_comfort", *sentence_marks.MARKS["safety"])
PRINTED = "printed"  # group of the records, and beginning of that of one case
YARDSTICK = "yardstick"  # group of the same numbers of texts of our data


def of_answers(rows: list[dict], sentences: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """One row an answer (case, system): emotion scores, share of sentences that comfort and inform,
    whether it opens with comfort (1 or 0), words, whether it says comfort in so many words (1 or
    0), and whether any sentence has each safety mark (1 or 0).

    rows: of `printed_texts.answers`. sentences: of `sentence_marks.of_answers`, system and id those
    of the rows. scores: emotion scores, a row an answer in the order of the rows.
    """
    phrases = dialogues.comfort_phrases()
    answers = pd.DataFrame(rows)[["id", "system", "answer"]]
    found = sentence_marks.shares(sentences, answers).reset_index(drop=True)
    safety = list(sentence_marks.MARKS["safety"])
    marked = sentences.groupby("id")[safety].max().loc[answers.id]
    found = found.assign(
        words=[float(len(text.split())) for text in answers.answer],
        explicit_comfort=[float(comfort.says_comfort(t, phrases)) for t in answers.answer],
        **marked.astype(float).reset_index(drop=True),
    )
    found.index = pd.MultiIndex.from_frame(pd.DataFrame(rows)[["case", "system"]])
    return scores.set_axis(found.index).join(found)


def add_answers(run, of_answers: pd.DataFrame, scorer: str) -> None:
    """Record every number of each printed answer (group `printed, case X`; one answer, so that it
    has no interval), and the means over the cases.
    """
    for metric in of_answers:
        for (case, system), value in of_answers[metric].items():
            _add(run, [value], system, metric, f"{PRINTED}, case {case}", scorer)
        for system, values in of_answers[metric].groupby("system", sort=False):
            _add(run, values, system, metric, PRINTED, scorer)


def yardsticks(rows: list[dict]) -> list[dict]:
    """The doctor's plain and the warm answer to test questions, in the form of printed answers."""
    fields = {"doctor": "answer", "reference": "soothing_response"}
    return [
        {"id": f"{row['id']}.{system}", "case": row["id"], "system": system, "answer": row[field]}
        for system, field in fields.items()
        for row in rows
    ]


def add_yardsticks(run, of_answers: pd.DataFrame, scorer: str) -> None:
    """Record the same numbers of texts of our data, as means over them; of_answers: index (case,
    system), the system `doctor` or `reference`.
    """
    for metric in of_answers:
        for system, values in of_answers[metric].groupby("system", sort=False):
            run.add_mean(
                values,
                table=TABLE,
                system=system,
                metric=metric,
                group=YARDSTICK,
                kind=_kind(metric),
                scorer=scorer,
                signature="of texts of our data",
                unit="test questions",
            )


def _add(run, values, system: str, metric: str, group: str, scorer: str) -> None:
    run.add_mean(
        values,
        table=TABLE,
        system=f"printed.{system}",
        metric=metric,
        group=group,
        kind=_kind(metric),
        scorer=scorer,
        signature="of an answer that the paper prints",
        unit="printed answers",
    )


def _kind(metric: str) -> str:
    return "share" if metric in SHARES else "mean"


def coloured(answer: str, passages: list[str] | None) -> list[bool] | None:
    """Whether more than half of the letters of each sentence of an answer lie in one of the
    passages; None where no colours are known.
    """
    if passages is None:
        return None
    inside = [False] * len(answer)
    for passage in passages:
        start = answer.index(passage)
        inside[start : start + len(passage)] = [True] * len(passage)
    found, start = [], 0
    for sentence in embeddings.sentences(answer):
        start = answer.index(sentence, start)
        letters = [inside[start + m.start()] for m in re.finditer(r"\w", sentence)]
        found.append(sum(letters) > len(letters) / 2)
        start += len(sentence)
    return found


def with_colours(rows: list[dict], sentences: pd.DataFrame) -> pd.DataFrame:
    """The sentences with a column for each colour of the paper (`red`, `blue`; missing where the
    colours of its answer are not at hand).
    """
    found = sentences.reset_index(drop=True)
    for colour in printed_texts.COLOURS.values():
        of_answers = {row["id"]: coloured(row["answer"], row[colour]) for row in rows}
        column = pd.Series([None] * len(found), dtype="boolean")
        for item, part in found.groupby("id"):
            if of_answers[item] is not None:
                column[part.index] = of_answers[item]
        found[colour] = column
    return found


def add_agreement(run, sentences: pd.DataFrame, scorer: str) -> None:
    """Record how far our marks agree with the paper's colours (group `printed, COLOUR`): Cohen's
    kappa over sentences, the share of coloured sentences that we mark (recall), and the share of
    those that we mark that are coloured (precision). sentences: of `with_colours`.

    A sentence without colour may still comfort or inform: the paper colours what its text speaks
    of, so that precision is a lower bound.
    """
    for mark, colour in printed_texts.COLOURS.items():
        known = sentences.dropna(subset=colour)
        if known.empty:
            print(f"{colour}: the file has no passages in this colour")
            continue
        ours, paper = known[mark].to_numpy(dtype=bool), known[colour].to_numpy(dtype=bool)
        about = {"table": TABLE, "system": f"{mark} and {colour}", "group": f"{PRINTED}, {colour}"}
        value, low, high = reliability.cohen_kappa_interval(ours, paper, run.values["seed"])
        how = "our marks against the paper's colours"
        run.add(
            **about,
            metric="kappa",
            kind="agreement",
            value=value,
            ci_low=low,
            ci_high=high,
            n=len(known),
            scorer=scorer,
            signature=f"{how}; bootstrap over sentences",
        )
        for metric, counted in (("recall", ours[paper]), ("precision", paper[ours])):
            if len(counted):
                run.add_mean(
                    counted,
                    **about,
                    metric=metric,
                    kind="share",
                    scorer=scorer,
                    signature=how,
                    unit="sentences",
                )
