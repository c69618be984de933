"""The bill's formula against sums by hand."""

from dataclasses import replace

import pytest

from emo_utils.experiment import bill

RATES = bill.GpuRates(
    tflops=989,
    bandwidth_tb=3.35,
    memory_gb=80,
    dollars_hour=3.0,
    training_share=0.5,
    reading_share=0.25,
    writing_share=0.5,
    batch=10,
)
MODELS = {"Llama-3.1-8B": (8.03, 131_072), "llm-jp-13B": (13.7, 819_200)}
PRICES = {"gpt-4o-mini": {"input": 0.15, "output": 0.60}}
CPU = {"sft": 4e11, "dpo": 3e11, "read": 7e11, "write": 5e10}


def test_hours_are_those_of_the_formula():
    # 2 x 1e9 x 3 passes x 1e6 tokens = 6e15 operations; half of 989e12 a second
    assert RATES.training_hours(1.0, 1e6, 3) == pytest.approx(6e15 / 494.5e12 / 3600)
    assert RATES.reading_hours(1.0, 1e6) == pytest.approx(2e15 / 247.25e12 / 3600)
    # 100,000 steps of ten answers; each moves 2e9 bytes of weights and 10 x 300 x 1000 bytes
    # of what is kept, at 1.675e12 a second
    assert RATES.writing_hours(1.0, 1_000, 1e6, 300) == pytest.approx(
        1e5 * (2e9 + 3e6) / 1.675e12 / 3600
    )


def test_half_of_a_share_takes_twice_as_long():
    slow = replace(RATES, training_share=0.25, writing_share=0.25)
    assert slow.training_hours(1.0, 1e6, 3) == 2 * RATES.training_hours(1.0, 1e6, 3)
    assert slow.writing_hours(1.0, 9, 1e6, 8) == 2 * RATES.writing_hours(1.0, 9, 1e6, 8)
    assert slow.reading_hours(1.0, 1e6) == RATES.reading_hours(1.0, 1e6)


def test_a_services_line_counts_tokens_and_money():
    line = bill.asked_line("x", "gpt-4o-mini", 1_000_000, 100, 10, MODELS, PRICES, RATES, CPU)
    assert line["million tokens in"] == 100 and line["million tokens out"] == 10
    assert line["service, $"] == pytest.approx(100 * 0.15 + 10 * 0.60) and "GPU hours" not in line


def test_a_line_of_reading_and_writing_counts_hours():
    line = bill.asked_line("x", "Llama-3.1-8B", 1_000, 100, 0, MODELS, PRICES, RATES, CPU)
    assert line["GPU hours"] == pytest.approx(RATES.reading_hours(8.03, 1e5))
    assert "service, $" not in line
    assert line["2 cores, days"] == pytest.approx(2 * 8.03e9 * 1e5 / 7e11 / 86400)
    line = bill.asked_line("x", "Llama-3.1-8B", 1_000, 100, 20, MODELS, PRICES, RATES, CPU)
    # While an answer is written, the prompt and on average half of the answer are kept.
    writing = RATES.writing_hours(8.03, 131_072, 20_000, 110)
    assert line["GPU hours"] == pytest.approx(RATES.reading_hours(8.03, 1e5) + writing)
    seconds = 2 * 8.03e9 * (1e5 / 7e11 + 2e4 / 5e10)
    assert line["2 cores, days"] == pytest.approx(seconds / 86400)


def test_a_line_of_a_training_counts_passes_and_what_is_held():
    line = bill.trained_line("x", "llm-jp-13B", "sft", 4_125, 300, 3, "all", MODELS, RATES, CPU)
    assert line["million tokens in"] == pytest.approx(3.7125)
    assert line["GB"] == pytest.approx(219.2)
    assert line["GPU hours"] == pytest.approx(RATES.training_hours(13.7, 3.7125e6, 3))
    days = 2 * 13.7e9 * 3 * 3.7125e6 / 4e11 / 86400
    assert line["2 cores, days"] == pytest.approx(days)


@pytest.mark.parametrize(
    ("objective", "weights", "passes"), [("dpo", "all", 4), ("dpo", "adapters", 3)]
)
def test_adapters_save_a_pass_and_most_of_the_memory(objective, weights, passes):
    line = bill.trained_line(
        "x", "Llama-3.1-8B", objective, 1_000, 440, 5, weights, MODELS, RATES, CPU
    )
    assert line["GPU hours"] == pytest.approx(RATES.training_hours(8.03, 2.2e6, passes))
    assert line["GB"] == pytest.approx(8.03 * {"all": 16, "adapters": 2.5}[weights])


def test_the_rates_of_two_cores_are_the_kept_ones():
    speeds = bill.cpu_speeds()
    assert speeds["sft"] == pytest.approx(592.9181516931844 * 2 * 2 * 134.5e6)
    assert set(speeds) == {"sft", "dpo", "kto", "read", "write"} and min(speeds.values()) > 0


def test_kept_trainings_are_held_against_the_formula():
    kept = {training["run"]: training for training in bill.kept_trainings()}
    book = [name for name in kept if not name.endswith("(longer run)")]
    assert len(book) == 10 and len(kept) == 10 + len(bill.KEPT_TRAININGS)
    sft = kept["02_sft.er-sft"]  # the untuned model answers in two ways besides
    assert (sft["rows"], sft["epochs"], sft["answers"]) == (25, 2.0, 3 * 20)
    japanese = kept["09_emplifai_finetuning.emplifai-sft"]  # before and after
    assert (japanese["answers"], japanese["answer_tokens"]) == (2 * 3, None)
    assert japanese["billions"] == 0.494
    training = {"objective": "dpo", "billions": 0.5, "rows": 10, "epochs": 2.0}
    training |= {"answers": 4, "answer_tokens": 25.0}
    # 1e9 operations a token and pass: 10 x 2 x 100 tokens in three passes; 4 x 25 written
    by_hand = 1e9 * (2_000 * 3 / CPU["dpo"] + 100 / CPU["write"])
    assert bill.seconds_on_cores(training, 100, 7, CPU) == pytest.approx(by_hand)
    unsaid = bill.seconds_on_cores(training | {"answer_tokens": None}, 100, 25, CPU)
    assert unsaid == pytest.approx(by_hand)


def test_machines_and_prices_have_what_a_line_needs():
    for figures in bill.machines().values():
        shares = {"training_share": 0.5, "reading_share": 0.5, "writing_share": 0.5, "batch": 1}
        assert bill.GpuRates(**figures, **shares).reading_hours(1.0, 1e6) > 0
    for price in bill.prices().values():
        assert set(price) == {"input", "output"}
