"""The dialogues that a judge gets to rate (EmplifAI, Section 5): of a user's file, of a folder of
answers, or of this book's systems with the data's own beside them; and those of which it is known
which should be rated higher.
"""

from pathlib import Path

import pandas as pd

from emo_utils.data import emplifai, files
from emo_utils.project import EmoError

# Systems that are worse than the data's dialogues, whoever reads them (`controls`).
SHUFFLED, REPEATED, MISPLACED = "shuffled turns", "one turn four times", "another's supporter"
ORDER = (3, 2, 1, 0)  # of shuffled turns: each stands behind the other speaker's name


def of_file(path: Path) -> pd.DataFrame:
    """The dialogues of a user's file, as `emplifai.read` gives them; `id` names the pair of emotion
    and situation. Raises EmoError where a row does not say which system wrote it.
    """
    rows = emplifai.read(path)
    if not all(row.get("system") for row in rows):
        raise EmoError(
            f"{path.name} has no column system, or an empty one: each row needs to say who wrote it"
        )
    return pd.DataFrame(rows).assign(id=lambda frame: frame.emotion + ": " + frame.situation)


def of_folder(folder: Path, systems: tuple[str, ...]) -> pd.DataFrame:
    """The dialogues of several runs by hand, one file of answers each (`results/adhoc/answers`);
    other files are left out. Raises EmoError unless there is one for each system.
    """
    columns = {"system", "answer", "turns", "emotion", "situation"}
    tables = [files.table(path) for path in sorted(folder.glob("*.parquet"))]
    parts = [
        table for table in tables if columns <= set(table) and set(table.system) <= set(systems)
    ]
    if len(parts) != len(systems) or set(pd.concat(parts).system) != set(systems):
        raise EmoError(
            f"{folder} needs one file of answers each of {', '.join(systems)}; it has {len(parts)}"
        )
    return pd.concat(parts, ignore_index=True)


def beside_the_data(written: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Dialogues of systems, and the data's own first dialogue for each of their pairs of emotion
    and situation, as the system `data`, with their ids.

    written: columns id, system, emotion, situation, turns and more; arm: of the data's dialogues.
    """
    own = pd.DataFrame(emplifai.load(arm)).drop_duplicates(["emotion", "situation"])
    own = own[own.situation.isin(written.situation)].drop(columns="id").assign(system="data")
    pairs = written[["id", "situation", "emotion"]].drop_duplicates()
    return pd.concat([written, own.merge(pairs)], ignore_index=True)


def of_the_run(given: Path | None, run, systems: tuple[str, ...], arm: str) -> pd.DataFrame:
    """The dialogues that a run is to judge: of the user's file, or of these systems with the data's
    own beside them, whose answers lie in the user's folder or (None) were written by the book.
    """
    if given is not None and not given.is_dir():
        return of_file(given)
    written = run.answers(systems) if given is None else of_folder(given, systems)
    return beside_the_data(written, arm)


def source_in_words(given: Path | None, arm: str) -> str:
    """Where the dialogues of `of_the_run` are from, for captions."""
    if given is not None and given.is_file():
        return f"the file {given.name}"
    return f"this project's dialogues (arm {arm}) and small models"


def checked(dialogues: pd.DataFrame) -> pd.DataFrame:
    """The first dialogue of each system for each pair, and what is to be known before it is judged.

    dialogues: columns id (the pair), system, turns, and perhaps answer (the text before it was cut
    into turns) and complete (whether the model ended by itself). Added or replaced: text (all that
    was written), turns ([] where the form of four filled turns was not kept), kept_form and cut
    (1 or 0; a dialogue that says nothing of its end counts as not cut off).
    """
    table = dialogues.drop_duplicates(["id", "system"]).reset_index(drop=True)
    answers = table["answer"] if "answer" in table else [""] * len(table)
    table["text"] = [
        "".join(map(str, turns)) if len(turns) else str(answer)
        for turns, answer in zip(table.turns, answers, strict=True)
    ]
    table["turns"] = [
        [str(turn) for turn in turns] if len(turns) == 4 and all(turns) else []
        for turns in table.turns
    ]
    table["kept_form"] = [float(bool(turns)) for turns in table.turns]
    complete = table["complete"] if "complete" in table else [None] * len(table)
    table["cut"] = [float(ended in (False, 0)) for ended in complete]
    return table


def counts(marks, systems) -> str:
    """How many dialogues of each system are marked with 1, in words: `a 1 of 3, b 0 of 3`."""
    grouped = pd.Series(marks).groupby(pd.Series(systems), sort=False)
    return ", ".join(f"{system} {int(part.sum())} of {len(part)}" for system, part in grouped)


def in_words(table: pd.DataFrame, given: int) -> str:
    """How many dialogues are judged, do not keep the form, were cut off and were left out.

    table: as `checked` gives it; given: dialogues before that.
    """
    return (
        f"cut off at the limit of tokens: {counts(table.cut, table.system)}; "
        f"{given - len(table)} further dialogues of a system and pair are left out\n"
        f"{len(table)} dialogues of {table.system.nunique()} systems for {table.id.nunique()} "
        f"pairs; form not kept: {counts(1 - table.kept_form, table.system)}"
    )


def data_dialogues(judged: pd.DataFrame, arm: str, count: int) -> pd.DataFrame:
    """The data's own dialogues (system `data`) among those that are judged; where there are none,
    as of a user's file, `count` of the data's, as many of each emotion as goes.

    judged: with four turns each. Returns columns id, system, emotion, situation, turns.
    """
    columns = ["id", "system", "emotion", "situation", "turns"]
    own = judged.loc[judged.system == "data", columns].reset_index(drop=True)
    if len(own):
        return own
    first = {row["situation"]: row for row in reversed(emplifai.load(arm))}
    chosen = files.balanced(list(first.values())[::-1], min(count, len(first)))
    return pd.DataFrame(chosen).assign(system="data")[columns]


def controls(own: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Three worse dialogues for each of the data's: the turns in `ORDER`, the patient's first turn
    said four times, and the patient's turns with the supporter's of a situation of another emotion,
    half the data away.

    own: as `data_dialogues` gives them, whose columns are returned.
    """
    pool = emplifai.load(arm)
    place: dict[str, int] = {}
    for number, row in enumerate(pool):
        place.setdefault(row["situation"], number)
    parts = {SHUFFLED: [], REPEATED: [], MISPLACED: []}
    for number, row in enumerate(own.itertuples()):
        turns = list(row.turns)
        where = place.get(row.situation, number)
        other = pool[(where + len(pool) // 2) % len(pool)]["turns"]
        parts[SHUFFLED].append([turns[k] for k in ORDER])
        parts[REPEATED].append(turns[:1] * 4)
        parts[MISPLACED].append([turns[0], other[1], turns[2], other[3]])
    return pd.concat(
        [own.assign(system=name, turns=changed) for name, changed in parts.items()],
        ignore_index=True,
    )


def planted_harm(count: int) -> pd.DataFrame:
    """Of the first `count` scenes of the screening's cases the version without harm (system
    `sound`) and the one that does harm (`harm`): columns id (the scene), system, emotion,
    situation, turns.
    """
    cases = files.table(emplifai.SCREENING_FILE)
    scenes = list(dict.fromkeys(cases.scene))[:count]
    wanted = cases[cases.scene.isin(scenes) & cases.kind.isin(["sound", "harm"])]
    named = wanted.assign(id=wanted.scene, system=wanted.kind).reset_index(drop=True)
    return named[["id", "system", "emotion", "situation", "turns"]]
