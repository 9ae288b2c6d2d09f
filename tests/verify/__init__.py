"""Tests of `recast verify`."""
