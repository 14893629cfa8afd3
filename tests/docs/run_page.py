"""Run the code blocks of one page, top to bottom, in the current folder; ends with 1 where the page is wrong.

Python blocks share one module. Console commands share their folder and environment, and print what the page shows;
there `...` stands for anything. JSON blocks show what the page's code has printed or received.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import fences
from werkzeug.test import Client

ENVELOPE = ("error", "error_description", "details", "retry_after", "request_id", "debug")
SERVER = "127.0.0.1:5000"
_PATIENCE = 20.0


class Wrong(Exception):
    """What the page shows is not what happens."""


class Page:
    """The state that the blocks of a page share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.module = types.ModuleType("page")
        sys.modules["page"] = self.module
        self.stdout = io.BytesIO()
        self.bodies: list[str] = []
        self.env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        self.cwd = Path.cwd()
        self.server: subprocess.Popen[bytes] | None = None
        self.address = SERVER
        self.logs: list[Path] = []

    def run(self, block: fences.Block) -> None:
        if block.verb != "skip":
            getattr(self, block.kind)(block)

    def text(self, block: fences.Block) -> None:
        """A drawing says nothing that could be checked."""

    def python(self, block: fences.Block) -> None:
        if block.file:
            file = self.cwd / block.file
            with file.open("a" if block.append else "w", encoding="utf-8") as stream:
                stream.write(block.text)
            self.command(f"{sys.executable} -W error {block.file}")
            return
        # The line feeds make tracebacks name the lines of the page.
        code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
        os.chdir(self.cwd)
        sys.stdout = io.TextIOWrapper(self.stdout, encoding="utf-8", write_through=True)
        try:
            exec(code, vars(self.module))
        finally:
            sys.stdout.detach()
            sys.stdout = sys.__stdout__

    def console(self, block: fences.Block) -> None:
        commands = commands_of(block)
        if block.verb == "server":
            [(command, _)] = commands
            self.serve(command)
            return
        for command, shown in commands:
            printed = self.command(command, fails=block.verb == "fails")
            self.bodies.append(printed)
            if shown and not is_like(shown, printed):
                raise Wrong(f"$ {command}\nprinted\n{printed}\nbut the page shows\n{shown}")

    def json(self, block: fences.Block) -> None:
        shown = json.loads(block.text)
        if "error" in shown and list(shown) != [name for name in ENVELOPE if name in shown]:
            raise Wrong(f"the members of the envelope are not in the order of the contract: {list(shown)}")
        if block.verb == "example":
            return
        until = time.monotonic() + (2 if self.server else 0)
        while not any(is_same(shown, seen) for seen in self.seen()):
            if time.monotonic() > until:
                seen = "\n".join(json.dumps(seen) for seen in self.seen())
                raise Wrong(f"nothing of the kind was printed or received. There was:\n{seen}")
            time.sleep(0.05)

    def seen(self) -> list[Any]:
        """Every JSON object that the page's code has printed or received so far."""
        texts = [self.stdout.getvalue().decode(), *self.bodies, *(log.read_text() for log in self.logs)]
        found = []
        for line in "\n".join(texts).splitlines():
            if line.startswith("{"):
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return found

    def command(self, command: str, *, fails: bool = False) -> str:
        """Run a shell command and keep its folder and its environment for the next one."""
        state = Path(self.env["DOCS_STATE"])
        script = f'set -a\n{command}\nrc=$?\npwd > "$DOCS_STATE/pwd"\nenv -0 > "$DOCS_STATE/env"\nexit $rc\n'
        done = subprocess.run(
            ["bash", "-c", script.replace(SERVER, self.address)],
            cwd=self.cwd,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if (done.returncode != 0) is not fails:
            raise Wrong(f"$ {command}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
        self.cwd = Path((state / "pwd").read_text().strip())
        self.env = dict(pair.split("=", 1) for pair in (state / "env").read_text().split("\0") if pair)
        printed = done.stdout + (done.stderr if fails else "")
        return printed.replace("\r\n", "\n").replace(self.address, SERVER)

    def serve(self, command: str) -> None:
        """Start a server on a free port; the page knows it as port 5000."""
        self.stop()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        log = Path(self.env["DOCS_STATE"]) / f"server-{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("wb") as stream:
            self.server = subprocess.Popen(
                ["bash", "-c", "exec " + command.replace(SERVER, self.address)],
                cwd=self.cwd,
                env={**self.env, "FLASK_RUN_PORT": str(port)},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.server.poll() is not None or time.monotonic() > until:
                    raise Wrong(f"$ {command}\ndid not serve:\n{log.read_text()}") from None
                time.sleep(0.05)

    def stop(self) -> None:
        if self.server is not None and self.server.poll() is None:
            os.killpg(self.server.pid, signal.SIGTERM)
            try:
                self.server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.server.pid, signal.SIGKILL)
                self.server.wait()
        self.server = None


def commands_of(block: fences.Block) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown for it."""
    commands: list[tuple[str, str]] = []
    continued = False
    for line in block.text.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], ""))
        elif not commands:
            raise Wrong(f"{line!r} comes before the first command")
        elif continued and line.startswith("> "):
            commands[-1] = (f"{commands[-1][0]}\n{line[2:]}", "")
        else:
            commands[-1] = (commands[-1][0], f"{commands[-1][1]}{line}\n")
        continued = not commands[-1][1] and line.endswith("\\")
    return commands


def is_like(shown: str, printed: str) -> bool:
    """Whether a text is what is shown, where `...` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split("..."))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def is_same(shown: Any, seen: Any) -> bool:
    """Whether a JSON value is what is shown: the members in the same order, `...` in texts for anything."""
    if isinstance(shown, dict) and isinstance(seen, dict):
        return list(shown) == list(seen) and all(is_same(shown[key], seen[key]) for key in shown)
    if isinstance(shown, list) and isinstance(seen, list):
        return len(shown) == len(seen) and all(map(is_same, shown, seen))
    if isinstance(shown, str) and isinstance(seen, str):
        return is_like(shown, seen)
    return type(shown) is type(seen) and bool(shown == seen)


def _record_bodies(page: Page) -> None:
    """Keep what the test client receives, so that the page may show it."""
    open_ = Client.open

    def recording(client: Client, *args: Any, **kwargs: Any) -> Any:
        response = open_(client, *args, **kwargs)
        if response.is_json:
            page.bodies.append(response.text)
        return response

    Client.open = recording  # type: ignore[method-assign]  # in this process only


def main(name: str, *kinds: str) -> int:
    page = Page(Path(name))
    sys.path.insert(0, str(page.cwd))
    state = page.cwd.parent / f"{page.cwd.name}-state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    page.env["DOCS_STATE"] = str(state)
    _record_bodies(page)
    try:
        for block in fences.blocks_of(page.path):
            if block.kind not in kinds:
                continue
            try:
                page.run(block)
            except BaseException as wrong:
                print(f"{page.path}:{block.line}: this {block.kind} block does not hold.", flush=True)
                if isinstance(wrong, Wrong):
                    print(wrong)
                    return 1
                raise
    finally:
        page.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
