"""Variants of the book's runs and lists of them:
names, values, places, and the chapter that compares them.
"""

import json
import re

import pandas as pd
import pytest
import yaml
from played import START, as_a_step, home_in, play

from emo.cli import main
from emo.graph import due, fingerprints, steps, sweeps
from emo_utils import project
from emo_utils.experiment import parameters, results
from emo_utils.experiment import sweeps as sweep_files
from emo_utils.project import EmoError
from emo_utils.report import sweep_tables

SWEEPS = sorted(path.stem for path in (project.NOTEBOOKS.parent / "sweeps").glob("*.yaml"))


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    return home_in(tmp_path, monkeypatch)


def files(folder) -> set[str]:
    return {
        str(p.relative_to(folder))
        for part in ("results", "checkpoints")
        for p in (folder / part).rglob("*")
        if p.is_file()
    }


# Names


def test_a_variants_name_gives_its_values_in_their_types():
    step = steps.step("03_dpo.eqsr-dpo@beta=0.05,seed=43,epochs=2")
    values = steps.values(step, "smoke")
    book = steps.values(steps.step("03_dpo.eqsr-dpo"), "smoke")
    assert {k: v for k, v in values.items() if v != book[k]} == {
        "beta": 0.05,
        "seed": 43,
        "epochs": 2.0,
    }
    assert all(type(values[k]) is type(book[k]) for k in book)
    assert (step.run, step.notebook) == ("03_dpo.eqsr-dpo@beta=0.05,seed=43,epochs=2", "03_dpo")


def test_a_variant_does_not_answer_for_the_untuned_models():
    """`base` and `prompt` are answered by the book's own run only."""
    assert steps.step("02_sft.er-sft").answers == ("base", "prompt", "er-sft")
    assert steps.step("02_sft.er-sft@seed=43").answers == ("er-sft",)


@pytest.mark.parametrize(
    "name, message",
    [
        ("03_dop.eqsr-dpo@beta=0.05", "no run '03_dop.eqsr-dpo'; did you mean '03_dpo.eqsr-dpo'"),
        ("03_dpo.eqsr-dop@beta=0.05", "no run '03_dpo.eqsr-dop'; did you mean '03_dpo.eqsr-dpo'"),
        ("03_dpo.eqsr-dpo@betta=0.05", "no parameter 'betta'; did you mean 'beta'"),
        ("03_dpo.eqsr-dpo@beta=0.05,sead=43", "no parameter 'sead'; did you mean 'seed'"),
        ("03_dpo.eqsr-dpo@beta=much", "parameter 'beta' is 'much', which is no float"),
        ("03_dpo.eqsr-dpo@beta=0", "parameter 'beta' is 0.0; it must be in"),
        ("03_dpo.eqsr-dpo@beta", "'beta' says no parameters"),
        ("04_kto.eqsr-kto@seed=1.5", "parameter 'seed' is '1.5', which is no int"),
    ],
)
def test_a_mistake_in_a_variants_name_is_answered(name, message):
    with pytest.raises(EmoError, match=re.escape(message)) as error:
        steps.values(steps.step(name), "smoke")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "run, needs",
    [
        ("03_dpo.eqsr-dpo@beta=0.05", ()),
        ("03_dpo.eqsr-dpo@init=eqsr-sft", ("02_sft.eqsr-sft",)),
        ("04_kto.eqsr-kto@init=er-sft,seed=43", ("02_sft.er-sft",)),
        ("03_dpo.er-eqsr-dpo@seed=43", ("02_sft.er-sft",)),
        ("03_dpo.er-eqsr-dpo@init=base", ()),
        ("03_dpo.eqsr-dpo@init=er-eqsr-sft", ("02_sft.er-eqsr-sft",)),
    ],
)
def test_a_variant_needs_the_run_that_makes_its_start(run, needs):
    assert steps.step(run).needs == needs
    assert set(fingerprints.fingerprint(run, "smoke")["upstream"]) == set(needs)


