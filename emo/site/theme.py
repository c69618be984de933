"""A Sphinx extension, and the bridge to its templates: what our pages have beyond the theme's.

Provenance lines and launch buttons lead to notebooks that exist, a page loads no script that it has
no use for, and its content security policy runs no other. `_config.yml` names this module;
book/_templates leaves out what the theme's own templates write.
"""

import base64
import hashlib
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.util.osutil import relative_uri

from emo.graph import steps
from emo.site import api, layout
from emo_utils.project import EmoError, sha256_file

SVG = "http://www.w3.org/2000/svg"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
# Kana and kanji; a passage goes on over the punctuation and the numbers between them.
KANA_OR_KANJI = r"\u3005-\u3007\u3041-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
JAPANESE = re.compile(
    rf"[「『（【]?\d*[{KANA_OR_KANJI}]"
    rf"(?:[{KANA_OR_KANJI}・\u3000-\u303f\uff00-\uffef\d…―]|\s+(?=[「『（【]?\d*[{KANA_OR_KANJI}]))*"
)
# What says its language itself, or whose text is no place for an element.
UNMARKED = re.compile(
    r"""<(script|style|title|textarea|option|text|tspan)\b|<[^>]*\blang=["']?ja\b"""
)
# Where the hashes of a page's scripts come to stand, once its text is there.
POLICY_PLACE = "policy-of-this-page"

