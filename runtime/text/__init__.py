"""Text: tokens, prompts, generation token by token."""
