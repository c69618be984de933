"""The bill of chapter 13: its sums, its sizes and what a parameter changes."""

import pytest
from played import home_in, play

from emo_utils.project import EmoError


@pytest.fixture
def chapter(tmp_path, monkeypatch, tiny):
    home_in(tmp_path, monkeypatch)
    return lambda **given: play("13_bill", until="total = ", **given)


def test_sums_sizes_and_eight_gpus(chapter):
    played = chapter(scaling=0.5)
    table, total = played.lines.set_index("item"), played.total
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


def test_the_parameters_are_the_rates(chapter):
    played = chapter(gpu="L40S", training_share=0.5, reading_share=0.25, batch=10)
    assert played.rates.tflops == 362 and played.rates.batch == 10
    shares = (played.rates.training_share, played.rates.reading_share, played.rates.writing_share)
    assert shares == (0.5, 0.25, 0.5)


def test_another_machine_and_longer_texts_cost_more(chapter):
    hours = {
        name: chapter(**given).total["GPU hours"]
        for name, given in {
            "h100": {},
            "v100": {"gpu": "V100"},
            "long": {"answer_tokens": 348},
        }.items()
    }
    assert hours["v100"] > 5 * hours["h100"] and hours["long"] > 1.2 * hours["h100"]


def test_halving_an_assumption_doubles_its_kind_only(tmp_path, monkeypatch, tiny):
    home_in(tmp_path, monkeypatch)
    played = play("13_bill", until="halved = ")
    trained = played.lines.loc[played.lines["GB"].notna(), "GPU hours"].sum()
    assert played.halved["training_share"] == pytest.approx(played.hours + trained)
    assert played.hours < played.halved["batch"] < played.halved["writing_share"] < 2 * played.hours
    assert played.training_share == played.rates.training_share == 0.35, "its own value stays"


@pytest.mark.parametrize("given", [{"gpu": "H10"}, {"training_share": 0.0}, {"batch": 0}])
def test_what_is_no_machine_or_share_is_refused(chapter, given):
    with pytest.raises(EmoError, match=f"parameter '{next(iter(given))}'"):
        chapter(**given)
