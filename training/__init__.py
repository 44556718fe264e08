"""How the shipped weights are made. Nothing here is needed to build or run the product."""
