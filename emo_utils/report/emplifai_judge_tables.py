"""What chapter 9.3 shows: the judge's ratings, lengths, the screening, two judges side by side, the
claims, and the kept full run.

`shown_…` gives a table as the page has it, with its caption, or prints what stands in its place
where this run has none.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from IPython.display import HTML

from emo_utils.claims import emplifai_ratings, ledger
from emo_utils.data import emplifai
from emo_utils.experiment.runs import Run
from emo_utils.judging import judged_dialogues, rubrics
from emo_utils.people import rating_kit
from emo_utils.report import figures, gate_tables, kept_runs, result_tables
from emo_utils.report.emplifai_tables import by_system_and_group, of_group, published, show_or_say
from emo_utils.scoring import lengths
from emo_utils.stats.intervals import ENOUGH

KEPT = kept_runs.REFERENCE / "emplifai_judge.json"
TABLE4, TABLE7, DIFFERENCES = "emplifai.table4", "emplifai.table7", "emplifai.table4.differences"
JUDGES, SCREENING = "emplifai.judges", "emplifai.screening"
LENGTH_CONTROLLED = "length controlled"


@dataclass(frozen=True)
class Judged:
    """A finished run of the chapter as its captions speak of it.

    records: of the run. dialogues: those that were judged, as `judged_dialogues.checked` gives
    them. source: where they are from, in words. how: the signature of the ratings.
    """

    run: Run
    records: pd.DataFrame
    dialogues: pd.DataFrame
    source: str
    how: str

    @property
    def pairs(self) -> int:
        """How many pairs of an emotion and a situation were judged."""
        return self.dialogues.id.nunique()

    @property
    def cut_off(self) -> str:
        """How many dialogues of each system were cut off at the limit of tokens, in words."""
        return judged_dialogues.counts(self.dialogues.cut, self.dialogues.system)

    @property
    def judged_by(self) -> str:
        return judged_by(self.run.values["judge_model"])

    def part(self, table: str) -> pd.DataFrame:
        return self.records[self.records.table == table]


def published_ratings(printed: pd.DataFrame) -> pd.DataFrame:
    """Table 4 as printed, a row a system and a column a rubric; printed: of `ledger.published`."""
    return published(printed, TABLE4).reindex(columns=list(rating_kit.RUBRICS))


def shown_published(run, printed: pd.DataFrame) -> HTML:
    """The table of `published_ratings`."""
    return result_tables.show(
        published_ratings(printed),
        run,
        "Published, as printed (n = 100 pairs, judge Gemini-2.5-Flash).",
    )


def shown_levels(judged: Judged) -> HTML:
    """The mean expected level of each system on each rubric."""
    return result_tables.show(
        of_group(judged.records, TABLE4),
        judged.run,
        f"Ours: expected level from 1 to 5, n = {judged.pairs} pairs of {judged.source}. "
        f"Cut off at the limit of tokens: {judged.cut_off}. {judged.judged_by}. "
        f"How: {judged.how}.",
    )


def shown_differences(judged: Judged) -> HTML | None:
    """What tuning changed, pair by pair."""
    return show_or_say(
        by_system_and_group(judged.part(DIFFERENCES)),
        judged.run,
        f"Differences of expected levels, pair by pair, n = {judged.pairs}. {judged.judged_by}.",
        "the systems of chapter 9.2 are not in this run",
    )


def shown_other_readings(judged: Judged) -> HTML:
    """The table of `other_readings`."""
    enough = (judged.part(TABLE4).group == LENGTH_CONTROLLED).any()
    too_few = "" if enough else " (too few dialogues keep the form to control for length)"
    return result_tables.show(
        other_readings(judged.records),
        judged.run,
        "The same ratings of dialogues that keep the form alone, as most probable levels"
        f"{too_few}, with length controlled where that row is here; n = {judged.pairs} pairs. "
        f"{judged.judged_by}.",
    )


def shown_gates(judged: Judged) -> HTML:
    """The gates of this judge."""
    return gate_tables.shown(
        judged.records,
        judged.run,
        judged.judged_by,
        items="dialogues",
        begins="Gates of this judge. ",
    )


def shown_published_lengths(run, printed: pd.DataFrame) -> HTML:
    """Table 7 as printed, with the quotient of its two means."""
    return result_tables.show(
        published_lengths(printed),
        run,
        "Published (Appendix D), of what it calls responses; "
        "the last column is ours, the quotient of the two means.",
    )


def shown_length_readings(run, printed: pd.DataFrame) -> HTML:
    """Table 7 under each reading of its unit."""
    return result_tables.show(
        length_readings(printed),
        run,
        "Table 7 read in three ways: characters of the ten printed dialogues, how many times as "
        "many Table 7 prints for crowd workers, and of a dialogue of each system under that "
        "reading.",
    )


def shown_lengths(judged: Judged) -> HTML:
    """How long the judged dialogues are."""
    return result_tables.show(
        of_group(judged.records, TABLE7),
        judged.run,
        f"Length of a dialogue, n = {judged.pairs} pairs of {judged.source}. "
        f"Cut off at the limit of tokens, and so longer than shown: {judged.cut_off}. "
        f"95 % interval over pairs. Words: {lengths.words_signature()}.",
    )


def shown_screening(judged: Judged) -> HTML | None:
    """How often planted cases stood out."""
    planted = judged.part(SCREENING)
    return show_or_say(
        screening(judged.records),
        judged.run,
        "How often a planted case of the kind that is asked for gets a higher probability "
        "than another version of the same scene; .5 is guessing. "
        f"n = {planted.n.max()} scenes. Asked: {judged.run.values['judge_model']}.",
        "not part of this run (screen_rows = 0); see the full run below",
    )


def shown_to_read_first(
    judged: Judged, screened: pd.DataFrame, readable: pd.DataFrame
) -> HTML | None:
    """The dialogues that the screening marked most strongly.

    screened: the decisions on its questions, by index into `readable`, the dialogues that keep the
    form.
    """
    yes = screened[screened.option == rubrics.YES] if len(screened) else screened
    first = to_read_first(yes, readable, judged.run.values["arm"]) if len(yes) else yes
    return show_or_say(
        first,
        judged.run,
        f"The highest probabilities among {len(readable)} dialogues; the judge is "
        f"{judged.run.values['judge_model']}. "
        "Marked for a person to decide, and decided by nobody.",
        "nothing to screen",
        index=False,
    )


def shown_two_judges(judged: Judged, both: pd.DataFrame) -> HTML | None:
    """How far two judges lie apart; both: the ratings of dialogues that both rated."""
    return show_or_say(
        by_system_and_group(judged.part(JUDGES)),
        judged.run,
        f"Two judges on the same {len(both[['id', 'system']].drop_duplicates())} dialogues, "
        "for each rubric; mad: mean absolute difference of levels. 95 % intervals.",
        "too few dialogues keep the form for a comparison",
    )


def shown_claims(judged: Judged) -> HTML | None:
    """The paper's claims on fine-tuning by this run's ratings."""
    decided = (judged.records.metric == "combination").any()
    return show_or_say(
        ledger.verdicts(judged.records, (TABLE4,)) if decided else pd.DataFrame(),
        judged.run,
        f"Claims on fine-tuning, by ours in the {judged.run.profile} profile, "
        f"n = {judged.pairs} pairs: the untuned model is ours, of half a billion weights. "
        f"{judged.judged_by}.",
        f"no verdict with fewer than {ENOUGH} pairs rated for all systems: "
        "an interval over so few is narrow by chance",
        index=False,
    )


def screening(records: pd.DataFrame) -> pd.DataFrame:
    """How often planted cases stood out, a row each question, a column each other version."""
    planted = records[records.table == "emplifai.screening"]
    return result_tables.grid(planted, columns="group").sort_index(axis=1)


def judged_by(judge: str) -> str:
    """What an interval over pairs covers, and what is not known of the judge, for captions."""
    return (
        f"{result_tables.CHECKPOINT.replace('test items', 'pairs')}. Judge: {judge}, "
        "whose agreement with people on dialogues nobody has measured"
    )


def to_read_first(
    yes: pd.DataFrame, dialogues: pd.DataFrame, arm: str, count: int = 6
) -> pd.DataFrame:
    """The dialogues that a screening marked with the highest probabilities.

    yes: rows state (index into dialogues), question, probability. dialogues: columns system,
    situation, turns; arm: of the data's dialogues beside them.
    """
    # The first dialogue of a situation, which is the one that is judged.
    of_data = {row["situation"]: row["gloss"] for row in reversed(emplifai.load(arm))}
    highest = yes.sort_values("probability", ascending=False, kind="stable").head(count)
    marked = dialogues.loc[highest.state]
    return pd.DataFrame(
        {
            "asked for": highest.question.to_numpy(),
            "probability of yes": highest.probability.round(2).to_numpy(),
            "system": marked.system.to_numpy(),
            "supporter": [" ／ ".join(turns[1::2]) for turns in marked.turns],
            "the data's dialogue of that scene, in English": [
                of_data.get(situation, "") for situation in marked.situation
            ],
        }
    )


def two_judges(ratings: pd.DataFrame) -> str:
    """The expected levels of one dialogue by two judges, a line each rubric; ratings: columns
    metric, expected, expected_second.
    """
    return "\n".join(
        f"{rating_kit.RUBRICS[r.metric]['english']}: {r.expected:.1f} and {r.expected_second:.1f}"
        for r in ratings.itertuples()
    )


def furthest_apart(both: pd.DataFrame, count: int) -> list[tuple[str, str]]:
    """The `count` dialogues (pair, system) on which two judges lie furthest apart: mean absolute
    difference over rubrics, the furthest first. both: columns id, system, expected,
    expected_second, without gaps.
    """
    apart = (both.expected - both.expected_second).abs()
    means = apart.groupby([both.id, both.system], sort=False).mean()
    return list(means.sort_values(ascending=False, kind="stable").index[:count])


def disputed(
    both: pd.DataFrame, texts: dict[tuple[str, str], str], english: list[str], judge: str, run
) -> list[HTML]:
    """Dialogues beside the ratings of two judges, and their English where there is one.

    both: ratings of both judges. texts: the dialogues to show, by pair and system. english: one a
    text, empty for none; judge: who translated.
    """
    shown = []
    for ((pair, system), text), translated in zip(texts.items(), english, strict=True):
        of_dialogue = both[(both.id == pair) & (both.system == system)]
        columns = {system: text, "first and second judge": two_judges(of_dialogue)}
        if translated:
            columns[f"in English by {judge}, unchecked, cut off at 80 tokens"] = translated
        shown.append(result_tables.side_by_side_texts(columns, run))
    return shown


def published_lengths(printed: pd.DataFrame) -> pd.DataFrame:
    """Table 7 as printed, and the quotient of its two means as `characters a word`."""
    lengths = published(printed, "emplifai.table7")
    per_word = lengths.characters.astype(float) / lengths.words.astype(float)
    return lengths.assign(**{"characters a word": per_word.round(1)})


def characters_a_word(printed: pd.DataFrame, dialogues: pd.DataFrame) -> str:
    """Characters a word in Table 7 and in our dialogues (columns characters, words), in words."""
    published_quotients = published_lengths(printed)["characters a word"]
    ours = dialogues.characters.sum() / dialogues.words.sum()
    return (
        f"characters a word: published {published_quotients.min():.1f} to "
        f"{published_quotients.max():.1f}; here, by Sudachi, {ours:.1f}"
    )


def length_readings(printed: pd.DataFrame) -> pd.DataFrame:
    """`emplifai_ratings.length_readings` in whole characters, the quotient to one digit."""
    readings = emplifai_ratings.length_readings(printed)
    times = readings["crowdworkers, times that"]
    return readings.round().astype(int).assign(**{times.name: times.round(1)})


def closest_reading(printed: pd.DataFrame, dialogues: pd.DataFrame) -> str:
    """Under which reading of Table 7's unit the crowd workers' mean is nearest to that of their
    printed examples, and how long our dialogues (columns system, characters) are, in words.
    """
    times = emplifai_ratings.length_readings(printed)["crowdworkers, times that"]
    closest = (times - 1).abs().idxmin()
    of_ours = dialogues.groupby("system", sort=False).characters.mean()
    return (
        f"Read as characters of {closest}, the crowd workers' mean is {times[closest]:.2f} times "
        "that of the printed examples; as those of a supporter's turn, "
        f"{times.iloc[-1]:.1f} times. Characters of a dialogue here: "
        + ", ".join(f"{figures.named(system)} {mean:.0f}" for system, mean in of_ours.items())
    )


def other_readings(records: pd.DataFrame) -> pd.DataFrame:
    """The ratings of dialogues that keep the form, the most probable levels, and those with length
    controlled, a row each group and system.
    """
    groups = ["where the form is kept", "most probable level", "length controlled"]
    of_groups = records[records.group.isin(groups)]
    key = of_groups.group.map(groups.index)
    return by_system_and_group(of_groups.loc[key.sort_values(kind="stable").index])


def full_judging(path: Path) -> list[HTML]:
    """The kept full run of the judge: its tables, those that have records, the claims by them, and
    the screening.
    """
    kept, origin = kept_runs.kept(path), kept_runs.kept_source(path)
    table4 = kept[kept.table == "emplifai.table4"]
    judge, pairs = table4.scorer.iloc[0], table4.n.max()
    tables = {
        "Table 4": of_group(kept, "emplifai.table4"),
        "Differences": by_system_and_group(kept[kept.table == "emplifai.table4.differences"]),
        "Where the form is kept": of_group(kept, "emplifai.table4", "where the form is kept"),
        "With length controlled": of_group(kept, "emplifai.table4", "length controlled"),
        "Table 7": of_group(kept, "emplifai.table7"),
        "Two judges": by_system_and_group(kept[kept.table == "emplifai.judges"]),
    }
    shown = [
        result_tables.show(
            table, origin, f"{name}, full run; n = {pairs} pairs. {judged_by(judge)}."
        )
        for name, table in tables.items()
        if len(table)
    ]
    if (kept.metric == "combination").any():
        claims = ledger.verdicts(kept, ("emplifai.table4",), "longer run")
        caption = f"The paper's claims on fine-tuning by the full run. {judged_by(judge)}."
        shown.append(result_tables.show(claims, origin, caption, index=False))
    return [*shown, _full_screening(kept, origin)]


def _full_screening(kept: pd.DataFrame, origin) -> HTML:
    planted = kept[(kept.table == "emplifai.screening") & (kept.interval != "none")]
    return result_tables.show(
        screening(kept),
        origin,
        f"Screening, full run; n = {planted.n.max()} planted scenes, all of them, "
        "as nothing was tuned on any. 95 % interval over scenes. "
        f"Asked: {planted.scorer.iloc[0]}.",
    )


def full_judging_in_words(kept: pd.DataFrame) -> str:
    """How far the tuned model and the data lie apart where both keep the form, and how often the
    screening guesses, in the kept full run of the judge.
    """
    keeping_form = (kept.table == "emplifai.table4") & (kept.group == "where the form is kept")
    level = kept[keeping_form].pivot(index="metric", columns="system", values="value")
    apart = (level["emplifai-sft"] - level["data"]).abs()
    planted = kept[(kept.table == "emplifai.screening") & (kept.interval != "none")]
    guesses = ((planted.ci_low <= 0.5) & (planted.ci_high >= 0.5)).sum()
    return (
        "Where the form is kept, the tuned model's dialogues and the data's are rated "
        f"{apart.max():.2f} levels apart at most, over {len(apart)} rubrics.\n"
        f"Screening: {guesses} of {len(planted)} intervals hold one half, which is guessing."
    )
