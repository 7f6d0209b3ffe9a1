"""What pages are made of: tables, figures, verdicts, pages."""
