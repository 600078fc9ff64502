"""A folder of the repository as one file to download: a site of static files cannot show a folder."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

BEGIN = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can say: the same files give the same bytes


def archive(folder: Path) -> bytes:
    """A zip file of the folder, under its name, with what belongs to the repository."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in _files(folder):
            place = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", BEGIN)
            place.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(place, path.read_bytes())
    return packed.getvalue()


def _files(folder: Path) -> list[Path]:
    """Those that git knows: neither caches nor what a build has left."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=folder, capture_output=True, text=True, check=True).stdout
    return sorted(folder / name for name in listed.split("\0") if name)
