"""What the runs of a profile will take, before they are made, and what that is known from."""

import pytest

from emo import cli, edition, planning
from emo.graph import steps
from emo_utils.experiment import bill, parameters
from emo_utils.models import memory, registry
from emo_utils.project import EmoError

SMALL, TINY = "overnight-small", "overnight-tiny"
TRAINED = [step.run for step in steps.TRAININGS]
SIZES = memory.Sizes(630_167_424, 136_134_656, 24, 896, 4864, 128, 151936)  # Qwen2.5 0.5 B


def a_run(run: str, profile: str, seconds: float) -> dict:
    """What the edition keeps of a run that took so long."""
    values = steps.values(steps.step(run), profile)
    return {
        "fingerprint": {"parameters": values},
        "seconds": seconds,
        "device": "two cores",
        "git_commit": "c" * 40,
        "peak_memory_mb": 6500,
        "records": [],
    }


@pytest.fixture
def kept(monkeypatch):
    """The smallest unit as it is kept: its trainings and two scorings, 100 s each."""
    runs = {run: a_run(run, TINY, 100.0) for run in (*TRAINED, *steps.GATED[:1], steps.GATED[2])}
    states = dict.fromkeys(edition.UNITS, "not there") | {TINY: edition.Unit(TINY, runs, None)}
    monkeypatch.setattr(edition, "states", lambda: states)
    monkeypatch.setattr(planning.times, "last", lambda profile: {})
    return runs


def test_a_training_has_the_optimizer_steps_that_its_kept_run_recorded():
    unit = edition.read(TINY)
    recorded = unit.records[unit.records.metric == "steps"].set_index("run").value.to_dict()
    assert recorded == {step.run: planning.optimizer_steps(step, TINY) for step in steps.TRAININGS}
    assert sorted(recorded.values()) == [38, 50, 50, 50, 50, 100, 100]


def test_trainings_without_a_kept_run_take_their_measured_steps_and_their_answers(kept):
    known = planning.times_of(SMALL)
    rate = bill.cpu_speeds()["write"] / (2 * 0.494e9)
    for run, trained, answers in (
        ("02_sft.er-sft", 38 * 10, 300),
        ("02_sft.eqsr-sft", 50 * 10, 100),
        ("03_dpo.er-eqsr-dpo", 50 * 27, 100),
        ("04_kto.eqsr-kto", 100 * 20, 100),
    ):
        assert known[run].seconds == pytest.approx(trained + answers * 320 / rate)
        assert "an estimate, from steps that were measured" in known[run].source
        assert "by chapter 13's formula" in known[run].source
    plain = known["05_plain_questions"]  # nine systems, a hundred questions each
    assert plain.seconds == pytest.approx(900 * 320 / rate)
    assert plain.source.startswith(
        f"an estimate of its answers alone of at most 320 tokens at {rate:.0f}"
    )
    content = {name: parameters.load_profile(name) for name in edition.UNITS}
    assert content["overnight"]["step_seconds"] == {
        notebook: 3 * seconds for notebook, seconds in content[SMALL]["step_seconds"].items()
    }
    larger = planning.times_of("overnight")
    assert all(2.5 < larger[run].seconds / known[run].seconds < 3.5 for run in TRAINED)
    assert "an estimate, three times" in larger["03_dpo.eqsr-dpo"].source


def test_a_scoring_takes_what_it_took_in_a_unit_that_wrote_as_many_answers(kept):
    """Not what it took in the miniature book, whose systems were asked fewer questions."""
    known = planning.times_of(SMALL)
    scoring = known["06_knowledge_scoring"]
    assert scoring == planning.Time(
        100.0, "the same work in what is kept of overnight-tiny (two cores)"
    )
    assert "is kept of embedded" in known["13_bill"].source
    assert not {"07_preference_ablation", "08_qualitative_cases"} & known.keys()
    kept["02_sft.er-sft"]["fingerprint"]["parameters"]["test_rows"] = 20
    assert "06_knowledge_scoring" not in planning.times_of(SMALL)


def test_the_kept_unit_is_better_known_than_an_estimate_and_this_machine_better_still(
    kept, monkeypatch
):
    run, other = TRAINED[:2]
    known = planning.times_of(TINY)
    assert known[run] == planning.Time(100.0, "the kept unit overnight-tiny (two cores)")
    monkeypatch.setattr(planning.times, "last", lambda profile: {run: 7.0, "x@seed=1": 1.0})
    known = planning.times_of(TINY)
    assert known[run] == planning.Time(7.0, "the last runs on this machine")
    assert known[other].seconds == 100.0 and "x@seed=1" not in known


