"""A made-up academy trust worth believing: schools, pupils, registers and results written as the extracts a trust
would deliver."""
