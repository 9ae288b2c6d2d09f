"""Measurements that are run by hand; see README.md beside this file."""
