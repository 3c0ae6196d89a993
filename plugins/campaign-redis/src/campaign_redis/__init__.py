"""Crashes and hangs Redis, has a watchdog repair it, and judges what is left.

``plugin`` is what campaign loads; ``server``, ``workload``, ``watchdog`` and ``repairs`` are the programs that it runs.
"""
