"""What the pages have beyond the theme's: by its functions, and in a small book that is built with
the book's own settings, so that another release of the theme fails here.
"""

import json
import re
import shutil
from types import SimpleNamespace

import matplotlib.pyplot as plt
import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils import new_document
from jupyter_book.config import get_default_sphinx_config

from emo.site import assets, build, layout, theme
from emo_utils.project import NOTEBOOKS, ROOT, EmoError, notebook_cells
from emo_utils.report import descriptions, figures

PROVENANCE = (
    '<details class="companion-provenance"><summary>{} · commit 0123456789{} · '
    "test.jsonl 01234567 · a processor · 3 s</summary><pre>{{}}</pre></details>"
)


@pytest.mark.parametrize(
    ("repository", "leads"),
    [
        ({}, []),
        (
            {"url": "https://git.example/the/book/"},
            ["https://git.example/the/book/blob/0123456789/notebooks/02_sft.ipynb"],
        ),
    ],
)
def test_a_provenance_line_leads_to_the_notebook_and_to_its_source_where_a_repository_is_named(
    tmp_path, monkeypatch, repository, leads
):
    monkeypatch.delenv("EMO_REPOSITORY", raising=False)
    (tmp_path / "_config.yml").write_text(json.dumps({"title": "a fork", "repository": repository}))
    app = SimpleNamespace(
        confdir=tmp_path, builder=SimpleNamespace(get_target_uri=lambda name: f"{name}.html")
    )

    def linked(text: str) -> str:
        page = new_document("a page")
        page += nodes.raw("", text, format="html")
        theme.link_provenance(app, page, "book/notebooks/a_page")
        return page[0].astext()

    for run, page in (
        ("02_sft.er-sft", "02_sft_er-sft"),
        ("02_sft.eqsr-sft · arm overt", "02_sft"),
    ):
        text = linked(PROVENANCE.format(run, " with local changes"))
        assert re.findall('href="([^"]*)"', text) == [
            f"../../_sources/book/notebooks/{page}.ipynb",
            *leads,
        ]
    unknown = PROVENANCE.format("99_other", "")
    assert linked(unknown) == unknown


def test_a_page_has_one_provenance_line_of_each_run_at_its_first_table():
    app = SimpleNamespace(
        confdir=ROOT, builder=SimpleNamespace(get_target_uri=lambda name: f"{name}.html")
    )
    page = new_document("a page")
    first, other = (PROVENANCE.format(run, "") for run in ("02_sft.er-sft", "99_other"))
    for table in (f"<p>a</p>{first}", f"<p>b</p>{first}{other}", f"<p>c</p>{first}"):
        page += nodes.raw("", table, format="html")
    theme.link_provenance(app, page, "book/notebooks/a_page")
    kept = [re.findall("<summary>(\\S+)", part.astext()) for part in page]
    assert kept == [["02_sft.er-sft"], ["99_other"], []]
    assert all(f"<p>{name}</p>" in part.astext() for name, part in zip("abc", page, strict=True))


@pytest.mark.parametrize(
    "start",
    [
        "https://mybinder.org/v2/gh/a/b/main?urlpath=lab/tree/",
        "https://colab.research.google.com/github/a/b/blob/main/",
        (
            "https://hub.example/hub/user-redirect/git-pull"
            "?repo=https%3A//git.example/a/b&urlpath=lab/tree/b/"
        ),
    ],
)
def test_launch_buttons_open_a_notebook_that_git_has(start):
    for page, notebook in (
        ("02_sft_er-sft", "02_sft"),
        ("10_ebd_open", "10_ebd_open"),
        ("09_emplifai_finetuning_emplifai-sft-seen", "09_emplifai_finetuning"),
    ):
        name, near = f"book/notebooks/{page}", f"../../_sources/book/notebooks/{page}.ipynb"
        launch, download = {"url": f"{start}{name}.ipynb"}, {"url": near}
        buttons = [{"type": "group", "buttons": [launch]}, download]
        theme.launch_the_source(None, name, "page.html", {"header_buttons": buttons}, None)
        assert (
            launch["url"] == f"{start}notebooks/{notebook}.ipynb"
            and (ROOT / "notebooks" / f"{notebook}.ipynb").is_file()
        )
        assert download["url"] == near


