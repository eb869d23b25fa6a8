"""The queue of runs, the worker that executes them, and the command line."""
