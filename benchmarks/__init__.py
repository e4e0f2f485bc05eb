"""The same work done by coilal, by its peers, by a plain script and by the least that bare torch needs."""
