"""How the command ends: with which status, and what it says, whatever came up from below."""

import io

import pytest

from emo import cli
from emo_utils.project import EmoError

ENDS = {
    "a mistake of the user": (EmoError("no such row"), 2, "emo: no such row\n"),
    "a full disk": (
        OSError(28, "No space left on device", "results/x.json"),
        2,
        "emo: No space left on device: results/x.json; what was finished is kept, and the same "
        "command goes on once that is mended\n",
    ),
    "a stop": (KeyboardInterrupt(), 130, "emo: stopped; the same command goes on where it was\n"),
    "a reader who has enough": (BrokenPipeError(), 141, ""),
    "a fault of the program": (
        ZeroDivisionError("by nothing\nand more"),
        70,
        "emo: a fault of this program, please report it: ZeroDivisionError: by nothing "
        "(emo --debug … shows where)\n",
    ),
}


@pytest.mark.parametrize("what", ENDS)
def test_what_comes_up_ends_in_a_line_and_a_status(what, monkeypatch, capsys):
    error, status, line = ENDS[what]

    def fails(*given, **options):
        raise error

    monkeypatch.setattr(cli, "app", fails)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", io.StringIO())  # which a closed pipe takes away
        assert cli.main(["why"]) == status
    assert capsys.readouterr().err == line


def test_with_debug_a_fault_shows_where(monkeypatch):
    seen = []

    def fails(given, **options):
        seen.append(given)
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(ZeroDivisionError):
        cli.main(["--debug", "why"])
    assert seen == [["why"]]
