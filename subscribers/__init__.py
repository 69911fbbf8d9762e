"""People, their consent, and the offer they chose from: digests, subscribers, tastes, rhythms, signup, preferences."""
