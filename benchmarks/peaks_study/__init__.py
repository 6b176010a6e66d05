"""The study of convergence over sets: data, methods, runs and report."""
