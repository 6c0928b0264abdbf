"""dpoq_lab: the code of a course on "From r to Q*: Your Language Model is Secretly a Q-Function".

Reading order: token_mdp, soft_bellman, population_dpo (the exact theory); preferences, encoding, models,
losses, rewards, training (the real models); token_view, figures, explorers (what a class sees).
Importing the package loads none of its rooms; import what you need, e.g. `from dpoq_lab import losses`.
"""

__version__ = "0.1.0"
