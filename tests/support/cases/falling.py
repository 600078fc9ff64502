"""A body that falls until it hits the ground: a sampler whose time of the end is a result."""

from __future__ import annotations

HEAD = "export {name}(height: [], steps: int = {steps}) -> ([], []) "
BODY = """{
  h = height
  v = 0.0
  integrate t in 0..10 using rk4(steps) {
    dh/dt = v
    dv/dt = -9.81
  } until h < 0 as hit
  return (h, hit)
}
"""


def falling(name: str, steps: int) -> str:
    """An export of this name, with so many steps by default."""
    return HEAD.format(name=name, steps=steps) + BODY
