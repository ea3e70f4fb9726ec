"""How people are told: by a log, a real server and real commands; once, and without secrets."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from mlops_nb import events as ev
from mlops_nb.monitoring import alerts
from mlops_nb.monitoring import notify as telling
from mlops_nb.monitoring.notify import Delivery, Teller, channels
from mlops_nb.storage.journal import open_journal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RAISED = ev.AlertRaised(
    run="r1",
    job="flights",
    alert="flights-failed-1",
    kind="failed",
    what="it broke; version 3 still answers; users are not hurt",
    fix="mlops-nb show r1",
    cause="r0",
)


class Server:
    """A webhook that keeps what it is told, and answers as it is set to."""

    def __init__(self):
        self.status, self.told, self.headers, seen = 200, [], [], self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.told.append((self.path, json.loads(body)))
                seen.headers.append(self.headers)
                self.send_response(seen.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self):
                seen.told.append((self.path, "GET"))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def url(self, path="/secret-path"):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Post:
    """A project's alerts: a journal, a clock and a teller."""

    def __init__(self, folder, **environment):
        self.folder, self.now = folder, NOON
        self.journal = open_journal(f"sqlite:///{folder}/journal.db", lambda: self.now)
        self.log = folder / "alerts.log"
        self.teller = Teller(
            journal=self.journal,
            clock=lambda: self.now,
            log=self.log,
            folder=folder,
            environment={"PATH": os.environ["PATH"], **environment},
        )

    def close(self):
        self.teller.close()
        self.journal.close()

    def happens(self, *found):
        for event in found:
            self.journal.append(event)

    def tell(self, *notify):
        """Tell what is due, and return what the journal says of it: (channel, error)."""
        found = list(self.journal.read())
        known = alerts.alerts(found)
        due = [
            Delivery(alert=alert, channel=channel, sent=sent)
            for alert in known.values()
            for channel in (self.teller.channel, *channels(notify))
            if (sent := alerts.due(alert, channel.name, self.now)) is not None
        ]
        self.teller.start(due)
        self.teller.wait()
        last = {}
        for event in self.journal.read(after=found[-1].id, kinds=[ev.AlertSent]):
            last[event.channel.partition(":")[0]] = event.error
        return last

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def server():
    with closing(Server()) as made:
        yield made


@pytest.fixture
def post(tmp_path):
    with closing(Post(tmp_path, HOOK_URL="http://[nothing", SECRET="pa55word")) as made:
        made.happens(RAISED)
        yield made


# where


def test_the_log_has_one_line_for_each_message_whoever_else_is_told(post):
    assert post.tell() == {"log": ""}
    assert post.tell() == {}
    post.happens(ev.AlertEnded(job="flights", alert=RAISED.alert, because="run r2 finished"))
    assert post.tell() == {"log": ""}
    began, ended = post.lines()
    assert began == {
        "version": 1,
        "alert": "flights-failed-1",
        "job": "flights",
        "kind": "failed",
        "about": "raised",
        "urgent": False,
        "fix": "mlops-nb show r1",
        "at": "2026-01-01T12:00:00+00:00",
        "text": "flights-failed-1: it broke; version 3 still answers; users are not hurt. "
        "Next: mlops-nb show r1",
    }
    assert (ended["about"], ended["text"]) == (
        "ended",
        "flights-failed-1 is over: run r2 finished",
    )


def test_a_webhook_is_told_the_same_as_json_and_that_it_is_over(post, server):
    notify = {"webhook": server.url()}
    assert post.tell(notify) == {"log": "", "webhook": ""}
    post.happens(ev.AlertEnded(job="flights", alert=RAISED.alert, because="run r2 finished"))
    post.tell(notify)
    assert [path for path, _ in server.told] == ["/secret-path"] * 2
    assert [told for _, told in server.told] == post.lines()
    assert server.headers[0]["Content-Type"].startswith("application/json")
    assert [h["Idempotency-Key"] for h in server.headers] == [
        "flights-failed-1/raised",
        "flights-failed-1/ended",
    ]


def test_a_command_gets_the_words_on_stdin_and_the_rest_in_its_environment(post):
    command = 'cat > said; env > names; echo "$MLOPS_NB_ALERT_ALERT|$MLOPS_NB_ALERT_FIX" > two'
    assert post.tell({"command": command})["command"] == ""
    text = post.lines()[0]["text"]
    assert (post.folder / "said").read_text() == f"{text}\n"
    assert (post.folder / "two").read_text() == "flights-failed-1|mlops-nb show r1\n"
    names = dict(
        line.split("=", 1)
        for line in (post.folder / "names").read_text().splitlines()
        if "=" in line
    )
    assert names["MLOPS_NB_ALERT_URGENT"] == ""
    assert (names["MLOPS_NB_ALERT_KIND"], names["MLOPS_NB_ALERT_TEXT"]) == ("failed", text)


