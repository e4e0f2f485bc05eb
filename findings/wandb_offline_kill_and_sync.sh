#!/usr/bin/env bash
# wandb 0.31.0, offline mode: after a kill up to 15 s of rows, and always the last one, are in no file; and two
# offline files of one run id that share a step become two rows, not one, when they are uploaded.
#
# Guess: run.log(…, step=n) has written its row when it returns, or a moment later; a step that was logged before and
# after a resume is one step, since steps identify rows.
# Seen otherwise: (1) rows reach the .wandb file every `x_transaction_log_flush_interval` seconds (15), and a row with
# an explicit step is held back until the next step or commit=True. The helper process that holds them ends with its
# parent and does not write them. (2) `wandb sync` appends file after file: a row whose step the server has gets a
# new step of its own.
# For users: log with commit=True, set the interval low, and after a resume log what the file lacks, and only that.
#
# Seen:
#   1..4 logged, killed after a second; in the file: none
#   the same, written every 0.1 s: 1 2 3
#   the same, with commit=True: 1 2 3 4
#   files with x at steps: 1 2 3|2 3 4 5
#   uploaded by one wandb sync, [step, x]: [[1, 1], [2, 2], [3, 3], [4, 2], [5, 3], [6, 4], [7, 5]]
set -euo pipefail
folder=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$folder"' EXIT
python -m venv "$folder/env"
"$folder/env/bin/pip" install -q --disable-pip-version-check wandb==0.31.0 protobuf==7.36.2
cd "$folder"
export WANDB_CONFIG_DIR="$folder" WANDB_CACHE_DIR="$folder" WANDB_DATA_DIR="$folder"

cat > log.py <<'PYTHON'
import json, os, signal, subprocess, sys, time
import wandb

folder, first, last, interval, commit, kill = sys.argv[1:]
os.makedirs(folder)
settings = wandb.Settings(silent=True, console="off", disable_git=True, x_transaction_log_flush_interval=float(interval))
run = wandb.init(project="p", id="abc", dir=folder, resume="allow", mode="offline", settings=settings)
for step in range(int(first), int(last) + 1):
    run.log({"x": step}, step=step, commit=True if commit == "commit" else None)
    time.sleep(0.5)
if kill == "kill":
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)
run.finish()
PYTHON

cat > rows.py <<'PYTHON'
"""The steps in the history of a .wandb file (a LevelDB log of protobuf messages)."""
import glob, struct, sys
from wandb.proto.wandb_internal_pb2 import Record

(path,) = glob.glob(sys.argv[1] + "/wandb/offline-run-*/*.wandb")
data, at, message, steps = open(path, "rb").read(), 7, b"", []
while at + 7 <= len(data):
    if 32768 - at % 32768 < 7:
        at += 32768 - at % 32768
        continue
    _, length, kind = struct.unpack_from("<IHB", data, at)
    message += data[at + 7 : at + 7 + length]
    at += 7 + length
    if kind in (1, 4):
        record, message = Record.FromString(message), b""
        if record.HasField("history"):
            steps += [int(i.value_json) for i in record.history.item if "x" in (i.key, *i.nested_key)]
print(*steps)
PYTHON

cat > server.py <<'PYTHON'
"""As much of a W&B server as `wandb sync` needs, in memory."""
import gzip, json, re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

history = []
project = {"id": "p", "name": "p", "entity": {"id": "e", "name": "e"}}
run = {"id": "aWQ=", "name": "abc", "displayName": "abc", "description": "", "config": "{}", "sweepName": None}
tails = {"eventsLineCount": 0, "logLineCount": 0, "eventsTail": "[]", "tags": [], "notes": "", "wandbConfig": '{"t": 1}'}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer([[json.loads(row)["_step"], json.loads(row)["x"]] for row in history])

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        if "file_stream" in self.path:
            rows = content.get("files", {}).get("wandb-history.jsonl")
            if rows:
                history[rows["offset"] :] = rows["content"]
            self.answer({"exitcode": None, "limits": {}})
            return
        count = {"historyLineCount": len(history)}
        told = {**run, **count, **tails, "historyTail": json.dumps(history[-1:]), "summaryMetrics": "{}"}
        known = {
            "RunResumeStatus": {"model": {**project, "bucket": told if history else None}},
            "UpsertBucket": {"upsertBucket": {"bucket": {**run, **count, "project": project}, "inserted": not history}},
            "CreateRunFiles": {"createRunFiles": {"runID": "aWQ=", "uploadHeaders": [], "files": []}},
        }
        name = re.search(r"(?:query|mutation)\s+(\w+)", content["query"]).group(1)
        self.answer({"data": known[name]} if name in known else {"data": None, "errors": [{"message": "unknown"}]})

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port.part", "w").write(str(server.server_port))
__import__("os").rename("port.part", "port")
server.serve_forever()
PYTHON

python="$folder/env/bin/python"
logged() { # folder, first, last, interval, commit, kill
    "$python" log.py "$@" 2> /dev/null || true
    "$python" rows.py "$1"
}
check() { # text, seen, expected
    echo "$1: ${2:-none}"
    test "$2" = "$3"
}
check "1..4 logged, killed after a second; in the file" "$(logged a 1 4 15 held kill)" ""
check "the same, written every 0.1 s" "$(logged b 1 4 0.1 held kill)" "1 2 3"
check "the same, with commit=True" "$(logged c 1 4 0.1 commit kill)" "1 2 3 4"

logged d 1 3 15 commit finish > rows.txt
sleep 1.1
logged e 2 5 15 commit finish >> rows.txt
"$python" server.py 2> /dev/null &
server=$!
until test -f port; do sleep 0.2; done
address=http://127.0.0.1:$(cat port)
WANDB_BASE_URL=$address WANDB_API_KEY=$(printf '0%.0s' {1..40}) "$folder/env/bin/wandb" sync {d,e}/wandb/offline-run-* > sync.txt 2>&1
check "files with x at steps" "$(paste -sd'|' rows.txt)" "1 2 3|2 3 4 5"
seen=$("$python" -c "import urllib.request as u; print(u.urlopen('$address').read().decode())")
check "uploaded by one wandb sync, [step, x]" "$seen" "[[1, 1], [2, 2], [3, 3], [4, 2], [5, 3], [6, 4], [7, 5]]"
