"""The only room that knows SQL: tables, transactions, tasks, accounts and the ledger."""
