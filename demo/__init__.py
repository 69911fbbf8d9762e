"""The demo publication: a fictional masthead with stories of our own, let in by the same door as a publisher's feed."""
