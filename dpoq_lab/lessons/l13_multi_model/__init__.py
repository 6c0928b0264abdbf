"""Lesson 13: a refiner and a generator, judged by the picture alone."""
