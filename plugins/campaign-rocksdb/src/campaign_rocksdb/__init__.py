"""Crashes RocksDB while it is written, and judges what is left with RocksDB's own tools.

``plugin`` is what campaign loads, ``stress`` and ``verify`` the programs that it runs, ``history`` what all of them
know of the database.
"""
