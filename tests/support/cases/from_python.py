"""Specs whose data come from Python, and such data."""

from __future__ import annotations

import numpy as np

FLOW = """# Noise becomes points.
const width = 8
data x: [2] from python(points)
net velocity(x: [2], t: real) -> [2] { return linear(silu(linear(concat(x, [t]), width)), 2) }
train(steps = 4, batch = 16, seed = 3) {
  z ~ normal([2])
  t ~ uniform()
  minimize sum((velocity((1 - t) * z + t * x, t) - (x - z))^2)
}
export sample() -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using euler(4) { dx/ds = velocity(x, s) }
  return x
}
"""

PRICES = """data area: real, town: class[2], price: real from python(houses)
net f(area: real, town: class[2]) -> real { return linear(concat([area], embed(town, 2)), 1)[0] }
train(steps = 3, batch = 8) { minimize (f(area, town) - price)^2 }
export worth(area: real, town: class[2]) -> real { return f(area, town) }
"""

POINTS = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)

HOUSES = {"area": [1.0, 2.0, 3.0, 4.0] * 4, "town": ["Ulm", "Bonn"] * 8, "price": [3.0, 4.0, 5.0, 6.0] * 4}
