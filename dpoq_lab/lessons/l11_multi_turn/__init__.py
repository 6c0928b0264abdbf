"""Lesson 11: does DPO on whole conversations learn to ask?"""
