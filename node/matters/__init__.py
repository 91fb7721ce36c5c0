"""The matters that stand in the logs, for the desk and for the duties."""
