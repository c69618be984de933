"""How far a judge's scores follow what people returned: what `emo ratings --judge` prints for
dialogues.
"""

import numpy as np
import pandas as pd

from emo_utils import stats
from emo_utils.project import EmoError
from emo_utils.ratings import ENOUGH


def against_judge(ratings: pd.DataFrame, judged: pd.DataFrame, seed: int = 42) -> pd.DataFrame:
    """How far a judge follows the mean of the raters (EmplifAI, Table 6), for each system and
    metric that it scored; dialogues are resampled.

    judged: columns id, system, metric, value (1 to 5, or missing). Returns columns system, metric,
    measure (`people`, `judge`: means; `difference`: mean absolute difference; `pearson`), value,
    low, high, n, unscored (rated dialogues without a score), note. No correlation is given for
    fewer than ENOUGH dialogues, nor where one of the two never varies (`constant`). Raises EmoError
    for a score off the scale, or given twice.
    """
    cells = ["id", "system", "metric"]
    judged = judged.astype(dict.fromkeys(cells, str)).assign(
        value=pd.to_numeric(judged.value, errors="coerce")
    )
    if (wrong := judged[(judged.value < 1) | (judged.value > 5)]).size:
        raise EmoError(
            f"the judge gives dialogue {wrong.id.iloc[0]!r} of {wrong.system.iloc[0]} "
            f"{wrong.value.iloc[0]:g} on {wrong.metric.iloc[0]}; the scale is 1 to 5"
        )
    if (twice := judged[judged.duplicated(cells)]).size:
        raise EmoError(
            f"the judge scores dialogue {twice.id.iloc[0]!r} of {twice.system.iloc[0]} twice "
            f"on {twice.metric.iloc[0]}; give one judge's scores at a time"
        )
    scored = judged[["system", "metric"]].drop_duplicates()
    people = ratings.groupby(cells, as_index=False, sort=False).value.mean().merge(scored)
    both, rows = people.merge(judged, on=cells, how="left", suffixes=("_people", "_judge")), []
    for (system, metric), part in both.groupby(["system", "metric"], sort=False):
        a, b = part.dropna()[["value_people", "value_judge"]].to_numpy(float).T
        common = {"system": system, "metric": metric, "n": len(a), "unscored": len(part) - len(a)}
        for measure, values in (
            {"people": a, "judge": b, "difference": np.abs(a - b)}.items() if len(a) else ()
        ):
            value, low, high = stats.mean_interval(values, seed)
            rows.append(
                common | {"measure": measure, "value": value, "low": low, "high": high, "note": ""}
            )
        still = [
            who for who, values in (("people", a), ("judge", b)) if len(a) and np.ptp(values) == 0
        ]
        note = (
            f"fewer than {ENOUGH} dialogues"
            if len(a) < ENOUGH
            else f"constant: {' and '.join(still)}"
            if still
            else ""
        )
        value, low, high = (np.nan,) * 3 if note else pearson_interval(a, b, seed)
        rows.append(
            common | {"measure": "pearson", "value": value, "low": low, "high": high, "note": note}
        )
    return pd.DataFrame(
        rows,
        columns=["system", "metric", "measure", "value", "low", "high", "n", "unscored", "note"],
    )


def pearson_interval(
    first, second, seed: int, resamples: int = stats.RESAMPLES
) -> tuple[float, float, float]:
    """Pearson's r of paired values and its 95 % interval; pairs are resampled, and samples in which
    one side is constant are left out.

    NaN where one is constant.
    """
    pairs = np.column_stack([first, second]).astype(float)
    if (np.ptp(pairs, axis=0) == 0).any():
        return (float("nan"),) * 3
    draws = [
        np.corrcoef(pairs[i].T)[0, 1]
        for i in stats.resample_indices(len(pairs), seed, resamples)
        if (np.ptp(pairs[i], axis=0) > 0).all()
    ]
    return float(np.corrcoef(pairs.T)[0, 1]), *stats.interval(np.array(draws))
