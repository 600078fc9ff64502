"""Cross-validation: `split = folds(5, fold = k)`. Every row is held out in one of the folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.fields import bad
from mai.compiler.data.random_streams import HOLD_OUT, permutation
from mai.compiler.data.splitting.splits import Parts, Split, parts_by_number
from mai.spec.settings import MANY, setting

if TYPE_CHECKING:
    from mai.runtime.arrays import Array


class Folds(Split):
    """The rows are dealt out to `count` folds, of which one is held out: the same folds whichever it is, and whatever the seed of a run.

    With `labels` each label is spread evenly, with `groups` the rows of a group are in one fold. The share `test` is set aside before, the
    same for all folds.
    """

    name: ClassVar[str] = "folds"
    count: int = setting(ge=2, le=10_000)
    fold: int = setting(default=0, ge=0)
    labels: str | None = None
    groups: str | None = None
    test: float = setting(default=0.0, ge=0, lt=1)
    seed: int = setting(default=0, ge=0, le=MANY)

    def misfit(self) -> str | None:
        if self.fold >= self.count:
            return f"has the folds 0 to {self.count - 1}, and no fold {self.fold}"
        if self.labels is not None and self.groups is not None:
            return "takes `labels` or `groups`, and not both"
        return super().misfit()

    @property
    def key(self) -> str | None:
        return self.labels or self.groups

    @property
    def shares(self) -> tuple[float, float]:
        return (1 - self.test) / self.count, self.test

    def parts(self, count: int, key: Array | None) -> Parts:
        import numpy as np

        kinds = np.zeros(count, np.int64) if key is None else np.unique(key, return_inverse=True)[1]
        units = kinds if self.groups is not None else np.arange(count)
        sizes = np.bincount(units)
        order = permutation(len(sizes), self.seed, HOLD_OUT).astype(np.int64)
        # Dealt out one after the other: rows label by label, groups by their size.
        order = order[np.argsort(-sizes[order] if self.groups is not None else kinds[order], kind="stable")]
        places = np.arange(len(order))
        is_test = np.floor((places + 1) * self.test) > np.floor(places * self.test)
        left = order[~is_test]
        if len(left) < self.count:
            what = "groups" if self.groups is not None else "rows"
            raise bad(f"`folds({self.count})` needs {self.count} {what} or more, here are {len(left)}")
        part_of_unit = np.zeros(len(sizes), np.int8)
        part_of_unit[left[self.fold :: self.count]] = 1
        part_of_unit[order[is_test]] = 2
        return parts_by_number(part_of_unit[units])
