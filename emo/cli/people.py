"""Rating forms: handing them out, and reading what comes back."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from emo.cli.options import app
from emo_utils.project import EmoError, write_atomic

Folder = Annotated[
    Path, Parameter(help="folder for the forms and their key, which raters must not see")
]
FormSeed = Annotated[int, Parameter(help="seed of groups, orders and codes")]


@app.command
def rating_sheets(
    file: Path,
    /,
    *,
    to: Folder,
    group_size: Annotated[int, Parameter(help="dialogues on a form")] = 10,
    raters: Annotated[int, Parameter(help="people who rate each dialogue")] = 3,
    seed: FormSeed = 42,
) -> int:
    """Make blinded, randomised forms with which people rate dialogues; they work offline, in any
    browser.

    :param file: a .jsonl, .csv or .parquet file: emotion, situation, turns (four texts), and id and
        system where there are several systems
    """
    from emo_utils.data import emplifai
    from emo_utils.people import forms

    # A file of one system's dialogues needs no column for it.
    dialogues = [{"system": file.stem} | row for row in emplifai.read(file)]
    return _handed_out(
        forms.make_sheets(dialogues, to, group_size, raters, seed), "dialogues", to, raters
    )


@app.command
def comparison_sheets(
    first: Path,
    second: Path,
    /,
    *,
    to: Folder,
    group_size: Annotated[int, Parameter(help="questions on a form")] = 10,
    raters: Annotated[int, Parameter(help="people who rate each question")] = 3,
    seed: FormSeed = 42,
) -> int:
    """Make blinded, randomised forms with which people compare two systems' answers to the same
    questions; they work offline, in any browser.

    :param first: answers of one system: a .jsonl, .csv or .parquet file with id, question and
        answer, such as results/embedded/answers/ebd-base.parquet
    :param second: answers of the other system
    """
    from emo_utils.data import files
    from emo_utils.people import forms

    tables = [files.table(path) for path in (first, second)]
    tables = [
        table if "system" in table else table.assign(system=path.stem)
        for table, path in zip(tables, (first, second), strict=True)
    ]
    made = forms.make_comparisons(*tables, to, group_size, raters, seed)
    if left := len(set(tables[0].id.astype(str)) ^ set(tables[1].id.astype(str))):
        print(f"left out: {left} questions that only one of the two answered")
    return _handed_out(made, "questions", to, raters)


def _handed_out(sheets, what: str, to: Path, raters: int) -> int:
    print(
        f"{len(sheets)} forms in {to / 'sheets'}: {sheets.group.nunique()} groups "
        f"of up to {sheets['items'].max()} {what}, each for {raters} people."
    )
    print(
        "Give every person one form of a group and a code; put the files that come back into "
        f"{to / 'returned'}, keep key.json to yourself, then: emo ratings {to}"
    )
    return 0


@app.command
def ratings(
    folder: Path,
    /,
    *,
    judge: Annotated[
        Path | None,
        Parameter(
            help="a judge's or other automatic scores: "
            ".jsonl, .csv or .parquet with id, system, metric, value"
        ),
    ] = None,
) -> int:
    """Check the files that raters returned, and say how far they agree, with each other and with a
    judge or other automatic scores. Ends with 1 where a file could not be taken.

    :param folder: the folder of `emo rating-sheets` or `emo comparison-sheets`, with the returned
        files in returned/
    """
    from emo_utils.data import files
    from emo_utils.people import agreement, rating_kit

    found, left_out, remarks = rating_kit.read_back(folder)
    print(
        *(f"left out: {text}" for text in left_out),
        *(f"note: {text}" for text in remarks),
        sep="\n",
    )
    if found.empty:
        raise EmoError(f"no ratings yet: there is no usable file in {folder / 'returned'}")
    compared = bool(found.against.any())
    what = "questions" if compared else "dialogues"
    print(
        f"{len(found)} ratings by {found.rater.nunique()} people "
        f"on {len(found[['id', 'system']].drop_duplicates())} {what}\n\n"
        f"Agreement between raters (Krippendorff's alpha, ordinal; 95 % interval over {what})"
    )
    print(agreement.agreement(found).round(2).to_string(index=False, na_rep="none"))
    if compared:
        print(
            f"\nChosen: {found.system.iloc[0]}, against {found.against.iloc[0]} "
            "(value: share of questions, no difference counts half; "
            "left: share of single choices for the left place)"
        )
        print(agreement.choices(found).round(2).to_string(index=False, na_rep="none"))
    if judge:
        judged = files.table(judge)
        if lacking := {"id", "system", "metric", "value"} - set(judged):
            raise EmoError(
                f"{judge.name} lacks the column '{sorted(lacking)[0]}'; "
                "it needs id, system, metric, value"
            )
        agreed = (agreement.against_scores if compared else agreement.against_judge)(found, judged)
        if agreed.empty or compared and not agreed.n.any():
            raise EmoError(
                f"{judge.name} scores none of the rated {what}: "
                "are its ids, systems and metrics those of the sheets?"
            )
        print(
            "\n"
            + (
                "How often the score is higher for the answer that people chose (0.5 is chance)"
                if compared
                else "The judge against the mean of the raters"
            )
            + "\n"
            + agreed.round(2).to_string(index=False, na_rep="")
        )
    table = rating_kit.for_spreadsheets(found)
    write_atomic(folder / "ratings.csv", table.to_csv(index=False))
    print(f"\nall ratings: {folder / 'ratings.csv'}")
    return 1 if left_out else 0
