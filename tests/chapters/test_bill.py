"""The bill's formula against sums by hand."""

import pytest
from played import home_in, play

from emo_utils.project import EmoError


@pytest.fixture
def bill(tmp_path, monkeypatch, tiny):
    home_in(tmp_path, monkeypatch)
    return lambda **given: play("13_bill", until="rounded(value)", **given)


def test_hours_are_those_of_the_formula(bill):
    played = bill(training_share=0.5, reading_share=0.25, writing_share=0.5, batch=10)
    # 2 x 1e9 x 3 passes x 1e6 tokens = 6e15 operations; half of 989e12 a second
    assert played.training_hours(1.0, 1e6, 3) == pytest.approx(6e15 / 494.5e12 / 3600)
    assert played.reading_hours(1.0, 1e6) == pytest.approx(2e15 / 247.25e12 / 3600)
    # 100,000 steps of ten answers; each moves 2e9 bytes of weights and 10 x 300 x 1000 bytes
    # of what is kept, at 1.675e12 a second
    assert played.writing_hours(1.0, 1_000, 1e6, 300) == pytest.approx(
        1e5 * (2e9 + 3e6) / 1.675e12 / 3600
    )


def test_a_line_counts_tokens_hours_and_money(bill):
    played = bill()
    line = played.asked_line("x", "gpt-4o-mini", 1_000_000, 100, 10)
    assert line["million tokens in"] == 100 and line["million tokens out"] == 10
    assert line["service, $"] == pytest.approx(100 * 0.15 + 10 * 0.60) and "GPU hours" not in line
    own = played.asked_line("x", "Llama-3.1-8B", 1_000, 100, 0)
    assert (
        own["GPU hours"] == pytest.approx(played.reading_hours(8.03, 1e5))
        and "service, $" not in own
    )
    assert own["2 cores, days"] == pytest.approx(2 * 8.03e9 * 1e5 / played.CPU["read"] / 86400)
    trained = played.trained_line("x", "llm-jp-13B", "sft", 4_125, 300, 3, 3)
    assert trained["million tokens in"] == pytest.approx(3.7125) and trained["GB"] == pytest.approx(
        219.2
    )


def test_sums_sizes_and_eight_gpus(bill):
    played = bill(scaling=0.5)
    table, total = played.bill.set_index("item"), played.total
    assert total["GPU hours"] == pytest.approx(table["GPU hours"].sum()) and total[
        "eight GPUs, hours"
    ] == pytest.approx(total["GPU hours"] / 4)
    assert total["GPU, $"] == pytest.approx(total["GPU hours"] * 3.0)
    assert table["GPUs at least"].dropna().to_dict() == {
        **dict.fromkeys([task[0] for task in played.TRAINED], 1.0),
        "EmplifAI: SFT, all weights": 4.0,
    }  # 219 GB over 0.9 x 80
    # The papers' sizes: seven trainings of one epoch, 110,000 rewrites,
    # nine systems' answers to 7,000 questions.
    assert (
        sum(
            task[3]
            for task in played.TRAINED
            if task[0].startswith("EmoDoctor") and task[2] != "sft"
        )
        == 200_000
    )
    assert sum(task[2] for task in played.ASKED if "rewrite" in task[0]) == 110_000


def test_another_machine_and_longer_texts_cost_more(bill):
    hours = {
        name: bill(**given).total["GPU hours"]
        for name, given in {
            "h100": {},
            "v100": {"gpu": "V100"},
            "long": {"answer_tokens": 348},
        }.items()
    }
    assert hours["v100"] > 5 * hours["h100"] and hours["long"] > 1.2 * hours["h100"]


def test_the_rates_of_two_cores_are_the_kept_ones(bill):
    assert bill().CPU["sft"] == pytest.approx(592.9181516931844 * 2 * 2 * 134.5e6)


def test_halving_an_assumption_doubles_its_kind_only(tmp_path, monkeypatch, tiny):
    home_in(tmp_path, monkeypatch)
    played = play("13_bill", until="halved = ")
    trained = played.bill.loc[played.bill["GB"].notna(), "GPU hours"].sum()
    assert played.halved["training_share"] == pytest.approx(played.hours + trained)
    assert played.hours < played.halved["batch"] < played.halved["writing_share"] < 2 * played.hours
    assert played.training_share == 0.35, "the notebook's own value is back"


@pytest.mark.parametrize("given", [{"gpu": "H10"}, {"training_share": 0.0}, {"batch": 0}])
def test_what_is_no_machine_or_share_is_refused(bill, given):
    with pytest.raises(EmoError, match=f"parameter '{next(iter(given))}'"):
        bill(**given)