@pytest.mark.parametrize(
    "profile, needs",
    [
        ("embedded", ("02_sft.er-sft",)),
        ("smoke", ("02_sft.er-sft", "03_dpo.eqsr-dpo", "03_dpo.er-eqsr-dpo")),
        ("overnight", {step.run for step in steps.TRAININGS}),
        ("overnight-small", {step.run for step in steps.TRAININGS}),
    ],
)
def test_plain_questions_need_what_makes_the_systems_that_a_profile_asks(profile, needs):
    run = "05_plain_questions"
    of_profile = {step.run: step.needs for step in steps.steps(profile)}
    found = steps.needs(steps.step(run), profile)
    assert (
        type(needs)(found) == needs and of_profile[run] == found and len(set(found)) == len(found)
    )
    assert set(fingerprints.fingerprint(run, profile)["upstream"]) == set(needs)
    others = [step for step in steps.STEPS if step.run != run]
    assert [of_profile[step.run] for step in others] == [step.needs for step in others]


def test_a_variant_that_asks_more_systems_needs_what_makes_them(tmp_path, monkeypatch):
    run = "05_plain_questions@systems=base eqsr-kto"
    assert steps.needs(steps.step(run), "embedded") == ("02_sft.er-sft", "04_kto.eqsr-kto")
    monkeypatch.setattr(results, "results_dir", lambda profile: tmp_path)
    assert due.to_make([run], "embedded") == {run, "02_sft.er-sft", "04_kto.eqsr-kto"}
    wrong = steps.step("05_plain_questions@systems=base eqsr-kot")
    with pytest.raises(EmoError, match="no system 'eqsr-kot'; did you mean 'eqsr-kto'"):
        steps.needs(wrong, "embedded")


def test_records_of_other_runs_are_what_chapter_11_reads(tmp_path, monkeypatch):
    """It is due where a gate moved; chapter 8 reads item scores, and is not."""
    monkeypatch.setattr(results, "results_dir", lambda profile: tmp_path)

    def upstream(run: str, value: float) -> str:
        content = {"records": [{"value": value}], "provenance": {"outputs": {"results/a": "0"}}}
        (tmp_path / "05_emotion_scoring.json").write_text(json.dumps(content))
        return fingerprints.fingerprint(run, "smoke")["upstream"]["05_emotion_scoring"]

    shown = [upstream("11_judge_validity", value) for value in (0.5, 0.5, 0.25)]
    assert shown[0] == shown[1] != shown[2]
    assert upstream("08_qualitative_cases", 0.5) == upstream("08_qualitative_cases", 0.25)


# Sweeps


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_is_made_of_runs_and_values_that_exist(name):
    content = sweeps.sweep(name)
    assert (
        set(content) <= {"about", "notebook", "x", "parts", "variants"}
        and len(content["about"].split()) > 3
    )
    count = sum(
        len(part["runs"]) * len(pd.MultiIndex.from_product(part["grid"].values()))
        for part in content["parts"]
    )
    assert len(content["variants"]) == len(set(content["variants"])) == count > 1
    runs = {s.run for s in steps.STEPS}
    for variant in content["variants"]:
        step = steps.step(variant)
        assert variant.split("@")[0] in runs and step.trains
        assert set(step.needs) <= runs
        for profile in project.PROFILE_NAMES:
            values = steps.values(step, profile)
            assert all(str(values[k]) == v or values[k] == float(v) for k, v in step.fixed)
    if content.get("x"):  # what is varied does vary
        assert len({dict(steps.step(v).fixed)[content["x"]] for v in content["variants"]}) > 1


def test_sweeps_that_choose_a_setting_never_see_the_test():
    for variant in sweeps.sweep("tuning")["variants"]:
        assert steps.values(steps.step(variant), "embedded")["validation_rows"] > 0


@pytest.mark.parametrize("name", SWEEPS)
def test_seeds_given_replace_those_of_the_file(name):
    plain, seeded = sweeps.sweep(name)["variants"], sweeps.sweep(name, (7, 8))["variants"]
    assert {steps.values(steps.step(v), "smoke")["seed"] for v in seeded} == {7, 8}

    def without(names):
        return {
            (
                v.split("@")[0],
                *sorted(p for p in v.split("@")[1].split(",") if not p.startswith("seed=")),
            )
            for v in names
        }

    assert without(seeded) == without(plain) and len(seeded) == len(set(seeded)) == 2 * len(
        without(plain)
    )


