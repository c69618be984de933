"""A server on this machine that answers as a test says."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Local:
    """A server on this machine; `reply(path, body)` gives a status and what to send."""

    def __init__(self, reply):
        self.asked, lock = [], threading.Lock()
        local = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:  # the model behind it takes one text at a time
                    local.asked.append(body)
                    status, answer = reply(self.path, body)
                text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/v1"


def completion(text, logprobs=None):
    """A chat completion: its text, and the log-probabilities of its first token's likeliest ones,
    in the order in which the server names them.
    """
    top = [
        {"token": token, "logprob": value, "bytes": None}
        for token, value in (logprobs or {}).items()
    ]
    content = (
        [{"token": text[:1], "logprob": 0.0, "bytes": None, "top_logprobs": top}]
        if logprobs
        else None
    )
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
                "logprobs": content and {"content": content},
            }
        ],
    }
