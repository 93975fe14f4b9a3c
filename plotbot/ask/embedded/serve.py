"""The child process of the embedded engine: loads the model, serves it on a free loopback port, ends with its parent.

Its one argument is the order as JSON. It writes one line to its stdout, `{"url": …}`, when requests are answered.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.client import HTTPConnection
from typing import Any

LOOPBACK = "127.0.0.1"


def main() -> None:
    # Ctrl-C reaches everybody at the terminal; when this process ends is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    report_to = _private_stdout()
    server = _serve(json.loads(sys.argv[1]))
    address = server.listening_address
    _wait_until_healthy(address)
    os.write(report_to, json.dumps({"url": address}).encode() + b"\n")
    os.close(report_to)
    # The server ends when nothing refers to it any more, so this frame stays.
    threading.Event().wait()


def _end_with_parent() -> None:
    """End at once when the pipe on stdin closes. Nothing here is worth a tidy end."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(0)


def _private_stdout() -> int:
    """A copy of stdout for the report alone; what C++ code writes to fd 1 goes to the log from here on."""
    report_to = os.dup(1)
    os.dup2(2, 1)
    return report_to


def _serve(order: dict[str, Any]) -> Any:
    import xllamacpp  # noqa: PLC0415  loaded after the watching thread runs and stdout is safe

    params = xllamacpp.CommonParams()
    params.model.path = order["model"]
    params.model_alias = {order["alias"]}
    params.hostnames = [LOOPBACK]
    params.port = 0
    params.n_parallel = order["slots"]
    params.n_ctx = order["slots"] * order["context"]
    params.n_gpu_layers = 0
    params.fit_params = False  # two megabytes fit
    # A second thread makes a model of this size slower, on busy cores by far.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_threads_http = order["slots"] + 4
    _make_repeatable(params, xllamacpp)
    params.verbosity = 1
    params.ui = False
    return xllamacpp.Server(params)


def _make_repeatable(params: Any, xllamacpp: Any) -> None:
    """The same seed must give the same text, whoever else asks at the same time.

    The flash attention kernels and the repacked weights compute a batch of several slots in another order than a
    single one, which changes last bits and then words; what a cache holds was computed in yet another batch.
    """
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.no_extra_bufts = True
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False


def _wait_until_healthy(address: str) -> None:
    """Return when GET /health says 200; the parent has the clock."""
    healthy = 200
    port = int(address.rstrip("/").rpartition(":")[2])
    status = 0
    while status != healthy:
        connection = HTTPConnection(LOOPBACK, port, timeout=5)
        connection.request("GET", "/health")
        status = connection.getresponse().status
        connection.close()


if __name__ == "__main__":
    main()
