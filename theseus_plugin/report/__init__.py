"""What a bench record says: tables, findings, a recommendation, plots and a page."""
