"""What the cells of a chapter show of kept records, where nothing was run.

Of each cell those lines are run again that only read records, data and the papers' numbers. A line
is left out where it needs what only a run has, a model, answers or scores of single items, or a
name that a line which was left out would have given.
"""

import ast
import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from sphinx.ext.autodoc.mock import mock

from emo.site import api
from emo_utils.experiment import results
from emo_utils.report import figures, result_tables

# What is imported of the package: rooms that load no model and start no run, and of the other rooms
# what tables of records come from.
ROOMS = ("claims", "data", "people", "project", "report", "scoring", "stats")
MODULES = ("experiment.bill", "experiment.results", "experiment.sweeps", "training.movement")
OUTSIDE = (
    *("IPython", "collections", "dataclasses", "functools", "html", "itertools", "json"),
    *("matplotlib", "numpy", "pandas", "re", "seaborn"),
)
CHANGING = ("add", "append", "extend", "insert", "setdefault", "update")  # methods of collections
NOT_RUN = nbformat.v4.new_output(
    "display_data",
    {"text/html": '<p class="companion-not-run">Not run here.</p>', "text/plain": "Not run here."},
)


class KeptRun(SimpleNamespace):
    """A kept run as cells that show see a run: name, profile, notebook, folder, values, records,
    and what a table says of it (kept, changed).
    """

    def table(self) -> pd.DataFrame:
        """Its records, as `Run.table` gives those of a run."""
        return results.frame([record.model_dump() for record in self.records]).assign(run=self.name)


@contextlib.contextmanager
def reading_from(folder: Path) -> Iterator[None]:
    """Have tables and records be read from a folder of kept runs, whatever the profile, and not
    from what was run on this machine; libraries that this environment lacks are stood in for.
    """
    places = {module: module.results_dir for module in (results, result_tables)}
    for module in places:
        module.results_dir = lambda profile: folder
    try:
        with mock(api.not_installed()):
            yield
    finally:
        for module, place in places.items():
            module.results_dir = place


def show_again(notebook: nbformat.NotebookNode, names: dict) -> int:
    """Put what the cells of a notebook show of kept records into them, and say of those that would
    show something else that they were not run; returns how many show something.

    names: what the cells find, the parameters and `run` (a `KeptRun`); the cells add theirs.
    """
    figures.style()
    pd.set_option("display.html.use_mathjax", False)  # as a run does
    shown, given = 0, frozenset(names)
    for cell in notebook.cells:
        if cell.cell_type != "code" or "parameters" in cell.metadata.get("tags", ()):
            continue
        cell.outputs, left_out = outputs(cell.source, names, given)
        shown += bool(cell.outputs)
        if not cell.outputs and any(map(_would_show, left_out)):
            cell.outputs = [NOT_RUN]
    return shown


def outputs(
    source: str, names: dict, given: frozenset[str] = frozenset()
) -> tuple[list[nbformat.NotebookNode], list[ast.stmt]]:
    """What a cell shows, as a kernel would: prints, what it displays, its last expression, and the
    figures that are open at its end; and its lines that were left out.

    names: gets what the lines assign, and loses what the lines that were left out would have
    assigned, but for those of `given`.
    """
    import matplotlib.pyplot as plt

    shell, printed, left_out, value = InteractiveShell.instance(), io.StringIO(), [], None
    lines, open_before = ast.parse(source).body, {*plt.get_fignums()}
    with capture_output(stdout=False) as captured, contextlib.redirect_stdout(printed):
        for line in lines:
            before = len(captured.outputs), printed.tell(), plt.get_fignums()
            try:
                value = _run(line, names)
            except Exception:  # for want of what only a run has, whatever it is that then fails
                left_out.append(line)
                for name in _assigned(line) - given:
                    names.pop(name, None)
                del captured._outputs[before[0] :]
                printed.seek(before[1])
                printed.truncate()
                for number in set(plt.get_fignums()) - {*before[2]}:
                    plt.close(number)
    if lines[-1:] == left_out[-1:] or source.rstrip().endswith(";"):
        value = None
    parts = [(each.data, each.metadata) for each in captured.outputs]
    drawn = [plt.figure(number) for number in plt.get_fignums() if number not in open_before]
    last = [] if value is None or any(value is figure for figure in drawn) else [value]
    parts += [shell.display_formatter.format(each) for each in (*last, *drawn)]
    for figure in drawn:
        plt.close(figure)
    text = printed.getvalue()
    shown = [nbformat.v4.new_output("stream", text=text)] if text else []
    return [
        *shown,
        *(nbformat.v4.new_output("display_data", data, metadata=about) for data, about in parts),
    ], left_out


