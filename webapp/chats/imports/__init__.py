"""Chats from a file: read and held against what a chat can be, kept aside, and only then added."""
