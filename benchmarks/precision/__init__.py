"""What precision costs: other queries and another AULC, with real weights."""
