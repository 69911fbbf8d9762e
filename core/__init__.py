"""The ground everything stands on: time, database, addresses, tokens, links, languages. Imports nothing of ours."""
