"""Taking over the tables of a service that runs: in place, step by step, and back again.

Our tables live in a schema of our own (`DATABASE_SCHEMA`). Those that another service has already stay where they are;
what stands in our schema under their name is an updatable view, which shows the rows that are ours in our shape. The
tables that our migrations made, empty, tell that shape. `docs/adoption.md` says why.
"""
