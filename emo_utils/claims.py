"""The papers' claims as predicates, and two verdicts on each:
by the paper's own numbers, and by our records.

`data/published/claims.yaml` holds the claims.
A predicate is a small language of comparisons, read by `parse`; nothing in it is executed:

    predicate := test {"and" test}
    test      := ["at least" COUNT "of"] sides ("in" column-sum | "") OP sides ["within" NUMBER]
    ["on" TABLE [columns]]
    sides     := sum {"," sum};
    sum       := ["COUNT times"] name {("plus" | "minus") ["COUNT times"] name}
    OP        := > | >= | = | < | <=;
    columns   := column {"," column}, or * for all of a published table
    name      := a number, a cell TABLE/SYSTEM/METRIC, or a system of TABLE
    (`tuned`: the seven tuned ones; `others`: all not named on the left)

Every sum on the left is compared with every sum on the right in every column,
and all comparisons must hold, or at least COUNT of them.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
import scipy.stats
import yaml

from emo_utils import data, stats
from emo_utils.project import DATA, EmoError
from emo_utils.results import SYSTEMS

TABLE = "emodoctor.claims"
CLAIMS = DATA / "published" / "claims.yaml"
NUMBERS = (DATA / "published" / "emodoctor.csv", DATA / "published" / "emplifai.csv")
PRINTED = {
    "borne out": "the paper's own numbers say what the sentence says",
    "not borne out": "the paper's own numbers do not say what the sentence says",
    "contradicted in words": "another place of the paper says otherwise, and no number decides",
    "no number": "there is no printed number at hand to check the sentence with",
}
OURS = {
    "supported": "each comparison's 95 % interval lies on the claim's side",
    "contradicted": (
        "at least one interval, widened for the number of comparisons, lies on the other side"
    ),
    "undecided": "neither: these data do not decide",
    "not measured": "no record yet",
}
_TOKEN = re.compile(r">=|<=|[><=,]|[^\s,<>=]+")
_WORDS = {"and", "at", "least", "of", "in", "within", "on", "plus", "minus", "times", ","}


@dataclass(frozen=True)
class Comparison:
    """A weighted sum of cells (weight, table, system, metric), plus a constant,
    held against zero: `>`, `>=` or `=`, with a tolerance.
    """

    terms: tuple[tuple[int, str, str, str], ...]
    constant: Decimal
    operator: str
    within: Decimal

    @property
    def key(self) -> str:
        """The sum of cells, written out."""
        return " ".join(
            (
                f"{'-' if w < 0 else '+'} "
                f"{'' if abs(w) == 1 else f'{abs(w)} '}{table}/{system}/{metric}"
            )
            for w, table, system, metric in self.terms
        ).removeprefix("+ ")

    def __str__(self) -> str:
        """The comparison as a reader would write it;
        table and metric once where all cells share them.
        """
        places = {(table, metric) for _, table, _, metric in self.terms}
        terms = self.terms if len(places) > 1 else [(w, system) for w, _, system, _ in self.terms]
        text = " ".join(
            (
                f"{'minus' if w < 0 else 'plus'} "
                f"{'' if abs(w) == 1 else f'{abs(w)} times '}{'/'.join(cell)}"
            )
            for w, *cell in terms
        ).removeprefix("plus ")
        where = (
            "".join(f" on {table} {metric}" for table, metric in places) if len(places) == 1 else ""
        )
        return (
            f"{text} {self.operator} "
            f"{-self.constant or 0}{f' within {self.within}' if self.within else ''}{where}"
        )

    def holds(self, low, high, exact: bool = False) -> bool | None:
        """True or False if every value between low and high of the sum of cells says so,
        None if they differ. exact: the value is known, so equal is not greater.
        """
        low, high = low + type(low)(self.constant), high + type(high)(self.constant)
        within = type(low)(self.within)
        if self.operator == ">":
            return True if low > 0 else False if high < 0 or exact else None
        if self.operator == ">=":
            return True if low >= -within else False if high < -within else None
        return (
            True
            if -within <= low and high <= within
            else False
            if low > within or high < -within
            else None
        )


@dataclass(frozen=True)
class Test:
    """Comparisons of which at least `needed` must hold."""

    comparisons: tuple[Comparison, ...]
    needed: int


def parse(text: str, columns: dict[str, list[str]]) -> list[Test]:
    """The tests of a predicate, all of which must hold.

    columns: the metrics of each published table, for `*`.

    Raises EmoError that quotes the predicate and says what is wrong.
    """
    tests, part = [], []
    for token in [*_TOKEN.findall(text), "and"]:
        if token == "and":
            tests.append(_Parser(part, text, columns).test())
            part = []
        else:
            part.append(token)
    return tests


class _Parser:
    """Reads the tokens of one test from the left."""

    def __init__(self, tokens: list[str], text: str, columns: dict[str, list[str]]):
        self.tokens, self.text, self.columns = tokens, " ".join(text.split()), columns

    def fail(self, what: str):
        raise EmoError(f"claims.yaml: {what} in the predicate '{self.text}'")

    def next(self, *wanted: str) -> str | None:
        """Take the next token if it is one of those wanted (any name, if none is given);
        None if it is another.
        """
        if not self.tokens or (
            self.tokens[0] not in wanted
            if wanted
            else self.tokens[0] in _WORDS or self.tokens[0] in "><>=<="
        ):
            return None
        return self.tokens.pop(0)

    def name(self) -> str:
        return self.next() or self.fail(
            f"a name is missing before '{self.tokens[0] if self.tokens else 'the end'}'"
        )

    def number(self) -> Decimal:
        value = _number(name := self.name())
        return value if value is not None else self.fail(f"'{name}' is no number")

    def sum(self) -> list[tuple[int, str]]:
        """A sum of names with whole weights."""
        terms, sign = [], 1
        while True:
            name = self.name()
            weight = sign
            if self.next("times"):
                weight, name = (
                    sign * int(name)
                    if name.isdigit()
                    else self.fail(f"'{name} times' is no whole number"),
                    self.name(),
                )
            terms.append((weight, name))
            if not (joined := self.next("plus", "minus")):
                return terms
            sign = 1 if joined == "plus" else -1

    def listed(self, read) -> list:
        found = [read()]
        while self.next(","):
            found.append(read())
        return found

    def test(self) -> Test:
        needed = None
        if self.next("at"):
            needed = int(self.number()) if self.next("least") else self.fail("'at' without 'least'")
            self.next("of") or self.fail("'at least' without 'of'")
        left, inside = self.listed(self.sum), None
        if self.next("in"):
            inside = self.sum()
        operator = self.next(">", ">=", "=", "<", "<=") or self.fail("no comparison")
        right = self.listed(self.sum)
        within = self.number() if self.next("within") else Decimal(0)
        table, metrics = (self.name(), None) if self.next("on") else (None, None)
        if table and self.tokens:
            metrics = self.listed(self.name)
        if self.tokens:
            self.fail(f"'{self.tokens[0]}' is not expected")
        if table and metrics == ["*"]:
            metrics = self.columns.get(table) or self.fail(
                f"* for the table {table}, which has no published numbers,"
            )
        comparisons = tuple(
            self.comparison(a, b, operator, within, table, metric, inside)
            for a in self.systems(left, left)
            for b in self.systems(right, left)
            for metric in metrics or [None]
        )
        if needed is not None and not 1 <= needed <= len(comparisons):
            self.fail(f"at least {needed} of {len(comparisons)} comparisons")
        return Test(comparisons, needed or len(comparisons))

    def systems(self, sides: list, left: list) -> list:
        """Sides with `tuned` and `others` written out."""
        named = {name for side in left for _, name in side}
        groups = {"tuned": SYSTEMS[2:], "others": [s for s in SYSTEMS if s not in named]}
        return [
            written
            for side in sides
            for written in (
                [[(1, s)] for s in groups[side[0][1]]]
                if len(side) == 1 and side[0][1] in groups
                else [side]
            )
        ]

    def comparison(
        self,
        left,
        right,
        operator: str,
        within: Decimal,
        table: str | None,
        metric: str | None,
        inside,
    ) -> Comparison:
        if operator in ("<", "<="):
            left, right, operator = right, left, operator.replace("<", ">")
        terms, constant = [], Decimal(0)
        for sign, side in ((1, left), (-1, right)):
            for weight, name in side:
                if (value := _number(name)) is not None:
                    constant += sign * weight * value
                elif name.count("/") == 2:
                    terms.append((sign * weight, *name.split("/")))
                elif "/" in name or not table or (metric is None) == (inside is None):
                    self.fail(f"'{name}' has no table and column")
                else:
                    terms += [
                        (sign * weight * w, table, name, m) for w, m in (inside or [(1, metric)])
                    ]
        return Comparison(
            tuple(terms) or self.fail("a comparison of numbers alone"), constant, operator, within
        )


def _number(name: str) -> Decimal | None:
    return Decimal(name) if re.fullmatch(r"-?\d+(\.\d+)?", name) else None


def published() -> pd.DataFrame:
    """Every number of the papers' tables as printed:
    columns table, system, metric, value (text), unit, direction, place.
    """
    return pd.concat([data.published(path) for path in NUMBERS], ignore_index=True)


def claims() -> list[dict]:
    """The claims in the order of the file,
    each with its predicates parsed (`tests`: `printed` and `ours`, None where there is none).
    """
    columns = published().groupby("table", sort=False).metric.unique().map(list).to_dict()
    found = yaml.safe_load(data.used(CLAIMS).read_text(encoding="utf-8"))
    return [
        claim
        | {
            "tests": {
                name: parse(claim[name], columns) if name in claim else None
                for name in ("printed", "ours")
            }
        }
        for claim in found
    ]


def decide(
    tests: list[Test], look, exact: bool = False
) -> tuple[bool | None, list[tuple[Comparison, tuple | None, bool | None]]]:
    """Whether a predicate holds (True, False, or None: undecided),
    and each comparison with what was found and what it says.

    look: gives value, low and high of a comparison's sum of cells, or None where a cell is missing.
    An interval must lie on one side of the claim to support it; to contradict a claim of several
    comparisons, one interval must lie on the other side after it was widened for their number
    (Bonferroni, on the scale of a normal distribution), as one of many may do so by chance.
    """
    count = sum(len(test.comparisons) for test in tests)
    wider = scipy.stats.norm.ppf(1 - 0.025 / count) / scipy.stats.norm.ppf(0.975)
    verdicts, evidence = [], []
    for test in tests:
        said = []
        for comparison in test.comparisons:
            found, says = look(comparison), None
            if found is not None:
                value, low, high = found
                plain = comparison.holds(low, high, exact)
                wide = (
                    plain
                    if exact
                    else comparison.holds(
                        value - (value - low) * wider, value + (high - value) * wider
                    )
                )
                says = (
                    True
                    if (plain if test.needed == len(test.comparisons) else wide)
                    else False
                    if wide is False
                    else None
                )
            said.append(says)
            evidence.append((comparison, found, says))
        verdicts.append(
            True
            if said.count(True) >= test.needed
            else False
            if len(said) - said.count(False) < test.needed
            else None
        )
    return False if False in verdicts else None if None in verdicts else True, evidence


def printed_verdict(claim: dict, numbers: pd.DataFrame) -> tuple[str, list]:
    """The verdict by the paper's own numbers (see PRINTED), and the comparisons.

    Raises EmoError for a cell that is not published.
    """
    if claim["tests"]["printed"] is None:
        return "contradicted in words" if claim.get("words") else "no number", []
    cells = numbers.set_index(["table", "system", "metric"]).value

    def look(comparison):
        try:
            value = sum(
                (w * Decimal(cells[tuple(cell)].lstrip("<")) for w, *cell in comparison.terms),
                Decimal(0),
            )
        except KeyError as missing:
            raise EmoError(
                f"claims.yaml: claim {claim['id']} asks for {missing}, which no published table has"
            ) from None
        return value, value, value

    held, evidence = decide(claim["tests"]["printed"], look, exact=True)
    return "borne out" if held else "not borne out", evidence


def our_verdict(claim: dict, records: pd.DataFrame) -> tuple[str, list]:
    """The verdict by our records of combinations of cells (see OURS), and the comparisons."""
    if claim["tests"]["ours"] is None:
        return "not measured", []
    found = {
        r.system: (r.value, r.ci_low, r.ci_high)
        for r in records[records.table == TABLE].itertuples()
    }
    held, evidence = decide(claim["tests"]["ours"], lambda comparison: found.get(comparison.key))
    if held is None and any(seen is None for _, seen, _ in evidence):
        return "not measured", evidence
    return {True: "supported", False: "contradicted", None: "undecided"}[held], evidence


def add_combinations(run, tables: tuple[str, ...], drawn, n: int, scorer: str) -> None:
    """Record every sum of cells that our claims ask for in these tables, with its interval.

    drawn: called with (table, system, metric), returns the value and its bootstrap draws;
    the same draw must be the same items everywhere.
    n: the items that all systems have a score for; with none there is nothing to record.
    """
    if not n:
        return
    asked = {
        c.key: c
        for claim in claims()
        for test in claim["tests"]["ours"] or ()
        for c in test.comparisons
        if {t for _, t, _, _ in c.terms} <= set(tables)
    }
    for key, comparison in asked.items():
        parts = [(weight, *drawn(*cell)) for weight, *cell in comparison.terms]
        low, high = stats.interval(np.sum([weight * draws for weight, _, draws in parts], axis=0))
        run.add(
            table=TABLE,
            system=key,
            metric="combination",
            value=sum(weight * value for weight, value, _ in parts),
            ci_low=low,
            ci_high=high,
            n=n,
            scorer=scorer,
            signature="sum of cells over the same items; bootstrap over test items",
        )


def ledger(records: pd.DataFrame, tables: tuple[str, ...] = ()) -> pd.DataFrame:
    """Both verdicts on every claim, or on those that our records of these tables bear on.

    Columns id, paper, place, claim, note, printed, printed_evidence, ours,
    ours_evidence (lists of comparison, (value, low, high), outcome), tables.
    """
    numbers, rows = published(), []
    for claim in claims():
        touched = {
            t
            for test in claim["tests"]["ours"] or ()
            for c in test.comparisons
            for _, t, _, _ in c.terms
        }
        if tables and not touched & set(tables):
            continue
        (printed, first), (ours, second) = (
            printed_verdict(claim, numbers),
            our_verdict(claim, records),
        )
        rows.append(
            {name: claim.get(name, "") for name in ("id", "paper", "place", "claim", "note")}
            | {
                "printed": printed,
                "printed_evidence": first,
                "ours": ours,
                "ours_evidence": second,
                "tables": touched,
            }
        )
    return pd.DataFrame(rows)


def verdicts(records: pd.DataFrame, tables: tuple[str, ...]) -> pd.DataFrame:
    """The claims that our records of these tables bear on, as a chapter shows them."""
    frame = ledger(records, tables)
    return pd.DataFrame(
        {
            "claim": frame.claim,
            "by the paper's numbers": frame.printed,
            "here": frame.ours,
            "comparisons here": frame.ours_evidence.map(tally),
        }
    )


def tally(evidence: list) -> str:
    """How many comparisons of a claim say yes, no and neither, in words."""
    said = [says for _, _, says in evidence]
    if len(said) == 1 and evidence[0][1] is not None:
        value, low, high = evidence[0][1]
        return str(value) if isinstance(value, Decimal) else f"{value:.3f} [{low:.3f}, {high:.3f}]"
    return f"{said.count(True)} of {len(said)} hold, {said.count(False)} do not" if said else ""
