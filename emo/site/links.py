"""Whether the links of built pages lead somewhere, and what the pages weigh: before they are
published.
"""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGEST_MB = 1000  # of a site, as GitHub Pages takes it


class _Page(HTMLParser):
    """The addresses that a page names, and the places in it that can be named."""

    def __init__(self, path: Path):
        super().__init__()
        self.addresses: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.addresses += [found[name] for name in ("href", "src") if found.get(name)]
        self.places |= {found[name] for name in ("id", "name") if found.get(name)}


def broken(folder: Path) -> list[str]:
    """`page -> address` for each address in the pages of a folder that is neither a file in it nor
    a place on a page. Addresses elsewhere are not asked; what a script reads (`#system=base`) names
    no place.
    """
    found = sorted(folder.resolve().rglob("*.html"))
    # The theme leaves templates of its own among the static files.
    pages = {path: _Page(path) for path in found if "_static" not in path.parts}
    lost = []
    for path, page in pages.items():
        for address in dict.fromkeys(page.addresses):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            place = unquote(parts.fragment)
            named = (
                not place or "=" in place or target not in pages or place in pages[target].places
            )
            if not target.is_relative_to(folder.resolve()) or not target.is_file() or not named:
                lost.append(f"{path.relative_to(folder.resolve())} -> {address}")
    return lost


def megabytes(folder: Path) -> float:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
