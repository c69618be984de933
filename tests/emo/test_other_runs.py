"""The runs of a chapter side by side."""

import json
import re

from emo.graph import steps
from emo.site import other_runs, theme


def record(run: str, metric: str, value: float, **fields) -> dict:
    plain = {"table": "emodoctor.training", "system": run.partition(".")[2], "metric": metric}
    numbers = {"value": value, "ci_low": value - 1, "ci_high": value + 1, "n": 20, "unscored": 0}
    return plain | numbers | {"group": "all", "interval": "items"} | fields


def test_a_chapter_that_is_run_twice_shows_both_runs_and_leads_to_the_other(tmp_path, monkeypatch):
    for run, loss in (("03_dpo.eqsr-dpo", 0.25), ("03_dpo.er-eqsr-dpo", 0.5)):
        records = [
            record(run, "last_loss", loss),
            record(run, "last_loss", 9.0, group="fear"),  # a part of the questions
            record(run, "mean", 8.0, table="emodoctor.table1"),  # no training's
        ]
        (tmp_path / f"{run}.json").write_text(json.dumps({"records": records, "provenance": {}}))
    monkeypatch.setattr(other_runs, "results_dir", lambda profile: tmp_path)
    monkeypatch.setattr(other_runs.result_tables, "provenance_line", lambda run: run.name)
    text = other_runs.of_chapter(steps.step("03_dpo.eqsr-dpo"), "smoke")
    assert "one of 2 runs" in text and "[ER, then EQ+SR (dpo)](03_dpo_er-eqsr-dpo)" in text
    rows = re.findall(r"<td>(.*?)</td>", text)
    assert rows == [
        "EQ+SR (dpo)",
        "0.25 [-0.75, 1.25]",
        "ER, then EQ+SR (dpo)",
        "0.50 [-0.50, 1.50]",
    ]
    assert "last loss" in text


def test_every_page_that_stands_in_no_contents_is_led_to(tmp_path, monkeypatch):
    for step in steps.STEPS:
        found = {"records": [record(step.run, "last_loss", 1.0)], "provenance": {}}
        (tmp_path / f"{step.run}.json").write_text(json.dumps(found))
    monkeypatch.setattr(other_runs, "results_dir", lambda profile: tmp_path)
    monkeypatch.setattr(other_runs.result_tables, "provenance_line", lambda run: run.name)
    led_to = {
        (f"book/notebooks/{page}", step.notebook)
        for step in steps.STEPS
        for page in re.findall(r"\]\((\S+)\)", other_runs.of_chapter(step, "smoke"))
    }
    assert led_to == set(theme.OTHER_RUNS.items())


def test_a_chapter_that_is_run_once_and_the_page_of_another_run_show_nothing():
    for run in ("05_emotion_scoring", "03_dpo.er-eqsr-dpo"):
        assert other_runs.of_chapter(steps.step(run), "smoke") == ""
