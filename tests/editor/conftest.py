"""What the tests of the editor share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.language_client import LanguageClient


@pytest.fixture(scope="package")
def client() -> Iterator[LanguageClient]:
    """A server that runs, and who speaks to it."""
    with LanguageClient() as client:
        yield client
