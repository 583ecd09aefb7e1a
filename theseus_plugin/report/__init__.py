"""What a bench record says: a table, sentences, a recommendation, plots and a page."""
