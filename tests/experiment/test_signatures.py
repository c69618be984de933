"""A record's signature is for people: no program reads it to decide or to compute anything."""

import ast
import json
from collections.abc import Iterator

import pytest

from emo_utils.project import ROOT

FOLDERS = ("emo_utils", "emo", "notebooks", "benchmarks")
# Places that show the signatures of records, or put words before or behind them.
PLACES = {
    ("emo_utils/report/result_tables.py", "caption"),
    ("emo_utils/scoring/answer_measures.py", "difference_to"),
    ("emo_utils/training/movement.py", "records_table"),
}
# Who scores says how it does so by an attribute of the same name, of which signatures are made:
# what holds such a one, and where.
WHO_SCORES = {
    ("emo_utils/claims/caregiver_records.py", "judge"),
    ("emo_utils/judging/authors_slips.py", "judge"),
    ("emo_utils/judging/human_choices.py", "reader"),
    ("emo_utils/judging/preference_records.py", "judge"),
    ("emo_utils/people/against_labels.py", "reader"),
    ("emo_utils/scoring/emotion_records.py", "scored"),
    ("emo_utils/people/scorers_against_people.py", "reader"),
    ("emo_utils/scoring/emotion_scorers.py", "reader"),
    ("emo_utils/scoring/planted_mistakes.py", "reader"),
    ("notebooks/01_two_arms.ipynb", "judge"),
    ("notebooks/05_emotion_scoring.ipynb", "first"),
    ("notebooks/05_plain_questions.ipynb", "scored"),
    ("notebooks/07_preference_ablation.ipynb", "reader"),
    ("notebooks/09_emplifai_judge.ipynb", "judge"),
    ("notebooks/09_emplifai_moves.ipynb", "judge"),
}
# How the words of a signature are looked at, where a variable holds them.
HELD_IN = {"signature", "signatures", "how"}
LOOKS_INTO = set(
    "casefold contains count endswith extract extractall find findall finditer fullmatch get index "
    "len literal_eval loads lower match partition removeprefix removesuffix replace rfind "
    "rpartition rsplit search split splitlines startswith str strip sub title upper".split()
)


def sources() -> Iterator[tuple[str, str]]:
    """Every file of code and every notebook's code cells, by their path."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        for path in sorted((ROOT / folder).rglob("*.ipynb")):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
            yield path.relative_to(ROOT).as_posix(), "\n".join(code)


def name_of(node: ast.AST) -> str:
    """The last name of `a`, `a.b` or `a.b()`; empty for what has none."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    return getattr(node, "attr", getattr(node, "id", ""))


def holds(node: ast.AST | None) -> bool:
    """Whether a node is a variable for signatures, or has one inside."""
    return any(name_of(part) in HELD_IN for part in (ast.walk(node) if node else ()))


def is_read(node: ast.AST, parent: ast.AST, path: str) -> bool:
    """Whether a node takes the signature of a record: `record.signature`, `record["signature"]`,
    `frame[[..., "signature"]]`, `getattr(record, "signature")`, `frame.query("signature ...")`,
    `case Record(signature=...)`.

    A key of a dict that is written, and who scores' own signature, are none.
    """
    if isinstance(node, ast.MatchClass):
        return "signature" in node.kwd_attrs
    if isinstance(node, ast.Attribute):
        taken = node.attr == "signature" and isinstance(node.ctx, ast.Load)
        return taken and (path, name_of(node.value)) not in WHO_SCORES
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return False
    if isinstance(parent, ast.Call) and name_of(parent) in ("query", "eval"):
        return "signature" in node.value
    if node.value != "signature":
        return False
    written = isinstance(parent, ast.Subscript) and isinstance(parent.ctx, ast.Store)
    return not written and not (isinstance(parent, ast.Dict) and node in parent.keys)


