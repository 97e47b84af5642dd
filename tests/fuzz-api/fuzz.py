"""Fuzzes the REST API of a server of its own, by the document that it serves."""

import collections
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

# Longer than anything takes on a busy machine.
PATIENCE = 60

CONFIG = """
max-stream-events = 1
request-timeout = 30

[auth.openapi.bearer]
bearer = "{token}"

# Mostly the user's own session and groups, which are there; sometimes any.
[dictionaries.names]
values = ["{name}"]
[dictionaries.groups]
values = {groups}
[parameters]
"path.name" = {{ dictionary = "names", probability = 0.9 }}
"path.groupId" = {{ dictionary = "groups", probability = 0.9 }}

# What is well formed may still be too early, too late or too often.
[checks]
positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 412, 429]
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(url, token=None, method="GET"):
    """The JSON that is answered; None if it is a refusal."""
    request = urllib.request.Request(url, method=method)
    if token:
        request.add_header("authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)
    except (urllib.error.HTTPError, urllib.error.URLError, ConnectionError):
        return None


def until(so, what):
    """The first answer that is so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := so():
            return found
        time.sleep(0.05)
    sys.exit(f"{what}: not within {PATIENCE} s")


def keep_connecting(url, token, over):
    """A user who comes back after each logout, so that there is something to ask about."""
    while not over.wait(0.3):
        ask(f"{url}/v1/session", token, "POST")


def summary(reports):
    """How often each operation was answered how."""
    seen = collections.defaultdict(collections.Counter)
    for entry in json.loads(max(reports.glob("har-*.json"), key=os.path.getmtime).read_text("utf-8"))["log"]["entries"]:
        path = entry["request"]["url"].split("?")[0].split("/v1/", 1)[-1]
        path = re.sub("^sessions/[^/]*", "sessions/{name}", path)
        path = re.sub("linked-groups/.*", "linked-groups/{groupId}", path)
        seen[f"{entry['request']['method']:7}/v1/{path}"][entry["response"]["status"]] += 1
    for operation, statuses in sorted(seen.items()):
        # Each method is tried that there is not.
        if set(statuses) == {405}:
            continue
        counts = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
        print(f"{operation:60}{counts}")


def main(switchboard, waha, schemathesis, folder, arguments):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data = tempfile.mkdtemp(dir=folder)
    log = open(folder / "server.log", "w", encoding="utf-8")
    waha_port, port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "SWITCHBOARD__SERVER__BIND": f"127.0.0.1:{port}",
        "SWITCHBOARD__DATABASE__URL": f"sqlite://{data}/switchboard.sqlite",
        "SWITCHBOARD__WAHA__URL": f"http://127.0.0.1:{waha_port}",
        "SWITCHBOARD__WAHA__API_KEY": "fake-waha-key",
        "SWITCHBOARD__WAHA__WEBHOOK_URL": f"{url}/webhooks/waha",
        "SWITCHBOARD__WAHA__WEBHOOK_SECRET": "the secret of the webhooks of the fuzzer",
        "SWITCHBOARD__AUTH__HS256_SECRET": "the secret of the tokens of the fuzzer",
        # One user asks for everything.
        "SWITCHBOARD__LIMITS__READS_PER_MINUTE": "0",
        "SWITCHBOARD__LIMITS__MUTATIONS_PER_MINUTE": "0",
        "SWITCHBOARD__LIMITS__CONNECTS_PER_MINUTE": "0",
        "SWITCHBOARD__LIMITS__STREAMS_PER_MINUTE": "0",
    }
    fake = [waha, "--bind", f"127.0.0.1:{waha_port}", "--time-scale", "50", "--scan-after", "2"]
    processes = []
    try:
        for command in (fake, [switchboard, "serve"]):
            processes.append(subprocess.Popen(command, env=environment, cwd=data, stdout=log, stderr=log))
        until(lambda: ask(f"{url}/readyz"), "the server starts")
        token = [switchboard, "token", "--user", "fuzzer", "--ttl", "12h"]
        token = subprocess.run(token, env=environment, cwd=data, check=True, capture_output=True, text=True).stdout.strip()
        name = until(lambda: ask(f"{url}/v1/session", token, "POST"), "the user connects")["sessionName"]
        groups = until(lambda: ask(f"{url}/v1/sessions/{name}/groups?limit=3", token), "a phone is paired")
        groups = [group["groupId"] for group in groups["items"]]
        config = folder / "schemathesis.toml"
        config.write_text(CONFIG.format(token=token, name=name, groups=json.dumps(groups)), encoding="utf-8")
        command = [schemathesis, "--config-file", config, "run", f"{url}/openapi.json", "--report", "har", *arguments]
        began, over = time.monotonic(), threading.Event()
        threading.Thread(target=keep_connecting, args=(url, token, over)).start()
        status = subprocess.run(command, cwd=folder, check=False).returncode
        over.set()
        summary(folder / "schemathesis-report")
        print(f"fuzzed for {time.monotonic() - began:.0f} s; the server's log is {folder / 'server.log'}")
        if any(process.poll() is not None for process in processes):
            sys.exit("the server or its WAHA has ended")
        sys.exit(status)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(PATIENCE)
        log.close()
        shutil.rmtree(data)


main(*sys.argv[1:5], sys.argv[5:])
