"""What a reader of a page would trip over: names of records in its text, and letters of figures
that are too small on a phone.
"""

import html
import re
from pathlib import Path

from emo_utils.report import figures

PHONE = 358  # pixels across that a page of 390 has for a figure
READABLE = 8  # pixels that letters are high, at least
# No text for reading: code, what a cell was given and has logged, and where numbers are from.
CODE = re.compile(
    r'<details class="companion-(?:provenance|run)">.*?</details>'
    r"|<(style|pre|script|code)\b.*?</\1>",
    re.DOTALL,
)


def names_of_records(page: str) -> list[str]:
    """The names that records have for systems in the text of a page (HTML) and in what it says of
    its images, each with what stands around it.
    """
    article = page.partition("<article")[2].partition("</article>")[0]
    said = re.findall(r'\balt="([^"]*)"', article)
    text = html.unescape(" ".join([re.sub(r"<[^>]+>", " ", CODE.sub(" ", article)), *said]))
    text = " ".join(text.split())
    return [
        text[max(0, at - 40) : at + 40]
        for at in map(re.Match.start, figures.IN_TEXT.finditer(text))
    ]


def smallest_letters(figure: Path) -> float:
    """The height in pixels of the smallest letters of an SVG figure on a phone; of powers and
    indices that of what they stand at. Matplotlib draws letters as paths, 100 units high, and
    scales them.
    """
    svg = figure.read_text(encoding="utf-8")
    width = float(re.search(r'<svg\b[^>]*\bwidth="([\d.]+)pt"', svg)[1])
    points = [100 * float(size) for size in re.findall(r"scale\((0\.\d+) -0\.\d+\)", svg)]
    return min(points) * min(PHONE / width, 96 / 72)


def too_small(folder: Path) -> dict[str, float]:
    """The figures of a built book whose letters nobody reads on a phone, with their pixels."""
    sizes = {path.name: smallest_letters(path) for path in sorted(folder.glob("_images/*.svg"))}
    assert sizes, f"no figure in {folder}"
    return {name: size for name, size in sizes.items() if size < READABLE}
