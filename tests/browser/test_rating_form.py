"""The rating form in headless Chromium: filled in by a script, saved, and its file analysed."""

import html
import json
import re

import pytest
from headless import dom
from test_ratings import answers, dialogues

from emo_utils.people import forms, rating_kit

# What a person does: a code, a click for each rubric by a rule, and the button.
# The file that would be downloaded is put into the page.
PERSON = (
    '<pre id="file"></pre><script>\n'
    "URL.createObjectURL = (blob) => { "
    'blob.text().then((text) => { document.getElementById("file").textContent = text; }); '
    'return "#"; };\n'
    'document.getElementById("rater").value = "%s";\n'
    'document.getElementById("rater").dispatchEvent(new Event("input"));\n'
    'document.querySelectorAll("fieldset").forEach((field, place) => { '
    "if (place >= %d) "
    'field.querySelectorAll("input")[field.dataset.name.length %% 5].click(); });\n'
    'document.getElementById("save").click();\n'
    "</script></body>"
)


def filled(kit, folder, sheet: str, rater: str, skip: int = 0) -> tuple[str, str]:
    """The page after a person worked on it, and the file that it saved."""
    page = folder / f"{sheet}.{rater}.{skip}.html"
    page.write_text(
        (kit / "sheets" / f"{sheet}.html")
        .read_text(encoding="utf-8")
        .replace("</body>", PERSON % (rater, skip)),
        encoding="utf-8",
    )
    shown = dom(page, folder / f"profile {sheet} {rater} {skip}")
    return shown, html.unescape(re.search(r'<pre id="file">(.*?)</pre>', shown, re.DOTALL)[1])


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    rows = dialogues(4, ("a", "b"))
    rows[0]["turns"][1] = "<b>太字</b> </script><img src=x onerror=alert(1)> & 終わり"
    forms.make_sheets(rows, folder, group_size=4, raters=2)
    return folder


def test_a_filled_form_saves_what_is_read_back(kit, tmp_path):
    for sheet in ("g001r1", "g001r2"):
        _, file = filled(kit, tmp_path, sheet, f"P-{sheet}")
        (kit / "returned" / f"{sheet}.json").write_text(file, encoding="utf-8")
    found, left_out, remarks = rating_kit.read_back(kit)
    assert (
        not left_out and len(found) == 2 * 4 * 7 and remarks == ["2 of 4 sheets have not come back"]
    )
    assert (found.value == found.metric.str.len() % 5 + 1).all() and set(found.rater) == {
        "P-g001r1",
        "P-g001r2",
    }
    assert set(json.loads(file)) == {
        "kit",
        "sheet",
        "rater",
        "started",
        "saved",
        "ratings",
        "comments",
    }


def test_an_unfinished_form_says_what_is_missing_and_saves_nothing(kit, tmp_path):
    shown, file = filled(kit, tmp_path, "g002r1", "P", skip=3)
    assert not file and "まだ 3 項目が残っています" in shown and "25 / 28" in shown
    shown, file = filled(kit, tmp_path, "g002r2", "")
    assert not file and "評価者の番号を入れてください" in shown


def test_the_form_shows_text_as_text(kit, tmp_path):
    shown, _ = filled(kit, tmp_path, "g001r1", "Q")
    both = shown + filled(kit, tmp_path, "g002r1", "Q")[0]
    assert (
        "&lt;b&gt;太字&lt;/b&gt; &lt;/script&gt;&lt;img src=x onerror=alert(1)&gt; &amp; 終わり"
        in both
        and "<img" not in both
    )
    assert shown.count("<article ") == 4 and shown.count("<fieldset") == 28 and "場面s" in shown


def test_two_answers_side_by_side(tmp_path):
    hostile = "<b>bold</b> </script><img src=x onerror=alert(1)> \n second line"
    forms.make_comparisons(
        answers("old", 3), answers("new", 3, answer=hostile), tmp_path / "pairs", raters=1
    )
    shown, file = filled(tmp_path / "pairs", tmp_path, "g001r1", "P")
    assert (
        shown.count("<article ") == 3
        and shown.count("<fieldset") == 12
        and "Answer A" in shown
        and '<html lang="en"' in shown
    )
    assert (
        "&lt;b&gt;bold&lt;/b&gt; &lt;/script&gt;&lt;img" in shown
        and "<img" not in shown
        and "Saved: hand the file over." in shown
    )
    (tmp_path / "pairs" / "returned" / "x.json").write_text(file, encoding="utf-8")
    found, left_out, _ = rating_kit.read_back(tmp_path / "pairs")
    clicked = found.metric.str.len() % 5 + 1
    assert (
        not left_out
        and len(found) == 12
        and (found.value == clicked.where(found.left == "old", 6 - clicked)).all()
    )
    shown, file = filled(tmp_path / "pairs", tmp_path, "g001r1", "P", skip=2)
    assert (
        not file
        and "2 ratings are missing." in shown
        and "残って" not in shown.partition("<script")[0]
    )
