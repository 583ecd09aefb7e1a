"""BERTRL (Zha et al., AAAI 2022): does a fact hold between entities that were never seen, judged by the paths there."""
