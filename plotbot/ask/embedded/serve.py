"""The child process of the embedded engine: loads the model, serves it on a free loopback port, ends with its parent.

Its one argument is a JSON object: an `EngineOptions`, and whether it `reads_weights`. Once it answers requests, it
writes one line to its stdout: `{"url": …}`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.client import HTTPConnection
from typing import Any

if sys.platform == "linux":
    import fcntl

LOOPBACK = "127.0.0.1"


def main() -> None:
    # Ctrl-C reaches every process of the terminal, but the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _watch_parent()
    report_to = _private_stdout()
    server = _serve(json.loads(sys.argv[1]))
    address = server.listening_address
    _wait_until_healthy(address)
    os.write(report_to, json.dumps({"url": address}).encode() + b"\n")
    os.close(report_to)
    # The server stops when its last reference goes, so this frame must not return.
    threading.Event().wait()


def _watch_parent() -> None:
    """Have this process ended at once when the pipe on stdin closes. Nothing in it needs an orderly shutdown.

    While llama.cpp loads a model, for minutes perhaps, no thread of Python's runs. On Linux the kernel ends the process
    then, too, by a signal; elsewhere a process whose parent was killed ends when the model is loaded.
    """
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    if sys.platform == "linux":
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGTERM)
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


def _private_stdout() -> int:
    """Duplicate stdout for the URL alone, and point fd 1, to which C++ code writes, at the log."""
    report_to = os.dup(1)
    os.dup2(2, 1)
    return report_to


def _serve(options: dict[str, Any]) -> Any:
    import xllamacpp  # noqa: PLC0415  only after the parent is watched and stdout is redirected

    params = xllamacpp.CommonParams()
    params.model.path = options["model"]
    params.model_alias = {options["alias"]}
    params.hostnames = [LOOPBACK]
    params.port = 0
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context_length"]
    if options["gpu_layers"] is not None:
        params.n_gpu_layers = options["gpu_layers"]
        params.fit_params = False  # that is told, so there is nothing to find out
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads"]
    params.n_threads_http = options["slots"] + 4
    _make_repeatable(params, xllamacpp)
    params.verbosity = 1
    params.ui = False
    if not options["reads_weights"]:
        _leave_out_weights(params, xllamacpp)
    return xllamacpp.Server(params)


def _make_repeatable(params: Any, xllamacpp: Any) -> None:
    """Make the same seed give the same text, whatever else is asked at the same time.

    Flash attention and repacked weights compute a batch of several slots in another order than a single slot. That
    changes the last bits and in the end the words. Cached results were computed in yet another batch.
    """
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.no_extra_bufts = True
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False


def _leave_out_weights(params: Any, xllamacpp: Any) -> None:
    """Have the server end when all of the model but its weights has been read, which takes a fraction of a second.

    No weights are allocated, which asks for a file that is not mapped. A cache that needs flash attention, which is
    off, ends the server in an orderly way where it would go on to use the weights.
    """
    params.no_alloc = True
    params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    params.fit_params = False
    params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_Q4_0


def _wait_until_healthy(address: str) -> None:
    """Return when GET /health answers 200. The parent enforces the time limit."""
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
