"""Tables of chapter 1.1: scores of each kind of text, and the same questions in both arms."""

import pandas as pd
from IPython.display import HTML

from emo_utils.report import figures, result_tables

READ = ("doctor", "subtle", "overt")  # kinds of text that stand side by side


def shown_warmth(run, table: str, caption: str) -> HTML:
    """Mean and AUC of each kind of text, of the records of a table."""
    records = run.table()
    grid = result_tables.grid(records[records.table == table], counts=True)
    names = {"auc": "above the doctor (AUC)", "mean": "score"}
    return result_tables.show(grid.rename(columns=names), run, caption)


def shown_texts(
    run, overt: pd.DataFrame, texts: dict[str, pd.Series], scores: dict[str, pd.Series]
) -> HTML:
    """The first question of each emotion that both arms have, with its answers and their scores.

    overt: rows of the arm by id, columns emotion and emotional_question. texts, scores: kind -> one
    a question, by id.
    """
    both = overt.loc[scores["subtle"].index]
    chosen = both.groupby("emotion", sort=False).head(1)
    columns = {"question, with its emotion": chosen.emotional_question}
    for kind in READ:
        columns[figures.named(kind)] = [
            f"[{scores[kind][i]:.2f}] {texts[kind][i]}" for i in chosen.index
        ]
    return result_tables.show(
        pd.DataFrame(columns).set_index(chosen.emotion),
        run,
        f"The same questions in both arms; n = {len(chosen)} of {len(both)}.",
    )
