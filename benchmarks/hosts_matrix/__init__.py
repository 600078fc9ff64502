"""Every export of every example in every engine that is at hand: what `docs/hosts.md` says of them."""
