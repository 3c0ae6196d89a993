"""Fingerprints: the same 16 digits for the same failure, wherever and whenever it shows.

``signature`` puts one together, ``masking`` takes out of a line what differs from run to run, ``excerpts`` finds what
an output says of the cause; one module for each format it can read.  Pure; only ``signature`` is needed to judge.
"""
