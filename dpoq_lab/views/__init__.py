"""What people see: figures, tables, tokens, trees, widgets, the report. State in, picture out."""
