"""`python -m mai` is the `mai` command."""

from mai.runtime.cli import main

if __name__ == "__main__":
    main()
