"""How executed notebooks become pages."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from emo.site import layout
from emo_utils.project import NOTEBOOKS

# Chapters whose reader comes for results.
OF_RESULTS = (
    *("05_emotion_scoring", "05_plain_questions", "06_knowledge_scoring", "07_preference_ablation"),
    *("08_qualitative_cases", "09_emplifai_prediction", "09_emplifai_judge", "10_ebd_scores"),
)


def test_what_was_found_stands_behind_the_title_and_its_place_says_so():
    figure = new_code_cell("figure()", metadata={"tags": ["finding", "hide-input"]})
    table = new_code_cell("table()", metadata={"tags": ["finding"]})
    cells = [new_markdown_cell("# 5 Title"), new_code_cell("x = 1"), figure]
    notebook = new_notebook(cells=[*cells, new_markdown_cell("why"), table])
    layout.finding_first(notebook)
    away = "*Shown at the top of this page.*"
    assert [cell.source for cell in notebook.cells] == [
        *("# 5 Title", "## What was found", "figure()", "table()"),
        *("x = 1", away, "why", away),
    ]
    nbformat.validate(notebook)


def test_a_notebook_without_a_finding_stays_as_it_is():
    notebook = new_notebook(cells=[new_markdown_cell("# 2 Title"), new_code_cell("x = 1")])
    before = [cell.source for cell in notebook.cells]
    layout.finding_first(notebook)
    assert [cell.source for cell in notebook.cells] == before


@pytest.mark.parametrize("notebook", OF_RESULTS)
def test_a_chapter_of_results_has_a_finding_that_is_shown_by_code(notebook):
    cells = nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", as_version=4).cells
    found = [cell for cell in cells if "finding" in cell.metadata.get("tags", ())]
    assert found and all(cell.cell_type == "code" for cell in found)