def test_the_time_of_several_runs_is_said_by_source_with_what_is_not_known(kept):
    runs = [*TRAINED, "06_knowledge_scoring", "07_preference_ablation"]
    said = planning.time_lines(runs, TINY)
    assert said == [
        "at least 13 min: 1 of 9 runs was not measured at this scale, counted one after the other",
        "13 min for 8 runs by the kept unit overnight-tiny (two cores)",
        "not measured: 07_preference_ablation",
    ]
    assert planning.time_lines(TRAINED, TINY)[0] == "about 12 min, counted one after the other"
    assert planning.time_lines([s.run for s in steps.STEPS], "paper") == ["not measured"]
    each = planning.each_in_words([TRAINED[0], "07_preference_ablation"], TINY)
    assert each == {TRAINED[0]: "1 min 40 s", "07_preference_ablation": "not measured"}


def test_an_edition_that_cannot_be_read_leaves_the_estimates(monkeypatch):
    monkeypatch.setattr(edition, "states", lambda: dict.fromkeys(edition.UNITS, "torn"))
    monkeypatch.setattr(planning.times, "last", lambda profile: {})

    def torn(path):
        raise EmoError("no records to compare with")

    monkeypatch.setattr(planning.drift, "read", torn)
    assert set(planning.times_of(SMALL)) == {*TRAINED, "05_plain_questions"}
    assert planning.times_of(TINY) == {}


def test_memory_and_disk_are_those_of_the_models_layers_where_it_is_here(kept, monkeypatch):
    monkeypatch.setattr(memory, "sizes", lambda name: SIZES)
    monkeypatch.setattr(memory, "of_machine", lambda: 16e9)
    peaks = {
        profile: max(
            memory.of_run(step.notebook, steps.values(step, profile), SIZES, "bfloat16") / 1e9
            for step in steps.TRAININGS
        )
        for profile in (SMALL, TINY)
    }
    assert planning.memory_line(SMALL) == (
        "10 GB are asked for (this machine has 16); the formula of emo plan 03_dpo gives "
        f"{peaks[SMALL]:.1f} in bf16; whole runs take more, those of {TINY} 6.5 for "
        f"{peaks[TINY]:.1f}"
    )
    assert planning.memory_line(TINY) == (
        "8 GB are asked for (this machine has 16); 9 runs of the kept unit took at most 6.5"
    )
    adapter = 4 * memory.adapters(SIZES, 16)
    assert adapter == pytest.approx(35_237_104, rel=0.01)  # the file that such a training wrote
    said = planning.disk_line(TRAINED, SMALL)
    assert said.startswith(f"{13 * adapter / 1e9:.1f} GB for 7 adapters of rank 16")
    assert planning.disk_line(["13_bill"], SMALL).endswith("GB are free here")


def test_the_peaks_of_kept_runs_of_a_chapter_stand_beside_the_formula(kept, monkeypatch):
    kept["03_dpo.er-eqsr-dpo"]["peak_memory_mb"] = 5900
    monkeypatch.setattr(planning, "_kept_books", lambda: {TINY: kept})
    said = planning.kept_peaks("03_dpo", "SmolLM2-135M-Instruct")
    assert said == "whole runs of it that are kept took 5.9 to 6.5 GB"
    assert planning.kept_peaks("03_dpo", "tiny-llama") == ""


def test_without_the_weights_a_plan_says_how_to_know_more(kept, monkeypatch):
    monkeypatch.setattr(registry, "is_cached", lambda name: False)
    fetch = "(emo fetch Qwen2.5-Coder-0.5B-Instruct)"
    assert planning.memory_line(SMALL).endswith(f"once the weights are here {fetch}")
    assert planning.disk_line(TRAINED, SMALL).startswith(
        f"not known before the weights are here {fetch}"
    )


@pytest.mark.parametrize("profile", edition.UNITS)
def test_a_plan_of_a_unit_says_hours_memory_and_disk_with_their_source(kept, capsys, profile):
    assert cli.main(["plan", "--profile", profile]) == 0
    said = capsys.readouterr().out
    assert "  time     at least " in said and "not measured: " in said
    assert "  memory   " in said and "GB are asked for" in said
    assert "  disk     " in said and "GB are free here" in said
    source = {"overnight": "three times the", SMALL: "steps that were measured"}
    assert source.get(profile, "kept unit overnight-tiny") in " ".join(said.split())
    assert max(map(len, said.splitlines()[4:])) <= 110


def test_a_trained_system_needs_its_training_and_those_before_it_that_are_not_there(monkeypatch):
    monkeypatch.setattr(planning.due, "why", lambda run, profile: ["there is no result yet"])
    assert planning.needed_for(["er-eqsr-kto", "eqsr-dpo"], SMALL) == [
        "02_sft.er-sft",
        "03_dpo.eqsr-dpo",
        "04_kto.er-eqsr-kto",
    ]
    done = {"02_sft.er-sft"}
    monkeypatch.setattr(
        planning.due, "why", lambda run, profile: [] if run in done else ["it is missing"]
    )
    assert planning.needed_for(["er-eqsr-kto"], SMALL) == ["04_kto.er-eqsr-kto"]
