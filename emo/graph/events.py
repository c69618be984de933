"""Snakemake with a logger of ours: started in the place of `snakemake`, it also tells what happens
to each job, a line of JSON an event, to whoever started it (`progress`). Its own text goes where it
always goes.
"""

import json
import os
import sys
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from emo.graph.progress import DESCRIPTOR

NAME = "emo"  # what `--logger` calls it


def event(record: LogRecord) -> dict | None:
    """What a record of Snakemake's logger says of its jobs; None where it says nothing of them.

    planned: rules with their counts. started: a job's number, rule, wildcards and files of its log.
    finished, failed: a job's number.
    """
    kind = getattr(record, "event", None)
    if kind == LogEvent.RUN_INFO:
        return {"event": "planned", "rules": record.stats}
    if kind == LogEvent.JOB_INFO:
        return {
            "event": "started",
            "job": record.jobid,
            "rule": record.rule_name,
            "wildcards": dict(record.wildcards),
            "log": list(record.log),
        }
    if kind == LogEvent.JOB_FINISHED:
        return {"event": "finished", "job": record.job_id}
    if kind == LogEvent.JOB_ERROR:
        return {"event": "failed", "job": record.jobid}
    return None


class LogHandler(LogHandlerBase):
    """Snakemake's interface of a logger: `event` of each record, as a line of JSON."""

    writes_to_stream = writes_to_file = needs_rulegraph = False
    has_filter = has_formatter = True

    def emit(self, record: LogRecord) -> None:
        if told := event(record):
            try:
                os.write(int(os.environ[DESCRIPTOR]), (json.dumps(told) + "\n").encode())
            except OSError:  # whoever listened has ended
                pass


if __name__ == "__main__":
    from snakemake.cli import main

    LoggerPluginRegistry().register_plugin(
        f"{LoggerPluginRegistry().module_prefix}{NAME}", sys.modules[__name__]
    )
    main([*sys.argv[1:], "--logger", NAME])
