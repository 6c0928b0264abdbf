"""One folder a lesson, and three things that lessons share: check, study, opening."""
