"""From evidence to a verdict, purely: nothing here starts, reads or writes anything.

``classify.decide`` is the way in: it asks ``expectations`` over an ``observed`` attempt, and gives a failure its
``fingerprint``.  ``view`` writes down what people and other tools read of a run.
"""
