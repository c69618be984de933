"""The figures of the page on the architecture, made from the code itself."""

import ast
from pathlib import Path

import numpy as np

from emo_utils.project import NOTEBOOKS, ROOT, notebook_cells
from emo_utils.report import descriptions, figures

PROGRAM, CHAPTERS = "emo", "notebooks"


def room_imports() -> tuple[list[str], np.ndarray]:
    """Rooms, top of the house first, and how many imports lead from each to each, shape
    (rooms, rooms): [i, j] counts names that room i imports from room j.

    The order is the one in which no room imports from a room above it.
    """
    package = ROOT / "emo_utils"
    names = ["project", *sorted(path.parent.name for path in package.glob("*/__init__.py"))]
    names += [PROGRAM, CHAPTERS]
    counts = {name: dict.fromkeys(names, 0) for name in names}
    for name in names:
        for source in _sources(name):
            for room in _imported_rooms(source):
                if room != name:
                    counts[name][room] += 1
    order: list[str] = []
    while len(order) < len(names):  # the lowest room whose imports all stand already
        free = [
            name
            for name in names
            if name not in order
            and all(room in order for room, count in counts[name].items() if count)
        ]
        if not free:
            raise ValueError(f"rooms import each other in a circle: {set(names) - set(order)}")
        order.append(min(free, key=lambda name: sum(counts[name].values())))
    order.reverse()
    return order, np.array([[counts[row][column] for column in order] for row in order])


def _sources(room: str) -> list[str]:
    """The code of a room, a piece a file."""
    if room == CHAPTERS:
        return [
            "\n".join(text for kind, text, _ in notebook_cells(path) if kind == "code")
            for path in sorted(NOTEBOOKS.glob("*.ipynb"))
        ]
    place = ROOT / "emo" if room == PROGRAM else ROOT / "emo_utils" / room
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return [path.read_text(encoding="utf-8") for path in files]


def _imported_rooms(source: str) -> list[str]:
    """The room of each name that a piece of Python imports from the package."""
    rooms = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emo_utils"):
            parts = node.module.split(".")
            rooms += [parts[1] if len(parts) > 1 else alias.name for alias in node.names]
    return rooms


def rooms_figure(path: Path) -> None:
    """Who imports whom as a table of counts: all stand on one side of the diagonal, so imports run
    one way.
    """
    import matplotlib.pyplot as plt

    order, counts = room_imports()
    figures.off_screen()
    figure, axis = plt.subplots(figsize=(figures.WIDTH, 5.6), layout="constrained")
    shown = np.where(counts > 0, np.log1p(counts), np.nan)
    axis.imshow(shown, cmap="Blues", vmin=0, vmax=np.log1p(counts).max() * 1.4)
    for row, column in np.argwhere(counts):
        axis.text(column, row, counts[row, column], ha="center", va="center")
    for k in range(len(order)):
        axis.add_patch(plt.Rectangle((k - 0.5, k - 0.5), 1, 1, color="#d9d9d9"))
    axis.set_xticks(range(len(order)), order, rotation=45, ha="left", rotation_mode="anchor")
    axis.set_yticks(range(len(order)), order)
    axis.xaxis.tick_top()
    axis.set_ylabel("this room")
    axis.set_xlabel("imports so many names from that one")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    axis.grid(False)
    most = [np.unravel_index(place, counts.shape) for place in np.argsort(-counts, axis=None)[:3]]
    listed = (f"{order[row]} from {order[column]}, {counts[row, column]}" for row, column in most)
    descriptions.describe(
        figure,
        f"From top to bottom: {', '.join(order)}. Most names are imported by {'; '.join(listed)}.",
    )
    figures.save(figure, path)


# One number on its way, from a row of data to a cell of a page: what happens, and where.
WAY = (
    ("a row", "data/dialogues/*.jsonl", "data.dialogues"),
    ("a pair", "prompt, chosen, rejected", "data.training_rows"),
    ("a model", "checkpoints/", "training.fitting"),
    ("an answer", "results/…/answers/", "generation.answering"),
    ("a score", "*.items.parquet", "scoring.emotion"),
    ("a record", "value, interval, n", "experiment.runs"),
    ("a verdict", "claims.yaml", "claims.ledger"),
    ("a page", "_build/html", "emo.site"),
)


def way_figure(path: Path) -> None:
    """The way of one number from a row to a page, with the module that takes each step."""
    import matplotlib.pyplot as plt

    figures.off_screen()
    figure, axis = plt.subplots(figsize=(figures.WIDTH, 4.6), layout="constrained")
    columns = 2
    for k, (what, where, module) in enumerate(WAY):
        line, place = divmod(k, columns)
        there = line % 2 == 0  # and the next line back, as a reader's finger
        column = place if there else columns - 1 - place
        x, y = 2.6 * column, -1.9 * line
        axis.add_patch(
            plt.Rectangle(
                (x - 1.1, y - 0.65), 2.2, 1.3, facecolor="#e8f0f8", edgecolor=figures.BLUE
            )
        )
        axis.text(x, y + 0.32, what, ha="center", va="center", fontsize=11)
        axis.text(x, y - 0.05, where, ha="center", va="center")
        axis.text(x, y - 0.4, module, ha="center", va="center", family="monospace")
        if k + 1 < len(WAY):
            ends = (
                ((x, y - 0.65), (x, y - 1.25))
                if place == columns - 1
                else ((x + 1.1, y), (x + 1.5, y))
                if there
                else ((x - 1.1, y), (x - 1.5, y))
            )
            axis.annotate("", xy=ends[1], xytext=ends[0], arrowprops={"arrowstyle": "->"})
    axis.set(xlim=(-1.3, 2.6 * (columns - 1) + 1.3), ylim=(-1.9 * line - 0.8, 0.8))
    axis.axis("off")
    steps = (f"{what} ({where}) by {module}" for what, where, module in WAY)
    descriptions.describe(figure, f"{'; '.join(steps)}.")
    figures.save(figure, path)
