"""Clusters of database servers on loopback, and what memori promises on them, tried for real."""