# The inline scripts that the theme's templates write; other extensions give theirs to Sphinx, which
# has them in the context of a page.
MODE_SCRIPT = (
    'document.documentElement.dataset.mode = localStorage.getItem("mode") || "{mode}"; '
    'document.documentElement.dataset.theme = localStorage.getItem("theme") || "{mode}";'
)
# Where a chapter of a repository that is public at GitHub can be opened by anyone.
HUBS = {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"}
# The page of each run that is not its chapter's first -> the chapter's page, which lies beside it.
OTHER_RUNS = {
    f"book/notebooks/{layout.page_name(step)}": step.notebook
    for step in steps.STEPS
    if layout.page_name(step) != step.notebook
}
SEARCH_SCRIPT = (
    "// Activate the search field on page load "
    'let searchInput = document.querySelector("form.bd-search input"); '
    "if (searchInput) { searchInput.focus(); searchInput.select(); "
    'console.log("[PST]: Set focus on search field."); }'
)


def setup(app) -> dict[str, bool]:
    """Connect the functions below to Sphinx; after the theme's own, which are at most at 501."""
    # Sphinx makes all pages anew where a setting changed; of the code of an extension it knows not.
    app.add_config_value("companion_theme", sha256_file(Path(__file__)), "html")
    app.connect("config-inited", name_repository, priority=900)
    app.connect("config-inited", build_other_runs, priority=950)  # after the contents were read
    app.connect("doctree-read", lead_from_another_run)
    app.connect("config-inited", mock_missing, priority=900)
    app.connect("doctree-resolved", link_provenance)
    app.connect("doctree-resolved", describe_images)
    app.connect("html-page-context", mark_japanese, priority=900)
    app.connect("html-page-context", launch_the_source, priority=900)
    app.connect("html-page-context", name_toggles, priority=900)
    app.connect("html-page-context", drop_unused_mathjax, priority=900)
    app.connect("html-page-context", reserve_policy, priority=900)
    app.connect("build-finished", remove_unused_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def repository(folder: Path) -> str:
    """The address of the public repository: that in _config.yml, else what whoever publishes the
    book says in EMO_REPOSITORY, as nightly.yml does; empty where there is none.
    """
    # Not from Sphinx's settings: where none is named, those have Jupyter Book's own repository.
    settings = yaml.safe_load((folder / "_config.yml").read_text(encoding="utf-8"))
    named = settings.get("repository", {}).get("url") or os.environ.get("EMO_REPOSITORY", "")
    return named.rstrip("/")


def mock_missing(app, config) -> None:
    """Have the docstrings read without libraries that are not installed."""
    config.autodoc_mock_imports = [*config.autodoc_mock_imports, *api.not_installed()]


def name_repository(app, config) -> None:
    """Let the theme's buttons open chapters in Binder and Colab, from the repository that
    EMO_REPOSITORY names and its branch EMO_BRANCH, whose chapters fetch the package
    (`emo.site.launch`). What _config.yml says comes first.
    """
    settings = yaml.safe_load((Path(app.confdir) / "_config.yml").read_text(encoding="utf-8"))
    if settings.get("repository", {}).get("url") or not repository(Path(app.confdir)):
        return
    options = config.html_theme_options
    options["repository_url"] = repository(Path(app.confdir))
    options["repository_branch"] = os.environ.get("EMO_BRANCH", "main")
    named = {name: at for name, at in options.get("launch_buttons", {}).items() if at}
    options["launch_buttons"] = HUBS | named


def build_other_runs(app, config) -> None:
    """Build the pages of a chapter's other runs, too: they stand in no contents, and what stands in
    none is excluded (`only_build_toc_files`).
    """
    other = {f"{page}.ipynb" for page in OTHER_RUNS}
    config.exclude_patterns = [path for path in config.exclude_patterns if path not in other]


def lead_from_another_run(app, doctree) -> None:
    """Tell Sphinx that the page of another run stands in no contents, and the reader, below its
    title, which chapter it belongs to.
    """
    page = app.env.docname
    if page not in OTHER_RUNS:
        return
    app.env.metadata[page]["orphan"] = True
    chapter = nodes.reference("", "its chapter", refuri=f"{OTHER_RUNS[page]}.html")
    line = nodes.paragraph(
        "",
        "Another run of the same notebook; ",
        chapter,
        nodes.Text(" explains it and compares all runs."),
    )
    doctree.next_node(nodes.title).parent.insert(1, line)


def link_provenance(app, doctree, docname: str) -> None:
    """Keep one provenance line of each run on a page, where its first table stands, and put links
    into it, seen once it is unfolded: to the notebook as it ran, and to its source at that commit
    where there is a public repository.
    """
    address = repository(Path(app.confdir))
    page_of_run = {step.run: layout.page_name(step) for step in steps.STEPS}
    notebook_of_run = {step.run: step.notebook for step in steps.STEPS}
    seen = set()
    for raw in doctree.findall(nodes.raw):
        if "companion-provenance" not in raw.astext():
            continue
        fragment = BeautifulSoup(raw.astext(), "html.parser")
        for line in fragment.select("details.companion-provenance"):
            if (whole := str(line)) in seen:
                line.decompose()
                continue
            seen.add(whole)
            run, *parts = line.summary.get_text().split(" · ")
            if run not in page_of_run:
                continue
            executed = f"_sources/book/notebooks/{page_of_run[run]}.ipynb"
            links = fragment.new_tag("p")
            links.append(
                fragment.new_tag(
                    "a",
                    href=relative_uri(app.builder.get_target_uri(docname), executed),
                    download="",
                    string="the notebook as it ran",
                )
            )
            if address:
                commit = next(part for part in parts if part.startswith("commit "))
                revision = commit.split()[1]
                source = f"{address}/blob/{revision}/notebooks/{notebook_of_run[run]}.ipynb"
                links.append(" · ")
                links.append(fragment.new_tag("a", href=source, string="its source at this commit"))
            line.summary.insert_after(links)
        raw.clear()
        raw += nodes.Text(str(fragment))


def describe_images(app, doctree, docname: str) -> None:
    """Give each image an alternative text: what its page says of it, then what the figure says of
    itself; where neither says anything, the heading above it and the words on its axes.
    """
    for image in doctree.findall(nodes.image):
        description, axis_words = written_into(Path(app.srcdir) / image["uri"])
        texts = [text for text in (image.get("alt", ""), description) if text]
        if not texts:
            section = image
            while section and not isinstance(section, nodes.section):
                section = section.parent
            texts = [section.next_node(nodes.title).astext() if section else docname]
            if axis_words:
                texts.append(f"(figure: {'; '.join(axis_words)})")
        image["alt"] = " ".join(texts)


def written_into(path: Path) -> tuple[str, list[str]]:
    """The description and the words on the axes that a figure's SVG has at its head
    (`emo_utils.report.descriptions`); none of any other file.
    """
    description, axis_words = "", []
    if path.suffix != ".svg" or not path.is_file():
        return description, axis_words
    try:
        for _, element in ElementTree.iterparse(path):
            if element.tag == f"{{{SVG}}}title":
                description = element.text or ""
            elif element.tag == f"{{{RDF}}}li":
                axis_words.append(element.text or "")
            elif element.tag == f"{{{SVG}}}metadata":
                break
    except ElementTree.ParseError:
        return "", []
    return description, axis_words


def mark_japanese(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Say of each Japanese passage in the text of a page that it is Japanese, so that it is read
    aloud and drawn as such, whatever made it: prose, a table, what a cell has printed.
    """
    if "body" in context and JAPANESE.search(context["body"]):
        context["body"] = with_language(context["body"])


def with_language(text: str) -> str:
    """HTML in which Japanese passages carry lang="ja"; tags and attributes stay as they are."""
    pieces = re.split(r"(<[^>]*>)", text)
    for place in range(0, len(pieces), 2):  # the texts between the tags
        if place and UNMARKED.match(pieces[place - 1]):
            continue
        pieces[place] = JAPANESE.sub(
            lambda found: f'<span lang="ja">{found[0]}</span>', pieces[place]
        )
    return "".join(pieces)


def all_buttons(buttons: list[dict]) -> list[dict]:
    """The buttons above a page, with those of their menus."""
    return [inner for button in buttons for inner in (button, *button.get("buttons", []))]


def launch_the_source(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Let the buttons above a chapter open the notebook that the repository has: the theme thinks
    of the executed copy in book/notebooks, which git does not.
    """
    notebooks = {
        f"book/notebooks/{layout.page_name(step)}": f"notebooks/{step.notebook}"
        for step in steps.STEPS
    }
    if pagename not in notebooks:
        return
    for button in all_buttons(context["header_buttons"]):
        if button.get("url", "").startswith("http"):
            button["url"] = button["url"].replace(
                f"{pagename}.ipynb", f"{notebooks[pagename]}.ipynb"
            )


def name_toggles(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Give a name to what unfolds a part of the contents: the theme draws an arrow and no word."""
    generate = context["generate_toctree_html"]

    def generate_with_names(*given, **options):
        contents = generate(*given, **options)
        for summary in contents.select("summary"):
            summary["aria-label"] = "pages below this one"
        return contents

    context["generate_toctree_html"] = generate_with_names


def drop_unused_mathjax(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Load MathJax where a page itself has a formula; Sphinx looks at the pages below it, too."""
    if doctree and any(
        doctree.findall(lambda node: isinstance(node, nodes.math | nodes.math_block))
    ):
        return
    context["script_files"] = [
        script
        for script in context["script_files"]
        if script.filename != f"_static/{app.config.mathjax_path}"
        and not script.attributes.get("body", "").startswith("window.MathJax")
    ]


def reserve_policy(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Keep a place for the policy at the head of a page, before all that it governs."""
    context["metatags"] = (
        f'\n    <meta http-equiv="Content-Security-Policy" content="{POLICY_PLACE}">'
        + context.get("metatags", "")  # what an author wrote; the indices have none
    )


class PolicyBridge(BuiltinTemplateLoader):
    """Sphinx's bridge to its templates, which writes the policy into a page that it has rendered:
    the policy has the hashes of the scripts that the page then holds.
    """

    def render(self, template: str, context: dict) -> str:
        text = super().render(template, context)
        if POLICY_PLACE not in context.get("metatags", ""):
            return text  # a part of a page: the theme looks whether it is empty
        if POLICY_PLACE not in text:
            raise EmoError(f"the theme's {template} writes no metatags: no place for a policy")
        return text.replace(POLICY_PLACE, policy(text, context), 1)


class ScriptReader(HTMLParser):
    """The inline scripts and the handlers of a page, as a browser reads them."""

    def __init__(self, page: str):
        super().__init__()
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self._inside = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handlers += [value or "" for name, value in attributes if name.startswith("on")]
        self._inside = tag == "script" and "src" not in dict(attributes)
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data


def policy(page: str, context: dict) -> str:
    """The content security policy of a page: it loads what lies beside it, sends nothing, and runs
    the scripts of the theme and of Sphinx's extensions and no others.

    Raises EmoError where the page has another script or handler in it, which would be text of a
    model or of data that was not escaped.
    """
    found = ScriptReader(page)
    bodies = [script.attributes.get("body", "") for script in context["script_files"]]
    written = (MODE_SCRIPT.format(mode=context.get("default_mode", "")), SEARCH_SCRIPT)
    known = {" ".join(body.split()) for body in (*bodies, *written)}
    pressed = {button.get("javascript") for button in all_buttons(context["header_buttons"])}
    other = [code for code in found.scripts if " ".join(code.split()) not in known]
    other += [code for code in found.handlers if code not in pressed]
    if other:
        raise EmoError(
            f"{context['pagename']}.html has a script that is not the theme's: "
            f"{other[0].strip()[:80]!r}"
        )
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
        for code in dict.fromkeys([*found.scripts, *found.handlers])
    )
    return (
        f"default-src 'none'; script-src 'self' 'unsafe-hashes' {hashes}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'"
    )


def remove_unused_files(app, exception: Exception | None) -> None:
    """Remove what the theme brings and no page loads: the script of its icons, and the maps that
    only its makers need.
    """
    static = Path(app.outdir) / "_static"
    for unused in (static / "scripts" / "fontawesome.js", *static.rglob("*.map")):
        unused.unlink(missing_ok=True)
