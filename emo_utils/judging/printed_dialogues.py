"""The dialogues that EmplifAI prints because its judge and people rate them most differently
(Appendix E), rated by our judge: whom does it follow?
"""

import pandas as pd

TABLE = "emplifai.appendix_e"
JUDGE, PEOPLE, OURS, BELOW = "paper's judge", "people", "our judge", "rated lower by ours"
SOURCES = (JUDGE, PEOPLE, OURS, BELOW)


def followed(rows: list[dict], ratings: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Each printed rating beside ours: columns id, metric, and SOURCES; `rated lower by ours` is
    the share of our data's dialogues that our judge rates lower on that rubric, with half of the
    ties.

    The paper's levels and ours are on scales of their own, since judge and rubrics differ: how far
    up our judge puts a dialogue among sound ones says more than the level.

    rows: of `printed_texts.dialogues`. ratings, own: of `rubrics.rated`, of the printed dialogues
    and of the data's.
    """
    levels = ratings.set_index(["id", "metric"]).expected
    found = []
    for row in rows:
        for metric, (judge, people) in row["ratings"].items():
            level = levels[row["id"], metric]
            others = own.expected[own.metric == metric].dropna()
            lower = ((others < level) + 0.5 * (others == level)).mean()
            found.append((row["id"], metric, judge, people, level, lower))
    return pd.DataFrame(found, columns=["id", "metric", *SOURCES])


def add_followed(run, table: pd.DataFrame, own: int, scorer: str, how: str) -> None:
    """Record every rating of `followed` (group: the dialogue; one rating, so that it has no
    interval), and over all the distance of our levels to the paper's judge and to people (metric
    `mad`; dialogues are what is sampled).

    own: how many of our data's dialogues the share is of.
    """
    about = {"table": TABLE, "unit": "printed dialogues"}
    for row in table.to_dict("records"):
        for source in SOURCES:
            of_ours = source in (OURS, BELOW)
            run.add_mean(
                [row[source]],
                **about,
                system=source,
                metric=row["metric"],
                group=f"dialogue {row['id']}",
                scorer=scorer if of_ours else "as printed",
                signature=f"{how}; {own} dialogues of the data" if of_ours else "Appendix E",
            )
    for source in (JUDGE, PEOPLE):
        run.add_mean(
            (table[OURS] - table[source]).abs(),
            **about,
            system=source,
            metric="mad",
            units=table.id,
            scorer=scorer,
            signature=f"absolute difference of levels to ours; {how}",
        )