def page_context(**given) -> dict:
    script = SimpleNamespace(filename="", attributes={"body": "let known = 1;"})
    button = {"type": "javascript", "javascript": "press()"}
    menu = {"type": "group", "buttons": [button]}
    return {
        "pagename": "book/a_page",
        "script_files": [script],
        "header_buttons": [menu],
        "default_mode": "auto",
    } | given


def test_a_policy_has_the_hash_of_each_script_and_handler():
    page = '<script src="x.js"></script><script>let known = 1;</script><b onclick="press()">b</b>'
    hashes = re.findall(r"'sha256-[^']+'", theme.policy(page, page_context()))
    # echo -n 'let known = 1;' | openssl dgst -sha256 -binary | base64
    assert hashes == [
        "'sha256-SDVc6lBBTHi9jusRYn9JZzMyWfBnjJZIsw11Tz1/UGs='",
        "'sha256-jYbGkQxrn7LhKj9eVf0fh1NmQwLW7hV+uGd/mjQKYXk='",
    ]


@pytest.mark.parametrize(
    "planted",
    [
        "<script>document.title = 'planted'</script>",
        "<SCRIPT type=module>document.title = 'planted'</SCRIPT >",
        "<svg><script>document.title = 'planted'</script></svg>",
        "<img src=x onerror=\"document.title = 'planted'\">",
        "<img src=x OnError=document.title&#61;'planted'>",
        "<script>let known = 1; document.title = 'planted'</script>",
    ],
)
def test_a_script_that_is_not_the_themes_is_refused(planted):
    with pytest.raises(EmoError, match=r"book/a_page\.html has a script that is not the theme's"):
        theme.policy(f"<p>text</p>{planted}", page_context())


def test_a_page_without_a_place_for_its_policy_is_refused(monkeypatch):
    monkeypatch.setattr(theme.BuiltinTemplateLoader, "render", lambda *_: "<html>a page</html>")
    bridge, context = theme.PolicyBridge(), page_context()
    assert bridge.render("part.html", context) == "<html>a page</html>"
    theme.reserve_policy(None, "book/a_page", "page.html", context, None)
    with pytest.raises(EmoError, match="page.html writes no metatags"):
        bridge.render("page.html", context)


def test_an_icon_that_the_themes_font_has_not_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(layout, "GENERATED", tmp_path)
    monkeypatch.setattr(assets, "ICONS", ("bars", "no-such-icon"))
    with pytest.raises(EmoError, match="no icon 'no-such-icon'"):
        assets.place_icons()


@pytest.mark.parametrize(
    "named, published_from, address",
    [
        ({}, None, ""),
        ({}, "https://git.example/the/fork/", "https://git.example/the/fork"),
        ({"url": "https://git.example/the/book"}, "https://git.example/the/fork", None),
    ],
)
def test_who_publishes_the_book_says_where_its_sources_are(
    tmp_path, monkeypatch, named, published_from, address
):
    """Unless _config.yml does; then the theme has its settings from there."""
    monkeypatch.delenv("EMO_REPOSITORY", raising=False)
    if published_from:
        monkeypatch.setenv("EMO_REPOSITORY", published_from)
    monkeypatch.setenv("EMO_BRANCH", "trunk")
    (tmp_path / "_config.yml").write_text(json.dumps({"repository": named}))
    assert theme.repository(tmp_path) == (named.get("url", "") if address is None else address)
    options = {"repository_url": "from _config.yml", "launch_buttons": {"thebe": False}}
    before = json.loads(json.dumps(options))
    config = SimpleNamespace(html_theme_options=options)
    theme.name_repository(SimpleNamespace(confdir=str(tmp_path)), config)
    assert options == (
        {
            "repository_url": address,
            "repository_branch": "trunk",
            "launch_buttons": theme.HUBS,
        }
        if address
        else before
    )