def is_looked_into(node: ast.AST) -> bool:
    """Whether a node looks at the words in what a variable for signatures holds: compares, tests,
    cuts or takes them apart, or looks something up by them.
    """
    if isinstance(node, ast.Compare):
        return any(holds(part) for part in (node.left, *node.comparators))
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        return name_of(node.test) in HELD_IN
    if isinstance(node, ast.Attribute):
        return node.attr in LOOKS_INTO and holds(node.value)
    if isinstance(node, ast.Subscript):
        cut = isinstance(node.slice, ast.Slice | ast.Constant) and name_of(node.value) in HELD_IN
        return isinstance(node.ctx, ast.Load) and (cut or name_of(node.slice) in HELD_IN)
    if isinstance(node, ast.Assign):
        apart = any(isinstance(target, ast.Tuple | ast.List) for target in node.targets)
        return apart and name_of(node.value) in HELD_IN
    if isinstance(node, ast.Call) and name_of(node) in LOOKS_INTO:
        return any(name_of(argument) in HELD_IN for argument in node.args)
    return False


def found_in(path: str, code: str) -> list[str]:
    """Where code reads a signature, outside the places that may: `path:function: code`."""
    tree, found = ast.parse(code), []

    def visit(node: ast.AST, function: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        for child in ast.iter_child_nodes(node):
            if is_read(child, node, path) or is_looked_into(child):
                if (path, function) not in PLACES:
                    found.append(f"{path}:{function}: {ast.unparse(child)}")
            visit(child, function)

    visit(tree, "")
    return found


def test_no_program_reads_a_signature():
    assert not [line for path, code in sources() for line in found_in(path, code)]


def test_the_places_that_may_read_one_still_do():
    """A place that no longer does leaves the list."""
    files = dict(sources())
    for path, function in PLACES:
        named = [n for n in ast.walk(ast.parse(files[path])) if getattr(n, "name", "") == function]
        pairs = [(c, p) for f in named for p in ast.walk(f) for c in ast.iter_child_nodes(p)]
        assert any(is_read(child, parent, path) for child, parent in pairs), (path, function)


def test_who_scores_is_still_there():
    """What no longer gives its own signature leaves the list."""
    files = dict(sources())
    for path, name in WHO_SCORES:
        attributes = [n for n in ast.walk(ast.parse(files[path])) if isinstance(n, ast.Attribute)]
        given = {name_of(n.value) for n in attributes if n.attr == "signature"}
        assert name in given, (path, name)


@pytest.mark.parametrize(
    "code",
    [
        'p = part.signature.str.extract(r"p = (.+)")',
        'part = part.assign(wrong=part["signature"])',
        'value, how = fields["value"], fields["signature"]',
        'part = frame[["value", "signature"]]',
        'how = getattr(record, "signature")',
        'how = record.get("signature")',
        "part = frame.query(\"signature == 'x'\")",
        'exact = "share of" in how',
        'exact = signature.startswith("share")',
        'number = re.search("number", signature)',
        "first = records.iloc[0]\nwords = first.signature",
        "match record:\n    case Record(signature=words):\n        pass",
        'match record:\n    case {"signature": words}:\n        pass',
        'shares = how[:8] == "share of"',
        'shares = how[:8] in ("share of",)',
        "kind = KINDS[how]",
        "kind = KINDS.get(how)",
        "first_words, *others = how",
        "words = how.lower()",
        'words = (how or "").split()',
        'exact = "share of" in f"{how};"',
        "if how:\n    pass",
    ],
)
def test_a_reader_of_signatures_is_found(code):
    assert found_in("emo_utils/any.py", code)


@pytest.mark.parametrize(
    "code",
    [
        'run.add(metric="auc", signature=f"{reader.signature}; bootstrap")',
        'record = {"value": 1, "signature": how}',
        'fields["signature"] += about',
        "class Record:\n    signature: str",
    ],
)
def test_writing_a_signature_is_no_reading(code):
    assert not found_in("emo_utils/scoring/planted_mistakes.py", code)
