"""Engines whose commits are savepoints: whatever works on one is rolled back.

All that is checked out of such an engine is one connection, and begin, commit and rollback are savepoints on it, in layers for
run, package, module, class and test. What can't be right on one connection is refused, by name. See docs/isolation.md.
"""
