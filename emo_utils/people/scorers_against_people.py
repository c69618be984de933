"""The scorers of chapters 5 to 8 against what people said of the same texts (chapter 11): which
score is asked of which label, and what is recorded of it.
"""

import numpy as np
import pandas as pd

from emo_utils.data import marked_sentences
from emo_utils.judging import taught_checker
from emo_utils.models import loading
from emo_utils.people import against_counts, against_labels
from emo_utils.project import given_path
from emo_utils.scoring import emotion_forms, facts_of_summaries, statements

# The emotion that each label comes nearest to.
NEAREST = {"reassurance": "reassuring", "feelings": "empathetic", "caring": "comforting"}
ONCE = ", equal summaries once"


def add_emotion(run, labelled_sets: dict[str, pd.DataFrame], scorers) -> None:
    """Record how every form of the emotion score agrees with each label (`validity.emotion`), and
    whether the two that are meant as probabilities are (`validity.calibration`).

    labelled_sets: of `human_labels.emotion_sets`, and `own` of `own_texts`. scorers: of
    `instruments.load`.
    """
    encoder, reader, seed = scorers.embedding_model, scorers.reader, run.values["seed"]
    for group, table in labelled_sets.items():
        scores = emotion_forms.every_form(table, scorers)
        asked = scores
        if group in NEAREST:
            asked = scores | emotion_forms.on_the_texts_read(
                scores, table.read, encoder, NEAREST[group]
            )
        for fields in against_labels.agreements(asked, table, seed, reader, group=group):
            run.add(table="validity.emotion", **fields)
        if group in NEAREST:
            for who, form in ((encoder, NEAREST[group]), (reader.name, "yes or no")):
                score, label = scores[who, form], table.label
                against_labels.add_calibration(run, score, label, group, system=form, scorer=who)


def add_facts(run, counted: pd.DataFrame, scorers, read: int) -> pd.DataFrame:
    """Record how the measures of facts follow people's counts, and these each other
    (`validity.factual`). Returns the summaries that the measures were held against: those of every
    other talk, the ones that were not looked at while they were chosen.

    counted: of `human_labels.counted_summaries`. read: half as many as the deciding model reads.
    """
    seed = run.values["seed"]
    talks = counted[counted.talk % 2 == 1].reset_index(drop=True)
    found = {
        "recall": facts_of_summaries.of_recall(talks, scorers),
        "precision": facts_of_summaries.of_precision(talks, scorers, read=2 * read),
    }
    scores = {(label, *key): score for label in found for key, score in found[label].items()}
    once = against_counts.each_once(talks, scores)
    for fields in [
        *against_counts.following(talks, scores, seed, reader=scorers.reader.signature),
        *against_counts.counted_again(counted, seed),
        *against_counts.following(*once, seed, suffix=ONCE),
    ]:
        run.add(table="validity.factual", **fields)
    return talks


def taught(run, learnt: pd.DataFrame, checker_model: str, passes: int, dtype: str):
    """A chat model (and its tokenizer) that was taught on statements and their sources, from the
    folder beside the run's results where its adapters are saved; its loss is printed by sixths.

    learnt: of `marked_sentences.claims`.
    """
    model, tokenizer = loading.load(checker_model, dtype)
    groups = statements.by_source(learnt)
    adapters, losses = taught_checker.teach(model, tokenizer, groups, passes, run.values["seed"])
    folder = run.folder / f"{run.name}.checker"
    taught_checker.save(adapters, folder, checker_model, run.name)
    sixths = (f"{part.mean():.3f}" for part in np.array_split(losses, 6))
    print("loss, by sixths of the training:", *sixths)
    del model, adapters  # what was kept is loaded
    return loading.load(checker_model, dtype, [folder])


def checker_of(run, dtype: str):
    """The checker that a run's parameters ask for: taught now (`checker_passes`), one that an
    earlier run kept (`checker_from`), or None.
    """
    values = run.values
    if values["checker_from"]:
        folder = given_path(values["checker_from"])
        return loading.load(values["checker_model"], dtype, [folder])
    if not values["checker_passes"]:
        return None
    learnt = claims(run, "train")
    return taught(run, learnt, values["checker_model"], values["checker_passes"], dtype)


def claims(run, part: str) -> pd.DataFrame:
    """The statements of a part (`marked_sentences.claims`); about a few sources in `smoke`."""
    return marked_sentences.claims(part, 5 if run.profile == "smoke" else None)


def add_statements(run, scorers, checker, read: int) -> dict[tuple[str, str], pd.Series]:
    """Record how well each measure tells right statements from wrong ones (`validity.claims`), and
    return the scores: (who, form) -> one a statement that it was asked of.

    checker: of `checker_of`. read: twice as many as the sources that the deciding model reads.
    """
    learnt, held = claims(run, "train"), claims(run, "test")
    scores = statements.measures(held, learnt, scorers)
    asked = statements.of_drawn_sources(held, read // 2, run.values["seed"])
    yes = statements.supported(scorers.reader, asked)
    scores[scorers.reader.name, "supported, yes or no"] = yes
    if checker:
        scores |= _by_checker(checker, run.values["checker_model"], held, asked)
    for (who, form), score in scores.items():
        about = f"; {scorers.reader.signature}" if score is yes else ""
        for fields in against_labels.told_apart(score, held, run.values["seed"]):
            fields["signature"] += about
            run.add(table="validity.claims", system=form, scorer=who, **fields)
    statements.add_alarms(run, scores["rules", "details added"], held)
    return scores


def _by_checker(checker, name: str, held: pd.DataFrame, asked: pd.DataFrame) -> dict:
    """The checker's scores of the held statements: with the right source, of those alone that the
    deciding model was asked, and with another source.
    """
    groups = statements.by_source(held)
    right_source = [(source, told) for source, told, _ in groups]
    another_source = taught_checker.with_another_source(groups)
    reads, astray = (
        pd.Series(np.concatenate(taught_checker.answers(*checker, pairs)))
        for pairs in (right_source, another_source)
    )
    return {
        (name, "taught checker, statements read"): reads[asked.index],
        (name, "taught checker"): reads,
        (name, "taught checker, another source"): astray,
    }


def add_doubts(run, talks: pd.DataFrame, checker) -> None:
    """Record how the number of sentences of a summary that a checker doubts follows people's counts
    of precision (`validity.factual`). talks: of `add_facts`.
    """
    doubts = taught_checker.minus_doubts(*checker, talks.source.tolist(), talks.text.tolist())
    name, seed = run.values["checker_model"], run.values["seed"]
    in_doubt = {("precision", name, "sentences in doubt"): pd.Series(doubts)}
    once = against_counts.each_once(talks, in_doubt)
    for fields in [
        *against_counts.following(talks, in_doubt, seed),
        *against_counts.following(*once, seed, suffix=ONCE),
    ]:
        run.add(table="validity.factual", **fields)
