"""Built pages before they are published: where their links lead, and their size."""

import pytest

from emo import cli
from emo.site import built, links

PAGE = "<html><body><h1 id='top'>A</h1><a name='old'></a>{}</body></html>"


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """Two pages and a picture; gives a function that puts a link into the first page."""
    html = tmp_path / "html"
    (html / "book" / "a b").mkdir(parents=True)
    (html / "_static").mkdir()
    (html / "_static" / "macros.html").write_text("<a href='{{ pathto() }}'>")
    (html / "book" / "two.html").write_text(PAGE.format("<a href='../index.html#top'>one</a>"))
    (html / "book" / "a b" / "picture.svg").write_text("<svg/>")
    (html / "book" / "index.html").write_text(PAGE.format(""))
    (tmp_path / "outside.html").write_text(PAGE.format(""))
    monkeypatch.setattr(built, "HTML", html)

    def put(address: str):
        (html / "index.html").write_text(PAGE.format(f'<a href="{address}">x</a><img src="#top">'))
        return html

    return put


@pytest.mark.parametrize(
    "address",
    [
        "book/two.html",
        "book/two.html#old",
        "book/two.html#system=base&amp;rows=3",
        "book/a%20b/picture.svg",
        "book/",
        "book/index.html?v=1#top",
        "#top",
        "https://elsewhere.example/lost.html",
        "mailto:nobody@example.org",
        "data:image/png;base64,AAAA",
    ],
)
def test_what_leads_somewhere_is_not_named(pages, address, capsys):
    assert links.broken(pages(address)) == [] and cli.main(["check-pages"]) == 0
    assert capsys.readouterr().out.endswith("0 MB of at most 1000, 0 links lead nowhere\n")


@pytest.mark.parametrize(
    "address",
    ["book/three.html", "book/two.html#middle", "#middle", "../outside.html", "book/a%20c/", "/x"],
)
def test_what_leads_nowhere_is_named_with_its_page(pages, address, capsys):
    assert links.broken(pages(address)) == [f"index.html -> {address}"]
    assert cli.main(["check-pages"]) == 1
    assert f"1 links lead nowhere\n  index.html -> {address}" in capsys.readouterr().out


def test_a_book_that_is_too_large_to_publish_is_no_success(pages, monkeypatch):
    pages("book/two.html")
    monkeypatch.setattr(links, "LARGEST_MB", 0)
    assert cli.main(["check-pages"]) == 1


def test_without_a_book_there_is_nothing_to_check(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(built, "HTML", tmp_path)
    assert cli.main(["check-pages"]) == 2
    assert "make book" in capsys.readouterr().err
