"""How the labels of KTO's answers lie in the batches, by hand."""

import pytest

from emo_utils.project import EmoError
from emo_utils.training import row_checks


def test_answers_in_turn_have_both_labels_in_every_batch(capsys):
    row_checks.check_labels([True, False, True, False, True, False, True], 4, 1.0, 2.0)
    assert capsys.readouterr().out.splitlines() == [
        "4 desirable, 3 undesirable; both labels in 100% of 2 batches; last batch of 3",
        "weighted ratio of the labels: 0.67, recommended 1 to 1.33",
    ]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([True] * 8 + [False] * 8, "both labels stand in 0% of the batches"),
        ([True, False] * 20 + [True], "the last batch has 1"),
    ],
)
def test_labels_that_mislead_the_kl_term_stop_the_training(labels, message):
    with pytest.raises(EmoError, match=message):
        row_checks.check_labels(labels, 4, 1.0, 1.0)
