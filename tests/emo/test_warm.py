"""Kernels that are forked from a process with the libraries in it:
theirs is the environment of whoever asks, and they end with it.
"""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from jupyter_client.manager import start_new_kernel
from jupyter_client.provisioning import KernelProvisionerFactory

from emo import warm

FEW = ("numpy", "ipykernel.kernelapp")


@pytest.fixture
def factory(monkeypatch):
    """That of jupyter_client, as it was before a test."""
    monkeypatch.setattr(warm, "possible", lambda: True)  # nothing here uses an accelerator
    found = KernelProvisionerFactory.instance()
    monkeypatch.setattr(found, "default_provisioner_name", found.default_provisioner_name)
    return found


@pytest.fixture
def warmed(monkeypatch, factory):
    """A process that forks kernels, which this process uses."""
    with warm.kernels(dict(os.environ), FEW) as place:
        monkeypatch.setenv(warm.SOCKET, place[warm.SOCKET])
        warm.use()
        yield


def printed(client, code: str) -> str:
    found = []
    client.execute_interactive(
        code,
        timeout=30,
        output_hook=lambda message: found.append(
            message["content"].get("text", str(message["content"].get("evalue", "")))
        ),
    )
    return "".join(found).strip()


def gone(process: int) -> bool:
    deadline = time.monotonic() + 20
    while psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_kernel_has_the_libraries_the_environment_and_the_folder_of_whoever_asks(
    warmed, monkeypatch, tmp_path
):
    monkeypatch.setenv("EMO_TRIED", "yes")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    manager, client = start_new_kernel()
    try:
        told = printed(
            client,
            (
                "\nimport os, sys, threadpoolctl\n"
                'print("numpy" in sys.modules, "emo_utils" in sys.modules, '
                'os.environ["EMO_TRIED"], os.getcwd(), os.getpgid(0) == os.getpid(), sys.argv[0])\n'
                'print({pool["num_threads"] for pool in threadpoolctl.threadpool_info()}, '
                '__name__, any(path.endswith("/emo") for path in sys.path))'
            ),
        )
        assert told.splitlines() == [
            f"True False yes {tmp_path} True ipykernel_launcher",
            "{1} __main__ False",
        ]
        assert int(printed(client, "print(os.getpid())")) == manager.provisioner.pid and isinstance(
            manager.provisioner, warm.Forked
        )
        assert manager.is_alive()
        # Each is a process of its own.
        printed(client, "left = 1")
        other, second = start_new_kernel()
        assert (
            "left" in printed(second, "left") and other.provisioner.pid != manager.provisioner.pid
        )
        second.stop_channels()
        other.shutdown_kernel(now=True)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert gone(manager.provisioner.pid) and gone(other.provisioner.pid)


def test_a_kernel_that_was_killed_is_known_to_have_been(warmed):
    manager, client = start_new_kernel()
    process = manager.provisioner.process
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL == process.poll() and not manager.is_alive()
    client.stop_channels()
    manager.cleanup_resources()


ASKS = """
import sys, time
from emo import warm
from jupyter_client.manager import start_new_kernel
warm.use()
manager, client = start_new_kernel()
print(manager.provisioner.pid, flush=True)
time.sleep(600)
"""


def test_a_kernel_ends_with_whoever_asked_and_all_with_the_process_that_forks(factory):
    with warm.kernels(dict(os.environ), FEW) as place:
        asking = [
            subprocess.Popen(
                [sys.executable, "-c", ASKS],
                env=os.environ | place,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        kernels = [int(process.stdout.readline()) for process in asking]
        asking[0].kill()
        assert gone(kernels[0]) and psutil.pid_exists(kernels[1])
    assert gone(kernels[1])  # though its asker still waits
    for process in asking:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("place", ["nothing there", "it ended"])
def test_kernels_start_as_ever_where_no_process_forks_them(monkeypatch, factory, tmp_path, place):
    monkeypatch.setenv(warm.SOCKET, str(tmp_path / "nothing"))
    if place == "it ended":  # one whose libraries are not there
        with warm.kernels(dict(os.environ), ("no_such_library",)) as place:
            monkeypatch.setenv(warm.SOCKET, place[warm.SOCKET])
            warm.use()
            manager, client = start_new_kernel()
    else:
        warm.use()
        manager, client = start_new_kernel()
    assert (
        isinstance(manager.provisioner.process, subprocess.Popen)
        and printed(client, "print(6 * 7)") == "42"
    )
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_without_a_word_kernels_are_those_of_jupyter(monkeypatch, factory):
    monkeypatch.delenv(warm.SOCKET, raising=False)
    warm.use()
    assert factory.default_provisioner_name == "local-provisioner"


def test_no_process_is_started_where_kernels_cannot_be_forked(monkeypatch):
    monkeypatch.setattr(warm.sys, "platform", "darwin")
    assert not warm.possible()
    with warm.kernels(dict(os.environ), ("no_such_library",)) as place:
        assert place == {}


def test_a_folder_whose_name_is_too_long_for_a_socket_is_told(
    monkeypatch, factory, tmp_path, capsys
):
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(warm.tempfile, "tempdir", str(deep))
    with warm.kernels(dict(os.environ), FEW) as place:
        assert place == {}
    assert "kernels are started one by one (AF_UNIX path too long)" in capsys.readouterr().err
