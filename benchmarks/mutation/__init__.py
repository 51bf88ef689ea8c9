"""Mutation testing of the modules that guard money, tasks and addresses: each small fault must fail a test."""
