"""The version of convzoo."""

VERSION = "0.1.0"
