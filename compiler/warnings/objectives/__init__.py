"""Warnings of what is minimized: losses, their signs, the distributions in them."""
