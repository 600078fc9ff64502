"""Do files compute what the language says? Random programs, each beside its meaning in plain numpy, one example at a time.

    python -m benchmarks.meanings                   # the first hundred
    python -m benchmarks.meanings --first 5000 --count 1000
    python -m benchmarks.meanings --show 17         # the text of one

What is said of each: `right`; `sensitive`, where roundings of the inputs alone move the result far; `refused`, with the words; or
`WRONG`, and then the exit code is 1.
"""

from __future__ import annotations

import argparse
from collections import Counter

from benchmarks.meanings.programs import program, tried
from mai.spec.diagnostics import MaiError

FAR, MANY = 2e-3, 3000  # Relative; and how many times as far as roundings of its inputs a file may be.


def outcome(seed: int) -> tuple[str, str]:
    """What is to be said of a program, in a word and in a sentence."""
    try:
        result = tried(program(seed), seed)
    except MaiError as refused:
        first = refused.diagnostics[0]
        return "refused", f"{first.slug}: {first.message}"
    if result.error <= FAR:
        return "right", ""
    what = f"{result.error:.1e} from its meaning, {result.moved:.1e} by roundings of its inputs"
    return ("sensitive" if result.error <= MANY * result.moved else "WRONG"), what


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--show", type=int, help="write the text of this seed's program, and end")
    arguments = parser.parse_args()
    if arguments.show is not None:
        print(program(arguments.show).text, end="")
        return
    counts: Counter[str] = Counter()
    for seed in range(arguments.first, arguments.first + arguments.count):
        word, what = outcome(seed)
        counts[word] += 1
        if word != "right":
            print(f"{seed} {word}: {what}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in counts.most_common()))
    if counts["WRONG"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
