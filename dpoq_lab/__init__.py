"""dpoq_lab: the code of a course on "From r to Q*: Your Language Model is Secretly a Q-Function".

Reading order: preferences, encoding, models, losses, rewards, training, token_view, explorers.
Importing the package loads none of its rooms; import what you need, e.g. `from dpoq_lab import losses`.
"""

__version__ = "0.1.0"
