"""Ways to score emotion, as `benchmarks/emotion.py` measured and kept them."""

import html
import json

import pandas as pd
from IPython.display import HTML

from emo_utils.project import REFERENCE
from emo_utils.report import result_tables

KEPT = REFERENCE / "emotion_ways.json"
NONE = HTML("<p>no table of ways is kept; benchmarks/emotion.py --keep makes it</p>")
ON_TEXTS = {
    "warm answer above the doctor's": "the doctor's",
    "the same without listed phrases": "the doctor's, without listed phrases",
    "warm answer above padding alone": "padding alone",
    "warm answer above a polite refusal": "a polite refusal",
}


def against_people() -> HTML:
    """AUC of each way against each label that people gave, with its interval."""
    if not KEPT.is_file():
        return NONE
    table, about = _kept()
    part = table[table.measure == "auc"]
    sizes = part.drop_duplicates("on")
    texts = "; ".join(f"{r.on}, {r.n} texts" for r in sizes.itertuples())
    caption = (
        f"AUC against people's labels, 95 % intervals over conversations or comments ({texts})."
    )
    return _shown(part, "on", caption, about, "{:.2f} [{:.2f}, {:.2f}]")


def on_our_texts(arm: str) -> HTML:
    """How far the warm answers of an arm lie above other texts, by each way on its own scale."""
    if not KEPT.is_file():
        return NONE
    table, about = _kept()
    part = table[(table.on == arm) & table.measure.isin(ON_TEXTS)]
    part = part.assign(than=part.measure.map(ON_TEXTS))
    caption = (
        f"The warm answers of {arm} above other texts: mean paired difference, 95 % intervals over "
        f"n = {part.n.max()} questions. Below 0 the other text scores higher; each way has a scale "
        "of its own, so that signs may be compared and sizes may not."
    )
    return _shown(part, "than", caption, about, "{:+.2f} [{:+.2f}, {:+.2f}]")


def _kept() -> tuple[pd.DataFrame, dict]:
    content = json.loads(KEPT.read_text(encoding="utf-8"))
    return pd.DataFrame(content["table"]), content["about"]


def _shown(part: pd.DataFrame, columns: str, caption: str, about: dict, cell: str) -> HTML:
    """A row a way, in the order of the table."""
    numbers = zip(part.value, part.ci_low, part.ci_high, strict=True)
    wide = part.assign(cell=[cell.format(*each) for each in numbers])
    wide = wide.pivot(index="way", columns=columns, values="cell")
    wide = wide.reindex(index=part.way.unique(), columns=part[columns].unique())
    wide = wide.reset_index().rename_axis(columns=None)
    made = f"Made {about['measured']}, commit {about['commit'][:10]}, {about['device']}."
    body = wide.to_html(escape=True, index=False, border=0, classes="companion companion-claims")
    return HTML(f'<div class="{result_tables.BOX}">{html.escape(f"{caption} {made}")}{body}</div>')
