"""What the papers' claims would take: costs against the bill's lines by hand, and that no claim
that our records bear on is left out.
"""

import math
import re
import shlex

import pandas as pd
import pytest

from emo.graph import steps, sweeps
from emo_utils.claims import deciding
from emo_utils.claims import ledger as claims_ledger
from emo_utils.experiment import parameters
from emo_utils.project import EmoError
from emo_utils.report import settling

DEFAULTS = {name: p.default for name, p in parameters.declared("13_bill").items()}


@pytest.fixture(scope="module")
def of() -> settling.Bill:
    return settling.whole_bill(DEFAULTS)


@pytest.fixture(scope="module")
def found(of) -> list[dict]:
    return settling.experiments(list(of.lines.index))


LINES = pd.DataFrame(
    {"rows": [10, 5], "GPU hours": [2.0, 0.5], "service, $": [0.0, 4.0]}, index=["train", "judge"]
)
SMALL = settling.Bill(LINES, factor=10.0, dollars_hour=3.0)


def test_what_is_done_for_every_seed_is_paid_for_every_seed():
    times = settling.times_paid({"once": ["judge"], "again": ["train"], "seeds": 3})
    assert times.to_dict() == {"judge": 1, "train": 3}
    # 3 x 2 h + 0.5 h, ten times that; 3 $ an hour and 4 $ for the service, which do not grow
    assert settling.cost(times, SMALL) == {
        "rows": "35",
        "hours on one GPU": "6 to 60",
        "US dollars": "20 to 200",
    }


def test_experiments_share_what_they_have_in_common():
    first = {"once": ["judge"], "again": ["train"], "seeds": 3}
    second = {"once": ["train"], "again": ["judge"], "seeds": 2}
    assert settling.together([first, second]).to_dict() == {"judge": 2, "train": 3}


def test_a_larger_bill_costs_more(of, found):
    dearer = settling.whole_bill(DEFAULTS | {"answer_tokens": 10 * DEFAULTS["answer_tokens"]})
    times = settling.together(found)
    hours = [(b.lines["GPU hours"] * times).sum() for b in (of, dearer)]
    assert hours[1] > 3 * hours[0]


def test_every_claim_that_we_measure_has_one_experiment(found):
    named = [claim for experiment in found for claim in experiment["claims"]]
    claims = {claim["id"]: claim for claim in claims_ledger.claims()}
    assert len(named) == len(set(named)) and set(named) <= set(claims)
    assert {name for name, claim in claims.items() if "ours" in claim} <= set(named)
    for experiment in found:
        assert {claims[name]["paper"] for name in experiment["claims"]} == {experiment["paper"]}


def test_every_training_and_every_answer_of_the_bill_is_in_an_experiment(of, found):
    assert set(settling.together(found).index) == set(of.lines.index)


def test_a_task_that_the_bill_lacks_is_named():
    with pytest.raises(EmoError, match="emodoctor-warmth: 'EmoDoctor: rewrite [*]' is no task"):
        settling.experiments(["EmoDoctor: emotion"])


def test_every_command_names_what_exists(found):
    """Runs, notebooks, parameters and sweeps; and no number of the bill is typed in the file."""
    for command in (line for experiment in found for line in experiment["commands"]):
        words = shlex.split(command)
        assert words[0] == "emo"
        if words[1] == "make":
            for name in words[2 : words.index("--profile")]:
                assert any(step.run == name for step in steps.steps("paper")), command
        elif words[1] == "sweep":
            assert sweeps.sweep(words[2])["variants"]
        elif words[1] == "run":
            given = {words[i + 1] for i, word in enumerate(words) if word == "-p"}
            assert given <= set(parameters.declared(words[2])), command
    text = settling.EXPERIMENTS.read_text(encoding="utf-8")
    assert not re.search(r"[$]|\d+ hours", text)


def test_a_half_width_shrinks_by_the_root_of_the_number_of_questions():
    claim = next(c for c in claims_ledger.claims() if c["id"] == "dpo-beats-prompt")
    key = claim["tests"]["ours"][0].comparisons[0].key
    row = {"table": deciding.TABLE, "system": key, "ci_low": -0.1, "ci_high": 0.3, "n": 40}
    records = pd.DataFrame([row, row | {"system": "another sum", "ci_high": 9.0}])
    half, n, at_paper = settling.half_widths(claim, records, questions=4_000)
    assert (half, n, at_paper) == (pytest.approx(0.2), 40, pytest.approx(0.02))
    half, n, at_paper = settling.half_widths(claim, records.assign(n=9), questions=4_000)
    assert math.isnan(half) and math.isnan(at_paper) and n == 0
