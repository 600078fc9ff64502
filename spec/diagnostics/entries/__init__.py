"""The catalog's entries, by the stage that tells them."""
