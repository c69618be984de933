"""What a run records of chapter 10.2: plain words and what answers keep, caveats, transfer, voices,
and rules that pick the preferred answer. What is measured is in `answer_measures`, `caveats` and
`probes`.

measures: metric -> scorer, kind and signature, of `answer_measures.described`.
"""

import pandas as pd

from emo_utils.scoring import caveats, probes
from emo_utils.scoring.answer_measures import LIKELIER, described_facts, difference_to


def add_means(run, table: str, answers: pd.DataFrame, measures: dict[str, dict[str, str]]) -> None:
    """Record the mean of each measure of every system.

    answers: one row an answer, columns system and the measures.
    """
    for system, part in answers.groupby("system", sort=False):
        for metric, how in measures.items():
            run.add_mean(part[metric], table=table, system=system, metric=metric, **how)


def add_simplicity(run, answers: pd.DataFrame, measures: dict, reader_model: str) -> None:
    """Record how plain the answers are, how near to their references, and what they keep of them.

    answers: of `answer_measures.with_facts`; reader_model: the name of who read the facts.
    """
    shown = ("grade", "letters", "words", "warmth", "cosine")
    named = {name: measures[name] for name in shown} | described_facts(reader_model)
    add_means(run, "ebd.simplicity", answers, named)


def add_caveats(
    run, tokenizer, answers: pd.DataFrame, references: list[str], reader_model: str
) -> None:
    """Record what is kept of each kind of sentence by every system, and how the training of
    `ebd-dpo` changed that.

    answers: of `answer_measures.with_facts`; references: one for each; tokenizer: of who read them.
    """
    for kind, is_kind in caveats.KINDS.items():
        kept = caveats.kept_by_system(tokenizer, answers, references, is_kind)
        about = {"table": "ebd.caveats", "group": kind, "scorer": reader_model}
        for system in kept:
            how = f"tokens of the sentences of this kind {LIKELIER}"
            run.add_mean(kept[system], **about, system=system, metric="kept", signature=how)
        change = kept["ebd-dpo"] - kept["ebd-base"]
        about |= {"system": "ebd-dpo", "metric": "change", "kind": "difference"}
        run.add_mean(change, **about, signature="paired difference of kept to ebd-base")


def add_transfer(
    run, test: str, answers: pd.DataFrame, start: str, tuned: tuple[str, ...], measures: dict
) -> None:
    """Record what each training changed on the questions of a test, question by question.

    test: its name; answers: of `answer_measures.measured`, of the tuned systems and their start.
    """
    for metric in ("warmth", "cosine", "grade", "words"):
        wide = answers.pivot(index="id", columns="system", values=metric)
        about = {"table": "ebd.transfer", "metric": metric, "group": test}
        about |= difference_to(start, measures[metric])
        for system in tuned:
            run.add_mean(wide[system] - wide[start], **about, system=system)


def add_voices(run, answers: pd.DataFrame, measures: dict) -> None:
    """Record how answers to a question in another voice differ from those to the original, question
    by question.

    answers: of `answer_measures.measured`, with columns of (the question) and voice, `original`
    first.
    """
    for system, part in answers.groupby("system", sort=False):
        for metric in ("warmth", "grade", "words", "cosine"):
            wide = part.pivot(index="of", columns="voice", values=metric)
            about = {"table": "ebd.voices", "system": system, "metric": metric}
            about |= difference_to("the original question", measures[metric])
            for voice in part.voice.unique()[1:]:
                run.add_mean(wide[voice] - wide["original"], **about, group=voice)


def add_probes(run, encoder, train: list[dict], test: list[dict], embedding_model: str) -> None:
    """Record how often each rule of `probes` picks the preferred answer of a test pair."""
    how = (
        "share of test pairs whose preferred answer the rule picks; "
        "logistic regression on the training pairs"
    )
    about = {"table": "ebd.probes", "metric": "accuracy", "signature": how, "unit": "pairs"}
    for name, known in probes.features(encoder).items():
        picks = probes.picks(known, train, test)
        scorer = "counts" if "length" in name else embedding_model
        run.add_mean(picks, **about, system=name, kind="share", scorer=scorer)
