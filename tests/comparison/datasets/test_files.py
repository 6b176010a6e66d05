"""Downloads against a local server: whole, interrupted, wrong, and from a local folder."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from polytask.comparison.datasets import tox21, with_dataset
from polytask.comparison.datasets.files import DataFile, download
from polytask.display.terminal import Terminal
from polytask.errors import UserError

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Gives CONTENT; may break off, and may not know ranges."""

    ranges = True
    break_after: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        if self.path != "/data.bin":
            self.send_error(404)
            return
        if start >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.break_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_a_whole_file_with_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    download(server.url, tmp_path / "a" / "data.bin", DIGEST, lambda *state: seen.append(state))
    assert (tmp_path / "a" / "data.bin").read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT)) and seen[-1] == (len(CONTENT), len(CONTENT)) and seen == sorted(seen)


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_one_goes_on(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.break_after, server.ranges = 500_000, ranges
    path = tmp_path / "data.bin"
    with pytest.raises(UserError, match="try again to continue"):
        download(server.url, path, DIGEST)
    assert not path.exists() and (tmp_path / "data.bin.part").stat().st_size == 500_000
    server.break_after = None
    download(server.url, path, DIGEST)
    assert path.read_bytes() == CONTENT and not (tmp_path / "data.bin.part").exists()
    assert server.asked == [None, "bytes=500000-"]


def test_all_there_but_the_name(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    download(server.url, tmp_path / "data.bin", DIGEST)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_another_file_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a different file than expected"):
        download(server.url, tmp_path / "data.bin", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_no_such_file_states_what_to_do(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"404.*POLYTASK_DATA"):
        download(server.url + "x", tmp_path / "data.bin", DIGEST)


def test_a_local_folder_comes_first(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYTASK_DATA", str(tmp_path / "local"))
    monkeypatch.setenv("POLYTASK_CACHE", str(tmp_path / "cache"))
    file = DataFile("set/data.bin", DIGEST, server.url)
    assert file.path() == tmp_path / "cache" / "set" / "data.bin"
    assert file.path() == tmp_path / "cache" / "set" / "data.bin" and len(server.asked) == 1
    (tmp_path / "local" / "set").mkdir(parents=True)
    (tmp_path / "local" / "set" / "data.bin").write_bytes(CONTENT)
    assert file.path() == tmp_path / "local" / "set" / "data.bin"
    (tmp_path / "local" / "set" / "data.bin").write_bytes(b"else")
    with pytest.raises(UserError, match="a different file than expected"):
        file.path()


def test_the_command_line_shows_a_download_and_where_it_goes_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POLYTASK_DATA", raising=False)
    monkeypatch.setenv("POLYTASK_CACHE", str(tmp_path))
    monkeypatch.setattr(tox21, "FILE", DataFile("set/data.bin", DIGEST, server.url))
    terminal, screen = Terminal(), StringIO()
    terminal.notes = Console(file=screen, force_terminal=True, width=100)
    server.break_after = 500_000
    with pytest.raises(UserError, match="try again to continue"):
        with_dataset({"dataset": "tox21"}, tmp_path, terminal)
    assert "downloaded" not in screen.getvalue()
    server.break_after = None
    assert with_dataset({"dataset": "tox21"}, tmp_path, terminal)["data"] == str(tmp_path / "set" / "data.bin")
    said = screen.getvalue()
    assert "set/data.bin: continues after 500.0 kB of 1.0 MB" in said
    assert "1.0/1.0 MB" in said and "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in said  # the bar
    assert "downloaded set/data.bin, 1.0 MB" in said


def test_without_a_terminal_lines_are_enough(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("POLYTASK_DATA", raising=False)
    monkeypatch.setenv("POLYTASK_CACHE", str(tmp_path))
    DataFile("set/data.bin", DIGEST, server.url).path(Terminal())
    assert capsys.readouterr().err == "downloaded set/data.bin, 1.0 MB\n"
    (tmp_path / "set" / "data.bin").unlink()
    DataFile("set/data.bin", DIGEST, server.url).path(Terminal(quiet=True))
    assert capsys.readouterr().err == ""