def test_an_unknown_sweep_is_answered_with_the_nearest():
    with pytest.raises(EmoError, match="no sweep 'betta'; did you mean 'beta'") as error:
        sweeps.sweep("betta")
    assert all(name in str(error.value) for name in SWEEPS)


@pytest.mark.parametrize(
    "part, message",
    [
        ({"runs": ["03_dpo.eqsr-dop"], "grid": {"beta": [0.1]}}, "did you mean '03_dpo.eqsr-dpo'"),
        ({"runs": ["03_dpo.eqsr-dpo"], "grid": {"bta": [0.1]}}, "did you mean 'beta'"),
        ({"runs": ["03_dpo.eqsr-dpo"], "grid": {"beta": [0.1, 20]}}, "parameter 'beta' is 20.0"),
    ],
)
def test_a_mistake_in_a_sweep_stops_before_anything_is_trained(
    tmp_path, monkeypatch, capsys, part, message
):
    monkeypatch.setattr(sweep_files, "SWEEPS", tmp_path)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"about": "mine", "parts": [part]}))
    assert main(["sweep", "mine", "--profile", "smoke"]) == 2
    said = capsys.readouterr()
    assert message in said.err and len(said.err.strip().splitlines()) == 1 and not said.out


# A variant that is run


def run_variant(name: str, profile: str = "smoke"):
    """What `emo step` does, without a kernel."""
    step = steps.step(name)
    values = steps.values(step, profile)
    with pytest.MonkeyPatch.context() as patch:
        as_a_step(patch, name)
        return play(
            step.notebook,
            **{k: values[k] for k in (*dict(step.fixed), "profile")}
            | {k: START[k] for k in START if k != "profile"},
        )


def small(patch, **more) -> None:
    """The smoke profile with the few and short answers of these tests,
    so that a run's values are its step's.
    """
    real = parameters.load_profile
    patch.setattr(
        parameters,
        "load_profile",
        lambda name: real(name) | {"all": real(name)["all"] | START | {"train_rows": 4}} | more,
    )


def test_a_variant_lies_apart_from_the_book(home, monkeypatch):
    small(monkeypatch)
    book = run_variant("02_sft.er-sft")
    before, records = files(home), results.read("smoke")
    assert {
        "results/smoke/02_sft.er-sft.json",
        "checkpoints/smoke/er-sft/README.md",
    } <= before and len(records) == 6
    name = "02_sft.er-sft@learning_rate=0.01,seed=43"
    variant = run_variant(name)
    assert variant.run.variant and not book.run.variant
    assert (
        variant.run.values == steps.values(steps.step(name), "smoke")
        and variant.run.values["seed"] == 43
    )
    new = files(home) - before
    assert {p for p in new if "variants" not in p} == set()
    assert {
        f"results/smoke/variants/{name}.json",
        f"results/smoke/variants/answers/{name}.parquet",
        f"checkpoints/smoke/variants/{name}/README.md",
    } <= new
    # Nothing that the book's tables read has changed, and the untuned models did not answer again.
    pd.testing.assert_frame_equal(results.read("smoke"), records)
    assert set(records.run) == {"02_sft.er-sft"}
    assert [p for p in new if p.endswith(".parquet")] == [
        f"results/smoke/variants/answers/{name}.parquet"
    ]
    about = json.loads((home / f"results/smoke/variants/{name}.json").read_text())["provenance"]
    assert about["run"] == name and about["fingerprint"] == json.loads(
        json.dumps(fingerprints.fingerprint(name, "smoke"))
    )
    (table,) = results.read_variants("smoke", [name]).to_dict("records")
    assert (table["run"], table["system"], table["learning_rate"], table["seed"]) == (
        name,
        "er-sft",
        0.01,
        43,
    )
    assert table["last_loss"] == next(
        r.value for r in variant.run.records if r.metric == "last_loss"
    )


