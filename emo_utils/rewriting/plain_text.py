"""Consultations and rewrites in one spelling, so that only what they say is compared: no leftovers
of web pages, numbers and units written in one way.
"""

import functools
import html
import re

from emo_utils.project import storable

_ESCAPED = re.compile(r"(?:\\+x[0-9a-fA-F]{2})+")
_TAG = re.compile(r"</?(?:br|p|div|span|b|i|em|strong|ul|ol|li|a|h[1-6])(?:\s[^<>]*)?/?>", re.I)
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8"}
_SIGNS = str.maketrans(
    {
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
        "\u2044": "/",
        "\u2212": "-",
        "\u00b5": "u",
        "\u03bc": "u",
        "\u2019": "'",
        "\u2018": "'",
        "\u200b": "",
        "\ufeff": "",
    }
    | {chr(0xFF10 + digit): str(digit) for digit in range(10)}
)
# Names of units as the gates compare them. "C" and "F" are temperatures behind a degree sign, too.
_UNITS = [
    (re.compile(rf"(?<=\d)\s*(?:{names})(?!\w)", re.IGNORECASE), f" {unit}")
    for names, unit in (
        (r"per ?cent", "%"),
        (r"milligram(?:me)?s?|mgs", "mg"),
        (r"microgram(?:me)?s?|ug|mcgs", "mcg"),
        (r"kilogram(?:me)?s?|kilos?|kgs", "kg"),
        (r"gram(?:me)?s?|gms?", "g"),
        (r"millilit(?:er|re)s?|mls|cc", "ml"),
        (r"lit(?:er|re)s?", "l"),
        (r"centimet(?:er|re)s?|cms", "cm"),
        (r"millimet(?:er|re)s?", "mm"),
        (r"mm hg", "mmhg"),
        (r"international units?", "iu"),
        (r"beats (?:per|a) minute", "bpm"),
        (r"(?:°|º|deg(?:ree)?s?)\s?(?:c(?:elsius|entigrade)?)", "c"),
        (r"(?:°|º|deg(?:ree)?s?)\s?(?:f(?:ahrenheit)?)", "f"),
    )
]


_ALONE = r"(?<![\d.,/:])"  # where a number begins
_ENDS = r"(?!\d|[.,/:]\d)"
_BARE_POINT = re.compile(r"(?<![\w.,/:])\.(\d)")
_DECIMAL_COMMA = re.compile(rf"{_ALONE}(\d+),(\d{{1,2}}){_ENDS}")
_DECIMAL = re.compile(rf"{_ALONE}\d+\.\d+{_ENDS}")
_MIXED = re.compile(rf"{_ALONE}(\d+) +(?:and +)?([13])/([248]){_ENDS}")


def clean(text: str) -> str:
    """A text as its writer meant it: HTML entities and tags, and bytes that a program wrote out
    (`\\xe2\\x80\\x99`), become characters. Words and numbers stay as they are.
    """
    if "\\x" in text:
        text = _ESCAPED.sub(_characters, text)
    if "&" in text:
        text = html.unescape(html.unescape(text))  # some are escaped twice: &amp;#39;
    return _TAG.sub(" ", text) if "<" in text else text


def _characters(match: re.Match) -> str:
    codes = re.findall(r"[0-9a-fA-F]{2}", match.group().replace("x", " "))
    try:
        return storable(bytes.fromhex("".join(codes)).decode("utf-8"))
    except UnicodeDecodeError:
        return match.group()


@functools.lru_cache(maxsize=256)  # a source is compared with each try at it, and checked each time
def comparable(text: str) -> str:
    """A text for the comparison of facts: without links, numbers and units in one spelling.

    `.5`, `0,5` and `0.50` are 0.5, `½` is 1/2, `2 1/2` is 2.5, `5 milligrams` is 5 mg.
    """
    text = _LINK.sub(" ", clean(text)).translate(_SIGNS)
    for sign, written in _FRACTIONS.items():
        text = text.replace(sign, f" {written}")
    text = _BARE_POINT.sub(r"0.\1", text)
    text = _DECIMAL_COMMA.sub(r"\1.\2", text)
    text = _MIXED.sub(lambda m: f"{int(m[1]) + int(m[2]) / int(m[3]):g}", text)
    text = _DECIMAL.sub(lambda m: m[0].rstrip("0").rstrip("."), text)
    text = re.sub(r"(?<=\d) ?/ ?(?=\d)", "/", text)
    for names, unit in _UNITS:
        text = names.sub(unit, text)
    return text
