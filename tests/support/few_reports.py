"""What the processes of a parallel run tell of a test: of three reports, those that somebody reads."""

from __future__ import annotations

import pytest
from _pytest.runner import runtestprotocol

from mai.runtime.command_line.frames import in_one_piece


class FewReports:
    """Sends of a test how it went, and of what is before and after it what did not pass.

    A message to the process that counts costs as much as a short test, and pytest-xdist sends five a test.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        for report in in_one_piece(runtestprotocol, item, log=False, nextitem=nextitem):
            if report.when == "call" or not report.passed:
                item.ihook.pytest_runtest_logreport(report=report)
        return True
