"""Sentences with readers' marks (cards: `data/sentences/`)."""

from emo_utils.data import files
from emo_utils.project import DATA

FILES = {
    name: DATA / "sentences" / f"{name}.jsonl"
    for name in (
        *("comfort_knowledge", "safety", "urgent", "planted", "addressed"),
        *("claims", "claim_sources", "chat", "of_systems"),
    )
}


def load(name: str) -> list[dict]:
    """Sentences with readers' marks (`comfort_knowledge`, `safety`):
    id, text, part and a 0 or 1 for each mark; checked as `files.rows_of` does. Marks are learnt
    from the part `train` and measured on `test`; sentences of rows that systems are tuned on are
    the part `tuned_on`: a mark that had learnt them would know the treatment by heart.

    `urgent`: the doctors' sentences of the test questions that call for care within a day, whatever
    else happens; their ids are those of the questions.
    `planted`: texts that a mark must leave alone (`has` is 0), and for *false calm* those that it
    is meant for, too (1); `mark` says which.
    `addressed`: sentences that speak to a judge of answers in place of a patient, and others;
    0 or 1 in that field, and their `kind`.
    `chat`: sentences as people write them to each other online; `warm`, 1 where one comforts or
    feels with its reader.
    `of_systems`: sentences of answers that a unit of the edition keeps, with readers'
    marks; `from` names unit, question and system, `drawn` says how each was chosen. Those of the
    part `read` have two readers and train nothing, those of `train` have one.
    `claims`: statements about the texts of `claim_sources`, named in `source`:
    `supported` (0 or 1) by it, and the kind of `change` where not.
    """
    return files.rows_of(files.named_file(name, FILES), ("id", "text", "part"), marks=True)


def claims(part: str, sources: int | None = None):
    """The statements of a part with the texts of their sources (pandas): columns of the file, with
    `source` the text that a statement is about and `name` its id; those of one source stand
    together.

    sources: how many of the part's sources are taken, in file order; None: all.
    """
    import pandas as pd

    texts = {row["id"]: row["text"] for row in load("claim_sources") if row["part"] == part}
    texts = dict(list(texts.items())[:sources])
    rows = pd.DataFrame([row for row in load("claims") if row["source"] in texts])
    return rows.assign(name=rows.source, source=rows.source.map(texts))
