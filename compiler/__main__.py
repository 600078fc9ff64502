"""`python -m mai.compiler`: the command `mai`, for launchers that start it several times.

`accelerate launch -m mai.compiler train FILE`. The first process of each machine speaks; an error is the same in all.
"""

import os
import sys

from mai.runtime.cli import main

if __name__ == "__main__":
    if os.environ.get("LOCAL_RANK", "0") != "0" and not os.environ.get("MAI_TRACEBACK"):
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    main()
