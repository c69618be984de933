"""Kernels forked from one process that has imported the heavy libraries already.

Importing torch, transformers and TRL takes a processor five to eight seconds, and a book has more
than twenty kernels. `emo book` starts this file as a program; its steps find its socket in
EMO_WARM, and papermill's kernels are forked there (`Forked`). Nothing of this project is imported
before the fork: a kernel reads the modules as they are when it starts. Where there is no such
process, kernels start as ever.
"""

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import EntryPoint
from pathlib import Path

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

SOCKET = "EMO_WARM"  # the environment variable with the socket's path
NAME = "emo-warm"  # of the provisioner
LIBRARIES = (
    "torch",
    "transformers",
    "transformers.models.llama.modeling_llama",
    "trl.trainer.sft_trainer",
    "trl.trainer.dpo_trainer",
    "trl.trainer.kto_trainer",
    "peft",
    "datasets",
    "accelerate",
    "sentence_transformers",
    "sklearn.linear_model",
    "scipy.stats",
    "pandas",
    "pyarrow.parquet",
    "matplotlib.pyplot",
    "seaborn",
    "evaluate",
    "sacrebleu",
    "rouge_score.tokenize",
    "bert_score",
    "openai",
    "pydantic",
    "yaml",
    "ipykernel.kernelapp",
    "IPython.core.completer",
)


@contextmanager
def kernels(
    environment: dict[str, str], libraries: tuple[str, ...] = LIBRARIES
) -> Iterator[dict[str, str]]:
    """A process that forks kernels, for as long as the context lasts;
    gives the environment in which steps find it.

    environment: that of the steps, as libraries read some of it when they are imported.
    libraries: modules that it imports first.
    """
    with (
        tempfile.TemporaryDirectory(prefix="emo-") as folder,
        socket.socket(socket.AF_UNIX) as listening,
    ):
        address = str(Path(folder) / "warm")
        listening.bind(address)
        listening.listen(64)
        # Where plots go is read when matplotlib is imported.
        given = environment | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        process = subprocess.Popen(
            [sys.executable, __file__, str(listening.fileno()), *libraries],
            env=given,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
        )
        listening.close()
        try:
            yield environment | {SOCKET: address}
        finally:
            process.terminate()
            process.wait()


# The process that asks for kernels


def use() -> None:
    """Have the kernels that this process starts forked by the process behind EMO_WARM,
    where there is one.
    """
    if os.environ.get(SOCKET):
        factory = KernelProvisionerFactory.instance()
        factory.provisioners[NAME] = EntryPoint(NAME, "emo.warm:Forked", factory.GROUP_NAME)
        factory.default_provisioner_name = NAME


class Forked(LocalProvisioner):
    """A kernel that the process behind EMO_WARM forks;
    one that is started as ever where that process does not answer.
    """

    async def launch_kernel(self, cmd: list[str], **kwargs):
        try:
            self.process = Kernel(cmd, kwargs["env"], str(kwargs.get("cwd") or os.getcwd()))
        except OSError:
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info


class Kernel:
    """What `subprocess.Popen` offers of a process,
    for one that another process forked and waits for.
    """

    stdin = stdout = stderr = None

    def __init__(self, argv: list[str], env: dict[str, str], cwd: str):
        self.returncode = None
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(os.environ[SOCKET])
        request = json.dumps({"argv": argv, "env": env, "cwd": cwd}) + "\n"
        with open(os.devnull) as nothing:
            socket.send_fds(self.connection, [request.encode()], [nothing.fileno(), 1, 2])
        self.answers = self.connection.makefile()
        answer = self.answers.readline()  # once the libraries are imported
        if not answer:
            raise ConnectionError("the process that forks kernels has ended")
        self.pid = int(answer)

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self.connection], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = int(self.answers.readline() or -signal.SIGKILL)
            self.connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


# The process that forks


def serve(listening: socket.socket, libraries: list[str]) -> dict:
    """Fork a kernel for each request, until the process that started this one has ended.

    Returns a request, in the process forked for it.

    A request is a line of JSON (argv, env, cwd) with three file descriptors. Whoever asked is told
    the kernel's process id and, once it has ended, its exit status; when whoever asked has ended,
    so does the kernel.
    """
    starter = os.getppid()
    running: dict[socket.socket, int] = {}
    for name in libraries:
        __import__(name)
    gc.freeze()  # a collection in a kernel would copy what it shares with the others
    while os.getppid() == starter:
        for ready in select.select([listening, *running], [], [], 0.05)[0]:
            if ready is not listening:
                if not ready.recv(1):
                    _kill(running[ready])
                continue
            connection, _ = listening.accept()
            line, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            while line and not line.endswith(b"\n"):
                line += connection.recv(1 << 20)
            if not line:  # gone before it was served
                connection.close()
                continue
            kernel = os.fork()
            if kernel == 0:
                for each in (listening, connection, *running):
                    each.close()
                return json.loads(line) | {"descriptors": descriptors}
            with suppress(OSError):
                os.setpgid(kernel, kernel)
            for each in descriptors:
                os.close(each)
            running[connection] = kernel
            with suppress(OSError):  # gone: seen as such above
                connection.sendall(f"{kernel}\n".encode())
        for connection, kernel in list(running.items()):
            ended, status = os.waitpid(kernel, os.WNOHANG)
            if ended:
                del running[connection]
                with suppress(OSError):
                    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                connection.close()
    for kernel in running.values():
        _kill(kernel)
    os._exit(0)


def _kill(kernel: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(kernel, signal.SIGKILL)


def become(request: dict) -> None:
    """Be the kernel of a request."""
    from ipykernel.kernelapp import launch_new_instance
    from threadpoolctl import threadpool_limits

    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    for target, given in enumerate(request["descriptors"]):
        os.dup2(given, target)
        os.close(given)
    if cores := int(os.environ.get("OMP_NUM_THREADS") or 0):
        threadpool_limits(cores)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(cores)
    time.tzset()
    sys.path.pop(0)  # this file's folder
    arguments = request["argv"][request["argv"].index("ipykernel_launcher") + 1 :]
    sys.argv = ["ipykernel_launcher", *arguments]
    launch_new_instance(argv=[*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the steps end first
    become(serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:]))
