"""The parameters cells, the profiles, and what a mistake in either says."""

import ast
import itertools
import re

import papermill
import pytest
import yaml

from emo.graph import due, steps
from emo_utils import project
from emo_utils.experiment import parameters, runs
from emo_utils.experiment.parameters import (
    ParameterError,
    declared,
    given_in_session,
    parameters_cell,
    resolve,
)

NOTEBOOKS = sorted(path.stem for path in project.NOTEBOOKS.glob("*.ipynb"))
START = 'from emo_utils import results\n\nrun = results.start("03_dpo", globals())'


@pytest.fixture(scope="module")
def cells() -> dict[str, ast.Module]:
    """The parameters cells as Python reads them, independent of the package's own reading."""
    return {name: ast.parse(parameters_cell(name)) for name in NOTEBOOKS}


# The cells


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 8 and "03_dpo" in NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_every_parameter_is_read_as_python_and_papermill_read_it(notebook, cells):
    ours = declared(notebook)
    python = {
        node.target.id: (node.annotation.id, ast.literal_eval(node.value))
        for node in cells[notebook].body
    }
    assert {name: (p.type, p.default) for name, p in ours.items()} == python
    theirs = papermill.inspect_notebook(str(project.NOTEBOOKS / f"{notebook}.ipynb"))
    assert {
        name: (p["inferred_type_name"], ast.literal_eval(p["default"]))
        for name, p in theirs.items()
    } == python
    assert list(ours) == list(theirs)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_every_parameter_has_a_meaning_and_a_default_inside_its_domain(notebook):
    for p in declared(notebook).values():
        assert len(p.meaning.split()) >= 3, p.name
        assert not re.match(r"[\[({]", p.meaning), f"{p.name}: a domain that was not understood"
        value = p.check(p.default)
        assert value == p.default and type(value) is type(p.default), p.name
        if p.type in ("int", "float"):
            assert p.interval or p.choices, f"{p.name} has neither an interval nor choices"
            _, low, high, _ = p.interval or ("", p.default, p.default, "")
            assert low <= p.default <= high, p.name
        if p.choices:
            assert str(p.default) in p.choices, p.name


def test_every_notebook_can_be_scaled_and_seeded():
    for notebook in NOTEBOOKS:
        assert declared(notebook)["profile"].choices == project.PROFILE_NAMES
        assert declared(notebook)["seed"].type == "int"


def test_a_line_that_declares_nothing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        parameters,
        "parameters_cell",
        lambda notebook: "beta: float = 0.1  # (0, 10] weight\ngamma = 3",
    )
    with pytest.raises(
        project.EmoError,
        match=r"line 2: expected 'name: type = default  # meaning', got 'gamma = 3'",
    ):
        declared("03_dpo")


def test_an_unknown_notebook_is_answered_with_the_nearest():
    with pytest.raises(project.EmoError, match="no notebook '03_dop'; did you mean '03_dpo'"):
        declared("03_dop")
    assert parameters.notebook_path("notebooks/03_dpo.ipynb") == project.NOTEBOOKS / "03_dpo.ipynb"


# One run's values


def test_the_paths_that_papermill_injects_are_no_parameters():
    """With --inject-paths its cell says where the notebook and its output lie."""
    injected = {"beta": 0.2, "PAPERMILL_INPUT_PATH": "a", "PAPERMILL_OUTPUT_PATH": "b"}
    lines = [f"{name} = {value!r}" for name, value in injected.items()]
    history = ["", parameters_cell("03_dpo"), "# Parameters\n" + "\n".join(lines)]
    assert given_in_session("03_dpo", injected | {"In": history}) == {"beta": 0.2}


