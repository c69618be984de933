"""A smoke book made from data in which somebody planted what a page must not do, and a browser."""

import shutil

import pytest
from playwright.sync_api import sync_playwright
from smoke_book import smoke_pages


@pytest.fixture(scope="session")
def html(tmp_path_factory, pytestconfig):
    return smoke_pages(tmp_path_factory, pytestconfig)


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium behind Playwright."""
    path = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    assert path, "these tests need Chromium: install the package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()
