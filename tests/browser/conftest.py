"""One smoke book for all tests in a browser, made from data in which somebody planted what a page must not do."""

import json
import shutil

import pytest
from playwright.sync_api import sync_playwright
from smoke_book import smoke_book

# Scripts, handlers, links, an early end of a table, a turn of the direction of reading, formulas for a spreadsheet.
PLANTED = """<script>document.title="planted"</script><img src=x onerror="document.title='planted'"><a href="javascript:document.title='planted'">a</a> [b](javascript:document.title='planted') </td></table></pre>\u202etxet\u2066 {{7*7}} =cmd|'/c calc'!A1"""
# Where a text of the data comes to a page: file, fields, and which rows (the first ones, and for tests all that the smoke profile may show).
PLACES = {"data/dialogues/test.jsonl": ("emotional_question", "answer"), "data/dialogues/eqsr_train.jsonl": ("emotional_question", "soothing_response"), "data/dialogues/er_train.jsonl": ("empathetic_response",),
          "data/caregiver/test.jsonl": ("prompt", "chosen"), "data/caregiver/train.jsonl": ("prompt", "chosen"), "data/emplifai_ja/dialogues.jsonl": ("situation", "gloss")}


def plant(copy) -> None:
    for name, fields in PLACES.items():
        path = copy.folder / name
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for row in rows[:3]:
            row |= {field: row[field] + PLANTED for field in fields}
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def html(tmp_path_factory):
    return smoke_book(tmp_path_factory, plant).folder / "_build" / "html"


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium behind Playwright."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "these tests need Chromium: install the package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
