"""What chapters 3 and 4 hold a training to before its first update."""

import pandas as pd
import pytest

from emo_utils.training import trainer_losses


@pytest.mark.parametrize("rank, rounding", [(16, 1e-3), (0, 0.02)])
def test_a_margin_of_0_is_held_to_rounding(rank, rounding, capsys):
    first = pd.Series({"rewards/margins": -0.9 * rounding, "loss": 0.6931})
    assert trainer_losses.check_start(first, rank) == rounding
    assert "first loss 0.6931" in capsys.readouterr().out
    for margin in (1.1 * rounding, -1.1 * rounding, float("nan")):
        with pytest.raises(AssertionError, match="the reference is not the model"):
            trainer_losses.check_start(pd.Series({"rewards/margins": margin, "loss": 0.7}), rank)