SETTINGS = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def test_the_extensions_are_those_of_jupyter_book_but_two():
    ours = set(SETTINGS["sphinx"]["config"]["extensions"])
    assert set(get_default_sphinx_config()["extensions"]) - ours == {
        "sphinx_thebe",
        "sphinx.ext.intersphinx",
    }


CHAPTER = "book/notebooks/02_sft"
OTHER_RUN = "book/notebooks/02_sft_er-sft"
# What a figure of a chapter says of itself, with what somebody planted in the data.
DESCRIPTION = 'Points: "warm" 0.61 & more"><script>document.title="planted"</script>'


def drawn(*descriptions_of_it: str, title: str = "") -> dict:
    """What a cell has put out that shows a figure."""
    figure, axis = plt.subplots(figsize=(1, 1))
    axis.set(title=title, xlabel="words")
    descriptions.describe(figure, *descriptions_of_it)
    svg = figures.as_svg(figure)
    plt.close(figure)
    return nbformat.v4.new_output("display_data", {"image/svg+xml": svg})


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    """A book of a first page with pages below it, formulas and a chapter, in a public repository
    and with hubs.
    """
    folder = tmp_path_factory.mktemp("book")
    hubs = {
        "binderhub_url": "https://mybinder.org",
        "jupyterhub_url": "https://hub.example",
        "colab_url": "https://colab.research.google.com",
    }
    settings = SETTINGS | {
        "repository": {"url": "https://github.com/a/b", "branch": "main"},
        "launch_buttons": SETTINGS["launch_buttons"] | hubs,
    }
    (folder / "_config.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    for name in ("_static", "_templates"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "GENERATED", folder / "book" / "generated")
        assets.place_icons()
        assets.place_mathjax()
    chapters = [{"file": "book/formulas", "sections": [{"file": CHAPTER}]}]
    contents = {"format": "jb-book", "root": "index", "parts": [{"chapters": chapters}]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(contents))
    (folder / "index.md").write_text("# A book\n\nAt $0.15 a million these are $13, or $2-$3.\n")
    (folder / "book" / "formulas.md").write_text(
        "# Formulas\n\n## Squares\n\n$$x^2$$\n\n![A square.](a.svg)\n\n![](b.svg)\n"
    )
    (folder / "book" / "a.svg").write_text(drawn("Side 2.")["data"]["image/svg+xml"])
    (folder / "book" / "b.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"></svg>')
    output = nbformat.v4.new_output(
        "display_data",
        {
            "text/html": "<table><tr><td>&lt;1</td><td>患者 patient</td></tr></table>"
            + PROVENANCE.format("02_sft.eqsr-sft", "")
        },
    )
    cells = [
        nbformat.v4.new_markdown_cell("# A chapter\n\nOf pain (痛みの評価)."),
        nbformat.v4.new_code_cell("1", outputs=[output], execution_count=1),
        nbformat.v4.new_code_cell("2", outputs=[drawn(DESCRIPTION)], execution_count=2),
        nbformat.v4.new_markdown_cell("## Lengths of <texts>"),
        nbformat.v4.new_code_cell("3", outputs=[drawn(title="a < b")], execution_count=3),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    (folder / "book" / "notebooks").mkdir()
    for page in (CHAPTER, OTHER_RUN):
        nbformat.write(notebook, folder / f"{page}.ipynb")
    (folder / "book" / "notebooks" / "of_no_run.md").write_text("# In no contents\n")
    build.run_jupyter_book(folder)
    return folder


@pytest.fixture(scope="module")
def small_pages(small_book):
    """The pages of the small book, parsed, by name."""
    html = small_book / "_build" / "html"
    return {
        path.relative_to(html).with_suffix("").as_posix(): BeautifulSoup(
            path.read_text(encoding="utf-8"), "html.parser"
        )
        for path in sorted(html.rglob("*.html"))
        if "_static" not in path.parts
    }


def loaded(page) -> set[str]:
    """File names of the scripts that a page loads."""
    found = {script["src"] for script in page.find_all("script", src=True)}
    return {re.sub(r"[?].*|.*/", "", address) for address in found}


ON_EVERY_PAGE = {
    "bootstrap.js",
    "browse.js",
    "clipboard.min.js",
    "copybutton.js",
    "design-tabs.js",
    "doctools.js",
    "documentation_options.js",
    "pydata-sphinx-theme.js",
    "sphinx-book-theme.js",
    "sphinx_highlight.js",
    "togglebutton.js",
}


def test_a_page_loads_the_scripts_that_it_uses(small_book, small_pages):
    more = {
        "book/formulas": {"tex-svg.js"},
        "search": {"searchtools.js", "language_data.js", "searchindex.js"},
    }
    assert set(small_pages) == {
        *("index", "book/formulas", CHAPTER, OTHER_RUN, "genindex", "search")
    }
    for name, page in small_pages.items():
        assert loaded(page) == ON_EVERY_PAGE | more.get(name, set()), name
    left = {path.name for path in (small_book / "_build" / "html" / "_static").rglob("*")}
    assert "sphinx-book-theme.css" in left and not left & {"fontawesome.js", "thebe.css"}
    assert not [name for name in left if name.endswith(".map")]


def test_two_amounts_of_dollars_are_no_formula(small_pages):
    assert "At $0.15 a million these are $13, or $2-$3." in small_pages["index"].get_text()
    assert not small_pages["index"].select(".math")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_amounts_of_dollars_in_chapters_are_no_formula_in_jupyterlab(path):
    """There any two dollar signs make one; those of formulas stand beside what they enclose."""
    for kind, text, _ in notebook_cells(path):
        if kind == "markdown":
            without_code = re.sub(r"(?s)```.*?```|`[^`]*`|\$\$.*?\$\$", "", text)
            left = re.sub(r"(?<!\\)\$(?! )[^$\n]+(?<! )\$(?!\d)", "", without_code)
            assert not re.search(r"(?<!\\)\$", left), left


def test_the_inline_scripts_and_the_handlers_are_known(small_pages):
    more = {
        "book/formulas": [
            'window.MathJax = {"options": '
            '{"processHtmlClass": "tex2jax_process|mathjax_process|math|output_area"}}'
        ],
        "search": [theme.SEARCH_SCRIPT],
    }
    for name, page in small_pages.items():
        found = theme.ScriptReader(str(page))
        assert {" ".join(code.split()) for code in found.scripts} == {
            theme.MODE_SCRIPT.format(mode="auto"),
            f"DOCUMENTATION_OPTIONS.pagename = '{name}';",
            "DOCUMENTATION_OPTIONS.search_as_you_type = false;",
            "let toggleHintShow = 'Click to show';",
            "let toggleHintHide = 'Click to hide';",
            "let toggleOpenOnPrint = 'true';",
            "var togglebuttonSelector = '.toggle, .admonition.dropdown';",
            *more.get(name, []),
        }
        assert set(found.handlers) <= {"toggleFullScreen()", "window.print()"}


def test_a_policy_stands_before_all_that_it_governs(small_pages):
    for page in small_pages.values():
        head = [
            tag for tag in page.head.find_all(True) if tag.name != "meta" or "content" in tag.attrs
        ]
        assert head[0]["name"] == "viewport" and head[1]["http-equiv"] == "Content-Security-Policy"
        assert head[1]["content"].startswith(
            "default-src 'none'; script-src 'self' 'unsafe-hashes' "
        )


def test_the_icons_are_those_that_were_cut_out_of_the_font(small_pages):
    named = {
        word.removeprefix("fa-")
        for page in small_pages.values()
        for icon in page.select(".fa-solid, .fas")
        for word in icon["class"]
        if word.startswith("fa-")
    }
    assert named - {"solid", "lg"} == set(assets.ICONS)


def test_a_chapter_leads_to_its_notebook_from_its_buttons_and_its_numbers(small_pages):
    chapter = small_pages[CHAPTER]
    assert [link["href"] for link in chapter.select(".dropdown-launch-buttons a")] == [
        "https://mybinder.org/v2/gh/a/b/main?urlpath=lab/tree/notebooks/02_sft.ipynb",
        "https://hub.example/hub/user-redirect/git-pull?repo=https%3A//github.com/a/b"
        "&urlpath=lab/tree/b/notebooks/02_sft.ipynb&branch=main",
        "https://colab.research.google.com/github/a/b/blob/main/notebooks/02_sft.ipynb",
    ]
    [line] = chapter.select("details.companion-provenance")
    assert [link["href"] for link in line.select("summary + p > a")] == [
        f"../../_sources/{CHAPTER}.ipynb",
        "https://github.com/a/b/blob/0123456789/notebooks/02_sft.ipynb",
    ]
    assert chapter.select_one(".cell_output td").text == "<1"


def test_an_image_says_what_its_page_and_its_figure_say_of_it_or_where_it_stands(small_pages):
    def said(page):
        return [image["alt"] for image in small_pages[page].select(".bd-article img")]

    assert said(CHAPTER) == [DESCRIPTION, "Lengths of <texts> (figure: a < b; words)"]
    assert said("book/formulas") == ["A square. Side 2.", "Squares"]


@pytest.mark.parametrize(
    "text", ["", "no XML", "<svg", '<svg xmlns="a"><title>other</title></svg>']
)
def test_an_image_that_is_no_figure_of_ours_says_nothing(tmp_path, text):
    path = tmp_path / "a.svg"
    path.write_text(text)
    for image in (path, tmp_path / "missing.svg", tmp_path, path.rename(tmp_path / "a.png")):
        assert theme.written_into(image) == ("", [])


@pytest.mark.parametrize(
    "text, marked",
    [
        ("<p>no other language, 3 ・ 4</p>", None),
        ("<td>患者 patient</td>", '<td><span lang="ja">患者</span> patient</td>'),
        (
            "<pre>「3日前から、痛い。」\n\n大丈夫です… [It hurts]</pre>",
            '<pre><span lang="ja">「3日前から、痛い。」\n\n大丈夫です…</span> [It hurts]</pre>',
        ),
        ('<img alt="患者"><b title="患者">b</b>', None),
        ("<td lang=ja>患者</td><td lang='ja'>患者</td>", None),
        ("<script>let a = '患者';</script><svg><text>患者</text></svg>", None),
        ("患者&lt;b&gt;", '<span lang="ja">患者</span>&lt;b&gt;'),
    ],
)
def test_japanese_passages_carry_their_language(text, marked):
    assert theme.with_language(text) == (marked or text)


def test_japanese_of_prose_and_tables_carries_its_language_on_a_page(small_pages):
    marked = [passage.text for passage in small_pages[CHAPTER].select("[lang=ja]")]
    assert marked == ["痛みの評価", "患者"]


def test_what_unfolds_the_contents_has_a_name(small_pages):
    [unfolds] = small_pages["index"].select("nav.bd-docs-nav summary")
    assert unfolds["aria-label"] == "pages below this one"


def test_another_run_stands_in_no_contents_and_leads_to_its_chapter(small_pages):
    page = small_pages[OTHER_RUN]
    below_the_title = page.select_one("article h1").find_next_sibling("p")
    assert [link["href"] for link in below_the_title.select("a")] == ["02_sft.html"]
    assert not page.select(".prev-next-area a")
    assert small_pages[CHAPTER].select(".prev-next-area a.left-prev")
    contents = {
        link["href"]
        for page in small_pages.values()
        for link in page.select("nav.bd-docs-nav a, .prev-next-area a")
    }
    assert f"{CHAPTER}.html" in contents
    assert not [address for address in contents if "er-sft" in address]


def test_a_book_with_a_script_in_a_page_is_not_built(small_pages, small_book):
    page = small_book / "book" / "formulas.md"
    page.write_text(page.read_text() + "\n<script>document.title = 'planted'</script>\n")
    with pytest.raises(EmoError) as refused:
        build.run_jupyter_book(small_book)
    assert "book/formulas.html has a script" in str(refused.value)
    assert "Traceback" not in str(refused.value)