def test_a_command_that_reads_nothing_is_a_command_too(post):
    assert post.tell({"command": "true"})["command"] == ""


def test_two_of_a_kind_are_two_channels_and_the_same_one_twice_is_one(post, server):
    notify = [
        {"webhook": server.url("/a")},
        {"webhook": server.url("/b")},
        {"webhook": server.url("/a")},
        {"command": "echo x >> out"},
        {"command": "echo  x >> out"},
    ]
    assert len(channels(notify)) == 4
    post.tell(*notify)
    assert sorted(path for path, _ in server.told) == ["/a", "/b"]
    assert (post.folder / "out").read_text() == "x\nx\n"


# what goes wrong


@pytest.mark.parametrize(("status", "said"), [(500, "it answered 500"), (302, "it answered 302")])
def test_a_server_that_does_not_take_it_is_asked_again_later_five_times_in_all(
    post, server, status, said
):
    server.status = status
    notify = {"webhook": server.url()}
    assert post.tell(notify)["webhook"] == said
    assert post.tell(notify) == {}
    for minutes in (1, 5, 15, 60):
        post.now += timedelta(minutes=minutes)
        assert post.tell(notify)["webhook"] == said
    post.now += timedelta(days=9)
    assert post.tell(notify) == {}
    assert [path for path, _ in server.told] == ["/secret-path"] * 5  # and nothing elsewhere


def test_a_server_that_is_back_is_told_once(post, server):
    server.status = 503
    post.tell({"webhook": server.url()})
    server.status, post.now = 204, NOON + timedelta(minutes=1)
    assert post.tell({"webhook": server.url()}) == {"webhook": ""}
    post.now += timedelta(days=1)
    assert post.tell({"webhook": server.url()}) == {}
    assert len(server.told) == 2


def test_a_dead_server_is_an_error_in_the_journal_and_keeps_nobody_else_from_being_told(post):
    with closing(socket.socket()) as held:  # a port that nobody answers at
        held.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{held.getsockname()[1]}/x"
        found = post.tell({"webhook": dead}, {"command": "echo told > out"})
    assert found == {"log": "", "webhook": "Connection refused", "command": ""}
    assert (post.folder / "out").read_text() == "told\n"


def test_a_server_that_never_answers_is_given_up(post, monkeypatch):
    monkeypatch.setattr(telling, "HOOK_TIMEOUT", 0.05)
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/x"
        assert post.tell({"webhook": url})["webhook"] == "there was no answer within 0.05 s"


def test_a_command_that_hangs_is_ended_with_all_that_it_started(post, monkeypatch):
    monkeypatch.setattr(telling, "COMMAND_TIMEOUT", 2.0)
    command = "sleep 600 & echo $! > child; wait"
    assert post.tell({"command": command})["command"] == "it took longer than 2 s"
    child = int((post.folder / "child").read_text())
    end = time.monotonic() + 60
    while lives(child):  # the kernel ends it a moment after the signal
        assert time.monotonic() < end
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return False


def test_a_command_that_fails_says_its_exit_status_and_none_of_its_words(post):
    found = post.tell({"command": "echo $SECRET >&2; exit 3"})
    assert found["command"] == "it ended with exit status 3"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"env": "NOWHERE"}, "NOWHERE is not set"),
        ({"env": "HOOK_URL"}, "the webhook is no address"),
        ("file:///etc/passwd", "the webhook is no http or https address"),
        ("http://[pa55word", "the webhook is no address"),
        ("http://127.0.0.1:pa55word/", "the webhook is no address"),
        ("http://127.0.0.1:9/pa55 word", "the webhook is no address"),
    ],
)
def test_an_address_that_is_none_is_an_error_that_does_not_repeat_it(post, target, said):
    assert post.tell({"webhook": target})["webhook"] == said


def test_a_log_that_cannot_be_written_is_tried_again(post):
    post.log.mkdir()
    assert post.tell() == {"log": "Is a directory"}
    post.log.rmdir()
    post.now += timedelta(minutes=1)
    assert post.tell() == {"log": ""}
    assert len(post.lines()) == 1


# secrets


def test_a_secret_from_the_environment_is_used_and_stands_nowhere(tmp_path, server):
    secret = "s3cr3t-t0ken"
    made = Post(
        tmp_path,
        HOOK=server.url(f"/{secret}"),
        PAGE=f"echo {secret} > /dev/null",
        BROKEN=f"http://{secret}:x/",
        FAILING=f"echo {secret} >&2; exit 4",
    )
    with closing(made) as post:
        post.happens(RAISED)
        post.tell(
            {"webhook": {"env": "HOOK"}},
            {"command": {"env": "PAGE"}},
            {"webhook": {"env": "BROKEN"}},
            {"command": {"env": "FAILING"}},
        )
        names = {e.channel: e.error for e in post.journal.read(kinds=[ev.AlertSent])}
    assert [path for path, _ in server.told] == [f"/{secret}"]
    assert names == {
        "log": "",
        "webhook:$HOOK": "",
        "command:$PAGE": "",
        "webhook:$BROKEN": "the webhook is no address",
        "command:$FAILING": "it ended with exit status 4",
    }
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.name for p in written} >= {"alerts.log", "journal.db"}
    assert [p.name for p in written if secret.encode() in p.read_bytes()] == []


