"""What is labelled and what is asked for: session, oracle, starting set and strategies. No torch.

In: ids of the pool, the model's outputs on it. Out: ids to be labelled next, best first.
"""
