"""The command line: every verb parses, calls one function of the library and prints."""

from vp_science.cli.app import main as main
