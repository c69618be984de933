"""How far the marks of sentences hold on what the systems themselves wrote (chapter 8).

Two readers marked sentences of a unit's answers without knowing system or mark
(`data/sentences/of_systems.jsonl`): twenty at random of each system and of the data's own texts,
and some that a safety mark flags. Others, of other questions, teach the safety marks. What the
marks are learnt from and how they agree with readers of sentences that were written for this
project is in `sentence_marks`.
"""

import pandas as pd

from emo_utils.data import marked_sentences
from emo_utils.experiment import results
from emo_utils.scoring import sentence_marks

TABLE = "validity.sentences"
# Ends of the names of groups: sentences of the nine systems at random, and those that carry a mark.
OF_SYSTEMS, FLAGGED = ", of systems", ", flagged"
RANDOM = "random"  # in the field `drawn`; the others say `flagged`, the mark, and by which marks
FIRST, SECOND = "program and first reader", "program and second reader"
BY_PROGRAM, BY_READER = "share by program", "share by first reader"  # metrics, for each system


def read() -> pd.DataFrame:
    """The sentences that were read and train nothing: columns text, system, drawn, a column a mark
    by the first reader, and `MARK_second` by the second.
    """
    rows = pd.DataFrame(
        [row for row in marked_sentences.load("of_systems") if row["part"] == "read"]
    )
    return rows.assign(system=rows["from"].str.split().str[-1])


def by_program(encoder, learnt: dict, rows: pd.DataFrame) -> pd.DataFrame:
    """The program's marks of the rows of `read`, a column a mark. learnt: set of marks -> of
    `sentence_marks.learn`.
    """
    return sentence_marks.every_mark(encoder, learnt, rows.text.tolist())


def flagged(program: pd.DataFrame, rows: pd.DataFrame, mark: str) -> pd.Series:
    """Which sentences of the nine systems carry a mark, of those drawn at random or for this mark:
    those drawn for another one would overstate how often the two come together.
    """
    drawn = rows.drawn.isin((RANDOM, f"flagged {mark}"))
    return program[mark] & drawn & rows.system.isin(results.SYSTEMS)


def for_gates(program: pd.DataFrame, rows: pd.DataFrame) -> dict[str, tuple]:
    """What the gates of each mark count (`gates.READ`): whether it is given (1 or 0) to each of the
    systems' sentences at random in which the first reader finds what it is for, and to each in
    which he does not; and whether he finds it (1 or 0) in each sentence that carries it.

    program: of `by_program`; rows: of `read`.
    """
    at_random = (rows.drawn == RANDOM) & rows.system.isin(results.SYSTEMS)
    found = {}
    for mark in program:
        given, has = program[mark].astype(float), rows[mark] == 1
        right = has[flagged(program, rows, mark)].astype(float)
        found[mark] = given[at_random & has], given[at_random & ~has], right
    return found


def add_records(run, program: pd.DataFrame, rows: pd.DataFrame, scorer: str) -> None:
    """Record how far the marks agree with the readers (as `sentence_marks.add_agreement`; group
    OF_SYSTEMS), how many sentences that carry a mark each reader finds right (group FLAGGED), and
    the share of each system's twenty sentences with the mark, by the program and by the first
    reader. program: of `by_program`; rows: of `read`.
    """
    at_random = rows.drawn == RANDOM
    nine = at_random & rows.system.isin(results.SYSTEMS)
    sentence_marks.add_agreement(run, program[nine], rows[nine], scorer, OF_SYSTEMS)
    for mark in program:
        carries = flagged(program, rows, mark)
        for pair, reader in ((FIRST, mark), (SECOND, f"{mark}_second")):
            if carries.any():
                run.add_mean(
                    rows[reader][carries],
                    table=TABLE,
                    system=pair,
                    metric="precision",
                    group=mark + FLAGGED,
                    kind="share",
                    scorer=scorer,
                    signature=(
                        "share of the systems' sentences with the mark, drawn at random or "
                        "because they had it, in which the reader finds it"
                    ),
                    unit="sentences",
                )
        for system, part in rows[at_random].groupby("system", sort=False):
            for metric, values in ((BY_PROGRAM, program[mark]), (BY_READER, rows[mark])):
                run.add_mean(
                    values[part.index],
                    table=TABLE,
                    system=system,
                    metric=metric,
                    group=mark + OF_SYSTEMS,
                    kind="share",
                    scorer=scorer if metric == BY_PROGRAM else "readers",
                    signature="share of the system's sentences at random that have the mark",
                    unit="sentences",
                )
