"""Training of the LaMa generator that ships as lama-small."""
