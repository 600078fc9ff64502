"""How often a run tells its figures, and looks at the held-out examples."""

from __future__ import annotations

from mai.spec.record import record

REPORTS, VALIDATIONS = 100, 10


@record
class Cadence:
    """Of a run of so many steps; held-out examples are looked at every `evaluate` of them, or ten times."""

    steps: int
    evaluate: int | None

    def is_reported(self, step: int) -> bool:
        """Whether figures are printed after so many steps."""
        every = max(1, self.steps // REPORTS)
        return step % every == 0 or step == self.steps or self._is_asked_for(step)

    def _is_asked_for(self, step: int) -> bool:
        return self.evaluate is not None and step % self.evaluate == 0

    def is_evaluated(self, step: int) -> bool:
        """Whether the held-out examples are looked at after so many steps."""
        if self.evaluate is not None:
            return self._is_asked_for(step) or step == self.steps
        return step % max(1, self.steps // VALIDATIONS) < max(1, self.steps // REPORTS) or step == self.steps
