"""A local OpenAI-compatible server for as long as a block of code needs it."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from emo_utils.project import EmoError

# Ends the server when whoever started it closes its end of the pipe, or is killed: a server left
# alone would hold gigabytes.
_MINDER = (
    "\n"
    "import subprocess, sys, threading, time\n"
    "server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)\n"
    "threading.Thread(target=lambda: (sys.stdin.read(), server.terminate(), "
    "time.sleep(20), server.kill()), daemon=True).start()\n"
    "sys.exit(server.wait())\n"
)


@contextlib.contextmanager
def transformers_serve(
    model_folder: Path, dtype: str, log: Path, timeout: float = 300
) -> Iterator[str]:
    """Start `transformers serve` on a free port of this machine, yield its address
    (`http://…/v1`), and stop it.

    model_folder: weights in the cache, also the model name that requests use. dtype: e.g.
    `bfloat16`. Raises EmoError with the end of the server's log when it does not come up within
    `timeout` seconds.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(Path(sys.executable).with_name("transformers")),
        "serve",
        str(model_folder),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--dtype",
        dtype,
    ]
    with open(log, "w") as out:
        server = subprocess.Popen(
            [sys.executable, "-c", _MINDER, *command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, log, timeout)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.stdin.close()
        server.wait()


def _wait(address: str, server: subprocess.Popen, log: Path, timeout: float) -> None:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(address, timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.5)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise EmoError(
        f"the local server did not come up (exit code {server.poll()}); "
        f"the end of {log.name}:\n{tail}"
    )


@contextlib.contextmanager
def scripted_stub() -> Iterator[str]:
    """An endpoint that answers each rewriting request with the texts it was given, framed:
    for the smoke profile only.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][0][
                "content"
            ]
            question, answer = re.search(
                r"Patient's question:\n(.*)\n\nDoctor's reply:\n(.*)\n\nGive", asked, re.DOTALL
            ).groups()
            framed = {
                name: (
                    f"(scripted, no model) {text} (a real model would have said this in words of "
                    "its own, and with the feeling that was asked for)"
                )
                for name, text in (("emotional_question", question), ("soothing_response", answer))
            }
            content = json.dumps(
                framed
                if "soothing_response" in asked
                else {"empathetic_response": framed["soothing_response"]}
            )
            choice = {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": content},
            }
            body = json.dumps(
                {
                    "id": "stub",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "scripted-stub",
                    "choices": [choice],
                }
            )
            self.wfile.write(
                f"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}".encode()
            )

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
