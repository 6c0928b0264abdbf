"""Lesson 10: from final answers alone, does DPO find the wrong step?"""
