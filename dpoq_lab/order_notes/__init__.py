"""Order notes: a language with known token rewards, and the recipe of its trained policies."""
