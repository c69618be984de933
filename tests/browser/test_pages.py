"""The built book in headless Chromium, without a network:
the first page, a chapter, and its equations.
"""

import re

import headless
from test_every_page import scripts


def dom(*given) -> str:
    """The document after its scripts have run, without what they put on cells:
    names of columns for narrow pages, what orders go by.
    """
    return re.sub(r' data-(label|order)="[^"]*"', "", headless.dom(*given))


def test_first_page_shows_badge_figure_and_verdicts(html, tmp_path):
    text = dom(html / "index.html", tmp_path)
    assert re.search(r'class="companion-badge companion-smoke">smoke profile<', text)
    counts = re.findall(r"\d+ hold, \d+ open, \d+ fail, \d+ cannot be judged", text)
    assert len(counts) >= 5  # by the numbers of three papers, by longer runs on two, by ours
    image = re.search(
        r'<img[^>]*alt="Mean emotion score[^"]*"[^>]*src="([^"]+)"'
        r'|<img[^>]*src="([^"]+)"[^>]*alt="Mean emotion score',
        text,
    )
    assert image and (html / (image[1] or image[2])).is_file()


# A press on the second head, once the tables are equipped.
PRESS = (
    "<script>const wait = setInterval(() => { "
    "if (document.querySelector('th [role=button]')) { "
    "clearInterval(wait); document.querySelectorAll('th')[1].click(); } "
    "}, 20)</script>"
)


def shown(text: str, table: str) -> list[str]:
    """The rows that are in the document, of the table with this class."""
    body = re.search(rf'<table class="[^"]*{table}[^"]*".*?<tbody>(.*?)</tbody>', text, re.DOTALL)[
        1
    ]
    return re.findall(r"<tr>.*?</tr>", body, re.DOTALL)


def test_the_scoreboard_filters_by_its_address(html, tmp_path):
    whole = dom(html / "book/claims.html", tmp_path / "1")
    found = int(re.search(r"(\d+) of (\d+) rows", whole)[1])
    assert found == int(re.search(r"(\d+) of (\d+) rows", whole)[2]) > 50
    part = dom(
        html / "book/claims.html", tmp_path / "2", "#paper=EmplifAI&printed+numbers=not+borne+out"
    )
    rows = shown(part, "companion-claims")
    assert 5 < len(rows) < found and all(
        "<td>EmplifAI</td>" in row and "<td>not borne out</td>" in row for row in rows
    )
    assert f"{len(rows)} of {found} rows" in part and "<details>" in rows[0]


def test_every_answer_can_be_found(html, tmp_path):
    page = html / "book/items.html"
    # Nine systems and three texts of the data to five questions, fifty rows at a time.
    assert page.read_text(encoding="utf-8").count("<tr><td data-value=") == 60
    assert len(shown(dom(page, tmp_path / "1"), "companion-items")) == 50
    rows = shown(dom(page, tmp_path / "2", "#system=eqsr-dpo&emotion=fear"), "companion-items")
    assert len(rows) == 1 and 'eqsr-dpo">EQ+SR (dpo)</td><td>fear</td>' in rows[0]
    chapter = (html / "book/notebooks/05_emotion_scoring.html").read_text(encoding="utf-8")
    assert "../items.html#system=eqsr-dpo" in chapter
    assert (
        "no row fits" in shown(dom(page, tmp_path / "3", "#warmth=2"), "companion-items")[0]
    )  # no score lies above 1
    assert len(shown(dom(page, tmp_path / "4", "#warmth=-1"), "companion-items")) == 50
    assert (
        len(shown(dom(page, tmp_path / "5", "#all-answers"), "companion-items")) == 50
    )  # an anchor is no filter


def test_a_table_of_ten_thousand_rows_opens_and_filters(html, tmp_path):
    cells = "".join(f"<tr><td>s{k % 9}</td><td>{'word ' * 60}{k}</td></tr>" for k in range(10_000))
    page = tmp_path / "many.html"
    page.write_text(
        "<table class='many' data-browse>"
        "<thead><tr><th data-choose>system</th><th>text</th></tr></thead>"
        f"<tbody>{cells}</tbody></table>{scripts(html)}",
        encoding="utf-8",
    )
    text = dom(page, tmp_path / "1", "#system=s3")
    assert (
        "1,111 of 10,000 rows" in text
        and text.count("<tr><td>s3</td>") == 50
        and re.search(r'<button[^>]*class="dt-paging-button"[^>]*>23<', text)
    )


def test_filters_read_cells_that_list_several_and_orders_put_empty_cells_last(html, tmp_path):
    rows = "".join(
        f"<tr><td>{name}</td><td>{score}</td><td>{flags}</td></tr>"
        for name, score, flags in (
            ("a", "0.2", "none"),
            ("b", "", "claims, calm"),
            ("c", "-0.1", "claims"),
        )
    )
    page = tmp_path / "few.html"
    page.write_text(
        "<table data-browse><thead><tr>"
        "<th>name</th><th data-number>score</th><th data-choose>flags</th>"
        f"</tr></thead><tbody>{rows}</tbody></table>{scripts(html)}{PRESS}",
        encoding="utf-8",
    )
    assert re.findall(r"<tr><td>(\w)</td>", dom(page, tmp_path / "1")) == ["c", "a", "b"]
    assert re.findall(r"<tr><td>(\w)</td>", dom(page, tmp_path / "2", "#flags=claims")) == [
        "c",
        "b",
    ]
    assert re.findall(r"<tr><td>(\w)</td>", dom(page, tmp_path / "3", "#flags=unknown")) == [
        "c",
        "a",
        "b",
    ]
    assert re.findall(r"<tr><td>(\w)</td>", dom(page, tmp_path / "4", "#text=calm")) == ["b"]
    page.write_text(
        page.read_text().replace(
            "[1].click()", "[1].click() || document.querySelectorAll('th')[1].click()"
        ),
        encoding="utf-8",
    )
    assert re.findall(r"<tr><td>(\w)</td>", dom(page, tmp_path / "5")) == [
        "a",
        "c",
        "b",
    ]  # downwards, too


def test_numbers_are_read_with_their_signs_and_thousands(html, tmp_path):
    rows = "".join(
        f"<tr><td>{k}</td><td>{cell}</td></tr>"
        for k, cell in enumerate(
            ("1,200 rows", "−0.50 [−1.00, 0.10]", "0.31 [0.20, 0.40]", "none", "12")
        )
    )
    page = tmp_path / "numbers.html"
    page.write_text(
        "<table class='companion'><thead><tr><th>k</th><th>value</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{scripts(html)}{PRESS}",
        encoding="utf-8",
    )
    # A loaded machine may press before the head listens: a wrong order stays wrong each time.
    orders = (re.findall(r"<tr><td>(\d)</td>", dom(page, tmp_path / str(k))) for k in range(3))
    assert ["1", "2", "4", "0", "3"] in orders


def test_equations_are_rendered_without_a_network(html, tmp_path):
    text = dom(html / "book/notebooks/03_dpo.html", tmp_path)
    assert text.count("<mjx-container") >= 3 and "data-mjx-error" not in text


def test_no_page_loads_scripts_or_styles_from_elsewhere(html):
    for page in html.rglob("*.html"):
        found = re.findall(
            r'<(?:script|link)[^>]+(?:src|href)="(https?://[^"]+\.(?:js|css)[^"]*)"',
            page.read_text(encoding="utf-8"),
        )
        assert not found, f"{page.name}: {found}"
