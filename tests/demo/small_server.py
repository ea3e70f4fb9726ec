"""A small server of a model, in the place of `mlops-nb serve`, for the current folder.

Its version is the text of the file `champion`; the ids of its answers go to the file `answered`. A
flight with a negative number is refused.
"""

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body["rows"][0]["number"] < 0:
            self.reply(422, {"error": "row 0: 'number' is negative"})
            return
        with Path("answered").open("a") as log:
            log.write(body["request_ids"][0] + "\n")
        version = int(Path("champion").read_text())
        self.reply(200, {"request_ids": body["request_ids"], "model_version": version})

    def reply(self, status: int, answer: object) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    about = {"url": url, "model_version": int(Path("champion").read_text())}
    sys.stdout.write(json.dumps(about) + "\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
