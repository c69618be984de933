"""What cells show of kept records: the lines that need no run, and nothing that would be wrong."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from emo.site import kept_cells
from emo_utils.experiment import results
from emo_utils.report import result_tables

RECORD = {
    **{"table": "emodoctor.table1", "system": "base", "metric": "mean", "value": 0.5},
    **{"ci_low": 0.4, "ci_high": 0.6, "n": 20, "unscored": 0, "scorer": "s", "seed": 42},
    "signature": "how",
}


@pytest.fixture
def run(tmp_path) -> kept_cells.KeptRun:
    record = results.Record.model_validate(results.completed(RECORD))
    return kept_cells.KeptRun(name="05_emotion_scoring", folder=tmp_path, records=[record])


def shown(*sources: str, **names) -> tuple[list[list[str]], dict]:
    """What each cell shows, as plain text, and the names at the end."""
    notebook = new_notebook(cells=[new_markdown_cell("# Title"), *map(new_code_cell, sources)])
    kept_cells.show_again(notebook, names)
    nbformat.validate(notebook)
    texts = [
        [each.text if "text" in each else each.data["text/plain"] for each in cell.outputs]
        for cell in notebook.cells[1:]
    ]
    return texts, names


def test_a_table_of_the_records_is_shown_whatever_in_its_cell_needs_a_run(run):
    texts, _ = shown(
        "from emo_utils.experiment import results, runs\n"
        "run = runs.start('05_emotion_scoring', globals())\nrun.finish();",
        "print('before')\nrecords = run.table()\nrecords[['system', 'value']]",
        run=run,
    )
    assert texts == [[], ["before\n", "  system  value\n0   base    0.5"]]


def test_a_cell_that_only_adds_to_the_records_would_have_shown_nothing(run):
    assert shown(
        "claims_ledger.add_combinations(run, ())\nrun.finish();",
        "run.add_mean(value)\nrun.answers()",
        "trainer.log_history",
        run=run,
    )[0] == [[], ["Not run here."], ["Not run here."]]


def test_a_last_line_with_a_semicolon_and_a_cell_that_only_assigns_show_nothing():
    assert shown("x = 1\nx;", "y = x + 1", "y")[0] == [[], [], ["2"]]


def test_a_name_whose_value_needs_a_run_has_no_older_value_and_no_part_of_one(run):
    texts, names = shown(
        "table = {'words': 1}\nother = [1]\nrows = []\nkept = 3",
        "table = run.answers()\nother[0] = run.answers()",
        "for k in (0, 1):\n    rows.append(1 / k)",
        "print(table)",
        "print(other, rows)",
        "print(kept)",
        run=run,
    )
    assert texts == [[], [], [], ["Not run here."], ["Not run here."], ["3\n"]]
    assert not {"table", "other", "rows"} & set(names)


def test_what_a_line_printed_or_drew_before_it_failed_is_not_shown():
    assert shown(
        "from IPython.display import display\nimport matplotlib.pyplot as plt",
        "print('kept')\nfor k in (1, 2):\n    display(k), print(k), plt.figure(), 1 / (k - 2)",
    )[0] == [[], ["kept\n"]]


def test_names_that_were_given_stay_where_the_chapter_would_measure_them(run):
    assert shown("n = run.answers().id.nunique()", "n", n=7, run=run)[0] == [[], ["7"]]


def test_a_table_is_shown_beside_a_figure_of_its_cell(run):
    draw = "import matplotlib.pyplot as plt\nplt.figure(layout='constrained')\nrun.table()[['n']]"
    assert shown(draw, run=run)[0][0][0] == "    n\n0  20"


def test_a_figure_is_shown_once_however_its_cell_ends():
    draw = "figure, axis = plt.subplots()\naxis.set(title='a')"
    notebook = new_notebook(
        cells=[
            new_code_cell(f"import matplotlib.pyplot as plt\n{draw}{end}")
            for end in (";", "\nfigure")
        ]
    )
    assert kept_cells.show_again(notebook, {}) == 2
    for cell in notebook.cells:
        (output,) = cell.outputs
        assert "<svg" in output.data["image/svg+xml"]


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("from emo_utils.models import loading", False),
        ("from emo_utils.experiment import runs", False),
        ("import torch", False),
        ("import subprocess", False),
        ("from emo_utils.experiment import results", True),
        ("from emo_utils.claims import ledger", True),
        ("import pandas", True),
    ],
)
def test_only_rooms_that_load_no_model_and_start_no_run_are_imported(line, there):
    name = line.rpartition(" ")[2]
    assert (name in shown(line)[1]) == there


def test_a_mixed_import_gives_what_it_may():
    _, names = shown("from emo_utils.experiment import results, runs")
    assert "results" in names and "runs" not in names


def test_parameters_are_those_of_the_kept_run_and_not_the_defaults_of_the_cell():
    cell = new_code_cell("arm = 'subtle'", metadata={"tags": ["parameters"]})
    notebook = new_notebook(cells=[cell, new_code_cell("print(arm)")])
    kept_cells.show_again(notebook, {"arm": "overt"})
    assert notebook.cells[1].outputs[0].text == "overt\n"


def test_tables_are_read_from_the_kept_runs_and_afterwards_from_this_machine_again(tmp_path):
    before = results.results_dir("embedded"), result_tables.results_dir("embedded")
    with pytest.raises(KeyError), kept_cells.reading_from(tmp_path):
        assert results.read("embedded").empty
        assert result_tables.results_dir("overnight") == tmp_path
        raise KeyError
    assert (results.results_dir("embedded"), result_tables.results_dir("embedded")) == before


def test_names_that_captions_need_come_from_the_records():
    records = results.frame([RECORD, RECORD | {"system": "prompt", "n": 30}])
    first = kept_cells.known("05_emotion_scoring", records)["first"]
    assert (first.scorer, first.signature) == ("s", "how")
    of_cases = kept_cells.known("08_qualitative_cases", records.assign(table="emodoctor.table3"))
    assert of_cases == {"n": 30} and kept_cells.known("13_bill", records) == {}
    of_pairs = records.assign(table="emodoctor.figure2.knowledge")
    assert kept_cells.known("07_preference_ablation", of_pairs)["count"] == 30
    of_tuned = records.assign(table="emplifai.finetuning")
    assert kept_cells.known("09_emplifai_finetuning", of_tuned) == {"tests": range(30)}
    of_scores = kept_cells.known("10_ebd_scores", records.assign(table="ebd.semantic"))
    assert of_scores == {"tests": range(30), "systems": ["base", "prompt"], "bare": ""}
