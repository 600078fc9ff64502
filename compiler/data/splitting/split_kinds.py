"""The splits that a spec may name."""

from mai.compiler.data.splitting.folds import Folds
from mai.compiler.data.splitting.splits import GroupSplit, RandomSplit, Split, StratifiedSplit, TimeSplit

SPLITS: dict[str, type[Split]] = {
    each.name: each for each in (RandomSplit, TimeSplit, GroupSplit, StratifiedSplit, Folds)
}
