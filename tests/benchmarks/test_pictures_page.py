"""The page of pictures has each kind, and they are small; one that is drawn anew is the one that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pictures import ALL, ROOT, Picture

PAGE = ROOT / "docs" / "pictures.md"
MOST_BYTES = 1_500_000


def test_the_page_shows_every_picture() -> None:
    text = PAGE.read_text(encoding="utf-8")
    files = {f"pictures/{picture.__name__}.png" for _, picture in ALL}
    assert all(f"]({file})" in text for file in files)
    assert {f"pictures/{path.name}" for path in (PAGE.parent / "pictures").iterdir()} == files
    assert sum((PAGE.parent / file).stat().st_size for file in files) < MOST_BYTES


@pytest.mark.parametrize("picture", [p for _, p in ALL if p.__name__ in ("quantiles", "a_map", "a_forecast")])
def test_a_picture_is_drawn(picture: Picture, tmp_path: Path) -> None:
    """Widths of intervals that differ by roundings alone are no error."""
    from PIL import Image

    picture(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as new, Image.open(PAGE.parent / "pictures" / f"{picture.__name__}.png") as old:
        assert new.size == old.size and new.convert("L").getextrema()[0] < 100
