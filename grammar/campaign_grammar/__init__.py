"""The grammar of the campaign language, its version, and the tables made from it."""

VERSION = "1.0"
