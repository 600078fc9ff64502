"""The recordings of the documentation: small films of the playground, as a person sees it.

python -m docs.site.record build/playground     needs Chromium, and what `make playground` installs; `make recordings` does all of it
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from PIL import Image

from tests.support.hosts import CHROMIUM, PLAYGROUND

OUT = Path(__file__).parents[1] / "recordings"
PICTURE = 180  # Milliseconds that one is seen.


class Files(SimpleHTTPRequestHandler):
    """The files of a folder, by the types that modules need."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *_: object) -> None: ...


def write_film(folder: Path, out: Path) -> None:
    """The pictures of a folder as one that moves; those that are equal are one that stays longer."""
    pictures: list[Image.Image] = []
    times: list[int] = []
    for path in sorted(folder.glob("*.png")):
        picture = Image.open(path).convert("RGB")
        if pictures and picture.tobytes() == pictures[-1].tobytes():
            times[-1] += PICTURE
        else:
            pictures.append(picture)
            times.append(PICTURE)
    first, *others = pictures
    first.save(out, save_all=True, append_images=others, duration=times, loop=0, quality=60, method=6)


def record(playground: Path) -> None:
    """Play all scenes on a playground that was built, and write what was seen."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(playground)))
    Thread(target=server.serve_forever, daemon=True).start()
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mai-") as folder:
        script = Path(__file__).with_name("record.mjs")
        address = f"http://127.0.0.1:{server.server_port}/"
        subprocess.run(["node", script, PLAYGROUND, str(CHROMIUM), address, folder], check=True)
        for scene in sorted(Path(folder).iterdir()):
            write_film(scene, OUT / f"{scene.name}.webp")
    server.shutdown()


if __name__ == "__main__":
    record(Path(sys.argv[1]))
