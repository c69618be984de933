"""Records, the names and places of runs, and what is missing:
nothing here is written inside the project.
"""

import hashlib
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from pydantic import ValidationError

from emo.graph import steps
from emo_utils import project
from emo_utils.data import dialogues
from emo_utils.experiment import code, parameters, provenance, results, runs
from emo_utils.experiment.parameters import ParameterError
from emo_utils.models import loading
from emo_utils.project import EmoError
from emo_utils.stats import intervals

RECORD = {
    "table": "emodoctor.table1",
    "system": "base",
    "metric": "mean",
    "value": 0.5,
    "ci_low": 0.4,
    "ci_high": 0.6,
    "n": 20,
    "scorer": "tiny",
    "seed": 42,
    "signature": "how",
}
# design.md, "Results: one JSON a run"
PROVENANCE = {
    "run",
    "notebook",
    "profile",
    "parameters",
    "git_commit",
    "dirty",
    "seed",
    "code_sha256",
    "data_sha256",
    "models",
    "versions",
    "device",
    "started",
    "seconds",
    "peak_memory_mb",
    "upstream",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Results and checkpoints go to an empty folder;
    what was read or loaded before is forgotten.
    """
    for module in (project, code, runs, provenance):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for source in ("emo_utils",):  # the package's own files, which provenance hashes
        (tmp_path / source).symlink_to(project.NOTEBOOKS.parent / source)
    monkeypatch.setattr(provenance, "FILES_READ", {})
    monkeypatch.setattr(provenance, "MODELS_LOADED", {})
    return tmp_path


def told_to_be(monkeypatch, run: str) -> None:
    """What `emo step` tells a notebook, of a step that reads nothing."""
    told = {"run": run, "fingerprint": {"upstream": {}, "data": {}, "models": {}}}
    monkeypatch.setenv(runs.STEP, json.dumps(told))


def start(notebook: str = "05_emotion_scoring", **given) -> runs.Run:
    """A run by hand, as a kernel starts it after papermill's injected cell."""
    cell = parameters.parameters_cell(notebook)
    injected = "# Parameters\n" + "\n".join(f"{k} = {v!r}" for k, v in given.items())
    namespace: dict = {}
    for source in (cell, injected):
        exec(source, namespace)
    return runs.start(notebook, namespace | {"In": ["", cell, injected, "start("]})


def written(home) -> list[str]:
    return sorted(
        str(p.relative_to(home))
        for folder in ("results", "checkpoints")
        for p in (home / folder).rglob("*")
        if p.is_file()
    )


# Records


def test_a_record_keeps_its_numbers():
    record = results.Record(**RECORD)
    defaults = {"unscored": 0, "group": "all", "kind": "mean", "interval": "items"}
    assert record.model_dump() == RECORD | defaults | {"p": None, "p_adjusted": None}


@pytest.mark.parametrize("field", ["value", "ci_low", "ci_high"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, None, "much"])
def test_a_record_has_finite_numbers_only(field, number):
    with pytest.raises(ValidationError, match=field):
        results.Record(**RECORD | {field: number})


@pytest.mark.parametrize(
    "change",
    [
        {"vaule": 1.0},
        {"note": "x"},
        {"interval": "rows"},
        {"n": 1.5},
        {"n": None},
        {"kind": "median"},
        {"p": -0.01},
        {"p": 1.5},
        {"p_adjusted": 1.01},
        {"p_adjusted": math.nan},
    ],
)
def test_a_record_has_known_fields_only(change):
    with pytest.raises(ValidationError, match=next(iter(change))):
        results.Record(**RECORD | change)


@pytest.mark.parametrize("field", RECORD)
def test_a_record_needs_all_its_fields(field):
    with pytest.raises(ValidationError, match=field):
        results.Record(**{k: v for k, v in RECORD.items() if k != field})


def test_a_runs_records_take_its_seed(home):
    run = start(seed=7)
    assert run.add(**{k: v for k, v in RECORD.items() if k != "seed"}).seed == 7
    assert run.add(**RECORD).seed == 42
    with pytest.raises(ValidationError):
        run.add(**RECORD | {"value": math.nan})
    assert len(run.records) == 2


def test_a_number_without_an_interval_needs_no_ends(home):
    bare = {k: v for k, v in RECORD.items() if k not in ("ci_low", "ci_high")}
    record = start().add(**bare, interval="none")
    assert record.ci_low == record.value == record.ci_high == RECORD["value"]
    with pytest.raises(ValidationError, match="ci_low"):
        start().add(**bare)


def test_a_cell_that_is_run_again_replaces_its_records(home):
    run = start()
    others = [{"group": "emotion=fear"}, {"scorer": "another"}, {"seed": 7}, {"metric": "max"}]
    for change in ({}, *others):
        run.add(**RECORD | change)
    run.add(**RECORD | {"value": 0.55})
    assert [r.value for r in run.records] == [0.55, 0.5, 0.5, 0.5, 0.5]
    run.finish()
    assert run.table().value.tolist() == [0.55, 0.5, 0.5, 0.5, 0.5]


def test_a_mean_that_is_no_longer_scored_leaves_no_record(home):
    run = start(seed=7)
    run.add_mean([1.0, 0.5], **MEAN, signature="marks")
    run.add_mean([1.0, 0.5], **MEAN, signature="marks", group="emotion=fear")
    run.add_mean([math.nan], **MEAN, signature="marks")
    assert [r.group for r in run.records] == ["emotion=fear"]


def test_a_cell_that_is_run_again_replaces_its_items(home):
    def items(value, **columns):
        common = {"table": "t", "id": ["a", "b"], "system": "s", "metric": "m"}
        return pd.DataFrame(common | {"value": [value, value]} | columns)

    run = start()
    for frame in (items(0.1), items(0.2, system="r"), items(0.3, system=["s", "r"], metric="n")):
        run.add_items(frame)
    run.add_items(items(0.4))
    run.add_items(items(0.5, system="r", metric="n", id=["c", "d"]))
    run.finish()
    kept = pd.read_parquet(run.folder / f"{run.name}.items.parquet")
    assert sorted(zip(kept.system, kept.metric, kept.id, kept.value, strict=True)) == [
        ("r", "m", "a", 0.2),
        ("r", "m", "b", 0.2),
        ("r", "n", "c", 0.5),
        ("r", "n", "d", 0.5),
        ("s", "m", "a", 0.4),
        ("s", "m", "b", 0.4),
        ("s", "n", "a", 0.3),
    ]


def test_an_older_runs_numbers_do_not_pass_as_this_runs(home):
    older = start()
    older.add(**RECORD)
    older.finish()
    run = start()
    with pytest.raises(EmoError, match=r"05_emotion_scoring has not written.*run.finish\(\)"):
        run.table()
    run.finish()
    assert run.table().empty
    run.add(**RECORD | {"value": 0.55})
    with pytest.raises(EmoError, match="has not written"):
        run.table()
    run.finish()
    assert run.table().value.tolist() == [0.55]


MEAN = {"table": "t", "system": "s", "metric": "m", "scorer": "counts"}


def test_a_mean_is_recorded_with_its_interval_and_what_has_no_score(home):
    scored = [0.25, 1.0, 0.5, *np.linspace(0, 1, 9)]
    values = [*scored[:1], math.nan, *scored[1:], None]
    record = start(seed=7).add_mean(values, **MEAN, signature="marks", unit="texts")
    assert (record.value, record.ci_low, record.ci_high) == intervals.mean_interval(scored)
    assert (record.n, record.unscored, record.seed) == (12, 2, 7)
    assert record.signature == "marks; interval over texts"
    unnamed = start().add_mean(values, **MEAN, signature="marks", unit="")
    assert unnamed.signature == "marks"


def test_a_mean_of_few_has_no_interval_and_one_of_none_is_said(home, capsys):
    run = start()
    record = run.add_mean([1.0, 2.0, math.nan], **MEAN, signature="marks")
    assert (record.value, record.ci_low, record.ci_high, record.interval) == (1.5, 1.5, 1.5, "none")
    assert (record.n, record.unscored, record.signature) == (2, 1, "marks")
    unscored = MEAN | {"metric": "other"}
    assert run.add_mean([math.nan] * 4, **unscored, signature="marks") is None
    assert len(run.records) == 1 and "t, s, other: none of 4 was scored" in capsys.readouterr().out


@pytest.mark.parametrize("n", [0, 1, 9])
def test_no_number_of_fewer_than_ten_items_has_an_interval_or_a_test(home, n):
    record = start().add(**RECORD | {"n": n, "p": 0.01, "p_adjusted": 0.03, "interval": "exact"})
    assert (record.ci_low, record.ci_high, record.interval) == (0.5, 0.5, "none")
    assert record.p is None and record.p_adjusted is None
    ten = start().add(**RECORD | {"n": 10, "p": 0.01})
    assert (ten.ci_low, ten.ci_high, ten.interval, ten.p) == (0.4, 0.6, "items", 0.01)


def test_a_number_of_too_few_units_has_no_interval(home):
    """Forty rows of eight questions: their ends are missing, and n counts the rows."""
    low, high = intervals.interval(np.arange(100), 8)
    record = start().add(**RECORD | {"n": 40, "ci_low": low, "ci_high": high, "p": 0.01})
    assert (record.n, record.interval, record.p) == (40, "none", None)
    rows = start().add_mean([0, 1] * 20, units=[k % 8 for k in range(40)], **SHARE)
    assert (rows.n, rows.interval, rows.kind) == (40, "none", "share")


SHARE = MEAN | {"kind": "share", "signature": "marks", "unit": ""}


@pytest.mark.parametrize(
    "values, kind",
    [
        ([True, False, True] * 4, "share"),
        ([1.0, 0.0, math.nan, 1.0] * 4, "share"),
        ([1, 1, 1, None] * 4, "share"),
        ([1.0, 0.5, 0.0] * 4, "mean"),  # a tie counts half
        ([0.5, 0.5] * 5, "mean"),
    ],
)
def test_a_share_with_ties_is_a_mean(home, values, kind):
    record = start().add_mean(values, **SHARE)
    assert (record.kind, record.interval) == (kind, "items")
    scored = [value for value in values if value is not None and not math.isnan(value)]
    of_kind = intervals.share_interval if kind == "share" else intervals.mean_interval
    assert (record.value, record.ci_low, record.ci_high) == pytest.approx(of_kind(scored))
    assert results.share_or_mean(values) == kind


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("n", [10, 20, 400])
def test_a_share_of_none_or_all_has_an_interval(home, value, n):
    """Twenty answers without a flag are no news of the next one."""
    record = start().add_mean([value] * n, **SHARE)
    ends = scipy.stats.binomtest(value * n, n).proportion_ci(method="wilson")
    assert (record.ci_low, record.ci_high) == pytest.approx((ends.low, ends.high), abs=1e-12)
    assert record.ci_high > record.ci_low


def test_a_count_of_none_has_the_exact_interval(home):
    none = start().add_mean([0] * 20, **SHARE | {"kind": "count"})
    assert (none.ci_low, none.interval) == (0, "exact")
    assert none.ci_high == pytest.approx(scipy.stats.chi2.ppf(0.975, 2) / 2 / 20)
    some = start().add_mean([0, 2] * 10, **SHARE | {"kind": "count"})
    assert (some.value, some.interval) == (1, "items")


@pytest.mark.parametrize(
    "kind, signature",
    [
        ("mean", "share of the reference's tokens that an answer keeps"),
        ("difference", "paired difference to base; share of answers that ended by themselves"),
        ("mean", "number of words"),
    ],
)
def test_the_kind_and_not_the_signature_chooses_the_interval(home, kind, signature):
    record = start().add_mean([0, 0, 1, 0] * 5, **SHARE | {"kind": kind, "signature": signature})
    expected = intervals.mean_interval([0, 0, 1, 0] * 5)
    assert (record.value, record.ci_low, record.ci_high) == pytest.approx(expected)


# Names


@pytest.mark.parametrize(
    "notebook, given, name",
    [
        ("03_dpo", {}, "03_dpo.eqsr-dpo"),
        ("03_dpo", {"beta": 0.5}, "03_dpo.eqsr-dpo.beta=0.5"),
        (
            "03_dpo",
            {"system": "er-eqsr-dpo", "lora_rank": 0, "beta": 1e-05},
            "03_dpo.er-eqsr-dpo.beta=1e-05.lora_rank=0",
        ),
        ("03_dpo", {"profile": "smoke", "beta": 0.5}, "03_dpo.eqsr-dpo.smoke.beta=0.5"),
        ("05_emotion_scoring", {}, "05_emotion_scoring"),
        (
            "05_emotion_scoring",
            {"extra": "results/adhoc/answers/mine.parquet"},
            "05_emotion_scoring.extra=results_adhoc_answers_mine.parquet.900ea58a72fe",
        ),
    ],
)
def test_a_run_by_hand_is_named_by_what_was_given(notebook, given, name):
    assert runs.adhoc_name(notebook, parameters.resolve(notebook, given), given) == name


def test_names_are_safe_for_files_and_differ():
    def name(**given):
        return runs.adhoc_name(
            "01_data_rewriting", parameters.resolve("01_data_rewriting", given), given
        )

    found = [
        name(),
        name(endpoint="http://127.0.0.1:8000/v1"),
        name(endpoint="http://127.0.0.1:8001/v1"),
        name(seed=1),
        name(seed=2),
        name(temperature=1.0),
        name(rewriter_model="../../etc/passwd"),
        name(rewriter_model="x" * 300),
        name(rewriter_model="x" * 301),
    ]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[\w.=+-]{1,120}", n) for n in found)


@pytest.mark.parametrize(
    "first, second",
    [
        ("first/mine.parquet", "second/mine.parquet"),
        ("my answers.parquet", "my_answers.parquet"),
        ("a/b.parquet", "a_b.parquet"),
        ("a//b.parquet", "a b.parquet"),
        ("Mine.parquet", "mine.parquet"),
        ("患者.parquet", "患.者.parquet"),
        ("mine.parquet", "mine.parquet.seed=7"),
    ],
)
def test_two_values_are_two_runs_also_where_a_file_name_could_hold_neither(first, second):
    def name(given):
        values = parameters.resolve("05_emotion_scoring", given)
        return runs.adhoc_name("05_emotion_scoring", values, given)

    assert name({"extra": first}).casefold() != name({"extra": second}).casefold()
    assert name({"extra": "mine.parquet", "seed": 7}) != name({"extra": "mine.parquet.seed=7"})


def test_a_long_name_in_another_script_leaves_room_for_what_is_written_beside_it():
    given = {"extra": "患者の質問への返事" * 8 + ".parquet"}
    name = runs.adhoc_name(
        "05_emotion_scoring", parameters.resolve("05_emotion_scoring", given), given
    )
    assert len(f".{name}.unfinished.ipynb.4194304.tmp".encode()) <= 255


def test_tables_that_pandas_shows_have_no_formulas(home):
    with pd.option_context("display.html.use_mathjax", True):
        start(profile="smoke")
        shown = pd.DataFrame({"answer": ["It is $5 here and $6 there."]})._repr_html_()
    assert 'class="dataframe tex2jax_ignore mathjax_ignore"' in shown


# Places


def test_a_run_by_hand_writes_to_adhoc_only(home):
    run = start("03_dpo", profile="smoke", beta=0.5)
    assert run.checkpoint == home / "checkpoints" / "adhoc" / "03_dpo.eqsr-dpo.smoke.beta=0.5"
    run.save_answers("eqsr-dpo", pd.DataFrame({"id": ["a"], "answer": ["x"]}))
    run.save_answers("base", pd.DataFrame({"id": ["a"], "answer": ["y"]}))
    run.add(**RECORD)
    run.add_items(
        pd.DataFrame(
            {"table": ["t"], "id": ["a"], "system": ["base"], "metric": ["mean"], "value": [0.5]}
        )
    )
    path = run.finish()
    name = "03_dpo.eqsr-dpo.smoke.beta=0.5"
    assert path == home / "results" / "adhoc" / f"{name}.json"
    assert written(home) == [
        f"results/adhoc/{f}"
        for f in sorted(
            [
                f"{name}.json",
                f"{name}.items.parquet",
                f"answers/{name}.parquet",
                f"answers/{name}.base.parquet",
            ]
        )
    ]
    assert run.table().value.tolist() == [0.5]


def test_the_values_are_put_into_the_notebook(home):
    namespace: dict = {
        "In": ["", '# Parameters\nprofile = "smoke"\n', "start("],
        "profile": "smoke",
    }
    run = runs.start("03_dpo", namespace)
    assert (
        namespace["base_model"] == "tiny-llama"
        and namespace["beta"] == 0.1
        and run.values["base_model"] == "tiny-llama"
    )


def test_one_of_several_processes_of_a_training_knows_it(home, monkeypatch, capsys):
    alone = start("03_dpo", profile="smoke")
    capsys.readouterr()
    monkeypatch.setenv("EMO_VALUES", json.dumps(alone.values))
    other = runs.start("03_dpo", {})
    assert not capsys.readouterr().out and other.values == alone.values
    assert other.divided
    monkeypatch.delenv("EMO_VALUES")
    assert not alone.divided


def test_a_typo_stops_before_anything_is_written(home):
    with pytest.raises(ParameterError, match="did you mean 'beta'"):
        start("03_dpo", betta=0.5)
    assert written(home) == []


def test_where_each_value_comes_from_is_printed(home, capsys):
    start("03_dpo", profile="smoke", beta=0.1)
    lines = {line.split(":")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert (
        "beta = 0.1" in lines["given"]
        and "max_new_tokens = 16" in lines["profile"]
        and "learning_rate = 0.001" in lines["default"]
    )
    assert "beta" not in lines["default"] + lines["profile"]


def test_a_run_of_the_book_has_its_fixed_name_and_place(home, monkeypatch):
    told_to_be(monkeypatch, "03_dpo.eqsr-dpo")
    run = start("03_dpo", profile="smoke", system="eqsr-dpo")
    assert (run.name, run.folder, run.checkpoint) == (
        "03_dpo.eqsr-dpo",
        home / "results" / "smoke",
        home / "checkpoints" / "smoke" / "eqsr-dpo",
    )
    run.save_answers("eqsr-dpo", pd.DataFrame({"id": ["a"]}))
    run.finish()
    assert written(home) == [
        "results/smoke/03_dpo.eqsr-dpo.json",
        "results/smoke/answers/eqsr-dpo.parquet",
    ]


def test_a_run_of_the_book_that_reads_what_the_graph_does_not_know_is_stopped(home, monkeypatch):
    told_to_be(monkeypatch, "08_qualitative_cases")
    run = start("08_qualitative_cases", profile="smoke")
    provenance.MODELS_LOADED["another-model"] = {"source": "x", "sha256": "y"}
    with pytest.raises(EmoError, match="08_qualitative_cases used another-model.*steps.py"):
        run.finish()
    assert written(home) == []


# What is missing


def names_a_real_run(error: EmoError, profile: str) -> str:
    """The run of the `emo make` command in a message; it must be one of the book's."""
    command = re.search(r"emo make (\S+)( --profile (\w+))?", str(error))
    assert command, str(error)
    assert (command[3] or "embedded") == profile
    assert steps.making(command[1]) in steps.STEPS
    return steps.making(command[1]).run


@pytest.mark.parametrize("profile", ["embedded", "smoke"])
@pytest.mark.parametrize(
    "system, made_by",
    [
        ("base", "02_sft.er-sft"),
        ("prompt", "02_sft.er-sft"),
        ("er-sft", "02_sft.er-sft"),
        ("eqsr-sft", "02_sft.eqsr-sft"),
        ("eqsr-dpo", "03_dpo.eqsr-dpo"),
        ("eqsr-kto", "04_kto.eqsr-kto"),
        ("er-eqsr-sft", "02_sft.er-eqsr-sft"),
        ("er-eqsr-dpo", "03_dpo.er-eqsr-dpo"),
        ("er-eqsr-kto", "04_kto.er-eqsr-kto"),
    ],
)
def test_missing_answers_name_the_command_that_makes_them(home, system, made_by, profile):
    with pytest.raises(
        EmoError, match=rf"answers of {system} \({profile} profile\) are missing"
    ) as error:
        start(profile=profile).answers([system])
    assert names_a_real_run(error.value, profile) == made_by


def test_systems_are_named_in_any_order_and_each_counts_once():
    assert results.systems_named("er-sft base, prompt,base") == ("base", "prompt", "er-sft")
    assert results.systems_named(" ".join(results.SYSTEMS)) == results.SYSTEMS


@pytest.mark.parametrize(
    "names, message",
    [
        ("base eqsr-dop", "no system 'eqsr-dop'; did you mean 'eqsr-dpo'.*there are: base, prompt"),
        ("er-sft", "is 'er-sft'; name base as well"),
        (" ", "is ' '; name base as well"),
    ],
)
def test_systems_that_cannot_be_asked_are_said_in_one_line(names, message):
    with pytest.raises(EmoError, match=f"parameter 'systems'.*{message}") as error:
        results.systems_named(names)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("profile", ["embedded", "smoke"])
def test_a_missing_checkpoint_names_the_command_that_makes_it(home, profile):
    run = start("03_dpo", profile=profile, system="er-eqsr-dpo")
    with pytest.raises(EmoError, match="checkpoint of er-sft") as error:
        run.start_checkpoints()
    assert names_a_real_run(error.value, profile) == "02_sft.er-sft"
    folder = home / "checkpoints" / profile / "er-sft"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()  # a training that was stopped while it saved
    with pytest.raises(EmoError, match="missing"):
        run.start_checkpoints()
    (folder / "README.md").touch()
    (folder / "companion.json").write_text('{"starts_from": []}')
    assert run.start_checkpoints() == [folder]


def test_a_child_is_put_behind_what_it_started_from(home):
    folder = home / "checkpoints" / "smoke"
    for name, before in (("er-sft", []), ("er-eqsr-dpo", ["checkpoints/smoke/er-sft"])):
        (folder / name).mkdir(parents=True)
        (folder / name / "companion.json").write_text(json.dumps({"starts_from": before}))
    chain = [folder / "er-sft", folder / "er-eqsr-dpo"]
    assert runs.checkpoints_of("er-eqsr-dpo", "smoke") == chain
    assert start("04_kto", profile="smoke", init="er-eqsr-dpo").start_checkpoints() == chain
    (folder / "er-sft").rename(folder / "gone")
    with pytest.raises(EmoError, match="er-eqsr-dpo starts from .*er-sft, which is missing"):
        runs.checkpoints_of("er-eqsr-dpo", "smoke")


def test_missing_item_scores_name_the_command_that_makes_them(home):
    """Chapter 8 reads the item scores of chapters 5 and 6."""
    with pytest.raises(EmoError) as error:
        results.read_items("smoke", "05_emotion_scoring")
    assert names_a_real_run(error.value, "smoke") == "05_emotion_scoring"


def test_item_scores_of_before_a_system_stood_in_them_are_named(home):
    path = home / "results" / "smoke" / "06_knowledge_scoring.items.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    items = pd.DataFrame({"id": ["a", "a"], "system": ["base", "doctor"], "value": [0.5, 1.0]})
    items.to_parquet(path, index=False)
    assert len(results.read_items("smoke", "06_knowledge_scoring", ("base", "doctor"))) == 2
    with pytest.raises(EmoError, match="have none of reference, another; make them anew") as error:
        results.read_items("smoke", "06_knowledge_scoring", ("base", "reference", "another"))
    assert names_a_real_run(error.value, "smoke") == "06_knowledge_scoring"


def test_records_have_a_hash_that_times_do_not_enter(home):
    path = home / "results" / "smoke" / "05_emotion_scoring.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert results.records_digest("05_emotion_scoring", "smoke") == "missing"
    digests = []
    for value, seconds in ((0.5, 1), (0.5, 2), (0.25, 1)):
        content = {"records": [{"value": value}], "provenance": {"seconds": seconds}}
        path.write_text(json.dumps(content), encoding="utf-8")
        digests.append(results.records_digest("05_emotion_scoring", "smoke"))
    assert digests[0] == digests[1] != digests[2]


def test_answers_are_read_in_the_order_asked_for_with_those_of_a_run_by_hand(home):
    for folder, system in (("smoke", "base"), ("smoke", "prompt"), ("adhoc", "mine")):
        path = home / "results" / folder / "answers" / f"{system}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(
            {
                "id": ["a"],
                "system": ["eqsr-dpo" if system == "mine" else system],
                "answer": [system],
            }
        ).to_parquet(path)
    assert start(profile="smoke").answers(["prompt", "base"]).system.tolist() == ["prompt", "base"]
    extra = start(profile="smoke", extra="results/adhoc/answers/mine.parquet").answers(["base"])
    # Its own name, and not that of the book's system that it was trained as.
    assert list(zip(extra.system, extra.answer)) == [("base", "base"), ("mine", "mine")]
    with pytest.raises(EmoError, match="'extra': there is no file nowhere.parquet"):
        start(profile="smoke", extra="nowhere.parquet").answers(["base"])


# Provenance


def test_provenance_is_complete_and_true(home, tiny):
    run = start("03_dpo", profile="smoke", seed=5)
    dialogues.load("eqsr", 5)
    loading.note("tiny-llama")
    answers = run.save_answers("eqsr-dpo", pd.DataFrame({"id": ["a"]}))
    run.add(**RECORD)
    content = json.loads(run.finish().read_text())
    assert (
        set(content) == {"records", "provenance"}
        and content["records"][0] == results.Record(**RECORD).model_dump()
    )
    about = content["provenance"]
    assert set(about) >= PROVENANCE
    assert (about["run"], about["notebook"], about["profile"], about["seed"]) == (
        "03_dpo.eqsr-dpo.smoke.seed=5",
        "notebooks/03_dpo.ipynb",
        "smoke",
        5,
    )
    assert about["parameters"] == parameters.resolve("03_dpo", {"profile": "smoke", "seed": 5})
    file = project.DATA / "dialogues" / "overt" / "eqsr_train.jsonl"
    assert list(about["data_sha256"].values()) == [hashlib.sha256(file.read_bytes()).hexdigest()]
    manifest = json.loads((tiny / "manifest.json").read_text())
    assert about["models"] == {
        "tiny-llama": {
            "source": manifest["source"],
            "sha256": project.sha256_json(manifest["files"]),
        }
    }
    import torch
    import trl

    assert (about["versions"]["torch"].split("+")[0], about["versions"]["trl"]) == (
        torch.__version__.split("+")[0],
        trl.__version__,
    )
    assert (
        about["device"]
        and about["seconds"] >= 0
        and about["peak_memory_mb"] > 100
        and re.match(r"\d{4}-\d\d-\d\dT.*\+00:00$", about["started"])
    )
    assert about["outputs"] == {
        "results/adhoc/answers/03_dpo.eqsr-dpo.smoke.seed=5.parquet": hashlib.sha256(
            answers.read_bytes()
        ).hexdigest()
    }
    assert (
        about["git_commit"] == "unknown" and about["dirty"] is None
    )  # the folder of this test is no checkout


def test_code_that_changes_changes_its_hash(monkeypatch):
    before = {n: code.code_sha256(n) for n in ("03_dpo", "06_knowledge_scoring")}
    real = code.sha256_file
    monkeypatch.setattr(
        code, "sha256_file", lambda p: "changed" if p.name == "fitting.py" else real(p)
    )
    # Chapter 3 imports fitting, chapter 6 does not.
    assert (
        code.code_sha256("03_dpo") != before["03_dpo"]
        and code.code_sha256("06_knowledge_scoring") == before["06_knowledge_scoring"]
    )


def test_older_records_claim_nothing_of_what_they_lack(home):
    older = {k: v for k, v in RECORD.items() if k != "signature"} | {"signature": "p = 0.01"}
    newer = older | {"kind": "difference", "interval": "exact", "p": 0.25, "p_adjusted": 0.5}
    frame = results.frame([older | {"run": "a"}, newer])
    assert list(frame) == [*results.Record.model_fields, "run"]
    assert frame.kind.tolist() == ["other", "difference"]
    assert frame.interval.tolist() == ["items", "exact"] and frame.unscored.tolist() == [0, 0]
    assert math.isnan(frame.p[0]) and (frame.p[1], frame.p_adjusted[1]) == (0.25, 0.5)
    assert results.frame([older]).p.dtype == float
    of_no_items = older | {"ci_low": older["value"], "ci_high": older["value"]}
    assert results.frame([of_no_items, of_no_items | {"interval": "exact"}]).interval.tolist() == [
        "none",
        "exact",
    ]
    assert list(results.frame([])) == [*results.Record.model_fields]


def test_the_books_records_are_read_with_their_run_and_runs_by_hand_are_not(home):
    assert results.read("smoke").empty and list(results.read("smoke").columns)[-1] == "run"
    run = start("05_emotion_scoring", profile="smoke")
    run.add(**RECORD)
    by_hand = run.finish()
    assert results.read("smoke").empty
    book = home / "results" / "smoke" / "05_emotion_scoring.json"
    book.parent.mkdir(parents=True)
    book.write_text(
        by_hand.read_text().replace(
            '"run": "05_emotion_scoring.smoke"', '"run": "05_emotion_scoring"'
        )
    )
    found = results.read("smoke")
    assert found[["system", "value", "run"]].values.tolist() == [
        ["base", 0.5, "05_emotion_scoring"]
    ]


def test_a_variants_records_lie_beside_the_books(home):
    name = "03_dpo.eqsr-dpo@beta=0.05"
    with pytest.raises(EmoError, match=f"emo make '{re.escape(name)}' --profile smoke"):
        results.variant_records("smoke", name)
    folder = home / "results" / "smoke" / "variants"
    folder.mkdir(parents=True)
    content = {"records": [RECORD], "provenance": {}}
    (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    assert results.variant_records("smoke", name) == [RECORD]


def test_a_mean_is_over_whole_units_where_they_are_named(home):
    """Twelve units of two values: the interval is the one over units, and what was not scored goes
    with its unit.
    """
    values = np.tile([1.0, 1.0, 0.0, 0.0, 1.0, 0.0], 4)
    values[3], units = math.nan, np.repeat(list("abcdefghijkl"), 2)
    named = {"table": "t", "system": "s", "metric": "m", "scorer": "x", "signature": "how"}
    record = start().add_mean(values, units=units, unit="situations", kind="share", **named)
    there = ~np.isnan(values)
    wanted = intervals.share_interval(values[there], units[there])
    assert (record.value, record.ci_low, record.ci_high) == wanted
    assert (record.n, record.unscored, record.kind) == (23, 1, "share")
    assert record.signature == "how; interval over situations"
    none = start().add_mean([0] * 24, units=units, kind="share", **named)
    assert none.ci_high == pytest.approx(intervals.share_interval([0] * 24, units)[2])
    assert none.ci_high > 1.5 * intervals.share_interval([0] * 24)[2]  # twelve units, not 24 rows


def test_a_run_begins_with_its_parameters_and_where_each_comes_from(home, capsys):
    """As text, and for a page in one line that unfolds, with what a parameter holds escaped."""
    run = start("05_emotion_scoring", profile="smoke", extra="<b>x</b>")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"run {run.name} · profile smoke · by hand: results go to ")
    sources = {line.partition(":")[0]: line for line in said[2:] if line[0] != " "}
    assert list(sources) == ["given", "profile", "default"]
    assert "extra = '<b>x</b>'" in sources["given"] and "tiny-llama" in sources["profile"]
    page = runs.Beginning(run, {"profile": "smoke", "extra": "<b>x</b>"})._repr_html_()
    assert page.startswith('<details class="companion-run')
    assert page.count("<summary>") == 1 and "&lt;b&gt;x&lt;/b&gt;" in page and "<b>" not in page
