"""Which examples a batch is made of, where they are not gone through in epochs: `train(sample = balanced(label))`.

As every order of examples, it is a function of the seed and the step alone.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.fields import bad
from mai.compiler.data.random_streams import SAMPLE, generator, permutation
from mai.compiler.ir.types import DType, Type
from mai.spec.settings import Settings

if TYPE_CHECKING:
    from mai.compiler.data.splitting.order import Order
    from mai.runtime.arrays import Array


class Sample(Settings):
    """How examples are chosen, by the values of one field."""

    field: str
    needs: ClassVar[str]

    @abstractmethod
    def fits(self, type_: Type) -> bool:
        """Whether a field of this type can be chosen by."""

    @abstractmethod
    def order(self, values: Array, seed: int) -> Order:
        """The numbers of the examples of a step, [size], given the step and the size.

        Args:
            values: the field for all examples that are trained on, [n].

        Raises:
            MaiError: nothing can be chosen by these values.
        """


class Balanced(Sample):
    """Every label is as frequent as any other: examples of rare ones come again more often."""

    name: ClassVar[str] = "balanced"
    needs: ClassVar[str] = "a field of labels, as in `class[3]`"

    def fits(self, type_: Type) -> bool:
        return type_.dtype is DType.INT and not type_.shape

    def order(self, values: Array, seed: int) -> Order:
        import numpy as np

        labels, of_row = np.unique(values, return_inverse=True)
        rows = np.split(np.argsort(of_row, kind="stable"), np.cumsum(np.bincount(of_row))[:-1])

        orders: dict[int, tuple[int, Array]] = {}

        def shuffled(label: int, epoch: int) -> Array:
            """The examples of a label in the order in which they come in an epoch of its own."""
            if orders.get(label, (-1,))[0] != epoch:
                orders[label] = epoch, rows[label][permutation(len(rows[label]), seed, SAMPLE, label, epoch)]
            return orders[label][1]

        def order(step: int, size: int) -> Array:
            """One label after the other, over and over, from one batch to the next."""
            places = np.arange(step * size, (step + 1) * size)
            numbers = np.empty(size, np.int64)
            for label in range(len(labels)):
                mine = places % len(labels) == label
                epochs, within = np.divmod(places[mine] // len(labels), len(rows[label]))
                numbers[mine] = [shuffled(label, e)[w] for e, w in zip(epochs.tolist(), within.tolist(), strict=True)]
            return numbers

        return order


class Weighted(Sample):
    """An example is drawn as often as its weight says, by chance and with others of its batch alike."""

    name: ClassVar[str] = "weighted"
    needs: ClassVar[str] = "a field of numbers, `[]`"

    def fits(self, type_: Type) -> bool:
        return type_.dtype is DType.REAL and not type_.shape

    def order(self, values: Array, seed: int) -> Order:
        import numpy as np

        weights = values.astype(np.float64)
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
            raise bad(f"`sample = weighted({self.field})` needs weights of 0 or more, and one above 0")
        ends = np.cumsum(weights)
        ends /= ends[-1]

        def order(step: int, size: int) -> Array:
            return np.searchsorted(ends, generator(seed, SAMPLE, step).random(size), side="right")

        return order


SAMPLES: dict[str, type[Sample]] = {each.name: each for each in (Balanced, Weighted)}
