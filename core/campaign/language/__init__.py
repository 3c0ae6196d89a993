"""The language: text to a checked tree; every pass is a module."""