def _would_show(line: ast.stmt) -> bool:
    """Whether a line may show something: it is an expression, and no call that adds to the records
    or ends the run.
    """
    if not isinstance(line, ast.Expr):
        return False
    called = ast.unparse(line.value.func) if isinstance(line.value, ast.Call) else ""
    return not called.rpartition(".")[2].startswith(("add_", "finish", "keep"))


def _run(line: ast.stmt, names: dict):
    """Run a line with names and return its value, of an expression; what it imports is only what
    may be imported.
    """
    if isinstance(line, ast.Expr):
        return eval(compile(ast.Expression(line.value), "cell", "eval"), names)
    if isinstance(line, ast.Import | ast.ImportFrom):
        wanted = line.names
        line.names = [alias for alias in wanted if _may_be_imported(line, alias.name)]
        if line.names:
            exec(compile(ast.Module([line], []), "cell", "exec"), names)
        if line.names != wanted:
            raise ImportError("of a room that loads models or starts runs")
        return None
    exec(compile(ast.Module([line], []), "cell", "exec"), names)
    return None


def _may_be_imported(line: ast.Import | ast.ImportFrom, name: str) -> bool:
    """Whether a name that a line imports is of ROOMS, MODULES or OUTSIDE."""
    whole = f"{line.module}.{name}" if isinstance(line, ast.ImportFrom) else name
    package, _, module = whole.partition(".")
    if package != "emo_utils":
        return package in OUTSIDE
    return module.partition(".")[0] in ROOMS or module.startswith(MODULES)


def _assigned(line: ast.stmt) -> set[str]:
    """The names that a line gives or changes a part of (`table["words"] = …`, `rows.append(…)`)."""
    if isinstance(line, ast.Import | ast.ImportFrom):
        return set()
    found = set()
    for node in ast.walk(line):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in CHANGING:
            found |= {called.value.id} if isinstance(called.value, ast.Name) else set()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(getattr(node, "ctx", None), ast.Store):
            while isinstance(node, ast.Subscript | ast.Attribute | ast.Starred):
                node = node.value
            found |= {node.id} if isinstance(node, ast.Name) else set()
    return found


def known(notebook: str, records: pd.DataFrame) -> dict:
    """What the records of a kept run say of names that its chapter gives by measuring, which
    captions need: who scored and how, and on how many questions.
    """

    def of(table: str) -> pd.DataFrame:
        return records[records.table == table]

    if notebook == "05_emotion_scoring":
        return {"first": of("emodoctor.table1").iloc[0]}
    if notebook == "07_preference_ablation":
        panel = of("emodoctor.figure2.knowledge")
        return {"count": panel.n.max(), "how": "how it was asked stands in the records"}
    if notebook == "08_qualitative_cases":
        return {"n": of("emodoctor.table3").n.max()}
    if notebook == "09_emplifai_finetuning":
        return {"tests": range(of("emplifai.finetuning").n.max())}
    if notebook == "10_ebd_scores":
        semantic = of("ebd.semantic")
        tests, systems = range(semantic.n.max()), list(semantic.system.unique())
        return {"tests": tests, "systems": systems, "bare": ""}
    return {}
