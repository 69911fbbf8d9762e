"""The chaos proof: a scripted relay, disturbances by a seed, and a checker that knows nothing of the product."""
