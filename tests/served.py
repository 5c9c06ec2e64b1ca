"""What the test scripts of this folder share: a server to talk to, and how to skip visibly."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

PASSWORD = "a script's password"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
CACHE = CACHE / "antipode-ci"


def skip(test, why):
    """Ends the script: visibly skipped, or failed where that is not allowed (as in CI)."""
    if os.environ.get("ANTIPODE_REQUIRE_CLIENTS") == "1":
        sys.exit(f"{test}: {why}")
    print(f"SKIP {test}: {why}", file=sys.stderr)
    sys.exit(0)


@contextlib.contextmanager
def server(binary):
    """The port of a server with an empty folder, which ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [binary, "start", "--cluster-id", "1", "--data", folder, "--listen", "127.0.0.1:0",
             "--exit-with-parent"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "ANTIPODE_PASSWORD": PASSWORD, "ANTIPODE_LOG": "warn"},
        )
        try:
            for line in process.stdout:
                if line.startswith("listening on "):
                    yield int(line.strip().rsplit(":", 1)[1])
                    return
            sys.exit("the server did not start")
        finally:
            process.kill()
            process.wait()
