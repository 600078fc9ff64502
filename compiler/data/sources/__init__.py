"""What a `data` line may name, a file a source: `moons.py` says what `moons(noise = 0.05)` takes and how it is read."""

from mai.compiler.data.source_kinds import Source
from mai.compiler.registry import Registry

SOURCES = Registry[Source]("mai.compiler.data.sources")
