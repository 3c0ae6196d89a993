"""Crashes SQLite in the middle of transactions and judges what is left.

``plugin`` is what campaign loads, ``writer`` the program that it runs, ``ledger`` what both know of the database.
"""
