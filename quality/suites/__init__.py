"""The expectation suites, one module per layer, as code."""
