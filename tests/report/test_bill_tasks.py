"""The tasks of the bill: rows, systems, passes and tokens against sums by hand."""

import pytest

from emo_utils.experiment import bill, parameters, results
from emo_utils.report import bill_tasks

SIZES = bill_tasks.Sizes(question=100, answer=200, growth=1.5)


def test_a_rewritten_text_has_the_tokens_of_its_growth():
    assert (SIZES.emotional, SIZES.soothing) == (150, 300)
    assert SIZES.row("sft") == 450 and SIZES.row("dpo") == SIZES.row("kto") == 800


@pytest.mark.parametrize(
    ("system", "objective", "tokens"),
    [
        ("er-sft", "sft", 400),  # the plain question and the empathetic answer
        ("er-eqsr-sft", "sft", 450),
        ("eqsr-kto", "kto", 800),
        ("ebd-dpo", "dpo", 440),
        ("emplifai-sft-seen", "sft", 320),
    ],
)
def test_every_training_of_the_project_has_the_tokens_of_its_rows(system, objective, tokens):
    assert SIZES.trained_row(system, objective) == tokens


def test_rows_and_systems_asked_are_those_of_the_papers():
    """The test questions are rewritten, too; nine systems answer 7,000 questions; eight systems are
    judged.
    """
    rows = {task.item: task.rows for task in bill_tasks.asked(SIZES)}
    assert sum(count for name, count in rows.items() if "rewrite" in name) == 117_000
    assert rows["EmoDoctor: all systems answer"] == 9 * 7_000
    assert rows["EmplifAI: judge"] == 8 * 7 * 100
    assert sum(name.startswith("EmplifAI: dialogues") for name in rows) == 8
    assert sum(name.startswith("EmplifAI: emotion") for name in rows) == 5


def test_tokens_asked_are_those_of_a_row():
    tokens = {task.item: (task.read, task.written) for task in bill_tasks.asked(SIZES)}
    assert tokens["EmoDoctor: rewrite ER"] == (100 + 200 + 75, 300)
    assert tokens["EmoDoctor: all systems answer"] == (175, 300)
    assert tokens["EmoDoctor: preference"] == (150 + 6 * 300 + 120, 0)
    assert tokens["EmplifAI: emotion, gpt"] == (320, 512)  # it thinks before it answers
    assert tokens["EmplifAI: dialogues, sft-swallow"] == (150, 200)
    assert tokens["Empathy by Design: pairs"] == (200, 350)


def test_trainings_are_those_of_the_papers_and_of_the_chapters(monkeypatch):
    """Seven trainings of one epoch, three fine-tunings of three epochs; DPO with the three epochs
    that chapter 10 has in the profile of the papers.
    """
    trained = {task.item: task for task in bill_tasks.trained(SIZES)}
    of_doctor = {name: task for name, task in trained.items() if name.startswith("EmoDoctor")}
    assert {name.removeprefix("EmoDoctor: ") for name in of_doctor} == set(results.SYSTEMS[2:])
    assert sum(task.rows for task in of_doctor.values()) == 60_000 + 6 * 50_000
    assert {task.epochs for task in of_doctor.values()} == {1.0}
    assert of_doctor["EmoDoctor: er-sft"].tokens == 400
    assert of_doctor["EmoDoctor: eqsr-dpo"].tokens == 800
    tuned = [task for name, task in trained.items() if name.startswith("EmplifAI")]
    assert [(task.rows, task.epochs) for task in tuned] == [(4_125, 3.0)] * 3
    assert {task.weights for task in tuned} == {"all"}
    dpo = trained["Empathy by Design: DPO"]
    assert (dpo.rows, dpo.tokens, dpo.epochs, dpo.weights) == (999, 440, 3.0, "adapters")
    changed = parameters.profile_values

    def five_epochs(profile, notebook, run=""):
        values = changed(profile, notebook, run)
        return values | ({"epochs": 5.0} if "epochs" in values else {})

    monkeypatch.setattr(parameters, "profile_values", five_epochs)
    assert {task.epochs for task in bill_tasks.trained(SIZES)} == {5.0}


def test_every_task_can_be_billed():
    known = {*bill.MODELS, *bill.prices()}
    assert {task.model for task in bill_tasks.asked(SIZES)} <= known
    assert {task.model for task in bill_tasks.trained(SIZES)} <= set(bill.MODELS)


def test_hours_stated_by_a_paper_stand_beside_the_formula():
    shares = {"training_share": 0.5, "reading_share": 0.5, "writing_share": 0.5, "batch": 1}
    rates = bill.GpuRates(**bill.machines()["H100"], **shares)
    tasks = bill_tasks.trained(SIZES)
    table = bill_tasks.stated_by_emplifai(tasks, rates, bill.cpu_speeds()).set_index("machine")
    assert table.stated.to_dict() == {"A100-40": 40.0, "RTX-6000-Ada": 16.0}
    # 13.7e9 parameters, three passes, 4,125 x 320 tokens in three epochs, half of 312e12 a second
    by_hand = 2 * 13.7e9 * 3 * 4_125 * 320 * 3 / (312e12 * 0.5) / 3600
    assert table["computed, GPU hours"]["A100-40"] == pytest.approx(by_hand)
    assert table.times["A100-40"] == pytest.approx(40 / by_hand)
