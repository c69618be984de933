"""What is done to the built HTML: sources, launch links, the theme's icons, a policy."""

import base64
import hashlib
import html
import re

import yaml

from emo.graph import steps
from emo.site import layout
from emo_utils.project import ROOT, EmoError


def with_sources(text: str) -> str:
    """A page whose provenance lines lead, once unfolded, to the notebook as it ran, and to its
    source at that commit where _config.yml names a public repository.
    """
    address = (
        yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
        .get("repository", {})
        .get("url", "")
        .rstrip("/")
    )
    pages = {step.run: (layout.page_name(step), step.notebook) for step in steps.STEPS}

    def links(line: re.Match) -> str:
        if line["run"] not in pages:
            return line[0]
        page, notebook = pages[line["run"]]
        source = (
            f' · <a href="{html.escape(address)}/blob/{line["commit"]}/notebooks/{notebook}.ipynb">'
            "its source at this commit</a>"
            if address
            else ""
        )
        return (
            f'{line[0]}<p><a href="../../_sources/book/notebooks/{page}.ipynb" download>'
            f"the notebook as it ran</a>{source}</p>"
        )

    return re.sub(
        r'<details class="companion-provenance"><summary>(?P<run>[\w.-]+)'
        r" · commit (?P<commit>\w+)[^<]*</summary>",
        links,
        text,
    )


def with_launches(text: str) -> str:
    """A page whose launch buttons open the notebook that the repository has: the theme thinks of
    the executed copy in book/notebooks, which git does not.
    """
    notebooks = {layout.page_name(step): step.notebook for step in steps.STEPS}
    return re.sub(
        r'(<a href="https?://[^"]*?)book/notebooks/([\w-]+)\.ipynb',
        lambda link: f"{link[1]}notebooks/{notebooks[link[2]]}.ipynb",
        text,
    )


# What the theme writes into a page as a script or a handler; whatever else a page had would be text
# of a model or of data that was not escaped.
THEME_SCRIPTS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        (
            r"document\.documentElement\.dataset\.mode"
            r' = localStorage\.getItem\("mode"\) \|\| "\w*";\s*'
            r"document\.documentElement\.dataset\.theme"
            r' = localStorage\.getItem\("theme"\) \|\| "\w*";'
        ),
        r"DOCUMENTATION_OPTIONS\.pagename = '[\w/-]*';",
        r"DOCUMENTATION_OPTIONS\.search_as_you_type = false;",
        r"let toggle(HintShow|HintHide|OpenOnPrint) = '[\w ]*';",
        r"var togglebuttonSelector = '[\w.*, ]*';",
        r'window\.MathJax = \{"options": \{"processHtmlClass": "[\w|]*"\}\}',
        r"// Activate the search field on page load\s[^<>]*",
    )
]
THEME_HANDLERS = ("toggleFullScreen()", "window.print()")


def mended(text: str, icons: dict[str, tuple[str, str]]) -> str:
    """A page without the theme's faults, and without what it loads and does not use.

    Cells that run in a service elsewhere are off, and yet their script is there, twice; the buttons
    that unfold the contents have no name; icons are drawn by a script of 1.5 MB (here they stand in
    the page, from what `theme_icons` gives); every page loads MathJax and the index of the search.
    """
    text = re.sub(
        r"<script[^>]*>(?=const THEBE_JS_URL|\s*\{\s*requestKernel: true|kernelName = )"
        r"[^<]*</script>"
        r"|<script[^>]*(sphinx-thebe|/fontawesome)\.js[^>]*></script>",
        "",
        text,
    )
    if "/mathjax/" in text and not re.search(r'class="[^"]*\bmath\b', text):
        text = re.sub(r"<script[^>]*/mathjax/[^>]*></script>", "", text)
    if 'id="search-results"' not in text:
        text = re.sub(
            r'<script src="[^"]*(searchtools|language_data|searchindex)\.js[^>]*></script>',
            "",
            text,
        )
    text = text.replace(
        '<summary><span class="toctree-toggle"',
        '<summary aria-label="pages below this one"><span class="toctree-toggle"',
    )

    def drawn(icon: re.Match) -> str:
        if icon["name"] not in icons:
            raise EmoError(f"the theme has no solid icon {icon['name']!r}; was it changed?")
        box, path = icons[icon["name"]]
        return (
            f"<svg{icon['before']}svg-inline--fa fa-{icon['name']}{icon['after']}"
            f' viewBox="0 0 {box}" fill="currentColor" aria-hidden="true"><path d="{path}"/></svg>'
        )

    return re.sub(
        r'<(?P<tag>i|span)(?P<before> class="[^"]*?)\bfa(?:s|-solid) fa-(?P<name>[a-z-]+)'
        r"(?P<after>[^>]*)></(?P=tag)>",
        drawn,
        text,
    )


def theme_icons(script: str) -> dict[str, tuple[str, str]]:
    """Width and height, and the path, of each solid icon in the theme's copy of Font Awesome
    (brands, then regular, then solid: the last of a name is the solid one).
    """
    return {
        name: (f"{width} {height}", path)
        for name, width, height, path in re.findall(
            r'[{,]"?([a-z][a-z-]*)"?:\[(\d+),(\d+),\[[^\]]*\],"\w+","([^"]+)"\]', script
        )
    }


def with_policy(text: str, name: str) -> str:
    """A page with a content security policy: it loads what lies beside it, sends nothing, and runs
    the scripts that the theme wrote and no others.

    Raises EmoError where the page has another script or handler in it.
    """
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", text, re.DOTALL)
    handlers = [
        html.unescape(value) for value in re.findall(r"<[^>]*?\son\w+\s*=\s*[\"']([^\"']*)", text)
    ]
    if other := [
        code for code in scripts if not any(p.fullmatch(code.strip()) for p in THEME_SCRIPTS)
    ] + [code for code in handlers if code not in THEME_HANDLERS]:
        raise EmoError(f"{name} has a script that is not the theme's: {other[0].strip()[:80]!r}")
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
        for code in dict.fromkeys([*scripts, *handlers])
    )
    policy = (
        f"default-src 'none'; script-src 'self' 'unsafe-hashes' {hashes}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'"
    )
    return re.sub(
        r"<head>",
        lambda _: f'<head>\n    <meta http-equiv="Content-Security-Policy" content="{policy}">',
        text,
        count=1,
    )
