"""Every page of the book at the width of a phone and of a desk, without a network:
what it loads, runs, shows and weighs, and whom it shuts out.
"""

import csv
import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe

from emo import edition
from emo_utils.claims import ledger

PHONE, DESK = {"width": 390, "height": 800}, {"width": 1280, "height": 900}


def scripts(html):
    """What loads the script of the tables in a page of a test;
    it fetches DataTables from beside it.
    """
    return f'<script src="{(html / "_static" / "browse.js").as_uri()}"></script>'


def pages(html):
    return [path for path in sorted(html.rglob("*.html")) if "_static" not in path.parts]


class Opened:
    """A page with what it asked for and complained of."""

    def __init__(self, browser, path, size, scheme="light"):
        self.context = browser.new_context(
            viewport=size, offline=True, color_scheme=scheme, accept_downloads=True
        )
        self.page, self.asked, self.said = self.context.new_page(), [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on(
            "console",
            lambda message: self.said.append(message.text) if message.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(path.as_uri())
        self.page.wait_for_load_state("load")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def soon(holds, seconds: float = 5.0) -> bool:
    """Whether something comes to hold: a table is drawn anew some time after a press."""
    deadline = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


HALVES = pytest.mark.parametrize("half", [0, 1])  # of the pages, so that two workers share them


@HALVES
def test_no_page_asks_for_anything_elsewhere_breaks_scrolls_sideways_or_runs_what_was_planted(
    html, chromium, half
):
    found, shown = [], 0
    for path in pages(html)[half::2]:
        with Opened(chromium, path, DESK) as opened:
            page = opened.page
            for size in (DESK, PHONE):
                page.set_viewport_size(size)
                page.wait_for_timeout(100)
                if (width := page.evaluate("document.documentElement.scrollWidth")) > size["width"]:
                    found.append(f"{path.name} is {width} wide on {size['width']}")
            found += [f"{path.name}: {said[:200]}" for said in opened.said]
            found += [
                f"{path.name} asks for {url}"
                for url in opened.asked
                if not url.startswith(("file:", "data:"))
            ]
            assert page.title() != "planted" and not page.query_selector(
                "img[src='x'], a[href^='javascript:']"
            ), path.name
            shown += page.inner_text("body").count("document.title=")
            policy = page.get_attribute("meta[http-equiv='Content-Security-Policy']", "content")
            assert (
                "default-src 'none'" in policy
                and "'unsafe-inline'" not in policy.split("style-src")[0]
            ), path.name
            # The second line of defence: a script that came through would not run.
            page.evaluate(
                """() => { const s = document.createElement("script"); """
                """s.textContent = "document.title = 'planted'"; document.body.append(s);
                                     const i = document.createElement("div"); """
                """i.innerHTML = "<img src=y onerror=\\"document.title='planted'\\">"; """
                """document.body.append(i); }"""
            )
            page.wait_for_timeout(50)
            assert page.title() != "planted", path.name
    assert not found
    assert shown >= 5  # the texts are there to be read


def test_no_page_names_a_folder_of_the_machine_that_made_it(html):
    folder = re.compile(r"(?<![\w.*])/(?:home|root|tmp|Users|work|usr|mnt|opt)/[\w./-]+")
    assert {
        path.name: found[:3]
        for path in pages(html)
        if (found := folder.findall(path.read_text(encoding="utf-8")))
    } == {}


def faults(chromium, path, size, scheme, options=None):
    """Serious findings of axe on a page; of what is made alike, many times,
    it reads the first ones, as it takes time for each element.
    """
    with Opened(chromium, path, size, scheme) as opened:
        opened.page.evaluate(
            '() => document.querySelectorAll("tbody tr:nth-child(n+9), dl.py:nth-of-type(n+4)")'
            ".forEach(e => e.remove())"
        )
        found = (
            Axe()
            .run(opened.page, options={"resultTypes": ["violations"]} | (options or {}))
            .response["violations"]
        )
    return [
        f"{path.name}: {fault['id']}, {len(fault['nodes'])} times, "
        f"first {fault['nodes'][0]['html'][:120]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


# A page of each kind; the night looks at every page.
KINDS = (
    "index",
    "claims",
    "items",
    "data",
    "03_dpo",
    "05_emotion_scoring",
    "08_qualitative_cases",
    "10_ebd_open",
)
OTHER_KINDS = ("current", "licences", "09_emplifai_judge", "12_sweeps")


def chosen(html, kinds):
    found = [path for path in pages(html) if path.stem in kinds]
    assert len(found) == len(kinds)
    return found


@HALVES
def test_axe_finds_nothing_serious(html, chromium, half):
    assert not [
        fault
        for path in chosen(html, KINDS)[half::2]
        for fault in faults(chromium, path, DESK, "light")
    ]


@pytest.mark.night
def test_axe_finds_nothing_serious_on_any_page(html, chromium):
    assert not [fault for path in pages(html) for fault in faults(chromium, path, DESK, "light")]


PAPER = {"width": 720, "height": 1000}  # of A4 or letter between its margins
# How wide a page is on paper, the code that is cut, and how many folds hide something.
ON_PAPER = """() => {
  const cut = (box) =>
    box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
  const inside = (fold) => fold.getBoundingClientRect().height
    - fold.querySelector("summary").getBoundingClientRect().height;
  const folds = ".bd-article details:not(.companion-provenance, .companion-run, table details)";
  return [document.documentElement.scrollWidth,
          [...document.querySelectorAll(".bd-article pre")].filter(cut).length,
          [...document.querySelectorAll(folds)].filter((fold) => inside(fold) < 4).length];
}"""


def test_on_paper_tables_and_code_are_whole_and_nothing_is_folded(html, chromium):
    for path in chosen(html, KINDS):
        with Opened(chromium, path, PAPER) as opened:
            opened.page.emulate_media(media="print")
            width, cut, folded = opened.page.evaluate(ON_PAPER)
            # A browser makes a page smaller that is a little wider than the paper.
            assert width < 1.1 * PAPER["width"] and (cut, folded) == (0, 0), path.name


@pytest.mark.parametrize("name", ["claims", "items"])
def test_on_paper_a_long_table_has_all_rows(html, chromium, name):
    with Opened(chromium, html / f"book/{name}.html", DESK) as opened:
        rows = opened.page.locator("table[data-browse] tbody tr")
        assert soon(lambda: rows.count() == 50)
        for event, shown in (
            ("beforeprint", lambda: rows.count() > 50),
            ("afterprint", lambda: rows.count() == 50),
        ):
            opened.page.evaluate("(event) => dispatchEvent(new Event(event))", event)
            assert soon(shown), event


DARK = {"runOnly": ["color-contrast"]}  # only colours differ in the dark


@HALVES
def test_axe_finds_enough_contrast_in_the_dark(html, chromium, half):
    assert not [
        fault
        for path in chosen(html, KINDS)[half::2]
        for fault in faults(chromium, path, PHONE, "dark", DARK)
    ]


@pytest.mark.night
def test_axe_finds_enough_contrast_in_the_dark_on_the_other_kinds(html, chromium):
    assert not [
        fault
        for path in chosen(html, OTHER_KINDS)
        for fault in faults(chromium, path, PHONE, "dark", DARK)
    ]


def test_the_book_and_its_first_page_are_small(html, chromium):
    assert sum(path.stat().st_size for path in html.rglob("*") if path.is_file()) < 30e6
    with Opened(chromium, html / "index.html", DESK) as opened:
        opened.page.wait_for_timeout(200)
        files = {
            re.sub(r"[?#].*", "", url).removeprefix("file://")
            for url in opened.asked
            if url.startswith("file:")
        }
    assert sum((html / path).stat().st_size for path in files) < 1e6


def test_the_theme_still_works_without_what_was_taken_out(html, chromium):
    with Opened(chromium, html / "index.html", DESK) as opened:
        assert opened.page.locator(".theme-switch:visible").count() == 1
        drawn = opened.page.evaluate(
            '() => [...document.querySelectorAll(".fa-solid, .fas")]'
            ".map(icon => icon.getBoundingClientRect()).filter(box => box.width)"
            ".map(box => box.height)"
        )
        assert len(drawn) >= 10 and all(8 <= height <= 30 for height in drawn)
        # By the icons that were cut out, not by the whole font, and without words.
        faces = opened.page.evaluate(
            "() => [...document.fonts].filter(face => face.status === 'loaded')"
            ".map(face => face.family + face.weight)"
        )
        assert len([face for face in faces if "Awesome" in face]) == 1
        assert not [url for url in opened.asked if "fontawesome" in url]
        assert opened.page.evaluate(
            '() => [...document.querySelectorAll(".fa-solid, .fas")]'
            '.every(icon => /^"." \\/ ""$/u.test(getComputedStyle(icon, \'::before\').content))'
        )
        opened.page.keyboard.press("Control+k")
        opened.page.keyboard.type("papermill")
        opened.page.keyboard.press("Enter")
        opened.page.wait_for_selector("#search-results li")
    formulas = [
        path
        for path in pages(html)
        if re.search(r'class="[^"]*\bmath\b', path.read_text(encoding="utf-8"))
    ]
    assert formulas
    with Opened(chromium, formulas[0], DESK) as opened:
        opened.page.wait_for_selector("mjx-container svg")


@pytest.mark.parametrize("side", ["primary", "secondary"])
def test_the_contents_unfold_on_a_phone(html, chromium, side):
    with Opened(chromium, html / "book/notebooks/03_dpo.html", PHONE) as opened:
        bar = opened.page.locator(f"#pst-{side}-sidebar-modal")
        assert not bar.is_visible()
        opened.page.locator(f".{side}-toggle:visible").click()
        assert soon(lambda: bar.is_visible() and bar.locator("a:visible").count() >= 3)
        opened.page.keyboard.press("Escape")
        assert soon(lambda: not bar.is_visible())


def test_the_first_screen_says_what_it_is_made_of_and_what_was_found(html, chromium):
    with Opened(chromium, html / "index.html", DESK) as opened:
        top = opened.page.evaluate(
            '() => [".companion-box", ".companion-badge", "ol.simple, ol.arabic", '
            '".companion-tiles"]'
            '.map(s => document.querySelector(".bd-article " + s).getBoundingClientRect().top)'
        )
        assert top == sorted(top) and top[2] < DESK["height"]
        box = opened.page.inner_text(".bd-article .companion-box")
        assert "never medical advice" in box and "synthetic" in box and "no clinician" in box
        tiles, claims = opened.page.locator(".companion-tiles").all(), len(ledger.claims())
        rows = 2 + bool(edition.shown())  # by the papers' tables, by a kept edition, by this run
        assert [row.locator(".companion-tile").count() for row in tiles] == [claims] * rows
        scoreboard = opened.page.locator(".companion-table", has_text="by longer runs").first
        for heading in ("by the paper's numbers", "by this run", "by longer runs"):
            assert heading in scoreboard.inner_text()
        for papers in ("arxiv.org/abs/2506.13692", "arxiv.org/abs/2601.10033"):
            assert opened.page.locator(f"a[href*='{papers}']").count() == 1


def test_tables_of_chapters_are_ordered_by_a_press_and_saved_as_csv(html, chromium, tmp_path):
    with Opened(chromium, html / "book/rerun.html", DESK) as opened:
        table = opened.page.locator("table.companion", has_text="weights, MB").first
        minutes = lambda: [
            float(text) for text in table.locator("tbody tr td:nth-child(3)").all_inner_texts()
        ]  # noqa: E731
        as_made, head = minutes(), table.locator("th", has_text="minutes")
        assert not any(
            "datatables" in url for url in opened.asked
        )  # 0.6 MB that the first screen does not need
        head.scroll_into_view_if_needed()
        head.locator("[role=button]").focus()
        opened.page.keyboard.press("Enter")  # by keyboard
        assert soon(
            lambda: (
                minutes() == sorted(as_made) != as_made
                and table.locator("th[aria-sort=ascending]").count() == 1
            )
        )
        head.click()
        assert soon(lambda: minutes() == sorted(as_made, reverse=True)) and len(as_made) >= 15
        head.click()
        assert soon(lambda: minutes() == as_made)  # a third press gives the order of the page back
        with opened.page.expect_download() as download:
            table.locator("xpath=following::a[@class='companion-download'][1]").click()
        download.value.save_as(tmp_path / "table.csv")
    rows = list(csv.reader(open(tmp_path / "table.csv", encoding="utf-8-sig", newline="")))
    assert (
        rows[0] == ["chapter", "runs", "minutes", "memory, GB", "weights, MB"]
        and len(rows) == len(minutes_of(html)) + 1
    )


def test_tables_beside_the_papers_are_ordered_by_the_lower_line_of_heads(html, chromium):
    """By the paper's column: with the tiny model ours may be all alike.

    Cells with an interval: `test_numbers_are_read_with_their_signs_and_thousands`.
    """
    with Opened(chromium, html / "book/notebooks/05_emotion_scoring.html", DESK) as opened:
        table = opened.page.locator(
            "table.companion", has=opened.page.locator("thead tr:nth-child(2)")
        ).first
        shown = lambda: [
            float(text)
            for text in table.locator("tbody tr > :nth-child(2)").all_inner_texts()
            if text.strip()  # the texts of the data have no number of the paper's
        ]  # noqa: E731
        before, head = shown(), table.locator("thead tr").last.locator("th").nth(1)
        table.scroll_into_view_if_needed()
        table.locator("[role=button]").first.wait_for()
        assert (
            head.inner_text().startswith("paper")
            and table.locator("thead tr").first.locator("[role=button]").count() == 0
        )
        head.click()
        assert soon(lambda: shown() == sorted(before) != before) and len(before) >= 9


def minutes_of(html):
    return re.findall(
        r'<tr><td><a href="notebooks/', (html / "book/rerun.html").read_text(encoding="utf-8")
    )


def test_figures_come_with_their_svg_and_the_page_with_its_records(html, chromium):
    page = html / "book/notebooks/05_emotion_scoring.html"
    with Opened(chromium, page, DESK) as opened:
        links = opened.page.evaluate(
            '() => [...document.querySelectorAll("a.companion-download")]'
            ".map(a => [a.textContent, a.href])"
        )
    figures = [href for text, href in links if text == "SVG"]
    assert figures and all(
        "<svg" in open(href.removeprefix("file://"), encoding="utf-8").read(2000)
        for href in figures
    )
    [records] = {href for text, href in links if "records" in text}
    rows = list(csv.DictReader(open(records.removeprefix("file://"), encoding="utf-8")))
    assert {"value", "ci_low", "ci_high", "n", "signature"} <= set(rows[0]) and {
        row["table"] for row in rows
    } >= {"emodoctor.table1"}


def test_formulas_in_a_table_are_text_in_its_csv(html, chromium, tmp_path):
    page = tmp_path / "formulas.html"
    page.write_text(
        '<script>DOCUMENTATION_OPTIONS = {pagename: "x"}</script><main class="bd-article">'
        '<table class="companion"><thead><tr><th>a</th><th>b</th></tr></thead>\n'
        "<tbody><tr><td>=1+1</td><td>-0.5</td></tr>"
        '<tr><td>@x</td><td>say "no", twice</td></tr></tbody></table></main>'
        f"{scripts(html)}",
        encoding="utf-8",
    )
    with Opened(chromium, page, DESK) as opened:
        with opened.page.expect_download() as download:
            opened.page.click("a.companion-download")
        download.value.save_as(tmp_path / "table.csv")
    assert list(csv.reader(open(tmp_path / "table.csv", encoding="utf-8-sig", newline=""))) == [
        ["a", "b"],
        ["'=1+1", "-0.5"],
        ["'@x", 'say "no", twice'],
    ]


@pytest.mark.parametrize("width", [390, 1280])
def test_wide_tables_scroll_in_themselves_and_by_keyboard(html, chromium, width):
    with Opened(chromium, html / "book/claims.html", {"width": width, "height": 800}) as opened:
        boxes = opened.page.evaluate(
            '() => [...document.querySelectorAll(".companion-table")]'
            ".filter(b => b.scrollWidth > b.clientWidth + 1).map(b => b.tabIndex)"
        )
    assert boxes == [0] * len(boxes) and (boxes or width == 1280)


def test_a_row_of_a_long_table_is_a_card_on_a_phone(html, chromium):
    with Opened(chromium, html / "book/claims.html", PHONE) as opened:
        row = opened.page.locator("table[data-browse] tbody tr").first
        boxes = row.evaluate(
            "row => [...row.cells].filter(cell => cell.textContent).map(cell => { "
            "const b = cell.getBoundingClientRect(); return [b.left, b.top, b.right]; })"
        )
        assert (
            len({left for left, _, _ in boxes}) == 1
            and [top for _, top, _ in boxes] == sorted({top for _, top, _ in boxes})
            and max(right for _, _, right in boxes) <= PHONE["width"]
        )
        assert row.evaluate(
            """row => [...row.cells].map(cell => getComputedStyle(cell, "::before").content)"""
        )[:3] == ['"paper: "', '"place: "', '"claim: "']
        violations = Axe().run(opened.page).response["violations"]
    assert not [v["id"] for v in violations if v["impact"] in ("serious", "critical")]


def test_japanese_is_drawn_in_full_width_where_no_japanese_font_is_installed(html, chromium):
    """Boxes in place of characters are half as wide."""
    with Opened(chromium, html / "book/data.html", DESK) as opened:
        opened.page.wait_for_timeout(500)
        widths = opened.page.evaluate(
            """() => [...document.querySelectorAll("td[lang=ja]")].map(cell => {
            const range = document.createRange(); range.selectNodeContents(cell);
            return range.getBoundingClientRect().width """
            """/ parseFloat(getComputedStyle(cell).fontSize) / [...cell.textContent].length; })"""
        )
    assert len(widths) >= 28 and min(widths[:28]) > 0.9
