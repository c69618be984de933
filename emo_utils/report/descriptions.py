"""What a figure shows, in words, for readers who cannot see it: kept with the figure, written into
its SVG, and from there the alternative text of the pages (`emo.site.theme`).

The sentences are made from the records that the figure draws, by the functions at the end.
"""

from collections.abc import Callable

import pandas as pd

from emo_utils.stats import intervals


def describe(figure, *sentences: str) -> None:
    """Keep with a figure what it shows; empty sentences are left out.

    What no XML may hold and what no eye sees (control characters of a text that is quoted) becomes
    blanks.
    """
    text = " ".join(sentence for sentence in sentences if sentence)
    visible = "".join(letter if letter.isprintable() else " " for letter in text)
    figure.set_label(" ".join(visible.split()))


def metadata(figure) -> dict:
    """What matplotlib writes into the SVG of a figure: its description as the title, the words on
    its axes as keywords, and no date, which would make each file another one.
    """
    title = {"Title": figure.get_label()} if figure.get_label() else {}
    return {"Date": None, "Keywords": axis_words(figure)} | title


def axis_words(figure) -> list[str]:
    """The titles of a figure and its panels and the names of their axes, each once."""
    words = [part.get_suptitle() for part in (figure, *figure.subfigs)]
    for axis in figure.axes:
        words += [axis.get_title(), axis.get_xlabel(), axis.get_ylabel()]
    return list(dict.fromkeys(" ".join(text.split()) for text in words if text.strip()))


def told(record, digits: int = 2) -> str:
    """The value of a record with its interval; below `intervals.ENOUGH` items the value alone."""
    value = f"{record.value:z.{digits}f}"
    if record.n < intervals.ENOUGH or record.interval == "none":
        return value
    return f"{value} [{record.ci_low:z.{digits}f}, {record.ci_high:z.{digits}f}]"


def counted(records: pd.DataFrame) -> str:
    """How many items records rest on: one number, or the fewest and the most."""
    if records.empty:
        return "no record"
    fewest, most = records.n.min(), records.n.max()
    return f"n = {most}" if fewest == most else f"n from {fewest} to {most}"


def listed(records: pd.DataFrame, name: Callable[[str], str] = str, by: str = "system") -> str:
    """Each record's system (or what another column has) with its value and interval, in order."""
    return "; ".join(f"{name(getattr(r, by))} {told(r)}" for r in records.itertuples())


def extremes(records: pd.DataFrame, name: Callable[[str], str] = str, by: str = "system") -> str:
    """The highest and the lowest of the records, each with its value and interval, by the name of
    its system (or of what another column has).
    """
    ordered = records.dropna(subset="value").sort_values("value", kind="stable")
    if len(ordered) < 2:
        return listed(ordered, name, by) or "no value"
    ends = ordered.iloc[[-1, 0]]
    if ends.value.nunique() == 1:
        return f"all {len(ordered)} at {ends.value.iloc[0]:.2f}"
    highest, lowest = (listed(ends.iloc[[k]], name, by) for k in (0, 1))
    return f"highest {highest}; lowest {lowest}"


def ranked(records: pd.DataFrame, name: Callable[[str], str] = str) -> str:
    """`extremes` of systems, and how far the highest stands apart (`overlaps`)."""
    found = extremes(records, name)
    apart = overlaps(records) if found.startswith("highest") else ""
    return f"{found} (of the highest, {apart})" if apart else found


def overlaps(records: pd.DataFrame) -> str:
    """How many intervals of others overlap with that of the highest record; nothing is said of
    fewer than two records, nor where one has no interval.
    """
    without = (records.n < intervals.ENOUGH) | (records.interval == "none")
    if len(records) < 2 or without.any():
        return ""
    highest = records.loc[records.value.idxmax()]
    count = int((records.ci_high >= highest.ci_low).sum()) - 1
    if not count:
        return "its interval lies above all others"
    return f"its interval overlaps with {count} of {len(records) - 1} others"


def headline(records: pd.DataFrame, what: str, name: Callable[[str], str] = str) -> str:
    """The title of a figure that says what it found, in two lines: which system is highest, and how
    far it stands apart from the others.
    """
    if records.value.nunique() < 2:
        return f"{what}: {extremes(records, name)}, {counted(records)}"
    highest = records.loc[records.value.idxmax()]
    return (
        f"{what}: {name(highest.system)} is highest, {told(highest)}, n = {highest.n};\n"
        f"{overlaps(records) or 'too few to tell systems apart'}"
    )
