"""Repeated word sequences, against counts by hand and those of a plain loop."""

import random

import pytest

from emo_utils.scoring.repetition import repeated


@pytest.mark.parametrize(
    "text, share",
    [
        ("", 0.0),
        ("a b c", 0.0),  # no sequence of four words at all
        ("a b c d e", 0.0),
        ("a b c d a b c d", 1 / 5),  # five sequences, the last is the first again
        ("rest rest rest rest rest rest", 2 / 3),  # three sequences, all the same
        ("a b  c\nd a b c d", 1 / 5),  # white space of any kind parts words
        ("A b c d a b c d", 0.0),  # letters' case counts
    ],
)
def test_the_share_by_hand(text, share):
    assert repeated(text) == pytest.approx(share)


def test_it_is_the_count_of_a_loop_that_remembers():
    words = random.Random(3).choices("abc", k=300)
    before, again = set(), 0
    for start in range(297):
        sequence = " ".join(words[start : start + 4])
        again += sequence in before
        before.add(sequence)
    assert 0 < again < 297 and repeated(" ".join(words)) == pytest.approx(again / 297)