@pytest.mark.parametrize(
    "typo, right",
    [
        ("betta", "beta"),
        ("lerning_rate", "learning_rate"),
        ("batchsize", "batch_size"),
        ("Seed", "seed"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(typo, right):
    with pytest.raises(
        ParameterError, match=f"03_dpo has no parameter '{typo}'; did you mean '{right}'"
    ):
        resolve("03_dpo", {typo: 0.1})


def test_a_name_like_no_other_is_refused_without_a_guess():
    with pytest.raises(ParameterError) as error:
        resolve("03_dpo", {"qqqqq": 1})
    assert "'qqqqq'" in str(error.value) and "did you mean" not in str(error.value)


@pytest.mark.parametrize(
    "name, value, says",
    [
        ("beta", "a lot", ["'a lot'", "no float", "(0, 10]", "default 0.1"]),
        ("batch_size", 2.5, ["2.5", "no int", "[1, 1024]", "default 4"]),
        ("batch_size", "2.5", ["'2.5'", "no int"]),
        ("batch_size", True, ["True", "no int"]),
        ("beta", True, ["True", "no float"]),
        ("beta", None, ["None", "no float"]),
        ("base_model", 3, ["3", "no str"]),
        ("beta", 0, ["0.0", "(0, 10]"]),
        ("beta", 10.001, ["10.001", "(0, 10]"]),
        ("beta", float("nan"), ["nan", "(0, 10]"]),
        ("beta", float("inf"), ["inf", "(0, 10]"]),
        ("batch_size", 0, ["0", "[1, 1024]"]),
        ("seed", 2**31, [str(2**31)]),
        ("precision", "fp16", ["'fp16'", "one of auto, bf16, fp32"]),
        ("system", "eqsr-dp0", ["'eqsr-dp0'", "did you mean 'eqsr-dpo'"]),
        ("system", "eqsr-sft", ["one of eqsr-dpo, er-eqsr-dpo"]),
        ("profile", "smok", ["'smok'", "did you mean 'smoke'"]),
    ],
)
def test_a_value_outside_its_domain_is_refused_with_what_would_fit(name, value, says):
    with pytest.raises(ParameterError) as error:
        resolve("03_dpo", {name: value})
    assert f"parameter '{name}'" in str(error.value)
    assert [part for part in says if part not in str(error.value)] == []


@pytest.mark.parametrize(
    "name, value, kept",
    [
        ("beta", 10, 10.0),
        ("beta", "0.25", 0.25),
        ("beta", 1e-9, 1e-9),
        ("batch_size", 1, 1),
        ("batch_size", "8", 8),
        ("lora_rank", 0, 0),
        ("temperature", 0, 0.0),
        ("temperature", 2, 2.0),
        ("epochs", 3, 3.0),
    ],
)
def test_a_value_inside_its_domain_is_kept_in_the_declared_type(name, value, kept):
    found = resolve("03_dpo", {name: value})[name]
    assert found == kept and type(found) is type(kept)


def test_booleans_are_read_from_text():
    p = parameters.Parameter("flag", "bool", True, "some flag")
    assert [p.check(v) for v in (True, False, "true", "False")] == [True, False, True, False]
    for wrong in ("yes", 1, 0.0):
        with pytest.raises(ParameterError, match="no bool"):
            p.check(wrong)


def test_without_anything_given_the_defaults_hold():
    assert resolve("03_dpo", {}) == {name: p.default for name, p in declared("03_dpo").items()}


def test_a_profile_overrides_the_defaults_and_what_is_given_overrides_the_profile():
    smoke = yaml.safe_load((project.PROFILES / "smoke.yaml").read_text())["all"]
    found = resolve("03_dpo", {"profile": "smoke", "max_length": 512})
    assert (
        found["base_model"] == smoke["base_model"] == "tiny-llama" and found["profile"] == "smoke"
    )
    assert (
        found["max_new_tokens"]
        == smoke["max_new_tokens"]
        != declared("03_dpo")["max_new_tokens"].default
    )
    assert found["max_length"] == 512 != smoke["max_length"]
    # A value that equals the default but was given still wins over the profile.
    default = declared("03_dpo")["max_new_tokens"].default
    assert (
        resolve("03_dpo", {"profile": "smoke", "max_new_tokens": default})["max_new_tokens"]
        == default
    )


def test_a_run_overrides_its_notebook_and_the_notebook_overrides_all(monkeypatch):
    profile = {
        "all": {"beta": 0.2, "epochs": 2.0, "seed": 1, "no_such": 1},
        "values": {"03_dpo": {"beta": 0.3, "epochs": 3.0}, "03_dpo.eqsr-dpo": {"beta": 0.4}},
    }
    monkeypatch.setattr(parameters, "load_profile", lambda name: profile)
    assert parameters.profile_values("smoke", "03_dpo", "03_dpo.eqsr-dpo") == {
        "beta": 0.4,
        "epochs": 3.0,
        "seed": 1,
    }
    assert parameters.profile_values("smoke", "03_dpo", "03_dpo.er-eqsr-dpo") == {
        "beta": 0.3,
        "epochs": 3.0,
        "seed": 1,
    }
    assert parameters.profile_values("smoke", "04_kto") == {"beta": 0.2, "epochs": 2.0, "seed": 1}
    profile["values"]["03_dpo"]["betta"] = 1
    with pytest.raises(
        ParameterError, match=r"smoke.yaml sets 'betta' for 03_dpo.*did you mean 'beta'"
    ):
        resolve("03_dpo", {"profile": "smoke"})


# The profiles


@pytest.mark.parametrize(
    "profile, step",
    list(itertools.product(project.PROFILE_NAMES, steps.STEPS)),
    ids=lambda v: getattr(v, "run", v),
)
def test_a_profile_gives_every_run_values_that_fit(profile, step):
    found = resolve(step.notebook, dict(step.fixed) | {"profile": profile}, step.run)
    assert list(found) == list(declared(step.notebook))
    assert found["profile"] == profile and all(found[name] == value for name, value in step.fixed)


@pytest.mark.parametrize("profile", project.PROFILE_NAMES)
def test_a_profile_sets_nothing_that_no_run_has(profile):
    content = yaml.safe_load((project.PROFILES / f"{profile}.yaml").read_text())
    content = {"values": {}} | content
    further = {"cap_memory", "gpus", "extends", "launch", "resources", "threads"}
    assert set(content) - further - {"step_seconds", "step_source"} == {
        "about",
        "minutes",
        "memory_gb",
        "all",
        "values",
    }
    everything = {name for notebook in NOTEBOOKS for name in declared(notebook)}
    assert set(content["all"]) <= everything - {"profile", "seed"}
    for key, values in content["values"].items():
        assert key in NOTEBOOKS or key in {s.run for s in steps.STEPS}, key
        assert set(values) <= set(declared(key.split(".")[0])), key


def test_a_profile_upon_another_changes_what_it_names_and_keeps_the_rest():
    small, whole = (parameters.load_profile(n) for n in ("overnight-small", "overnight"))
    assert small["all"] == whole["all"] | {"base_model": "Qwen2.5-Coder-0.5B-Instruct"}
    assert small["about"] != whole["about"] and "extends" not in small
    for notebook in ("07_preference_ablation", "10_ebd_scores"):
        one, other = (resolve(notebook, {"profile": n}) for n in ("overnight-small", "overnight"))
        assert one | {"profile": "overnight"} == other


@pytest.mark.parametrize("parent", ["overnight-small", "overnite", 7])
def test_a_profile_stands_only_upon_one_that_stands_by_itself(parent, monkeypatch):
    content = {"about": "", "minutes": 0, "memory_gb": 1, "all": {}, "extends": parent}
    given = {"overnight": content, "overnight-small": content}
    monkeypatch.setattr(parameters, "settings", lambda path, *_: dict(given[path.stem]))
    with pytest.raises(ParameterError, match=rf"overnight.yaml: 'extends: {parent}' names no"):
        parameters.load_profile("overnight")


@pytest.mark.parametrize(
    "seconds, source, says",
    [
        ([10], "measured", "'step_seconds' is no mapping of notebooks"),
        ({"02_sft": "ten"}, "measured", "'step_seconds' is no mapping of notebooks"),
        ({"02_sft": 0}, "measured", "'step_seconds' is no mapping of notebooks"),
        ({"02_sft": 10}, " ", "'step_seconds' needs 'step_source'"),
    ],
)
def test_the_seconds_of_a_step_are_numbers_with_their_source(monkeypatch, seconds, source, says):
    content = {"about": "", "minutes": 0, "memory_gb": 1, "all": {}}
    content |= {"step_seconds": seconds, "step_source": source}
    monkeypatch.setattr(parameters, "settings", lambda path, *_: dict(content))
    with pytest.raises(ParameterError, match=f"overnight.yaml: {says}"):
        parameters.load_profile("overnight")


def test_the_default_profile_is_what_the_cells_show():
    for step in steps.STEPS:
        shown = {name: p.default for name, p in declared(step.notebook).items()}
        assert resolve(step.notebook, dict(step.fixed), step.run) == shown | dict(step.fixed)


def test_an_unknown_profile_is_answered_with_the_nearest():
    with pytest.raises(
        ParameterError,
        match="no profile 'ember'.*smoke, embedded, overnight",
    ):
        parameters.load_profile("ember")


# What the user set in a kernel: the history of cells as IPython keeps it in `In`, and the names
# that it left


def session(*sources: str, notebook: str = "03_dpo") -> dict:
    """The namespace of a kernel that executed these cells,
    the last of which calls `start` (not executed).
    """
    namespace: dict = {}
    for source in sources:
        if "start(" not in source:
            exec(source, namespace)
    del namespace["__builtins__"]
    return namespace | {"In": ["", *sources]}


CELL = parameters_cell("03_dpo")


def test_an_untouched_cell_gives_nothing():
    assert given_in_session("03_dpo", session(CELL, START)) == {}


def test_papermills_injected_cell_gives_what_it_assigns():
    injected = '# Parameters\nbeta = 0.5\nprofile = "smoke"\n'
    assert given_in_session("03_dpo", session(CELL, injected, START)) == {
        "beta": 0.5,
        "profile": "smoke",
    }


def test_papermills_own_cell_is_recognized(tmp_path):
    """The cell as papermill itself writes it, not as this file imagines it."""
    notebook = papermill.parameterize.parameterize_notebook(
        papermill.iorw.load_notebook_node(str(project.NOTEBOOKS / "03_dpo.ipynb")),
        {"beta": 0.1, "lora_rank": 0},
    )
    sources = [
        c.source
        for c in notebook.cells
        if set(c.metadata.get("tags", [])) & {"parameters", "injected-parameters"}
    ]
    assert len(sources) == 2
    assert given_in_session("03_dpo", session(*sources, START)) == {"beta": 0.1, "lora_rank": 0}


def test_an_injected_value_that_equals_the_default_is_given():
    default = declared("03_dpo")["beta"].default
    assert given_in_session(
        "03_dpo", session(CELL, f"# Parameters\nbeta = {default}\n", START)
    ) == {"beta": default}


def test_an_injected_typo_is_given_and_refused():
    given = given_in_session("03_dpo", session(CELL, "# Parameters\nbetta = 0.5\n", START))
    assert given == {"betta": 0.5}
    with pytest.raises(ParameterError, match="did you mean 'beta'"):
        resolve("03_dpo", given)


def test_an_edited_cell_gives_what_was_changed_only():
    edited = CELL.replace("beta: float = 0.1", "beta: float = 0.7").replace(
        'system: str = "eqsr-dpo"', 'system: str = "er-eqsr-dpo"'
    )
    assert edited != CELL
    assert given_in_session("03_dpo", session(edited, START)) == {
        "beta": 0.7,
        "system": "er-eqsr-dpo",
    }


def test_a_typo_in_an_edited_cell_is_given_and_refused():
    edited = CELL.replace("beta: float", "betta: float")
    given = given_in_session("03_dpo", session(edited, START))
    assert given == {"betta": 0.1}
    with pytest.raises(ParameterError, match="did you mean 'beta'"):
        resolve("03_dpo", given)


def test_a_value_set_in_a_cell_of_its_own_counts_and_private_names_do_not():
    assert given_in_session("03_dpo", session(CELL, "beta = 2.0\n_mine = 3", START)) == {
        "beta": 2.0
    }


def test_cells_after_the_start_do_not_count():
    assert given_in_session("03_dpo", session(CELL, START, "rows = 3")) == {}


def test_magics_do_not_count():
    namespace = session(CELL, START) | {"seconds": 1}
    namespace["In"].insert(1, "%load_ext autoreload\nseconds = 1")
    assert given_in_session("03_dpo", namespace) == {}


def test_outside_a_notebook_nothing_is_given():
    assert given_in_session("03_dpo", {}) == {}


@pytest.mark.parametrize("before, value", [(0.1, 0.7), (0.3, 0.7), (0.3, 0.1)])
def test_a_cell_edited_and_run_again_in_the_same_kernel_counts(before, value):
    """The student's loop: run the notebook, change a value in its first cell,
    run it from the top without a restart.
    """
    first, second = (
        CELL.replace("beta: float = 0.1", f"beta: float = {beta}") for beta in (before, value)
    )
    given = given_in_session("03_dpo", session(first, START, "rows = 3", second, START))
    assert resolve("03_dpo", given)["beta"] == value


def test_what_the_rest_waits_for_longest_goes_first():
    of_book = steps.steps("embedded")
    order = sorted(of_book, key=lambda step: due.longest_chain(step, of_book), reverse=True)
    assert order[0].run == "02_sft.er-sft"  # three trainings start from it
    assert [s.notebook for s in order[1:3]] == [
        "04_kto"
    ] * 2  # the longest and largest trainings are not left to end alone
    # er-sft 115 s, er-eqsr-kto 140 s, then the preferences 1800 s, then the gates of all 15 s.
    assert due.longest_chain(steps.step("02_sft.er-sft"), of_book) == 2070
    assert due.longest_chain(steps.step("08_qualitative_cases"), of_book) == 255


def test_numbers_can_have_choices_and_keep_their_type():
    orders = declared("09_emplifai_prediction")["orders"]
    assert orders.check(4) == 4 and orders.check("2") == 2
    with pytest.raises(parameters.ParameterError, match="'orders' is 3; it must be one of 1, 2, 4"):
        orders.check(3)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"make_rows": 2}, "'make_rows' needs 'make_with', a service's name of the model"),
        ({"keep": True, "profile": "embedded"}, "'keep' needs 'pairs_file', pairs"),
        ({"keep": True, "pairs_file": "x.csv"}, "'keep' is for a profile whose numbers mean"),
        ({"make_rows": 2, "make_with": "big"}, ""),
        ({"keep": True, "pairs_file": "x.csv", "profile": "embedded"}, ""),
    ],
)
def test_a_parameter_that_needs_another_is_refused_without_it(given, says):
    values = parameters.resolve("10_empathy_by_design", {"profile": "smoke"} | given)
    run = runs.Run("10_empathy_by_design", values, given)
    if not says:
        run.require(make_rows="make_with", keep="pairs_file")
        return
    with pytest.raises(parameters.ParameterError, match=says):
        run.require(make_rows="make_with", keep="pairs_file")


def test_a_run_by_hand_says_that_its_profile_stands_before_the_saved_cell():
    values = parameters.resolve("03_dpo", {"profile": "smoke"})
    run = runs.Run("03_dpo", values, {"profile": "smoke"})
    shown = repr(runs.Beginning(run, run.given))
    assert "profile: base_model = 'tiny-llama'" in shown
    assert "(profile smoke sets these, whatever the saved cell above says; give yours" in shown
    run.book = True
    of_the_book = runs.Beginning(run, run.given)
    assert "whatever the saved cell" not in repr(of_the_book)
    assert "<details" in of_the_book._repr_html_() and " open>" not in of_the_book._repr_html_()