def test_a_variant_keeps_what_its_profile_sets_for_its_run(home, monkeypatch):
    small(monkeypatch, values={"03_dpo.eqsr-dpo": {"learning_rate": 0.003}})
    name = "03_dpo.eqsr-dpo@beta=0.05"
    values = steps.values(steps.step(name), "smoke")
    assert values["learning_rate"] == 0.003
    as_a_step(monkeypatch, name)
    run = play(
        "03_dpo", before="logsigmoid", **{k: values[k] for k in ("system", "beta", "profile")}
    ).run
    assert run.values["learning_rate"] == values["learning_rate"]


def test_a_missing_variant_names_the_command_that_makes_it(home):
    with pytest.raises(
        EmoError,
        match=re.escape("make it with: emo make '03_dpo.eqsr-dpo@beta=0.05' --profile smoke"),
    ):
        results.read_variants("smoke", ["03_dpo.eqsr-dpo@beta=0.05"])


def test_the_chapter_compares_the_variants_of_a_sweep(home, monkeypatch, tmp_path):
    small(monkeypatch)
    monkeypatch.setattr(sweep_files, "SWEEPS", home / "mine")
    (home / "mine").mkdir()
    (home / "mine/few.yaml").write_text(
        yaml.safe_dump(
            {
                "about": "two betas",
                "x": "beta",
                "parts": [{"runs": ["03_dpo.eqsr-dpo"], "grid": {"beta": [0.1, 0.5]}}],
            }
        )
    )
    names = sweeps.sweep("few")["variants"]
    trained = {name: run_variant(name) for name in names}
    names_of = play("12_sweeps", sweep="few")
    records = pd.DataFrame([r.model_dump() for r in names_of.run.records])
    assert set(records.system) == set(names) and set(records.table) == {"sweep.few"}
    assert {
        "warmth",
        "bleu1",
        "complete",
        "repeated",
        "tokens",
        "last_loss",
        "last_margin",
    } <= set(records.metric)
    for name in names:
        mine = records[records.system == name].set_index("metric")
        assert (
            mine.value["tokens"] == trained[name].answers.tokens.mean()
            and mine.n["tokens"] == START["test_rows"]
        )
        margin = next(r.value for r in trained[name].run.records if r.metric == "last_margin")
        assert mine.value["last_margin"] == margin and mine.interval["last_margin"] == "none"
    assert results.read("smoke").empty


def test_meaningless_numbers_are_not_kept(capsys):
    assert main(["sweep", "beta", "--profile", "smoke", "--keep"]) == 2
    assert "numbers of the smoke profile mean nothing" in capsys.readouterr().err


def test_the_chapter_joins_the_seeds_of_a_system(home, monkeypatch):
    small(monkeypatch)
    monkeypatch.setattr(sweep_files, "SWEEPS", home / "mine")
    (home / "mine").mkdir()
    (home / "mine/seeds.yaml").write_text(
        yaml.safe_dump(
            {
                "about": "two seeds",
                "parts": [{"runs": ["02_sft.er-sft"], "grid": {"seed": [42, 43]}}],
            }
        )
    )
    for name in sweeps.sweep("seeds")["variants"]:
        run_variant(name)
    names_of = play("12_sweeps", sweep="seeds")
    records = pd.DataFrame([r.model_dump() for r in names_of.run.records])
    single, joined = (
        records[(records.group == group) & (records.metric == "warmth")]
        for group in ("all", "all seeds")
    )
    assert len(single) == 2 and len(joined) == 1 and joined.iloc[0].system == "02_sft.er-sft@"
    assert (
        joined.iloc[0].value == pytest.approx(single.value.mean())
        and joined.iloc[0].n == START["test_rows"]
    )
    table = sweep_tables.seeds_table(records).set_index("metric")
    assert (
        table.over_seeds["warmth"] == pytest.approx(1.96 * single.value.std(), abs=5e-4)
        and table.seeds["warmth"] == 2
    )
    assert table.training["warmth"] == "02_sft.er-sft@"
