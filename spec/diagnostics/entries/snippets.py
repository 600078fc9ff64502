"""Small files around the one line that an example of the catalog is about."""


def net(line: str) -> str:
    """A net on [2] with one line of interest."""
    return f"net f(x: [2]) -> [2] {{\n  {line}\n  return x\n}}\n"


def entry(line: str) -> str:
    """An export on [2] with one line of interest."""
    return f"export f(x: [2]) -> [2] {{\n  {line}\n}}\n"


def claim(line: str) -> str:
    """A claim of a net with one line of interest."""
    head = "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n"
    block = "train(steps = 1) { minimize sum((f(x) - x)^2) }\n"
    return f"{head}{block}claim it_is_small {{\n  z ~ normal([2])\n  {line}\n}}\n"


def train(settings: str, line: str = "minimize sum(f(x)^2)") -> str:
    """A train block with its settings, or one line, of interest."""
    head = "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n"
    return f"{head}train({settings}) {{\n  {line}\n}}\n"
