"""Runs the smoke book on a real Slurm of one node on loopback,
kills a job in the middle, and compares the records with local ones.

Run as root: apt-get install slurm-wlm munge, pip install -r profiles/slurm/requirements.txt,
python tests/slurm_trial.py. Everything lies in a temporary folder and is stopped and removed at the
end. The node says it has a GPU, which is /dev/null: requests for one are then granted.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import smoke_book

CONF = """ClusterName=trial
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SwitchType=switch/none
MpiDefault=none
GresTypes=gpu
MinJobAge=3600
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=trial Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
ETC = Path("/etc/slurm")
PROFILE = """executor: slurm
jobs: 8
retries: 2
latency-wait: 30
default-resources: {runtime: 30, slurm_partition: trial, slurm_account: trial}
slurm-status-command: squeue
slurm-init-seconds-before-status-checks: 5
slurm-keep-successful-logs: true
"""


def ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def slurm(folder: Path, memory: int):
    """A Slurm of this machine alone; yields when its node takes jobs."""
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    settings = CONF.format(
        host=host,
        folder=folder,
        ctld_port=free_port(),
        d_port=free_port(),
        cores=os.cpu_count(),
        memory=memory,
    )
    (folder / "slurm.conf").write_text(settings)
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\n")
    # Jobs see no SLURM_ variable of their caller,
    # so the settings stand where Debian's commands look.
    links = [ETC / name for name in ("slurm.conf", "gres.conf", "cgroup.conf")]
    if there := [str(link) for link in links if link.exists()]:
        raise SystemExit(
            f"this machine has a Slurm of its own ({there[0]}); the trial is for one that has none"
        )
    ETC.mkdir(parents=True, exist_ok=True)
    for link in links:
        link.unlink(missing_ok=True)  # of a trial that was killed
        link.symlink_to(folder / link.name)
    munge = [
        f"--{name}={folder}/munge.{suffix}"
        for name, suffix in (
            ("socket", "socket"),
            ("key-file", "key"),
            ("pid-file", "pid"),
            ("log-file", "log"),
            ("seed-file", "seed"),
        )
    ]
    started = []
    try:
        with open(folder / "daemons.log", "w") as log:
            for command in (
                ["munged", "--force", "--foreground", *munge],
                ["slurmctld", "-D"],
                ["slurmd", "-D", "-N", host],
            ):
                started.append(subprocess.Popen(command, stdout=log, stderr=log))
                time.sleep(2)
        for _ in range(60):
            if any(process.poll() is not None for process in started):
                raise SystemExit(
                    f"a daemon of Slurm ended:\n{(folder / 'daemons.log').read_text()[-2000:]}"
                )
            if (
                subprocess.run(
                    ["sinfo", "-h", "-o", "%T"], capture_output=True, text=True
                ).stdout.strip()
                == "idle"
            ):
                break
            time.sleep(1)
        else:
            raise SystemExit(f"the node takes no jobs:\n{ask('scontrol', 'show', 'node')}")
        yield host
    finally:
        subprocess.run(["scancel", "--user", "root"], capture_output=True)
        for process in reversed(started):
            process.terminate()
            process.wait(30)
        for link in links:
            link.unlink()


def jobs() -> list[list[str]]:
    """Id, state, step, cores, memory, GPUs and seconds
    of all jobs that the controller remembers.
    """
    listed = ask(
        "squeue",
        "--states=all",
        "--noheader",
        "--sort=i",
        "--Format=JobID:|,State:|,Comment:|,NumCPUs:|,MinMemory:|,tres-per-job:|,TimeUsed",
    )
    return [[field.strip() for field in line.split("|")] for line in listed.splitlines()]


def kill_one(wanted: str, after: float, process: subprocess.Popen) -> str:
    """SIGKILL to everything of the first job of a step, `after` seconds into it; returns its id."""
    while process.poll() is None:
        for job, state, step, *_ in jobs():
            if state == "RUNNING" and wanted in step:
                time.sleep(after)
                ask("scancel", "--full", "--signal=KILL", job)
                return job
        time.sleep(0.5)
    raise SystemExit(f"no job of {wanted} was seen running")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--kill", default="03_dpo.eqsr-dpo", help="step whose first job is killed")
    parser.add_argument("--after", type=float, default=5.0, help="seconds into that job")
    options = parser.parse_args()
    if lacking := [
        name for name in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(name)
    ]:
        raise SystemExit(
            f"{', '.join(lacking)} not found; as root: apt-get install slurm-wlm munge"
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cache = folder / "cache"
        copies = [smoke_book.copied(folder / name, cache) for name in ("local", "cluster")]
        (folder / "trial").mkdir()
        (folder / "trial" / "config.yaml").write_text(PROFILE)
        # Each step asks for little memory, so that two fit into the node,
        # and the trainings for its GPU.
        scale = folder / "cluster" / "profiles" / "smoke.yaml"
        scale.write_text(
            scale.read_text()
            + (
                "resources:\n  all: {mem_mb: 2500, runtime: 20}\n"
                "  03_dpo: {gpu: 1}\n  04_kto: {gpu: 1}\n"
            )
        )
        (folder / "slurm").mkdir()
        with slurm(folder / "slurm", memory=6000) as host:
            started = time.monotonic()
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "emo",
                    "book",
                    "--profile",
                    "smoke",
                    "--cluster",
                    str(folder / "trial"),
                ],
                cwd=copies[1].folder,
                env=copies[1].environment,
                stdin=subprocess.DEVNULL,
            )
            killed = kill_one(options.kill, options.after, process)
            print(f"killed job {killed} ({options.kill})", flush=True)
            process.wait()
            print(
                f"Slurm: {time.monotonic() - started:.0f} s, rc {process.returncode}, node {host}",
                flush=True,
            )
            table = jobs()
        assert process.returncode == 0, "the book did not end"
        print(
            "\n".join(
                "  ".join(row)
                for row in [["job", "state", "step", "cores", "memory", "gpu", "time"], *table]
            )
        )
        started = time.monotonic()
        copies[0].emo("book", "--profile", "smoke")
        print(f"local: {time.monotonic() - started:.0f} s", flush=True)
        copies[0].emo("drift", "--profile", "smoke", "--keep")
        kept = folder / "local" / "book" / "reference" / "book_smoke.json"
        told = copies[1].call("emo", "drift", "--profile", "smoke", "--against", str(kept)).stdout
        print(told)
        ended = {row[2] for row in table if row[1] == "COMPLETED"}
        assert any(row[0] == killed and row[1] != "COMPLETED" for row in table), (
            "the killed job passes as completed"
        )
        assert sum(options.kill in step for step in ended) == 1, (
            "the killed step was not made again"
        )
        assert "are the same" in told, "records differ"


if __name__ == "__main__":
    main()
