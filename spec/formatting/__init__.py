"""A text in the one form that all specs have: the same words and comments, with other spaces and line ends."""

from mai.spec.formatting.lines import LIMIT, format_text

__all__ = ["LIMIT", "format_text"]
