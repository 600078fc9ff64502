"""Do files compute what the language says? Random programs, each beside its meaning in plain numpy, one example at a time.

    python -m benchmarks.meanings                   # the first hundred
    python -m benchmarks.meanings --first 5000 --count 1000
    python -m benchmarks.meanings --losses          # the loss in torch, and its derivatives, in the place of the file
    python -m benchmarks.meanings --show 17         # the text of one

What is said of each: `right`; `sensitive`, where roundings of the inputs alone move the result far; `unknown`,
where the meaning has numbers beyond single precision or, of a loss, too many derivatives one of another; `refused`, with the words; or
`WRONG`, and then the exit code is 1.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable

from benchmarks.meanings.losses import differentiated
from benchmarks.meanings.programs import Outcome, Program, program, tried
from mai.spec.diagnostics import MaiError

Trial = Callable[[Program, int], Outcome]


def outcome(seed: int, trial: Trial = tried) -> tuple[str, str]:
    """What is to be said of a program, in a word and in a sentence."""
    try:
        result = trial(program(seed), seed)
    except MaiError as refused:
        first = refused.diagnostics[0]
        return "refused", f"{first.slug}: {first.message}"
    return result.word, f"{result.error:.1e} from its meaning, {result.moved:.1e} by roundings of its inputs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--show", type=int, help="write the text of this seed's program, and end")
    parser.add_argument("--losses", action="store_true", help="the training side, by torch")
    arguments = parser.parse_args()
    if arguments.show is not None:
        shown = program(arguments.show)
        print(shown.loss if arguments.losses else shown.text, end="")
        return
    trial = differentiated if arguments.losses else tried
    counts: Counter[str] = Counter()
    for seed in range(arguments.first, arguments.first + arguments.count):
        word, what = outcome(seed, trial)
        counts[word] += 1
        if word not in ("right", "unknown"):
            print(f"{seed} {word}: {what}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in counts.most_common()))
    if counts["WRONG"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
