"""The built book in headless Chromium, without a network: the first page, a chapter, and its equations."""

import re
import shutil
import subprocess

import pytest
from smoke_book import smoke_book

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--virtual-time-budget=15000"]


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return smoke_book(tmp_path_factory).folder / "_build" / "html"


def dom(page, folder) -> str:
    """The document after its scripts ran."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "these tests need Chromium: install the package chromium"
    done = subprocess.run([chromium, *FLAGS, f"--user-data-dir={folder}", "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_first_page_shows_badge_figure_and_verdicts(html, tmp_path):
    text = dom(html / "index.html", tmp_path)
    assert re.search(r'class="companion-badge companion-smoke">smoke profile<', text)
    assert text.count("<td>undecided</td>") + text.count("<td>holds</td>") + text.count("<td>contradicted</td>") == 12
    image = re.search(r'<img[^>]*alt="Mean emotion score[^"]*"[^>]*src="([^"]+)"|<img[^>]*src="([^"]+)"[^>]*alt="Mean emotion score', text)
    assert image and (html / (image[1] or image[2])).is_file()


def test_equations_are_rendered_without_a_network(html, tmp_path):
    text = dom(html / "book/notebooks/03_dpo.html", tmp_path)
    assert text.count("<mjx-container") >= 3 and "data-mjx-error" not in text


def test_no_page_loads_scripts_or_styles_from_elsewhere(html):
    for page in html.rglob("*.html"):
        found = re.findall(r'<(?:script|link)[^>]+(?:src|href)="(https?://[^"]+\.(?:js|css)[^"]*)"', page.read_text(encoding="utf-8"))
        assert not found, f"{page.name}: {found}"
