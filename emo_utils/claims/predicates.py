"""The language in which a claim says what its tables must show."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from emo_utils.experiment.results import SYSTEMS
from emo_utils.project import EmoError

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
        """The sum of cells, written out, and what it is held against where that is not 0: a record
        has the p-value of one hypothesis.
        """
        edge = self.edge(0.0)
        against = f" against {edge:g}" if edge else ""
        return self.sum + against

    @property
    def sum(self) -> str:
        """The sum of cells, written out."""
        return " ".join(
            (
                f"{'-' if w < 0 else '+'} "
                f"{'' if abs(w) == 1 else f'{abs(w)} '}{table}/{system}/{metric}"
            )
            for w, table, system, metric in self.terms
        ).removeprefix("+ ")

    def __str__(self) -> str:
        return self.written(str)

    def written(self, name: Callable[[str], str]) -> str:
        """The comparison as a reader would write it; table and metric once where all cells share
        them. name: how a system is called.
        """
        places = {(table, metric) for _, table, _, metric in self.terms}
        terms = [(w, table, name(system), metric) for w, table, system, metric in self.terms]
        if len(places) == 1:
            terms = [(w, system) for w, _, system, _ in terms]
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

    def edge(self, value: float) -> float:
        """The sum of cells at which the claim turns from true to false, the nearest to a value."""
        middle, within = -float(self.constant), float(self.within)
        if self.operator == ">":
            return middle
        if self.operator == ">=":
            return middle - within
        return middle + within if value > middle else middle - within

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
        value = number(name := self.name())
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
                if (value := number(name)) is not None:
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


def number(name: str) -> Decimal | None:
    return Decimal(name) if re.fullmatch(r"-?\d+(\.\d+)?", name) else None
