"""An OpenAI-compatible server for tests and benchmarks: fast, or misbehaving on purpose.

Run: python llm_server.py --help

The reply to a request depends on the request alone, so that runs can be compared; faults of the
connection strike the first time that a request comes,
faults of the content the first attempt for a row.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

CONNECTION = ("429", "500", "hang", "cut", "html", "drip")
CONTENT = ("torn", "refusal", "language", "facts")


class Server:
    """latency: seconds before each reply; faulty: misbehave;
    log: file that gets a line for each answered request.
    """

    def __init__(self, latency: float, faulty: bool, log: Path | None, hang: float):
        self.latency, self.faulty, self.hang = latency, faulty, hang
        self.log = open(log, "a", buffering=1) if log else None
        self.seen: Counter = Counter()

    async def connection(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                if not await self.answer(head, body, writer):
                    break
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    async def answer(self, head: str, body: bytes, writer) -> bool:
        """Answer one request; False when the connection is to be closed."""
        due = (
            asyncio.get_running_loop().time() + self.latency
        )  # what the server computes itself is part of its latency
        asked = json.loads(body or b"{}")
        messages = asked.get("messages", [])
        name = hashlib.sha256(messages[0]["content"].encode()).hexdigest() if messages else ""
        number = int(name[:8] or "0", 16)
        self.seen[name, len(messages)] += 1
        reply = self.reply(messages, number)
        payload = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": asked.get("model", ""),
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": reply},
                }
            ],
            "usage": {
                "prompt_tokens": len(body) // 4,
                "completion_tokens": len(reply) // 4,
                "total_tokens": (len(body) + len(reply)) // 4,
            },
        }
        if self.latency:
            await asyncio.sleep(due - asyncio.get_running_loop().time())
        if "bad-key" in head:
            return self.send(writer, 401, {"error": {"message": "no such key"}})
        if asked.get("model") == "unknown":
            return self.send(writer, 404, {"error": {"message": "no such model"}})
        if asked.get("model") == "down":
            return self.send(writer, 503, {"error": {"message": "down"}})
        fault = (
            CONNECTION[number // 7 % len(CONNECTION)]
            if self.faulty and number % 7 == 0 and self.seen[name, len(messages)] == 1
            else ""
        )
        if fault == "429":
            return self.send(
                writer, 429, {"error": {"message": "slow down"}}, "Retry-After: 0.05\r\n"
            )
        if fault == "500":
            return self.send(writer, 500, {"error": {"message": "oops"}})
        if fault == "html":
            return self.send(writer, 502, "<html>Bad gateway</html>", kind="text/html")
        if fault == "hang":
            await asyncio.sleep(self.hang)
            return False
        if fault in ("cut", "drip"):
            text = json.dumps(payload).encode()
            writer.write(
                (
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(text)}\r\n\r\n"
                ).encode()
                + text[: len(text) // 2]
            )
            if (
                fault == "drip"
            ):  # a byte now and then: no silence long enough for a timeout of the connection
                for byte in text[len(text) // 2 :]:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(self.hang / 4)
            return False
        if self.log:
            self.log.write(f"{name} {len(messages)}\n")
        return self.send(writer, 200, payload)

    def reply(self, messages: list[dict], number: int) -> str:
        prompt = messages[0]["content"] if messages else ""
        parts = re.search(
            r"Patient's question:\n(.*)\n\nDoctor's reply:\n(.*)\n\nGive one JSON object",
            prompt,
            re.DOTALL,
        )
        question, answer = parts.groups() if parts else ("", "")
        told = (
            f"Waiting has been hard on you, and that is plain from each line (case {number}). "
            f"{answer} Write again whenever the days feel longer than they should, "
            "and bring somebody along."
        )
        good = (
            {"empathetic_response": told}
            if "soothing_response" not in prompt
            else {
                "emotional_question": (
                    f"My hands would not keep still while I typed this (case {number}). "
                    f"{question} Tell me before the night comes, since nobody here will say it."
                ),
                "soothing_response": told,
            }
        )
        fault = (
            CONTENT[number // 11 % len(CONTENT)]
            if self.faulty and number % 11 == 0 and (len(messages) == 1 or number % 55 == 0)
            else ""
        )
        if fault == "torn":
            return json.dumps(good)[:40]
        if fault == "refusal":
            return "I'm sorry, but I can't help with medical questions."
        if fault == "language":
            good = dict.fromkeys(
                good,
                "Lo siento mucho por lo que usted cuenta, y comprendo que la espera es dura. " * 2,
            )
        if fault == "facts":
            good = {field: re.sub(r"\d", "x", text) for field, text in good.items()}
        return "Here you are:\n```json\n" + json.dumps(good) + "\n```"

    def send(
        self, writer, status: int, payload, extra: str = "", kind: str = "application/json"
    ) -> bool:
        text = payload.encode() if isinstance(payload, str) else json.dumps(payload).encode()
        writer.write(
            (
                f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(text)}\r\n{extra}\r\n"
            ).encode()
            + text
        )
        return True


async def serve(options) -> None:
    server = Server(options.latency, options.faulty, options.log, options.hang)
    listening = await asyncio.start_server(server.connection, "127.0.0.1", 0, limit=2**22)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


@contextlib.contextmanager
def running(latency: float = 0.0, faulty: bool = False, log: Path | None = None, hang: float = 3.0):
    """Start the server as a process of its own; yields its address."""
    command = [
        sys.executable,
        __file__,
        "--latency",
        str(latency),
        "--hang",
        str(hang),
        *(["--faulty"] if faulty else []),
        *(["--log", str(log)] if log else []),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--hang", type=float, default=3.0)
    parser.add_argument("--faulty", action="store_true")
    parser.add_argument("--log", type=Path)
    asyncio.run(serve(parser.parse_args()))
