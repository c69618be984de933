"""The bill of chapter 13: its sums, its sizes and what a parameter changes."""

import re

import pytest
from played import home_in, play

from emo_utils.experiment import bill
from emo_utils.experiment.parameters import declared
from emo_utils.project import EmoError
from emo_utils.report import settling


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
        **dict.fromkeys([task.item for task in played.trained], 1.0),
        "EmplifAI: sft-llm-jp": 4.0,  # 219 GB over 0.9 x 80
        "EmplifAI: sft-swallow": 2.0,
        "EmplifAI: sft-medllama": 2.0,
    }


def test_the_upper_figures_are_as_far_off_as_the_worst_check(tmp_path, monkeypatch, tiny, capsys):
    home_in(tmp_path, monkeypatch)
    played = play("13_bill", until="dollars = ")
    assert set(played.checks.run) == {kept["run"] for kept in bill.kept_trainings()}
    assert (played.checks["times"] > 1).all()
    stated = played.against_paper.set_index("machine")
    assert stated.stated.to_dict() == {"A100-40": 40.0, "RTX-6000-Ada": 16.0}
    of_llm_jp = played.lines.set_index("item")["GPU hours"]["EmplifAI: sft-llm-jp"]
    expected = of_llm_jp * 989 / 312  # the same formula at another peak
    assert stated["computed, GPU hours"]["A100-40"] == pytest.approx(expected)
    assert played.factor == stated.times.max() > played.checks["times"].max()
    of_page = settling.whole_bill({name: p.default for name, p in declared("13_bill").items()})
    assert of_page.factor == played.factor  # what the page of experiments is made from
    for column in ("GPU hours", "service, $"):
        assert of_page.lines[column].sum() == pytest.approx(played.total[column])
    assert played.dollars[1] - played.dollars[0] == pytest.approx(
        (played.factor - 1) * played.total["GPU, $"]
    )
    said = capsys.readouterr().out.splitlines()[-1]
    figures = re.findall(r"[\d,.]*\d", said.partition(": ")[2])
    assert all(len(figure.strip("0.,").replace(",", "")) <= 1 for figure in figures), said


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
