"""Candidates beside the networks: forests, boosted trees and linear models per target, and the mean of all."""