def test_a_webhook_is_called_by_its_host_and_never_by_its_path_or_its_user():
    (one,) = channels([{"webhook": "https://me:pa55@hooks.example.com/T0/secret?key=x"}])
    assert one.name.startswith("webhook:hooks.example.com-")
    assert not {"me", "pa55", "T0", "secret", "key"} & set(one.name.replace("-", ":").split(":"))


# at once


TELLER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from mlops_nb.monitoring.notify import Delivery, Teller, channels
from mlops_nb.monitoring import alerts
from mlops_nb.storage.journal import open_journal

folder, url = Path(sys.argv[1]), sys.argv[2]
noon = lambda: datetime(2026, 1, 1, 12, tzinfo=UTC)
journal = open_journal(f"sqlite:///{folder}/journal.db", noon)
known = alerts.alerts(journal.read())
teller = Teller(journal=journal, clock=noon, log=folder / "alerts.log", folder=folder,
                environment={"PATH": "/usr/bin:/bin"})
told = [teller.channel, *channels([{"webhook": url}, {"command": sys.argv[3]}])]
due = [Delivery(alert=a, channel=c, sent=alerts.due(a, c.name, noon()))
       for a in known.values() for c in told]
print("ready", flush=True)
sys.stdin.readline()
teller.start(due)
teller.wait()
teller.close()
"""


def teller(folder, url, command="echo told >> out"):
    words = [sys.executable, "-c", TELLER, str(folder), url, command]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(*processes):
    for one in processes:
        assert one.stdout.readline() == "ready\n"
    for one in processes:
        one.stdin.write("go\n")
        one.stdin.flush()


def test_two_processes_that_tell_at_once_tell_each_channel_once(post, server):
    count = 10
    for number in range(2, count + 1):
        post.happens(
            ev.AlertRaised(
                job="flights", alert=f"flights-failed-{number}", kind="failed", what="w", fix="f"
            )
        )
    two = [teller(post.folder, server.url()) for _ in range(2)]
    go(*two)
    assert [one.communicate(timeout=60) and one.returncode for one in two] == [0, 0]
    names = [f"flights-failed-{n}" for n in range(1, count + 1)]
    assert sorted(told["alert"] for _, told in server.told) == sorted(names)
    assert sorted(line["alert"] for line in post.lines()) == sorted(names)
    assert (post.folder / "out").read_text() == "told\n" * count
    assert [len(a.sent) for a in alerts.alerts(post.journal.read()).values()] == [3] * count


def test_whoever_is_killed_while_telling_leaves_a_try_that_failed(post, server):
    command = "echo begun > begun; exec cat hold"
    for name in ("begun", "hold"):
        os.mkfifo(post.folder / name)
    hold = os.open(post.folder / "hold", os.O_RDWR)
    with teller(post.folder, server.url(), command) as one:
        go(one)
        assert (post.folder / "begun").read_text() == "begun\n"
        one.send_signal(signal.SIGKILL)
    os.close(hold)
    last = {e.channel.partition(":")[0]: e.error for e in post.journal.read(kinds=[ev.AlertSent])}
    assert last["command"] == telling.UNDER_WAY
    (channel,) = channels([{"command": command}])
    (alert,) = alerts.alerts(post.journal.read()).values()
    assert alerts.due(alert, channel.name, post.now) is None
    assert alerts.due(alert, channel.name, post.now + timedelta(minutes=1)).attempt == 2


def test_what_is_under_way_is_not_begun_twice_and_the_caller_does_not_wait(post):
    fifo = post.folder / "gate"
    os.mkfifo(fifo)
    (channel,) = channels([{"command": "cat gate > /dev/null; echo told >> out"}])
    alert = alerts.alerts(post.journal.read())["flights-failed-1"]
    sent = alerts.due(alert, channel.name, NOON)
    for _ in range(3):
        post.teller.start([Delivery(alert=alert, channel=channel, sent=sent)])
    assert not (post.folder / "out").exists()
    fifo.write_text("go")
    post.teller.wait()
    assert (post.folder / "out").read_text() == "told\n"


def test_the_first_pause_is_longer_than_any_delivery_takes():
    longest = timedelta(seconds=max(telling.HOOK_TIMEOUT, telling.COMMAND_TIMEOUT))
    assert alerts.PAUSES[0] > longest
