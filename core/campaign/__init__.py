"""campaign: a declarative engine for test campaigns."""

__version__ = "0.1.0"
