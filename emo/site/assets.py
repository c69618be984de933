"""Fonts and scripts that the pages carry, taken from installed packages."""

import base64
import io
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from emo.site import layout
from emo_utils.project import ROOT, EmoError, write_atomic


def place_font() -> None:
    """Cut the Japanese font to the characters that the pages hold, so that they show where no such
    font is installed; its licence goes with it.
    """
    from fontTools import subset

    texts = [
        path.read_text(encoding="utf-8")
        for path in (
            *layout.CHAPTERS.glob("*.ipynb"),
            *layout.GENERATED.glob("*.md"),
            *(ROOT / "book").glob("*.md"),
        )
    ]
    fonts = Path(find_spec("matplotlib_fontja").origin).with_name("fonts")
    target = layout.GENERATED / "static" / "fonts"
    target.mkdir(parents=True, exist_ok=True)
    options = subset.Options(flavor="woff", layout_features=[], hinting=False, name_IDs=[0, 13, 14])
    font = subset.load_font(fonts / "ipaexg.ttf", options)
    cutter = subset.Subsetter(options)
    cutter.populate(
        text="".join({c for text in texts for c in text if ord(c) > 0x2E7F}) + "、。「」"
    )
    cutter.subset(font)
    subset.save_font(font, target / "companion-ja.woff", options)
    shutil.copyfile(fonts / "IPA_Font_License_Agreement_v1.0.txt", target / "companion-ja.txt")


# Those of the theme's templates and of its buttons above a page.
ICONS = (
    "angle-left",
    "angle-right",
    "arrow-up",
    "bars",
    "chevron-down",
    "circle-half-stroke",
    "download",
    "expand",
    "file",
    "file-pdf",
    "list",
    "magnifying-glass",
    "moon",
    "rocket",
    "sun",
)


def place_icons() -> None:
    """Cut the theme's font of icons to those that the pages have, as a style sheet that holds it:
    the theme would draw them by a script of 1.5 MB or fetch the whole font. They have no words, so
    that nothing reads them aloud.

    Raises EmoError where the font lacks one of them.
    """
    from fontTools import subset

    fonts = (
        Path(find_spec("pydata_sphinx_theme").origin).parent
        / "theme/pydata_sphinx_theme/static/vendor/fontawesome/webfonts"
    )
    options = subset.Options(flavor="woff", layout_features=[], hinting=False, name_IDs=[0, 13, 14])
    font = subset.load_font(fonts / "fa-solid-900.ttf", options)
    codes = {}
    for code, name in sorted(font.getBestCmap().items()):
        if 0xE000 <= code < 0xF900:  # not among the characters of a language
            codes.setdefault(name, code)
    if missing := sorted(set(ICONS) - set(codes)):
        raise EmoError(
            f"the theme's font has no icon {missing[0]!r}; was the theme changed? "
            "emo/site/assets.py names the icons, requirements.lock the version that has them"
        )
    cutter = subset.Subsetter(options)
    cutter.populate(glyphs=ICONS)
    cutter.subset(font)
    cut = io.BytesIO()
    subset.save_font(font, cut, options)
    data = base64.b64encode(cut.getvalue()).decode()
    rules = [
        "/* Icons of Font Awesome Free (https://fontawesome.com), under the SIL OFL 1.1. */",
        '@font-face { font-family: "Font Awesome 6 Free"; font-weight: 900; '
        f'src: url("data:font/woff;base64,{data}") format("woff"); }}',
        *(f'.fa-{name}::before {{ content: "\\{codes[name]:x}" / ""; }}' for name in ICONS),
    ]
    write_atomic(layout.GENERATED / "static" / "icons.css", "\n".join(rules) + "\n")


def place_mathjax() -> None:
    """Copy MathJax (one file, fonts included) out of its package,
    so that equations show without a network.
    """
    target = layout.GENERATED / "static" / "mathjax" / "tex-svg.js"
    if not target.is_file():
        source = (
            Path(find_spec("mathjax").submodule_search_locations[0])
            / "static"
            / "mathjax"
            / "es5"
            / "tex-svg.js"
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def place_datatables() -> None:
    """Copy DataTables (one file, with jQuery) out of the package itables, as a script: it comes as
    a module, which no browser loads from a folder.
    """
    source = (Path(find_spec("itables").origin).with_name("html") / "dt_bundle.js").read_text(
        encoding="utf-8"
    )
    found = re.search(r"export\s*\{([^}]*)\}", source)
    names = (
        dict(reversed(part.split(" as ")) for part in found[1].split(",") if " as " in part)
        if found
        else {}
    )
    if "default" not in names:
        raise EmoError(
            "the bundle of DataTables in itables exports nothing by default; was the package "
            "changed? requirements.lock has the version that fits"
        )
    script = (
        f"(() => {{{source[: found.start()]};window.DataTable = {names['default']};"
        f"{source[found.end() :]}\n}})();\n"
    )
    write_atomic(layout.GENERATED / "static" / "datatables.js", script)
