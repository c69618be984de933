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
LAUNCHER = "ipykernel_launcher"
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


def possible() -> bool:
    """Whether kernels can be forked here: on Linux, and without an accelerator, which a process
    that was forked after a library has looked for one cannot use.
    """
    accelerators = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    return sys.platform == "linux" and not any(Path(device).exists() for device in accelerators)


@contextmanager
def kernels(
    environment: dict[str, str], libraries: tuple[str, ...] = LIBRARIES
) -> Iterator[dict[str, str]]:
    """A process that forks kernels, for as long as the context lasts;
    gives the variables by which steps find it: none where it could not be started.

    environment: that of the steps, as libraries read some of it when they are imported.
    libraries: modules that it imports first.
    """
    if not possible():
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="emo-") as folder:
        address, log = Path(folder) / "warm", Path(folder) / "log"
        try:
            process = _start(address, log, environment, libraries)
        except OSError as error:  # no sockets on this file system, or too long a name for one
            print(f"kernels are started one by one ({error})", file=sys.stderr)
            yield {}
            return
        try:
            yield {SOCKET: str(address)}
        finally:
            if process.poll():
                lines = log.read_text(errors="replace").splitlines()
                cause = lines[-1] if lines else f"exit status {process.returncode}"
                print(f"kernels were started one by one ({cause})", file=sys.stderr)
            process.terminate()
            process.wait()


def _start(address: Path, log: Path, environment, libraries) -> subprocess.Popen:
    with socket.socket(socket.AF_UNIX) as listening, open(log, "w") as told:
        listening.bind(str(address))
        listening.listen(64)
        return subprocess.Popen(
            # -P: what lies in the working folder is not what the libraries import.
            [
                *(sys.executable, "-P", "-m", "emo.warm"),
                *(str(os.getpid()), str(listening.fileno())),
                *libraries,
            ],
            # Where plots go is read when matplotlib is imported.
            env=environment | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
            stdin=subprocess.DEVNULL,
            stderr=told,
            pass_fds=[listening.fileno()],
        )


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
        if cmd[0] != sys.executable or LAUNCHER not in cmd:  # a kernel of another environment
            return await super().launch_kernel(cmd, **kwargs)
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


def serve(starter: int, listening: socket.socket, libraries: list[str]) -> dict:
    """Fork a kernel for each request, until the process that started this one has ended or this one
    is told to end. Returns a request, in the process forked for it.

    A request is a line of JSON (argv, env, cwd) with three file descriptors. Whoever asked is told
    the kernel's process id and, once it has ended, its exit status; when whoever asked has ended,
    so does the kernel.
    """
    running: dict[socket.socket, int] = {}
    ending: list[int] = []
    for name in libraries:
        __import__(name)
    signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
    gc.freeze()  # a collection in a kernel would copy what it shares with the others
    while os.getppid() == starter and not ending:
        for ready in select.select([listening, *running], [], [], 0.05)[0]:
            if ready is not listening:
                if not _heard(ready):
                    _kill(running[ready])
                continue
            connection, _ = listening.accept()
            connection.settimeout(10)
            if not (request := _request(connection)):  # gone before it was served
                connection.close()
                continue
            kernel = os.fork()
            if kernel == 0:
                for each in (listening, connection, *running):
                    each.close()
                return request
            with suppress(OSError):
                os.setpgid(kernel, kernel)
            for each in request["descriptors"]:
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


def _request(connection: socket.socket) -> dict:
    """What is asked for, with its file descriptors; empty where whoever asked has ended."""
    try:
        line, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        while line and not line.endswith(b"\n"):
            if not (more := connection.recv(1 << 20)):
                return {}
            line += more
    except OSError:
        return {}
    return json.loads(line) | {"descriptors": descriptors} if line else {}


def _heard(connection: socket.socket) -> bool:
    """Whether whoever asked is still there."""
    try:
        return bool(connection.recv(1))
    except OSError:
        return False


def _kill(kernel: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
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
    arguments = request["argv"][request["argv"].index(LAUNCHER) + 1 :]
    sys.argv = [LAUNCHER, *arguments]
    launch_new_instance(argv=[*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the steps end first
    become(serve(int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])), sys.argv[3:]))
