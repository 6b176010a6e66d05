"""Kinds whose targets only arrays hold."""
