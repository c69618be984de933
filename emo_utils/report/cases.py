"""Single cases to read: a question, the doctor's answer, and answers of systems in which every
sentence carries its marks (chapter 8).
"""

import html

import pandas as pd
from IPython.display import HTML, display

from emo_utils.data import dialogues
from emo_utils.project import EmoError
from emo_utils.report import figures, result_tables

_SIGNS = {"comfort": "♡", "knowledge": "✚"}


def chosen(gain: pd.Series, emotions: pd.Series) -> dict[str, str]:
    """The questions that are shown, by the rule that chose them: the median, the largest gain and
    the largest loss, and for each emotion its median.

    gain, emotions: one value a question, with the same index. Raises EmoError without any gain.
    """
    if gain.empty:
        raise EmoError(
            "chapter 5 scored no question for all systems, so there is no gain to choose cases by; "
            "see its unscored answers"
        )

    def at_median(values: pd.Series) -> str:
        return values.sort_values(kind="stable").index[(len(values) - 1) // 2]

    found = {
        "median gain": at_median(gain),
        "largest gain": gain.idxmax(),
        "largest loss": gain.idxmin(),
    }
    for emotion in dialogues.EMOTIONS:
        of_emotion = gain[emotions[gain.index] == emotion]
        if len(of_emotion):
            found[f"median of {emotion}"] = at_median(of_emotion)
    return found


def marked_sentence(text: str, comfort: bool, knowledge: bool) -> str:
    """A sentence as escaped HTML; signs and lines as well as colours tell its marks apart."""
    kinds = [name for name, marked in (("comfort", comfort), ("knowledge", knowledge)) if marked]
    classes = " ".join(f"companion-{name}" for name in kinds)
    signs = "".join(_SIGNS[name] for name in kinds)
    return (
        f'<span class="{classes}" title="{" and ".join(kinds) or "neither"}">'
        f"{signs} {html.escape(text)}</span>"
    )


def marked_texts(columns: dict[str, list[tuple[str, bool, bool]]], run) -> HTML:
    """Answers in columns: heading -> sentences, each (text, comfort, knowledge)."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    cells = "".join(
        f"<td>{' '.join(marked_sentence(*piece) for piece in pieces)}</td>"
        for pieces in columns.values()
    )
    return HTML(
        f'<div class="{result_tables.BOX}">{result_tables.badge_of(run)} '
        "♡ comfort, ✚ knowledge"
        f'<table class="companion companion-texts"><tr>{head}</tr><tr>{cells}</tr></table></div>'
    )


def show_case(run, row: dict, why: str, sentences: pd.DataFrame, scores: pd.DataFrame) -> None:
    """Display a question with the doctor's answer, the marked answers, and their scores.

    row: of the test dialogues; why: the rules that chose it; sentences: those of the answers to it,
    columns system, text, comfort, knowledge; scores: a row a system that is shown.
    """
    texts = {
        f"({row['id']}) {why}: question, {row['emotion']}": row["emotional_question"],
        figures.named("doctor"): row["answer"],
    }
    display(result_tables.side_by_side_texts(texts, run))
    marked = {}
    for system in scores.index:
        part = sentences.loc[sentences.system == system, ["text", "comfort", "knowledge"]]
        marked[figures.LABELS[system]] = list(part.itertuples(index=False))
    display(marked_texts(marked, run))
    caption = "Scores of these answers alone (n = 1 each, so no interval)."
    display(result_tables.show(scores.round(2).rename_axis("system"), run, caption))
