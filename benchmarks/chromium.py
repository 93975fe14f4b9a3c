"""A headless Chromium that shows a page: for the tests that look at pages, and for `benchmarks.page`."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import selectors
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

# Chromium reads its commands from descriptor 3 and answers on 4; neither number is free to choose in this process.
LAUNCHER = """
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 20) for number in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """A headless Chromium on a pipe: its DevTools protocol is JSON messages, each ended by a NUL."""

    def __init__(self, program: str, profile: Path) -> None:
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        flags = [
            "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", f"--user-data-dir={profile}",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(to_browser), str(from_browser), program, *flags],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def open_page(self) -> Page:
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        return Page(self, str(session), str(target))

    def call(self, method: str, params: dict[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come meanwhile are kept."""
        self._number += 1
        number = self._number
        message = {
            "id": number,
            "method": method,
            "params": params or {},
            **({"sessionId": session} if session else {}),
        }
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, method: str, session: str) -> None:
        while not any(event.get("method") == method and event.get("sessionId") == session for event in self.events):
            self.events.append(self._next())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._write, b'{"id":0,"method":"Browser.close"}\0')
        self._process.wait(timeout=30)
        os.close(self._write)
        os.close(self._read)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            # Not select.select, which takes no descriptor from 1024 on.
            with selectors.DefaultSelector() as selector:
                selector.register(self._read, selectors.EVENT_READ)
                assert selector.select(60), "Chromium has said nothing for a minute"
            received = os.read(self._read, 1 << 20)
            assert received, "Chromium has ended"
            self._buffer += received
        message, _, self._buffer = self._buffer.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded


class Page:
    """A tab. *events* hold what it complained of and asked the network for since `show`."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser = browser
        self._session = session
        self._target = target
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._browser.call(method, params, self._session)

    def size(self, width: int, height: int, scheme: str = "light") -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", {"features": [feature]})

    def show(self, path: Path, fragment: str = "") -> None:
        """Load a file and wait until it is drawn."""
        # The empty page's load event comes after the answer; it must not be taken for the file's.
        for url in ("about:blank", path.as_uri() + fragment):
            self._load("Page.navigate", {"url": url})
        self._wait_until_drawn()

    def reload(self) -> None:
        """Load the file again, in the process that has it: another one may read what it stored a moment too early."""
        self._load("Page.reload")
        self._wait_until_drawn()

    def _load(self, method: str, params: dict[str, Any] | None = None) -> None:
        self._browser.events.clear()
        self.call(method, params)
        self._browser.wait_for("Page.loadEventFired", self._session)

    def _wait_until_drawn(self) -> None:
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script: str) -> Any:
        """The value of an expression, its promise awaited."""
        params = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self.call("Runtime.evaluate", params)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str, seconds: int = 20) -> Any:
        """Wait, frame by frame, until an expression is true; returns its value."""
        return self.run(
            f"new Promise((done, give_up) => {{ const end = performance.now() + {seconds * 1000}; const look = () => {{"
            f"const value = ({condition}); if (value) return done(value);"
            "if (performance.now() > end) return give_up(new Error('waited too long'));"
            "requestAnimationFrame(look); }; look(); })"
        )

    def press(self, key: str, code: int, text: str = "") -> None:
        params = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.call("Input.dispatchKeyEvent", {"type": "keyDown", **params})
        self.call("Input.dispatchKeyEvent", {"type": "keyUp", **params})

    def write(self, text: str) -> None:
        self.call("Input.insertText", {"text": text})

    def picture(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot", {"format": "png"})["data"])

    def complaints(self) -> list[str]:
        """Exceptions, console errors, policy violations and dialogs since `show`."""
        bad = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Page.javascriptDialogOpening"}
        return [json.dumps(event)[:2_000] for event in self._browser.events if event.get("method") in bad]

    def requests(self) -> list[str]:
        return [
            event["params"]["request"]["url"]
            for event in self._browser.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        self._browser.call("Target.closeTarget", {"targetId": self._target})


def chromium() -> str | None:
    """The program of a Chromium or Chrome that can be driven over a pipe; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return None if os.name == "nt" else next(filter(None, map(shutil.which, names)), None)
