"""Files of data sets: from a local folder, or downloaded once; checked by SHA-256 either way."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ...display.display import Display, Transfer
from ...errors import UserError
from ...files import sha256

#: Folder with data sets that are there already.
LOCAL = "POLYTASK_DATA"
#: Folder for downloaded ones.
CACHE = "POLYTASK_CACHE"
CHUNK = 1 << 18


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Attributes:
        name: Its path below the local folder or the cache.
        sha256: Of its content.
        url: Where it comes from.
    """

    name: str
    sha256: str
    url: str

    def path(self, display: Display | None = None) -> Path:
        """The file: from the folder that ``POLYTASK_DATA`` names, else from the cache, else downloaded to there.

        Raises:
            UserError: If a file is there and is another one, or it cannot be downloaded.
        """
        if self.is_local():
            return self._checked(Path(os.environ[LOCAL]) / self.name)
        cached = Path(os.environ.get(CACHE) or Path.home() / ".cache" / "polytask") / self.name
        if not cached.exists():
            with (display or Display()).download(self.name) as progress:
                download(self.url, cached, self.sha256, progress)
        return self._checked(cached)

    def is_local(self) -> bool:
        """Whether the folder that ``POLYTASK_DATA`` names has it."""
        local = os.environ.get(LOCAL)
        return bool(local) and (Path(str(local)) / self.name).exists()

    def _checked(self, path: Path) -> Path:
        found = sha256(path)
        if found != self.sha256:
            raise UserError(f"{path}: a different file than expected (SHA-256 {found}, not {self.sha256}); "
                            f"replace it by the one from {self.url}")  # fmt: skip
        return path


def download(url: str, path: Path, expected: str, progress: Transfer | None = None) -> None:
    """Fetch a file; one that was interrupted continues where it was, and only a right one gets the name.

    Args:
        url: Where it comes from.
        path: Where it goes; what is there so far has ``.part`` after the name.
        expected: SHA-256 of the content.
        progress: Told where it begins, and after every chunk.

    Raises:
        UserError: If it cannot be had, or is a different file than expected.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    remedy = f"download it yourself, put it at DATA/{path.parent.name}/{path.name}, and set {LOCAL}=DATA"
    try:
        _fetch(url, part, progress)
    except (urllib.error.URLError, OSError) as error:
        raise UserError(f"{url}: cannot be downloaded ({error}); try again to continue, or {remedy}") from None
    found = sha256(part)
    if found != expected:
        part.unlink()
        raise UserError(f"{url}: gives a different file than expected (SHA-256 {found}, not {expected}); {remedy}")
    part.replace(path)


def _fetch(url: str, part: Path, progress: Transfer | None) -> None:
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(
        url, headers={"User-Agent": "polytask"} | ({"Range": f"bytes={done}-"} if done else {})
    )
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:  # nothing is left to be had
            return
        raise
    with answer, part.open("ab" if answer.status == 206 else "wb") as stream:
        done = done if answer.status == 206 else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        tell = progress or (lambda done, total: None)
        tell(done, total)
        while chunk := answer.read(CHUNK):
            stream.write(chunk)
            done += len(chunk)
            tell(done, total)
        if total is not None and done < total:
            raise OSError(f"the download stopped after {done:,} of {total:,} bytes")
