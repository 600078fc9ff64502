"""Conversations: messages become a prompt by a template, and an answer ends where the file and the caller say."""
