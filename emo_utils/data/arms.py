"""The two arms in which the shipped sets show their warmth: where the files of each lie, and which
arm files are of. What a set holds is in the module of that set.
"""

from collections.abc import Iterable
from pathlib import Path

from emo_utils import project
from emo_utils.data.files import DataError

# How the warm texts were written: comfort without its usual phrases, or said in so many words.
# Each with its folder beside the files of the first.
ARMS = {"subtle": ".", "overt": "overt"}


def in_arm(path: Path, arm: str) -> Path:
    """Where a file of a set with both arms lies in one of them.

    path: of the arm `subtle`. Raises DataError for an arm that there is not.
    """
    if arm not in ARMS:
        raise DataError(
            f"there is no arm '{arm}' of data/{path.parent.name}; there are: {', '.join(ARMS)}"
        )
    return path.parent / ARMS[arm] / path.name


def arms_of(files: Iterable[str]) -> list[str]:
    """The arms, in the order of `ARMS`, that some files are of.

    files: paths below the project, as the provenance of a run names them. A file that has no other
    arm (the voices of caregivers' questions, a user's own rows) is of none.
    """
    found = set()
    for path in map(Path, files):
        if path.parent.name == ARMS["overt"]:
            found.add("overt")
        elif in_arm(project.ROOT / path, "overt").is_file():
            found.add("subtle")
    return [arm for arm in ARMS if arm in found]
