"""Progressive module replacing (BERT-of-Theseus): the switch, the schedules, the phases, the method."""
