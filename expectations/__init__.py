"""The Great Expectations suites that gate intake and release."""
