"""The shim that setuptools documents for tools that still ask for a setup.py; pyproject.toml has the metadata."""

from setuptools import setup

setup()
