"""The page that shows the data: every row of every file is on it, as text."""

import html
import re
from types import SimpleNamespace

import pytest
from text_measures import read

from emo.site import assets, data_page, layout
from emo_utils import project
from emo_utils.data import caregiver, dialogues, emplifai
from emo_utils.data.arms import ARMS, in_arm
from emo_utils.experiment import provenance

FILES = {
    "data_dialogues": [in_arm(path, arm) for arm in ARMS for path in dialogues.FILES.values()],
    "data_japanese": [in_arm(emplifai.FILE, arm) for arm in ARMS],
    "data_caregiver": [in_arm(path, arm) for arm in ARMS for path in caregiver.FILES.values()],
}


def written(folder) -> dict[str, str]:
    """The generated parts by name, written into a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "GENERATED", folder)
        patch.setattr(provenance, "FILES_READ", {})
        data_page.write_data()
    return {name: (folder / f"{name}.md").read_text("utf-8") for name in FILES}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Those of the data as they are."""
    return written(tmp_path_factory.mktemp("data"))


def cells(text: str) -> list[str]:
    return [html.unescape(cell) for cell in re.findall("<td[^>]*>([^<]*)</td>", text)]


def test_every_row_is_shown_whole(parts):
    for name, text in parts.items():
        shown = set(cells(text))
        for row in (row for file in FILES[name] for row in read(file)):
            assert any(cell.startswith(f"{row['id']} · ") for cell in shown), row["id"]
            texts = [
                value
                for field, value in row.items()
                if field not in ("id", "topic", "specialty", "emotion", "turns")
            ] + row.get("turns", [])
            assert len(texts) >= 3 and set(texts) <= shown, row["id"]


def test_japanese_is_marked_and_its_gloss_stands_beside_it(parts):
    text = parts["data_japanese"]
    row = read(emplifai.FILE)[0]
    named = f"{row['id']} · {row['emotion']} · subtle"
    wanted = [named, row["gloss"], row["situation"], *row["turns"]]
    assert (
        "".join(
            f"<td{' lang=ja' if place > 1 else ''}>{html.escape(value)}</td>"
            for place, value in enumerate(wanted)
        )
        in text
    )
    assert all(
        f"<td>{english}</td><td lang=ja>{japanese}</td><td>{sentiment}</td><td>8</td>" in text
        for english, japanese, sentiment in emplifai.EMOTIONS
    )


def test_counts_and_lengths_are_those_of_the_files(parts):
    rows = [row for file in FILES["data_dialogues"] for row in read(file)]
    assert parts["data_dialogues"].startswith(
        f"{len(rows)} rows from {len({row['specialty'] for row in rows})} specialties."
    )
    lengths = sorted(len(row["answer"].split()) for row in rows)
    found = re.search(r"<th>answer</th>\s*" + r"<td>(\d+)</td>\s*" * 7, parts["data_dialogues"])
    count, mean, low, *_, high = map(int, found.groups())
    assert (count, mean, low, high) == (
        len(rows),
        round(sum(lengths) / len(lengths)),
        lengths[0],
        lengths[-1],
    )
    assert parts["data_caregiver"].startswith(
        "140 of the arm `overt`, of which 70 have the shorter chosen answer; "
        "140 of the arm `subtle`, of which 71 have the shorter chosen answer."
    )


def test_text_of_a_row_is_never_markup(tmp_path, monkeypatch):
    lines = caregiver.FILES["test"].read_text("utf-8").splitlines()
    row = read(caregiver.FILES["test"])[0]
    file = tmp_path / "copy.jsonl"
    in_arm(file, "overt").parent.mkdir()
    in_arm(file, "overt").write_text(lines[0])
    file.write_text(
        "\n".join(
            [lines[0].replace(row["topic"], "<script>alert(1)</script> & ` $x$"), *lines[1:]]
        ),
        encoding="utf-8",
    )
    monkeypatch.setattr(caregiver, "FILES", caregiver.FILES | {"test": file})
    text = written(tmp_path)["data_caregiver"]
    assert "<script>" not in text and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; ` $x$" in text


def test_no_blank_line_ends_a_table_early(parts):
    """A blank line inside a table would make the rest of it Markdown."""
    for text in parts.values():
        for block in text.split("\n\n"):
            assert block.count("<div") == block.count("</div>") and block.count(
                "<table"
            ) == block.count("</table>")


def test_the_page_includes_the_parts_and_names_the_cards():
    page = (project.ROOT / "book" / "data.md").read_text("utf-8")
    assert re.findall(r"\{include\} generated/(\w+)\.md", page) == list(FILES)
    for folder in ("dialogues", "emplifai_ja", "caregiver"):
        assert (
            f"data/{folder}/README.md" in page and (project.DATA / folder / "README.md").is_file()
        )


def test_the_readme_counts_the_rows():
    text = (project.ROOT / "README.md").read_text("utf-8")
    (er, eqsr, test), plainer = (
        [len(read(in_arm(path, arm))) for path in dialogues.FILES.values()]
        for arm in ("overt", "subtle")
    )
    assert (
        f"| {er} ER, {eqsr} EQ+SR for training, {test} for testing; and "
        f"{', '.join(map(str, plainer))} with the comfort without its phrases |"
        in text
        and f"28 emotions | {len(read(emplifai.FILE))}, in both arms |" in text
    )
    assert (
        "| {} pairs for training, {} for testing, in both arms |".format(
            *(len(read(file)) for file in caregiver.FILES.values())
        )
        in text
    )


def test_datatables_becomes_a_script_that_a_folder_can_load(tmp_path, monkeypatch):
    """The package's module without its export; a bundle that exports something else is no reason
    for pages without tables that work.
    """
    monkeypatch.setattr(layout, "GENERATED", tmp_path)
    assets.place_datatables()
    script = (tmp_path / "static" / "datatables.js").read_text(encoding="utf-8")
    assert (
        script.startswith("(() => {")
        and script.endswith("})();\n")
        and ";window.DataTable = " in script
        and not re.search(r"\bexport\s*\{", script)
    )
    bundle = tmp_path / "html" / "dt_bundle.js"
    bundle.parent.mkdir()
    bundle.write_text("var a=1;export{a as other};")
    monkeypatch.setattr(
        assets, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    )
    with pytest.raises(project.EmoError, match="exports nothing by default"):
        assets.place_datatables()
