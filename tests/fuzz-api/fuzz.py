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
# A session that is deleted keeps its name: it is STOPPED, and connected again before long.
use_after_free.enabled = false
"""

QUOTAS = ("READS", "MUTATIONS", "CONNECTS", "STREAMS")


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


def quotas(number):
    """As many calls of each kind a minute; 0 is any number."""
    return {f"SWITCHBOARD__LIMITS__{kind}_PER_MINUTE": str(number) for kind in QUOTAS}


def summary(reports):
    """How often each operation was answered how, which is printed, too."""
    seen = collections.defaultdict(collections.Counter)
    for entry in json.loads(max(reports.glob("har-*.json"), key=os.path.getmtime).read_text("utf-8"))["log"]["entries"]:
        path = entry["request"]["url"].split("?")[0].split("/v1/", 1)[-1]
        path = re.sub("^sessions/[^/]*", "sessions/{name}", path)
        path = re.sub("linked-groups/.*", "linked-groups/{groupId}", path)
        seen[f"{entry['request']['method']:7}/v1/{path}"][entry["response"]["status"]] += 1
    for operation, statuses in sorted(seen.items()):
        counts = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
        # Each method is tried that there is not, but for HEAD.
        if set(statuses) != {405}:
            print(f"{operation:60}{counts}")
    print(f"{sum(map(collections.Counter.total, seen.values()))} requests")
    return {operation: statuses for operation, statuses in seen.items() if set(statuses) != {405}}


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
    }
    fake = [waha, "--bind", f"127.0.0.1:{waha_port}", "--time-scale", "50", "--scan-after", "2"]
    processes = []

    def start(command, more):
        process = subprocess.Popen(command, env=environment | more, cwd=data, stdout=log, stderr=log)
        processes.append(process)
        return process

    def serve(calls):
        server = start([switchboard, "serve"], quotas(calls))
        until(lambda: ask(f"{url}/readyz"), "the server starts")
        return server

    try:
        start(fake, {})
        # One user asks for everything.
        server = serve(0)
        token = [switchboard, "token", "--user", "fuzzer", "--ttl", "12h"]
        token = subprocess.run(token, env=environment, cwd=data, check=True, capture_output=True, text=True).stdout.strip()
        name = until(lambda: ask(f"{url}/v1/session", token, "POST"), "the user connects")["sessionName"]
        groups = until(lambda: ask(f"{url}/v1/sessions/{name}/groups?limit=3", token), "a phone is paired")
        groups = [group["groupId"] for group in groups["items"]]

        config = folder / "schemathesis.toml"
        config.write_text(CONFIG.format(token=token, name=name, groups=json.dumps(groups)), encoding="utf-8")

        def fuzz(arguments):
            command = [schemathesis, "--config-file", config, "run", f"{url}/openapi.json", "--report", "har", *arguments]
            began = time.monotonic()
            status = subprocess.run(command, cwd=folder, check=False).returncode
            answered = summary(folder / "schemathesis-report")
            print(f"fuzzed for {time.monotonic() - began:.0f} s; the server's log is {folder / 'server.log'}")
            if any(process.poll() is not None for process in processes):
                sys.exit("the server or its WAHA has ended")
            if status:
                sys.exit(status)
            return answered

        over = threading.Event()
        threading.Thread(target=keep_connecting, args=(url, token, over)).start()
        try:
            fuzz(arguments)
        finally:
            over.set()

        # And now by a user who may ask for each once a minute.
        processes.remove(server)
        server.terminate()
        server.wait(PATIENCE)
        serve(1)
        answered = fuzz([*arguments, "--phases", "examples,coverage,fuzzing", "--max-examples", "5"])
        if unlimited := [operation for operation, statuses in answered.items() if not statuses[429]]:
            sys.exit(f"never refused for its quota: {', '.join(unlimited)}")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(PATIENCE)
        log.close()
        shutil.rmtree(data)


main(*sys.argv[1:5], sys.argv[5:])
