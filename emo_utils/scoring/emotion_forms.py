"""The emotion score in several forms, to be held against people's labels beside counts of words
(chapter 11).
"""

import pandas as pd

from emo_utils.judging import decisions
from emo_utils.scoring import emotion, emotion_learnt, word_counts
from emo_utils.scoring.instruments import Instruments

YES = decisions.yes_or_no("Does this reply comfort and reassure the person it is written to?")
BARE = {
    "type": "score",
    "instructions": "How reassuring is this reply, from 1 to 5?",
    "criteria": ["1", "2", "3", "4", "5"],
}
QUESTIONS = emotion.QUESTIONS | {"yes or no": YES, "bare 1 to 5": BARE}
FLOORS = ("words (floor)", "kind words (floor)")


def by_contrast(encoder, texts: list[str]) -> pd.DataFrame:
    """`emotion.scores_by_contrast` with all sentences of its lists, and its mean with the first one
    of each; one row a text, one column a form.
    """
    one = emotion.scores_by_contrast(encoder, texts, wordings=1)["mean"]
    return emotion.scores_by_contrast(encoder, texts).assign(**{"mean, one wording": one})


def by_decision(reader, texts: list[str], contexts: list[str] | None = None) -> pd.DataFrame:
    """The described levels of chapter 5, a bare scale from 1 to 5, a yes or no, and the mean of
    all three; one row a text, one column a form, in [0, 1], missing where it was not answered.

    contexts: what was said to each text's writer; adds the yes or no of who has read it.
    """
    found = reader.decide(texts, QUESTIONS, "emotion")
    table = emotion.scores_from_decisions(found[found.question.isin(emotion.QUESTIONS)])
    table["bare 1 to 5"] = _expected_level(found[found.question == "bare 1 to 5"])
    table["yes or no"] = decisions.probability(found, "yes or no", "yes")
    table["all wordings"] = table[["mean", "bare 1 to 5", "yes or no"]].mean(axis=1, skipna=False)
    if contexts is not None:
        shown = [
            f"Person: {before}\n\nReply: {text}"
            for before, text in zip(contexts, texts, strict=True)
        ]
        found = reader.decide(shown, {"q": YES}, "emotion")
        table["yes or no, after what was said"] = decisions.probability(found, "q", "yes")
    return table


def _expected_level(found: pd.DataFrame) -> pd.Series:
    """Expected place among the options of `BARE` over the highest place, for each text."""
    places = found.probability.astype(float) * found.option.astype(int)
    return places.groupby(found.state).sum(min_count=1) / (len(BARE["criteria"]) - 1)


def every_form(table: pd.DataFrame, instruments: Instruments) -> dict[tuple[str, str], pd.Series]:
    """(who, form) -> a score a text, as a series by the rows of the table that were to be scored:
    all by contrast, by counts and, with the encoder on whose vectors it was taught, by the learnt
    scorer; those marked in `read` by the deciding model.

    table: columns text, read (bool), and before where there is what was said before the text.
    """
    read = table[table.read]
    contexts = read.before.tolist() if "before" in table else None
    contrast = by_contrast(instruments.encoder, table.text.tolist()).set_axis(table.index)
    decided = by_decision(instruments.reader, read.text.tolist(), contexts).set_axis(read.index)
    both = (decided["all wordings"] + contrast.loc[read.index, "mean"]) / 2
    learnt = {}
    if instruments.embedding_model == emotion_learnt.ENCODER:
        taught = emotion_learnt.coefficients(instruments.embedding_model)
        by_it = emotion_learnt.scores(instruments.encoder, table.text.tolist(), *taught)
        learnt[emotion_learnt.name(instruments.embedding_model), "mean"] = by_it["mean"].set_axis(
            table.index
        )
    words = table.text.str.split().str.len().astype(float)
    return (
        {(instruments.embedding_model, form): contrast[form] for form in contrast}
        | learnt
        | {(instruments.reader.name, form): decided[form] for form in decided}
        | {
            ("both", "all wordings and contrast"): both,
            ("counts", "words (floor)"): words,
            ("counts", "kind words (floor)"): table.text.map(word_counts.kind_words).astype(float),
        }
    )


def on_the_texts_read(
    scores: dict, read: pd.Series, embedding_model: str, nearest: str
) -> dict[tuple[str, str], pd.Series]:
    """The contrast's mean, its emotion that comes nearest to the label, and the floors once more on
    the texts that the deciding model read: only there can they be compared with it.

    scores: of `every_form`; read: the table's column.
    """
    keys = [(embedding_model, "mean"), (embedding_model, nearest)]
    keys += [("counts", form) for form in FLOORS]
    rows = read.index[read]
    return {(who, f"{form}, texts read"): scores[who, form].reindex(rows) for who, form in keys}
